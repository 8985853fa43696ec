"""Pulling from a web server: what came is kept, and gone on from, across broken connections and dead pulls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

import httpx

from modelsvc import __version__
from modelsvc.store import addresses, answers, environment
from modelsvc.store.disk import check_room
from modelsvc.store.entry import Origin
from modelsvc.store.events import Progress, Retrying, Tell
from modelsvc.store.partial import Partial
from modelsvc.store.patience import CONNECT_S, Patience
from modelsvc.store.remote import MAGIC, Remote
from supervisor.errors import BadModel, DeadlineExceeded, DownloadError, InvalidRequest, Refused, SupervisorError

REDIRECTS = 10
ROOM_CHECKED_BYTES = 16 * 2**20  # where the server does not tell how much there will be


@dataclass(frozen=True, slots=True)
class Failed:
    """A try that brought nothing, or not all; `asked_s`: the server said when to come again."""

    reason: str
    asked_s: float | None = None
    stalled: bool = False


@dataclass(frozen=True, slots=True)
class WebTransfer:
    """`origin` is of an entry that was pulled from the same source; `pinned`: the caller knows the sum."""

    remote: Remote
    patience: Patience
    tell: Tell
    origin: Origin | None = None
    pinned: bool = False

    def run(self, partial: Partial) -> bool:
        """Bring all bytes into `partial`; False when the file is the one of `origin`.

        Raises NotFound, Refused, DownloadError, DeadlineExceeded (the server stalls), StorageError.
        """
        failed = 0
        with self._client() as client:
            while partial.have_bytes != partial.notes.size_bytes:
                before = partial.have_bytes
                outcome = self._try(client, partial)
                if not isinstance(outcome, Failed):
                    return outcome
                failed = 1 if partial.have_bytes > before else failed + 1
                self._pause(outcome, failed, partial)
        return True

    def _pause(self, outcome: Failed, failed: int, partial: Partial) -> None:
        pause_s = self.patience.pause_s(failed, outcome.asked_s)
        if pause_s is None:
            raise _given_up(outcome, failed, partial)
        self.tell(Retrying(reason=outcome.reason, wait_s=pause_s))
        time.sleep(pause_s)

    def _try(self, client: httpx.Client, partial: Partial) -> bool | Failed:
        if partial.have_bytes and not partial.is_of_use:
            partial.begin_anew(partial.notes)
        have = partial.have_bytes
        headers = {**self.remote.headers, **answers.request_headers(partial.notes, have, self.origin)}
        try:
            with _translated(partial.notes.source), client.stream("GET", self.remote.url, headers=headers) as response:
                return self._take(response, partial)
        except httpx.TimeoutException:
            return Failed(f"the server sent nothing for {self.patience.stall_s:g} s", stalled=True)
        except httpx.TransportError as error:
            return Failed(f"the connection broke off ({error})")

    def _take(self, response: httpx.Response, partial: Partial) -> bool | Failed:
        verdict = answers.judge(response.status_code, response.headers, partial.notes, partial.have_bytes)
        match verdict:
            case answers.Write():
                return self._write(verdict, response, partial)
            case answers.Complete():
                return True
            case answers.Unchanged():
                unasked = Failed("the server answered 304, though it was not asked whether the file changed")
                return unasked if self.origin is None or partial.have_bytes else False
            case answers.Anew():
                partial.begin_anew(partial.notes)
                return Failed("the server does not go on with the same file")
            case answers.Later():
                return Failed(verdict.reason, verdict.asked_s)
            case _:
                assert_never(verdict)

    def _write(self, verdict: answers.Write, response: httpx.Response, partial: Partial) -> bool | Failed:
        if verdict.offset == 0:
            partial.begin_anew(verdict.notes)
        else:
            partial.note(verdict.notes)
        size = partial.notes.size_bytes
        check_room(partial.folder, (size or 0) - partial.have_bytes)
        with partial.appending() as sink:
            for chunk in _from_gguf(partial, response):
                sink.write(chunk)
                self.tell(Progress(bytes=sink.size_bytes, size_bytes=size))
                if size is None and sink.size_bytes % ROOM_CHECKED_BYTES < len(chunk):
                    check_room(partial.folder, 0)
        return size in (None, partial.have_bytes) or Failed("the server sent a part of the rest, not all of it")

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self.patience.stall_s, connect=min(CONNECT_S, self.patience.stall_s))
        checks = {"request": [lambda request: addresses.check(self.remote.url, str(request.url), self.pinned)]}
        agent = {"User-Agent": f"modelsvc/{__version__}"}
        try:
            return httpx.Client(
                timeout=timeout, follow_redirects=True, max_redirects=REDIRECTS, event_hooks=checks, headers=agent
            )
        except (ValueError, ImportError, OSError) as error:
            raise environment.unusable(error) from error


def _given_up(outcome: Failed, failed: int, partial: Partial) -> SupervisorError:
    when = f"{failed} times without anything new: try again later"
    if outcome.asked_s and failed == 1:
        when = f"and asks to come again after {outcome.asked_s:g} s: try then"
    kept = f"; {partial.have_bytes:,} bytes are kept, and the same command goes on from there"
    message = f"{partial.notes.source}: {outcome.reason}, {when}{kept if partial.is_of_use else ''}"
    return DeadlineExceeded(message, code="stalled") if outcome.stalled else DownloadError(message)


def _from_gguf(partial: Partial, response: httpx.Response) -> Iterator[bytes]:
    """The body's chunks. Raises BadModel at once when a file does not begin as it must."""
    head = b"" if not partial.have_bytes else MAGIC
    for chunk in response.iter_raw():
        head += chunk[: len(MAGIC) - len(head)]
        if not MAGIC.startswith(head):
            raise _not_gguf(partial.notes.source, chunk, response.headers)
        yield chunk


def _not_gguf(source: str, chunk: bytes, headers: httpx.Headers) -> BadModel:
    seen = f"{source} is not a GGUF file, it begins with {chunk[:16]!r}"
    if headers.get("content-type", "").partition(";")[0] == "text/html":
        seen += ": it is a web page; give the address of the file itself"
    elif coding := headers.get("content-encoding"):
        seen += f": the server sends it compressed ({coding}), though the bytes themselves were asked for"
    return BadModel(seen, code="model_not_gguf")


@contextmanager
def _translated(source: str) -> Iterator[None]:
    """What would be the same at the next try."""
    try:
        yield
    except httpx.TooManyRedirects as error:
        raise DownloadError(f"{source} redirects more than {REDIRECTS} times: check the address") from error
    except httpx.ConnectError as error:
        if (problem := environment.distrust(error)) is None:
            raise
        raise Refused(
            f"{source}: nobody vouches for the server ({problem.verify_message}): check the address, or name your own"
            " authority's certificates in SSL_CERT_FILE",
            code="untrusted_server",
        ) from error
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"{source} is no address: {error}", code="bad_source") from error
