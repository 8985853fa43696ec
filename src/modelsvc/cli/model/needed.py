"""Which models of the store the service still needs, and for what."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from modelsvc.cli.model import Target
from modelsvc.store import Entry
from supervisor import config, offline
from supervisor.offline import Need


def needed_by(target: Target, entries: Iterable[Entry]) -> Mapping[str, Sequence[str]]:
    """What needs an entry, such as `the active release (7)`, by the entry's SHA-256.

    Raises ConfigError, and JournalError when it cannot be told what is needed.
    """
    needs = offline.needs(target.paths, config.load(target.config_file))
    uses = {entry.sha256: [_shown(need) for need in needs if _is(need.path, entry.path)] for entry in entries}
    return {sha256: found for sha256, found in uses.items() if found}


def _is(needed: Path, entry: Path) -> bool:
    """The same path, or the same file by another name, as behind a symbolic link."""
    try:
        return needed == entry or needed.samefile(entry)
    except OSError:
        return False


def _shown(need: Need) -> str:
    return need.why if need.release is None else f"{need.why} ({need.release})"
