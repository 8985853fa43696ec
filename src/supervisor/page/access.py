"""Who may do what on the status page.

| `metrics_listen` | without API keys | with API keys |
|---|---|---|
| loopback | look, chat, read logs | look; with a key also chat, logs, deploy |
| beyond | nothing | nothing; with a key everything |
"""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import structlog

from modelsvc import keyfile
from modelsvc.keyfile import BadKeys, Digests, Watched, bearer, find
from supervisor.config import Config, split_listen
from supervisor.page.errors import NeedsKey, NotServed
from supervisor.protocol.base import Struct

log = structlog.get_logger()

HOW = "make one with `modelsvc keys add NAME`"
NO_KEYS = (
    "Read-only: no API keys are configured. To deploy from here, set security.api_keys_file and give the page a key."
)
BEYOND = (
    "control.metrics_listen is beyond this machine and there are no API keys, so only /metrics is served: set"
    " security.api_keys_file, or listen on 127.0.0.1"
)


class Allowed(Struct, frozen=True):
    """What whoever asks may do, and if not all, why."""

    keys: bool  # whether there are keys at all
    key: str | None  # the name of theirs
    chat: bool
    logs: bool
    operate: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """`keys` is None where none are configured."""

    keys: Watched | None
    beyond: bool  # listens beyond this machine

    def allowed(self, authorization: list[str]) -> Allowed:
        name = self._name(authorization)
        if self.keys is None:
            return Allowed(keys=False, key=None, chat=not self.beyond, logs=not self.beyond, operate=False, why=NO_KEYS)
        may = name is not None
        why = "" if may else f"Chat, logs and deployments need an API key: {HOW}"
        return Allowed(keys=True, key=name, chat=may, logs=may, operate=may, why=why)

    def check_look(self, authorization: list[str]) -> None:
        """Raises NotServed, NeedsKey."""
        if self.beyond:
            self.check_served()
            self._check_key(authorization)

    def check_private(self, authorization: list[str]) -> None:
        """For conversations and logs. Raises NotServed, NeedsKey."""
        self.check_served()
        if self.keys is not None:
            self._check_key(authorization)

    def check_operate(self, authorization: list[str]) -> None:
        """Raises NotServed, NeedsKey."""
        self.check_served()
        if self.keys is None:
            raise NotServed(NO_KEYS, "read_only")
        self._check_key(authorization)

    def check_served(self) -> None:
        """Raises NotServed when the page is closed to everybody."""
        if self.beyond and self.keys is None:
            raise NotServed(BEYOND)

    def _check_key(self, authorization: list[str]) -> None:
        if self._name(authorization) is None:
            told = "this key is not known" if authorization else "an API key is needed"
            raise NeedsKey(f"{told}: {HOW}", "wrong_api_key" if authorization else "no_api_key")

    def _name(self, authorization: list[str]) -> str | None:
        presented = bearer(authorization)
        return None if self.keys is None or presented is None else find(presented, self.keys.current().items())


def access_of(config: Config) -> Access:
    """By the configuration, which was checked to name a good file. Raises BadKeys when it no longer is one."""
    beyond = not ip_address(split_listen(config.control.metrics_listen)[0]).is_loopback
    path = config.security.api_keys_file
    return Access(Watched(Path(path), keyfile.read, unusable=_unusable) if path else None, beyond)


def _unusable(error: BadKeys, kept: Digests) -> None:
    log.error("page_keys_unusable", reason=str(error), names=sorted(kept))
