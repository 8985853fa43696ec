"""Steady chat traffic: closed-loop clients on keep-alive connections, of which every one is strict.

A client sends its next request only after the answer to the one before. It never retries, and never looks whether its
connection still stands: it uses it again exactly when the answer before allowed that. Whatever is not a whole, correct
answer counts as failed, with its reason.

    async with Traffic("http://127.0.0.1:8080", clients=8) as traffic:
        ...
    print(traffic.report())
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import h11
from loadtest import judge
from loadtest.judge import Answer, Failed

PROMPTS = ("What is a rollback?", "Count to 20.", "Hello!")
FAILURES_KEPT = 20
READ_BYTES = 65536
PERCENTILE = 0.95


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that failed: `at_s` counts from the start of the traffic."""

    at_s: float
    prompt: str
    stream: bool
    reason: str
    color: str = ""  # whose answer had begun; empty when none had


@dataclass(frozen=True, slots=True)
class Sample:
    """When one request was sent and when its answer, or its failure, was complete: monotonic seconds."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Report:
    """What the clients saw so far.

    `failed` of `sent` failed, `streams` of `sent` were streams. Of the failed ones, `plain_failed` were no streams,
    `cut` are streams that had begun, and `refused` did not even get a connection.
    """

    sent: int
    failed: int
    streams: int
    cut: int
    plain_failed: int
    refused: int
    slowest_s: float
    p50_s: float
    p95_s: float
    seconds: float
    by_color: Mapping[str, int]
    cut_by_color: Mapping[str, int]  # whose streams they were
    failures: tuple[Failure, ...]  # the first FAILURES_KEPT


class Connection:
    """One client's connection: opened when needed, closed when the answer said so or anything went wrong."""

    def __init__(self, host: str, port: int, key: str = "") -> None:
        self._host, self._port = host, port
        self._authorization = [("Authorization", f"Bearer {key}")] if key else []
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._http = h11.Connection(h11.CLIENT)
        self.answering: str | None = None  # by which colour, once the head of a good answer came

    async def post(self, path: str, body: bytes) -> tuple[h11.Response, bytes]:
        """Send a request and read its answer. Raises OSError or h11.RemoteProtocolError when there is no whole one."""
        self.answering = None
        await self._send(path, body)
        response, parts = None, []
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            match event:
                case h11.Response():
                    response = event
                    self.answering = _headers(event).get("x-modelsvc-color", "") if event.status_code == 200 else None
                case h11.Data():
                    parts.append(bytes(event.data))
                case h11.ConnectionClosed():
                    raise ConnectionError("the connection was closed before the answer")
        assert response is not None
        await self._next()
        return response, b"".join(parts)

    async def close(self) -> None:
        """At once: there is nothing left to send."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        self._http = h11.Connection(h11.CLIENT)

    async def _send(self, path: str, body: bytes) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        headers = [
            ("Host", f"{self._host}:{self._port}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *self._authorization,
        ]
        request = h11.Request(method="POST", target=path, headers=headers)
        whole = (request, h11.Data(data=body), h11.EndOfMessage())
        self._streams[1].write(b"".join(self._http.send(event) or b"" for event in whole))
        await self._streams[1].drain()

    async def _event(self) -> h11.Event:
        assert self._streams is not None
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._streams[0].read(READ_BYTES))
        assert not isinstance(event, type), f"the connection is {event}"
        return event

    async def _next(self) -> None:
        """Keep the connection if both sides may go on with it."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self.close()


@dataclass
class _Tally:
    """Counts of all clients."""

    began: float = 0.0
    sent: int = 0
    streams: int = 0
    failed: int = 0
    plain_failed: int = 0
    refused: int = 0
    samples: list[Sample] = field(default_factory=list)
    by_color: Counter[str] = field(default_factory=Counter)
    cut_by_color: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def failure(self, prompt: str, stream: bool, answering: str | None, error: Exception) -> None:
        self.failed += 1
        self.plain_failed += not stream
        self.refused += isinstance(error, ConnectionRefusedError)
        if stream and answering is not None:
            self.cut_by_color[answering] += 1
        if len(self.failures) < FAILURES_KEPT:
            reason = str(error) if isinstance(error, Failed) else repr(error)
            at_s = round(time.monotonic() - self.began, 3)
            self.failures.append(Failure(at_s, prompt, stream, reason, answering or ""))

    def report(self) -> Report:
        ordered = sorted(sample.seconds for sample in self.samples) or [0.0]
        return Report(
            sent=self.sent,
            failed=self.failed,
            streams=self.streams,
            cut=self.cut_by_color.total(),
            plain_failed=self.plain_failed,
            refused=self.refused,
            slowest_s=ordered[-1],
            p50_s=ordered[len(ordered) // 2],
            p95_s=ordered[int(PERCENTILE * (len(ordered) - 1))],
            seconds=time.monotonic() - self.began,
            by_color=dict(self.by_color),
            cut_by_color=dict(self.cut_by_color),
            failures=tuple(self.failures),
        )


class Traffic:
    """`clients` that ask `url` until stopped, `stream_share` of their requests as streams.

    Between an answer and the next request a client pauses for `think_s`; a request may take `timeout_s`. `key` is for a
    service that demands one.
    """

    def __init__(
        self,
        url: str,
        clients: int = 8,
        stream_share: float = 0.5,
        *,
        think_s: float = 0.02,
        timeout_s: float = 60.0,
        prompts: Sequence[str] = PROMPTS,
        max_tokens: int = 64,
        key: str = "",
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._clients, self._stream_share = clients, stream_share
        self._think_s, self._timeout_s = think_s, timeout_s
        self._prompts, self._max_tokens, self._key = tuple(prompts), max_tokens, key
        self._tally = _Tally()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; the clients start one after the other within one think time."""
        self._tally.began = time.monotonic()
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]

    async def stop(self) -> Report:
        """Let each client finish its request, which takes `timeout_s` at most; the final report."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        return self.report()

    def report(self) -> Report:
        """The report so far."""
        return self._tally.report()

    def samples(self) -> tuple[Sample, ...]:
        """Every request so far that is over, in the order of their ends."""
        return tuple(self._tally.samples)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _client(self, number: int) -> None:
        connection = Connection(self._host, self._port, self._key)
        await self._pause(self._think_s * number / self._clients)
        turn = number
        while not self._stopping.is_set():
            await self._turn(connection, turn)
            turn += 1
            await self._pause(self._think_s)
        await connection.close()

    async def _turn(self, connection: Connection, turn: int) -> None:
        tally, prompt = self._tally, self._prompts[turn % len(self._prompts)]
        stream = int((turn + 1) * self._stream_share) > int(turn * self._stream_share)
        tally.sent += 1
        tally.streams += stream
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask(connection, prompt, stream)
        except Exception as error:  # whatever it is, the client got no answer: that is what is counted here
            await connection.close()
            tally.failure(prompt, stream, connection.answering, error)
        else:
            tally.by_color[answer.color] += 1
        tally.samples.append(Sample(began, time.monotonic()))

    async def _ask(self, connection: Connection, prompt: str, stream: bool) -> Answer:
        asked = {"message": prompt, "temperature": 0, "max_tokens": self._max_tokens, "stream": stream}
        response, body = await connection.post("/chat", json.dumps(asked).encode())
        reply = judge.Reply(response.status_code, _headers(response), body)
        return judge.stream(reply) if stream else judge.plain(reply)

    async def _pause(self, seconds: float) -> None:
        if seconds and not self._stopping.is_set():
            await asyncio.sleep(seconds)


def _headers(response: h11.Response) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in response.headers}
