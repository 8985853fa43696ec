"""Who may ask: the API keys and the supervisor's own, read anew whenever their files change."""

import hmac
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from modelsvc import keyfile
from modelsvc.keyfile import BadKeys, Digests, digest
from modelsvc.worker.errors import BadKeyFile, HttpError
from modelsvc.worker.logs import log

SUPERVISOR = ":supervisor"  # no key of the file can have this name
OPEN_PATHS = frozenset({"/healthz", "/ready"})  # load balancers have no key
# On the worker's own port, which is on loopback, Prometheus and the operator need none; through the edge they do.
OPEN_DIRECTLY = frozenset({"/metrics", "/health/deep", "/openapi.json"})
_HOW = "send `Authorization: Bearer KEY` with a key that `modelsvc keys add NAME` made"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """None: everyone may ask."""

    api: Path | None = None
    probe: Path | None = None


class Keys:
    """Raises BadKeyFile when a file cannot be used at first; one that breaks later keeps the last good keys."""

    def __init__(self, files: KeyFiles = KeyFiles()) -> None:
        try:
            self._api = _Watched(files.api, keyfile.read) if files.api else None
            self._probe = _Watched(files.probe, _read_probe) if files.probe else None
        except BadKeys as error:
            raise BadKeyFile(str(error)) from error

    def admit(self, path: str, forwarded: bool, authorization: list[str]) -> str | None:
        """The name of the key, or None where none is needed. Raises HttpError (401)."""
        if self._api is None:
            return None
        caller = self._caller(authorization)
        if caller is None and path not in OPEN_PATHS and (forwarded or path not in OPEN_DIRECTLY):
            if not authorization:
                raise HttpError(401, "no_api_key", f"an API key is needed: {_HOW}")
            raise HttpError(401, "wrong_api_key", f"this Authorization is not known: {_HOW}")
        return caller

    def _caller(self, authorization: list[str]) -> str | None:
        if len(authorization) != 1:
            return None
        scheme, _, key = authorization[0].partition(" ")
        if scheme.lower() != "bearer":
            return None
        return find(digest(key.strip()), self._known())

    def _known(self) -> Iterable[tuple[str, str]]:
        watched = [source for source in (self._api, self._probe) if source]
        return [pair for source in watched for pair in source.current().items()]


def find(presented: str, known: Iterable[tuple[str, str]]) -> str | None:
    """The name that goes with a digest. Every one is compared, in constant time, so that time tells nothing."""
    found = None
    for name, its in known:
        if hmac.compare_digest(its, presented):
            found = name
    return found


def _read_probe(path: Path) -> Digests:
    return {SUPERVISOR: digest(keyfile.read_private(path).strip())}


class _Watched:
    """A file's keys. Looking costs one `stat` a request, and adding or revoking a key needs no deployment."""

    def __init__(self, path: Path, read: Callable[[Path], Digests]) -> None:
        self._path, self._read = path, read
        self._seen = _stamp(path)
        self._keys = read(path)

    def current(self) -> Digests:
        stamp = _stamp(self._path)
        if stamp != self._seen:
            self._seen = stamp
            self._reread()
        return self._keys

    def _reread(self) -> None:
        try:
            self._keys = self._read(self._path)
            log.warning("keys_changed", file=str(self._path), names=sorted(self._keys))
        except BadKeys as error:
            kept = "the last good keys stay in force until the file is mended"
            log.error("keys_unusable", file=str(self._path), reason=str(error), kept=kept, names=sorted(self._keys))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Changes whenever content or rights do."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the price of Path.stat, for each request
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
