"""What a service manager can be asked, whichever it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from modelsvc.service.files import File
from modelsvc.service.installation import Installation, Recorded
from modelsvc.service.words import Words
from supervisor.paths import StatePaths

ManagerName = Literal["systemd", "launchd"]


@dataclass(frozen=True, slots=True)
class Running:
    """How the manager sees the service. `loaded`: it holds the clients' socket. `pid` is None when it does not run."""

    loaded: bool = False
    enabled: bool = False
    pid: int | None = None


class Manager(Protocol):
    """For one service, by its name.

    What starts the supervisor returns when the manager has seen it start; `at_once`: when the manager has its orders.
    """

    @property
    def name(self) -> ManagerName: ...

    def check(self) -> None:
        """Raises NoManager when it does not answer this user, with what to do."""
        ...

    def files(self, installation: Installation) -> tuple[File, ...]:
        """What it reads."""
        ...

    def paths(self) -> tuple[Path, ...]:
        """Where those are."""
        ...

    def recorded(self) -> Recorded | None:
        """What it was installed with; None when it is not installed."""
        ...

    def seen(self) -> Running: ...

    def ended(self) -> int | None:
        """How the supervisor ended that does not run, -N by signal N; None while it does, or is being started.

        One that was replaced as asked has not ended in this sense, and one that is tried again after a pause has.
        """
        ...

    def words(self, state: StatePaths, /) -> Words:
        """What the supervisor on that state folder says from now on."""
        ...

    def lingers(self) -> bool | None:
        """Whether the service runs without a login; None where that is no question, or cannot be told."""
        ...

    def linger(self) -> str:
        """See to it that it does; what to tell the user where that is refused, else empty."""
        ...

    def put_in_force(self, changed: tuple[File, ...], at_once: bool = False) -> None:
        """Files were written, of which `changed` are new or different: have the service run by them."""
        ...

    def start(self, at_once: bool = False) -> None: ...

    def stop(self) -> None:
        """All of it, the clients' socket included."""
        ...

    def restart(self, at_once: bool = False) -> None:
        """The supervisor alone; nginx and the workers serve on."""
        ...

    def unload(self) -> None:
        """Stop it, and forget that it should start."""
        ...

    def forget(self) -> None:
        """Files were removed."""
        ...

    def log_command(self, lines: int, follow: bool, as_json: bool) -> list[str]:
        """What shows the supervisor's own words. Raises InvalidRequest for what it cannot do."""
        ...
