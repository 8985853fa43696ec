"""One run of a hook's command: bounded in time and in output, with nothing left of it.

The command runs in a session of its own. Its end is awaited for `timeout_s`; then, or when it writes too much, or when
the run is cancelled: TERM to the group, one deadline, KILL to the group. What the command leaves in its group when it
ends by itself is killed, too.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from supervisor.formats import signal_name
from supervisor.processes import signal_group

OUTPUT_LIMIT_BYTES = 16_384
KILL_AFTER_S = 1.0
LAST_WORDS_S = 0.2  # for what is still in the pipe; a process that left the group may hold that open
SHOWN = 200  # characters of the output in a reason


class Outcome(StrEnum):
    """What became of an event, as hooks' runs are counted."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    NOT_STARTED = "not_started"
    DROPPED = "dropped"  # too many waited before it


@dataclass(frozen=True, slots=True)
class Ran:
    """`output` is what it wrote to stdout and stderr, up to OUTPUT_LIMIT_BYTES; `reason` is empty when it succeeded."""

    outcome: Outcome
    reason: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, and how."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    timeout_s: float


class _Output(asyncio.Protocol):
    """A pipe that is read no further than the limit."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.written = bytearray()
        self.flooded: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.ReadTransport | None = None

    async def open(self) -> int:
        """The end to write to, which is the caller's."""
        reading, writing = os.pipe()
        await asyncio.get_running_loop().connect_read_pipe(lambda: self, os.fdopen(reading, "rb", 0))
        return writing

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.ReadTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        room = OUTPUT_LIMIT_BYTES - len(self.written)
        self.written += data[:room]
        if len(data) > room and self._transport and not self.flooded.done():
            self._transport.pause_reading()
            self.flooded.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def run(command: Command, told: bytes) -> Ran:
    """Run it with `told` on its stdin. Raises nothing; when cancelled it ends the command first."""
    output = _Output()
    try:
        process = await _start(command, output)
    except (OSError, ValueError) as error:
        return Ran(Outcome.NOT_STARTED, f"{command.argv[0]} cannot be started: {error}")
    else:
        outcome, reason = await _watched(command, process, output, told)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(output.over), LAST_WORDS_S)
        text = output.written.decode(errors="replace")
        return Ran(outcome, _with_last_words(reason, text), text)
    finally:
        output.close()


async def _start(command: Command, output: _Output) -> asyncio.subprocess.Process:
    writing = await output.open()
    try:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            env=command.environment,
            cwd=command.folder,
        )
    finally:
        os.close(writing)


async def _watched(
    command: Command, process: asyncio.subprocess.Process, output: _Output, told: bytes
) -> tuple[Outcome, str]:
    """Until it is over, one way or the other."""
    ended = asyncio.ensure_future(process.wait())
    either: set[asyncio.Future[Any]] = {ended, output.flooded}
    try:
        if process.stdin:
            process.stdin.write(told)
            process.stdin.close()  # once it is written; a command need not read it
        await asyncio.wait(either, timeout=command.timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        by_itself = ended.done()
        await _end(process, ended)
    if output.flooded.done():
        return Outcome.FAILED, f"it wrote more than {OUTPUT_LIMIT_BYTES} bytes, and was ended"
    if not by_itself:
        return Outcome.TIMED_OUT, f"it was not done within {command.timeout_s:g} s (timeout_s), and was ended"
    return _verdict(ended.result())


async def _end(process: asyncio.subprocess.Process, ended: "asyncio.Future[int]") -> None:
    try:
        if not ended.done():
            signal_group(process.pid, signal.SIGTERM)
            await asyncio.wait({ended}, timeout=KILL_AFTER_S)
    finally:  # also when the run is cancelled just now
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait({ended})


def _verdict(code: int) -> tuple[Outcome, str]:
    if code == 0:
        return Outcome.SUCCEEDED, ""
    return Outcome.FAILED, f"it was killed by {signal_name(-code)}" if code < 0 else f"it exited with code {code}"


def _with_last_words(reason: str, output: str) -> str:
    lines = [line for each in output.splitlines() if (line := _printable(each))]
    return f"{reason}: {lines[-1][:SHOWN]}" if reason and lines else reason


def _printable(line: str) -> str:
    """Without what a terminal would obey: reasons are shown to people."""
    return "".join(letter for letter in line if letter.isprintable()).strip()
