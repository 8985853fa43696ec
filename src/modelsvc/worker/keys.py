"""Who may ask: the API keys and the supervisor's own, read anew whenever their files change."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from modelsvc import keyfile
from modelsvc.keyfile import BadKeys, Digests, Watched, bearer, digest, find
from modelsvc.worker.errors import BadKeyFile, HttpError
from modelsvc.worker.logs import log

SUPERVISOR = ":supervisor"  # no key of the file can have this name
OPEN_PATHS = frozenset({"/healthz", "/ready", "/health", "/v1/health"})  # load balancers have no key
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
            self._api = _watched(files.api, keyfile.read) if files.api else None
            self._probe = _watched(files.probe, _read_probe) if files.probe else None
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
        presented = bearer(authorization)
        return None if presented is None else find(presented, self._known())

    def _known(self) -> Iterable[tuple[str, str]]:
        watched = [source for source in (self._api, self._probe) if source]
        return [pair for source in watched for pair in source.current().items()]


def _read_probe(path: Path) -> Digests:
    return {SUPERVISOR: digest(keyfile.read_private(path).strip())}


def _watched(path: Path, read: Callable[[Path], Digests]) -> Watched:
    """Adding or revoking a key needs no deployment; what happens to the file is told in the log."""

    def changed(keys: Digests) -> None:
        log.warning("keys_changed", file=str(path), names=sorted(keys))

    def unusable(error: BadKeys, kept: Digests) -> None:
        told = "the last good keys stay in force until the file is mended"
        log.error("keys_unusable", file=str(path), reason=str(error), kept=told, names=sorted(kept))

    return Watched(path, read, changed, unusable)
