"""Talking to the edge as any HTTP client does: plain answers and server-sent events.

Every failure leaves as an EdgeFailure, whose `type` decides the exit code.
"""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click
import msgspec

from modelsvc.cli.daemon import daemon_socket
from supervisor.client import ControlClient
from supervisor.errors import InvalidRequest, SupervisorError
from supervisor.paths import edge_listen, find_config
from supervisor.protocol import ErrorType

EXAMPLE = "127.0.0.1:8080"
LOOKUP_S = 2.0
KEY_ENV = "MODELSVC_API_KEY"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)

key_option = click.option(
    "--key", envvar=KEY_ENV, metavar="KEY", help=f"An API key, when the service demands one; else ${KEY_ENV}."
)

_TYPES: dict[int, ErrorType] = {
    HTTPStatus.REQUEST_TIMEOUT: "timed_out",
    HTTPStatus.TOO_MANY_REQUESTS: "refused",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "timed_out",
}


class EdgeFailure(SupervisorError):
    """The edge, or the worker behind it, did not do what was asked."""

    def __init__(self, message: str, kind: ErrorType, code: str) -> None:
        super().__init__(message, code=code)
        self.type = kind


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event."""

    name: str
    data: Any


def edge_url(given: str | None) -> SplitResult:
    """The edge to talk to: `--url`, else where the running service says it listens, else where it would.

    nginx serves on while the supervisor is down. Raises ConfigError when the configuration cannot tell: what listens on
    the default address may be a stranger, who would get the prompt.
    """
    text = given or f"http://{listen_address(_listening())}"
    url = web_address(text)
    if url is None:
        raise InvalidRequest(f"{text!r} is no address of the service: write it as http://{EXAMPLE}")
    return url


def web_address(text: str) -> SplitResult | None:
    """None for what is no address of a web server."""
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return None
    return url if usable else None


def listen_address(listen: str) -> str:
    """Where a client reaches `[edge] listen`: every interface includes the loopback one."""
    host, _, port = listen.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("", "*", "0.0.0.0", "[::]") else listen


def _listening() -> str:
    try:
        return ControlClient(daemon_socket(), LOOKUP_S).status().edge.listen
    except SupervisorError as error:
        if error.type not in ("unavailable", "timed_out"):
            raise
        return edge_listen(find_config())


class Edge:
    """The service at `url`. Every wait for its next bytes is bounded by `timeout_s`."""

    def __init__(self, url: SplitResult, timeout_s: float, key: str | None = None) -> None:
        if key and not (key.isascii() and key.isprintable()):
            raise InvalidRequest(f"--key or ${KEY_ENV} is no API key: copy what `modelsvc keys add` printed")
        self._authorization = {"Authorization": f"Bearer {key}"} if key else {}
        secure = url.scheme == "https"
        connection = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._http = connection(url.hostname or "", url.port, timeout=timeout_s)
        self._root = url.path.rstrip("/")
        self.where = f"{url.scheme}://{url.netloc}{self._root}"

    def ask(self, method: str, path: str, body: object = None) -> http.client.HTTPResponse:
        """Send a request; return the answer, whatever its status."""
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", "Connection": "close", **self._authorization}
        with self._translated(f"nothing answers at {self.where}: is `modelsvc up` running?", "unavailable"):
            self._http.request(method, self._root + path, content, headers)
            return self._http.getresponse()

    def read(self, response: http.client.HTTPResponse) -> bytes:
        with self._translated(f"{self.where} broke its answer off", "failed"):
            return response.read()

    def json(self, response: http.client.HTTPResponse) -> Any:
        """The body of an answer, or the failure it tells."""
        body = self.read(response)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise failure(response.status, body)
        return self._decode(body)

    def events(self, response: http.client.HTTPResponse) -> Iterator[ServerEvent]:
        """The server-sent events of an answer."""
        name = "message"
        with self._translated(f"{self.where} broke its answer off", "failed"):
            for line in response:
                field, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data":
                    yield ServerEvent(name, self._decode(value.encode()))

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def _translated(self, broken: str, kind: ErrorType) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise EdgeFailure(f"{self.where} did not answer in time", "timed_out", "timed_out") from error
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise EdgeFailure(broken, kind, "unreachable" if kind == "unavailable" else "broken_answer") from error

    def _decode(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body)
        except UNREADABLE as error:
            raise EdgeFailure(f"{self.where} answered no JSON: {error}", "failed", "bad_answer") from error


def failure(status: int, body: bytes) -> EdgeFailure:
    """The failure that an answer of 400 or more tells; nginx's own pages tell it by their status alone."""
    told = _told(body)
    reason = f"HTTP {status} {http.client.responses.get(status, '')}".rstrip()
    return EdgeFailure(str(told.get("message") or reason), _type_of(status), str(told.get("code") or f"http_{status}"))


def _type_of(status: int) -> ErrorType:
    if status in _TYPES:
        return _TYPES[status]
    return "failed" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"


def _told(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}
