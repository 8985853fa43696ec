"""What the service manager is told, with the sd_notify protocol: ready, what is going on, still alive, about to end.

launchd has no such protocol, nor has a terminal: then nothing is sent.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Self

import structlog

from supervisor.core.state import State
from supervisor.manager.status_line import is_ending, status_text

SOCKET_ENV, WATCHDOG_ENV, WATCHDOG_PID_ENV = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
LOOK_INTERVAL_S = 1.0
LOOKS_PER_WATCHDOG = 4
EXTENSION_US = 30_000_000  # from each look on, while it ends

log = structlog.get_logger()
Told = dict[str, str]


@dataclass(slots=True)
class Notifier:
    """To be made once, early: it takes the manager's variables out of the environment, for children have other ones.

    `address` is empty when nobody wants to be told. A watchdog of `watchdog_s` ends a supervisor that does not say in
    time that its event loop turns; None: there is none.
    """

    address: str = ""
    watchdog_s: float | None = None
    _ready: bool = False
    _told: Told = field(default_factory=dict)
    _refusal: str = ""  # why the last message did not arrive

    @classmethod
    def take(cls, environ: MutableMapping[str, str] = os.environ) -> Self:
        """As the manager said. A variable that is wrong counts as not set, as the protocol's own library has it."""
        address = environ.pop(SOCKET_ENV, "")
        usec, pid = environ.pop(WATCHDOG_ENV, ""), environ.pop(WATCHDOG_PID_ENV, "")
        watched = usec.isdecimal() and int(usec) > 0 and pid in ("", str(os.getpid()))
        return cls(address, int(usec) / 1e6 if watched else None)

    @property
    def interval_s(self) -> float:
        """Between two looks."""
        return min(LOOK_INTERVAL_S, (self.watchdog_s or LOOK_INTERVAL_S * LOOKS_PER_WATCHDOG) / LOOKS_PER_WATCHDOG)

    def ready(self) -> None:
        """Whoever waits for the start can go on: from here on the service can be asked, and holds requests."""
        self._ready = True
        self._send({"READY": "1"})

    def failed(self, reason: str) -> None:
        """The supervisor is about to end by an error: what the manager shows of it where it keeps no words."""
        self._send({"STATUS": " ".join(reason.split())})

    async def run(self, state: Callable[[], State]) -> None:
        """Tell what there is to tell, until cancelled: then for the last time."""
        try:
            while self.address:
                self.look(state())
                await asyncio.sleep(self.interval_s)
        finally:
            self.look(state())

    def look(self, state: State) -> None:
        """What is news since the last look, and what has to be said each time."""
        now = {"STATUS": status_text(state), **({"STOPPING": "1"} if is_ending(state) else {})}
        news = {name: value for name, value in now.items() if self._told.get(name) != value}
        self._told |= now
        always = {"WATCHDOG": "1"} if self.watchdog_s else {}
        patience = {"EXTEND_TIMEOUT_USEC": str(EXTENSION_US)} if is_ending(state) or not self._ready else {}
        self._send(news | always | patience)

    def _send(self, fields: Mapping[str, str]) -> None:
        """A manager that does not listen is no reason not to serve."""
        if not self.address or not fields:
            return
        # A leading @ means Linux' abstract namespace, whose names begin with NUL.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        refusal = ""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.encode(), address)
            except OSError as error:
                refusal = str(error)
        if refusal and refusal != self._refusal:  # once: there is a look every second
            log.warning("manager_not_told", socket=self.address, reason=refusal)
        self._refusal = refusal
