"""What a request's headers may be. Pure.

Host and Origin: against web pages that reach for local servers, by DNS rebinding or by cross-site posts. Loopback names
always pass: a rebound page carries its own host name. Whether a page may read the answer is the edge's to say (CORS).
"""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from modelsvc.worker.errors import HttpError, shown

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_HEADERS = 80  # the HTTP library's own limit is 100, and its answer has no body
MAX_HEADER_BYTES = 32 * 1024  # as much as the edge lets through

Headers = Iterable[tuple[bytes, bytes]]


def first(headers: Headers, name: bytes) -> str | None:
    return next(iter(every(headers, name)), None)


def every(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def check_size(headers: Sequence[tuple[bytes, bytes]]) -> None:
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        found = f"{len(headers)} headers of {size} bytes"
        limit = f"at most {MAX_HEADERS} of {MAX_HEADER_BYTES} bytes together"
        raise HttpError(431, "headers_too_large", f"the request has {found}: send {limit}")


def check_host(host: str | None, allowed: Sequence[str]) -> None:
    if host is None or not _allowed(f"//{host}", allowed):
        told = "a request without Host" if host is None else f"the Host {shown(host)}"
        raise HttpError(403, "host_not_allowed", f"{told} is not served: add the name to security.allowed_hosts")


def check_origin(origin: str | None, hosts: Sequence[str], origins: Sequence[str]) -> None:
    """Pages of our own hosts pass, whatever their port, and those of the origins that are named, or of all with "*"."""
    if origin is None or origin in origins or "*" in origins or _allowed(origin, hosts):
        return
    told = f"pages of other sites, as {shown(origin)} is, may not use this server"
    raise HttpError(403, "origin_not_allowed", f"{told}: add it to security.allowed_origins if they should")


def _allowed(url: str, allowed: Sequence[str]) -> bool:
    try:
        name = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in LOOPBACK or "*" in allowed or name in {host.lower().strip("[]") for host in allowed}
