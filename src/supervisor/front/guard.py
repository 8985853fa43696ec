"""What a request to the supervisor's HTTP server may look like, and what every answer tells browsers.

Any web page can point a name of its own at a loopback address, or send requests there blindly. So all but the metrics
is answered under the names of this machine only, and never to another site's page: a browser says in Sec-Fetch-Site and
Origin where a request comes from, and cannot send JSON elsewhere without asking first, which nobody here allows. What
is no browser sends neither header.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})  # a rebound page carries its own host name
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/metrics"})  # Prometheus may come from elsewhere
LINKED_PATHS = frozenset({"/"})  # a link may lead there; all else is closed, for a route has many spellings
OWN_PAGE = frozenset({"same-origin", "none"})  # "none": a person typed the address
ANSWER_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request is not served, as its answer."""

    status: int
    code: str
    message: str

    def body(self) -> bytes:
        return msgspec.json.encode({"error": {"type": "forbidden", "message": self.message, "code": self.code}})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules look at; header names in lower case, the last of a name counts."""

    method: str
    path: str
    headers: dict[str, str]


def rejection(asked: Asked, hosts: Iterable[str]) -> Rejection | None:
    """None: it may pass. `hosts` are names that are answered beside the loopback ones; "*" is any."""
    if asked.path in OPEN_PATHS:
        return None
    host = asked.headers.get("host", "")
    if not _served(host, hosts):
        return Rejection(
            403, "host_not_allowed", f"the Host {host[:80]!r} is not served: add its name to security.allowed_hosts"
        )
    if asked.path not in LINKED_PATHS and not _from_own_page(asked.headers, host):
        return Rejection(403, "origin_not_allowed", "pages of other sites may not use this server")
    if asked.method not in SAFE_METHODS and not _is_json(asked.headers):
        return Rejection(415, "not_json", f"{asked.method} needs `Content-Type: application/json`")
    return None


def hostname(netloc: str) -> str:
    """The name in `localhost:9180`, `127.0.0.1` or `[::1]:9180`, in lower case; empty when it is none."""
    try:
        parts = urlsplit(f"//{netloc}")
        _ = parts.port  # refuses what is no number
    except ValueError:
        return ""
    strange = parts.username is not None or parts.path or parts.query or parts.fragment
    return "" if strange else (parts.hostname or "").rstrip(".")


def _served(host: str, hosts: Iterable[str]) -> bool:
    name = hostname(host)
    names = {each.lower().strip("[]") for each in hosts}
    return bool(name) and (name in LOOPBACK_NAMES or "*" in names or name in names)


def _from_own_page(headers: dict[str, str], host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in OWN_PAGE:
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == host


def _is_json(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


class Guarded:
    """An ASGI application behind these rules."""

    def __init__(self, app: Any, hosts: Iterable[str]) -> None:
        self._app, self._hosts = app, tuple(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = rejection(Asked(scope["method"], scope["path"], headers), self._hosts)
        telling = _telling(send)
        if refused is None:
            await self._app(scope, receive, telling)
            return
        start = [(b"content-type", b"application/json")]
        await telling({"type": "http.response.start", "status": refused.status, "headers": start})
        await telling({"type": "http.response.body", "body": refused.body()})


def _telling(send: Any) -> Any:
    """`send` that adds ANSWER_HEADERS."""

    async def telling(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *ANSWER_HEADERS]}
        await send(message)

    return telling
