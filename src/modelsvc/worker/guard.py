"""Against web pages that reach for local servers: by DNS rebinding (Host) or by cross-site posts (Origin). Pure.

Loopback names always pass: a rebound page carries its own host name.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from modelsvc.worker.errors import HttpError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_host(host: str | None, allowed: Sequence[str]) -> None:
    if host is None or not _allowed(f"//{host}", allowed):
        raise HttpError(403, "host_not_allowed", "this Host is not served: add it to security.allowed_hosts")


def check_origin(origin: str | None, allowed: Sequence[str]) -> None:
    if origin is not None and not _allowed(origin, allowed):
        raise HttpError(403, "origin_not_allowed", "pages of other sites may not use this server")


def _allowed(url: str, allowed: Sequence[str]) -> bool:
    try:
        name = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    return name in LOOPBACK or "*" in allowed or name in {host.lower().strip("[]") for host in allowed}
