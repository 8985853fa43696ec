"""One run of a hook's command, with real processes: whatever it does, it is over in time and nothing is left of it."""

import asyncio
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from disposable.processes import is_alive
from disposable.waiting import until

from supervisor.hooks import run as hook_run
from supervisor.hooks.run import OUTPUT_LIMIT_BYTES, Command, Outcome, Ran, run

LONG_S = 60.0
TOLD = b'{"event":"warned"}\n'


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_run, "KILL_AFTER_S", 0.2)


def command(folder: Path, script: str, timeout_s: float = LONG_S) -> Command:
    return Command(["/bin/sh", "-c", script], {**os.environ, "WORD": "yes"}, folder, timeout_s)


async def ran(folder: Path, script: str, timeout_s: float = LONG_S, told: bytes = TOLD) -> Ran:
    return await run(command(folder, script, timeout_s), told)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def pids(folder: Path, *names: str) -> list[int]:
    """That the processes wrote into files of these names."""
    return [int(until(partial(_text, folder / name), name)) for name in names]


async def test_it_gets_what_it_is_told_and_what_is_around_it(folder: Path) -> None:
    """stdin to its end, environment, folder; what it says is kept."""
    assert await ran(folder, 'cat; echo "$WORD in $PWD"; echo err >&2') == Ran(
        Outcome.SUCCEEDED, "", f"{TOLD.decode()}yes in {folder.resolve()}\nerr\n"
    )


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first; echo 'no route to host'; exit 3", "it exited with code 3: no route to host"),
        ("exit 1", "it exited with code 1"),
        (r"printf 'no \033[31mroute\007\000\377\n\000\n'; exit 1", "it exited with code 1: no [31mroute\ufffd"),
        ("kill -SEGV $$", "it was killed by SIGSEGV"),
    ],
)
async def test_a_failure_is_told_with_its_last_words(folder: Path, script: str, reason: str) -> None:
    """By code or signal."""
    result = await ran(folder, script)
    assert (result.outcome, result.reason) == (Outcome.FAILED, reason)


async def test_what_cannot_be_started_is_told(folder: Path) -> None:
    """No such program, no right to run it, no folder."""
    text = folder / "text"
    text.write_text("x")
    for argv in (["/nowhere/notify"], [str(text)], [str(folder)]):
        result = await run(Command(argv, os.environ, folder, LONG_S), TOLD)
        assert result.outcome is Outcome.NOT_STARTED
        assert result.reason.startswith(f"{argv[0]} cannot be started: ")
    missing = await run(Command(["true"], os.environ, folder / "missing", LONG_S), TOLD)
    assert missing.outcome is Outcome.NOT_STARTED


@pytest.mark.parametrize(
    "script", ["sleep 100", "trap '' TERM; sleep 100 & wait; sleep 100"], ids=["plain", "stubborn"]
)
async def test_what_takes_too_long_is_ended_with_all_it_started(folder: Path, script: str) -> None:
    """Also when it does not heed SIGTERM."""
    began = time.monotonic()
    result = await ran(folder, f"sleep 100 & echo $! >child; echo $$ >pid; {script}", timeout_s=0.3)
    assert (result.outcome, time.monotonic() - began < 5) == (Outcome.TIMED_OUT, True)
    assert result.reason == "it was not done within 0.3 s (timeout_s), and was ended"
    for pid in pids(folder, "pid", "child"):
        until(lambda pid=pid: not is_alive(pid), "it is gone")  # type: ignore[misc]


async def test_what_it_leaves_behind_is_ended(folder: Path) -> None:
    """It succeeded all the same, and its open output does not hold up the next run."""
    began = time.monotonic()
    result = await ran(folder, "sleep 100 & echo $! >child; echo done")
    assert (result, time.monotonic() - began < 5) == (Ran(Outcome.SUCCEEDED, "", "done\n"), True)
    (child,) = pids(folder, "child")
    until(lambda: not is_alive(child), "the child is gone")


async def test_a_job_in_a_session_of_its_own_goes_on(folder: Path) -> None:
    """It holds all that it inherited open, which does not hold up the next run."""
    job = "import os, time; os.setsid(); print(os.getpid(), file=open('job', 'w'), flush=True); time.sleep(100)"
    began = time.monotonic()
    result = await ran(folder, f'"{sys.executable}" -c "{job}" & until test -s job; do sleep 0.01; done; echo done')
    (pid,) = pids(folder, "job")
    try:
        assert (result, time.monotonic() - began < 5) == (Ran(Outcome.SUCCEEDED, "", "done\n"), True)
        assert is_alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_a_flood_of_output_ends_it(folder: Path) -> None:
    """At once; what is kept is bounded."""
    began = time.monotonic()
    result = await ran(folder, "exec yes")
    assert (result.outcome, len(result.output)) == (Outcome.FAILED, OUTPUT_LIMIT_BYTES)
    assert result.reason.startswith(f"it wrote more than {OUTPUT_LIMIT_BYTES} bytes, and was ended")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("script", ["sleep 0.2", "exec 0<&-; sleep 0.2", "head -c 5 >/dev/null; sleep 0.2"])
async def test_a_command_need_not_read(folder: Path, script: str) -> None:
    """However much it is told."""
    assert await ran(folder, script, told=b"x" * 1_000_000) == Ran(Outcome.SUCCEEDED)


async def test_bytes_that_are_no_text_are_kept_as_well_as_can_be(folder: Path) -> None:
    """A command may say anything."""
    assert (await ran(folder, r"printf 'a\377b'")).output == "a\ufffdb"


async def test_a_cancelled_run_ends_its_command_first(folder: Path) -> None:
    """Nothing is left when the supervisor goes."""
    task = asyncio.create_task(ran(folder, "trap '' TERM; echo $$ >pid; sleep 100; sleep 100"))
    (pid,) = await asyncio.to_thread(pids, folder, "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)


async def test_a_run_that_is_cancelled_while_it_is_ended_ends_its_command_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time between SIGTERM and SIGKILL is no time in which it could get away."""
    monkeypatch.setattr(hook_run, "KILL_AFTER_S", LONG_S)
    script = "trap 'echo $$ >told' TERM; while true; do sleep 0.05; done"
    task = asyncio.create_task(ran(folder, script, timeout_s=0.3))
    (pid,) = await asyncio.to_thread(pids, folder, "told")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)


async def test_no_descriptor_is_left(folder: Path) -> None:
    """Whatever became of the runs."""
    if sys.platform != "linux":
        pytest.skip("descriptors are counted in /proc")
    await ran(folder, "true")
    before = len([*Path("/proc/self/fd").iterdir()])
    for script in ("true", "exit 1", "exec yes", "sleep 100"):
        await ran(folder, script, timeout_s=0.1)
    await run(Command(["/nowhere/notify"], os.environ, folder, LONG_S), TOLD)
    await asyncio.sleep(0)
    assert len([*Path("/proc/self/fd").iterdir()]) == before
