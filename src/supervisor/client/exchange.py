"""One request to the daemon and its answer, over the Unix socket.

    SupervisorError
    ├── Unreachable     unavailable   no daemon answers on the socket
    ├── TimedOut        timed_out     the caller's patience ended; what was asked may still happen
    ├── StreamBroken    failed        the daemon went away before it said how the operation ended
    ├── BadAnswer       failed        bytes that are no answer of this version's protocol
    └── DaemonError     as told       the daemon's own error, as it sent it

Built on the standard library's HTTP client: importing a better one costs more than `ctl status` may take.
"""

import http.client
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from supervisor.errors import SupervisorError
from supervisor.protocol import (
    API_PREFIX,
    Accepted,
    ErrorBody,
    ErrorReply,
    ErrorType,
    Finished,
    Progress,
    StepChanged,
    StreamEvent,
    decode_event,
)

Reply = TypeVar("Reply")
Events = Generator[StreamEvent, None, None]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class Unreachable(SupervisorError):
    """No daemon answers on the socket."""

    type: ErrorType = "unavailable"
    code = "unreachable"


class TimedOut(SupervisorError):
    """The caller's patience ended."""

    type: ErrorType = "timed_out"
    code = "timed_out"


class StreamBroken(SupervisorError):
    """The daemon went away before it said how the operation ended."""

    code = "stream_broken"


class BadAnswer(SupervisorError):
    """Bytes that are no answer of this version's protocol."""

    code = "bad_answer"


class DaemonError(SupervisorError):
    """The daemon's own error."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(body.message, code=body.code)
        self.type = body.type


class Exchange:
    """One request and its answer. Every failure of the transport leaves as a SupervisorError."""

    def __init__(self, path: Path, connect_s: float, patience_s: float | None) -> None:
        self._path = path
        self._patience_s = patience_s or connect_s
        self._prompt_s = connect_s
        self._deadline = None if patience_s is None else time.monotonic() + patience_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(connect_s)
        self._http = http.client.HTTPConnection("localhost")
        self._http.sock = self._socket

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, promptly: bool = False
    ) -> http.client.HTTPResponse:
        """Send the request; return the answer of a daemon that accepts it.

        `promptly`: the answer begins at once, whatever comes in it later, so that only a daemon that hangs is silent.
        """
        self._connect()
        headers = {"Content-Type": "application/json"} if body else {}
        with self._translated("before it answered"):
            self._limit(self._prompt_s if promptly else None)
            self._http.request(method, API_PREFIX + path, body, {**headers, "Connection": "close"})
            response = self._http.getresponse()
        if response.status >= 400:
            raise DaemonError(self._error_of(response))
        return response

    def read(self, response: http.client.HTTPResponse, kind: type[Reply]) -> Reply:
        with self._translated("in the middle of its answer"):
            body = response.read()
        return _decode(body, kind)

    def events(self, response: http.client.HTTPResponse) -> Events:
        """The stream's events; the last one is Finished, or an exception says why there is none."""
        place = "before the first step"
        try:
            while True:
                with self._translated(place):
                    self._limit()
                    line = response.readline()
                if not line:
                    raise _broken(place)
                event = _event(line)
                yield event
                if isinstance(event, Finished):
                    return
                place = _place(event, place)
        finally:
            response.close()
            self.close()

    def lines(self, response: http.client.HTTPResponse, silence_s: float) -> Generator[bytes, None, None]:
        """Line by line, until the daemon ends the answer, is gone, or says nothing for `silence_s`."""
        try:
            self._socket.settimeout(silence_s)
            while line := response.readline():
                yield line
        except (OSError, http.client.HTTPException):
            return  # however a connection ends
        finally:
            response.close()
            self.close()

    def close(self) -> None:
        self._http.close()
        self._socket.close()

    def _connect(self) -> None:
        try:
            self._socket.connect(str(self._path))
        except OSError as error:
            raise Unreachable(_no_daemon(self._path, error)) from error

    def _limit(self, at_most_s: float | None = None) -> None:
        """Let the next read wait for what is left of the patience."""
        left = None if self._deadline is None else self._deadline - time.monotonic()
        limit = min((bound for bound in (left, at_most_s) if bound is not None), default=None)
        if limit is not None and limit <= 0:
            raise TimeoutError
        self._socket.settimeout(limit)

    @contextmanager
    def _translated(self, place: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise TimedOut(
                f"no answer from the daemon on {self._path} within {self._patience_s:g} s ({place}); it may still do"
                " what was asked: see `modelsvc ctl status`"
            ) from error
        except (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionError) as error:
            raise _broken(place) from error
        except http.client.HTTPException as error:
            raise bad_answer(repr(error)) from error

    def _error_of(self, response: http.client.HTTPResponse) -> ErrorBody:
        return self.read(response, ErrorReply).error


def _no_daemon(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return f"the control socket {path} belongs to another user ({reason}): ask as the one who ran `modelsvc up`"
    return f"no daemon answers on {path} ({reason}): start it with `modelsvc up`"


def _event(line: bytes) -> StreamEvent:
    try:
        return decode_event(line)
    except UNREADABLE:
        if not line.startswith(b'{"error"'):
            raise bad_answer(_excerpt(line)) from None
        raise DaemonError(_decode(line, ErrorReply).error) from None


def _decode(body: bytes, kind: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise bad_answer(f"{error}; it began with {_excerpt(body)}") from error


def _place(event: StreamEvent, before: str) -> str:
    match event:
        case StepChanged(step=step):
            return f"during step {step.number} ({step.title})"
        case Progress(number=number):
            return before if f"step {number} " in before else f"during step {number}"
        case Accepted() | Finished():
            return before


def _broken(place: str) -> StreamBroken:
    return StreamBroken(f"the daemon went away {place}: ask `modelsvc ctl status` what became of it")


def bad_answer(detail: str) -> BadAnswer:
    return BadAnswer(
        f"the daemon's answer cannot be read ({detail}): are `modelsvc` and the daemon the same version?"
        " `modelsvc ctl shutdown` and `modelsvc up` put that right"
    )


def _excerpt(body: bytes) -> str:
    return repr(body[:60].decode(errors="replace"))
