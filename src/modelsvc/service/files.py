"""The files that a service manager reads: what is to be written, and what differs from that."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modelsvc.service.errors import ManagerFailed
from supervisor.errors import StorageError
from supervisor.files import publish, read_text

READABLE = 0o644


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should be."""

    path: Path
    text: str

    @property
    def exists(self) -> bool:
        return self.path.is_file()

    @property
    def differs(self) -> bool:
        """Whether it is there and says something else."""
        return self.exists and read_text(self.path) != self.text


def write(files: Iterable[File]) -> None:
    """Each as a whole. Raises StorageError."""
    for file in files:
        try:
            file.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the folder {file.path.parent} cannot be made: {error.strerror}; mend its rights"
            ) from error
        publish(file.path, file.text, READABLE)


def remove(paths: Iterable[Path]) -> None:
    """Those that are there. Raises ManagerFailed."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ManagerFailed(f"{path} cannot be removed: {error.strerror}; remove it by hand") from error
