"""The route: which of the files `blue`, `green` and `nobody` is in `route/`, looked for by nginx with each request.

A switch renames the one file there is, so that it is in force for the next request and needs no room on the disk.
nginx looks for one colour after the other: between two looks a rename may hide both, and the request is held for a
moment. Where somebody put both, the last one counts, here and there.
"""

from pathlib import Path

from supervisor.core.state import Color
from supervisor.errors import StorageError
from supervisor.files import sync_folder

ROUTE = "route"
NOBODY = "nobody"


def read_route(folder: Path) -> Color | None:
    """The colour that nginx finds; None: every request is held."""
    found = [color for color in Color if (folder / color).is_file()]
    return found[-1] if found else None


def write_route(folder: Path, color: Color | None) -> None:
    """Route to `color`, or to nobody, from the next request on. Raises StorageError."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _leave_only(folder, color or NOBODY)
        sync_folder(folder)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be changed to route to {color or NOBODY}: {error.strerror}; mend its rights"
        ) from error


def _leave_only(folder: Path, wanted: str) -> None:
    others = [folder / name for name in (NOBODY, *Color) if name != wanted and (folder / name).is_file()]
    for other in others:
        other.replace(folder / wanted)
    if not others:
        (folder / wanted).touch(mode=0o600)
