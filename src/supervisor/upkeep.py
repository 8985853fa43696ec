"""What others removed from the state folder while we run, made anew: whoever cleans up takes `run` for temporary.

Without these files the service goes on, but nobody can reach it by `modelsvc ctl`, or what it does is not on record.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from modelsvc.keyfile import publish
from supervisor.chores import repeat
from supervisor.core.records import Record, Warned
from supervisor.errors import SupervisorError
from supervisor.http.unix_server import UnixServer
from supervisor.parts import Parts
from supervisor.workers.notify import Inbox

INTERVAL_S = 1.0
ADVICE = "keep whatever cleans up away from the state folder"


@dataclass(frozen=True, slots=True)
class RequiredFile:
    """A file that has to be there."""

    path: Path
    is_in_place: Callable[[], bool]
    recreate: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Upkeep:
    """Looks at what is required, all the time. `tell` is told what was amiss, once each time."""

    files: tuple[RequiredFile, ...]
    tell: Callable[[Record], None]
    interval_s: float = INTERVAL_S
    _failing: dict[Path, str] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Until cancelled."""
        await repeat(self.look, self.interval_s, "upkeep_failed")

    async def look(self) -> None:
        """Make anew what is not there."""
        missing = [each for each in self.files if not each.is_in_place()]
        made = [each.path for each in missing if await self._recreate(each)]
        if made:
            self.tell(Warned(f"removed while the service runs, and made anew: {_named(made)}; {ADVICE}"))

    async def _recreate(self, file: RequiredFile) -> bool:
        try:
            file.path.parent.mkdir(mode=0o700, exist_ok=True)
            await file.recreate()
        except (SupervisorError, OSError) as error:
            reason = error.message if isinstance(error, SupervisorError) else str(error)
            if self._failing.get(file.path) != reason:
                self.tell(Warned(f"removed while the service runs, and cannot be made anew: {file.path}: {reason}"))
            self._failing[file.path] = reason
            return False
        self._failing.pop(file.path, None)
        return True


def required_files(parts: Parts, inbox: Inbox, hold: UnixServer, control: UnixServer) -> tuple[RequiredFile, ...]:
    """What a supervisor has to have there; the lock is first."""
    settings, paths, key = parts.settings, parts.settings.paths, parts.probe_key

    async def write_key() -> None:
        publish(paths.probe_key, f"{key}\n")

    found = [
        RequiredFile(paths.journal, parts.journal.is_in_place, _at_once(parts.journal.recreate)),
        RequiredFile(paths.hold_socket, hold.is_in_place, hold.recreate),
        RequiredFile(paths.notify_socket, inbox.is_in_place, inbox.open),
        RequiredFile(settings.control_socket, control.is_in_place, control.recreate),
    ]
    if key:
        found.append(RequiredFile(paths.probe_key, paths.probe_key.exists, write_key))
    if lock := settings.lock:
        found.insert(0, RequiredFile(lock.path, lock.is_in_place, _at_once(lock.recreate)))
    return tuple(found)


def _at_once(work: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def done() -> None:
        work()

    return done


def _named(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
