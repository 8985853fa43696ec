"""What a supervisor says on its terminal, where that is a file."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Console:
    """What is said from `begin` on, in bytes."""

    path: Path
    begin: int

    def lines(self) -> list[str]:
        """None while the file is not there."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace").splitlines()
        return []

    def last(self, count: int) -> Sequence[str]:
        return self.lines()[-count:]


def from_now_on(path: Path) -> Console:
    """What will be said there."""
    return Console(path, path.stat().st_size if path.exists() else 0)


def below(lines: Sequence[str]) -> str:
    """To go behind a message; empty when there are none."""
    return "".join(f"\n{line}" for line in lines)
