"""The end of a log, however long the log and its lines are."""

import os
from pathlib import Path

from supervisor.page.views import Tail

READ_BYTES = 256 * 1024
LINE_CHARACTERS = 2000


def tail(source: str, path: Path, count: int, cursor: str = "") -> Tail:
    """The last `count` whole lines of the last READ_BYTES; nothing when the log is as it was at `cursor`."""
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            now = f"{stat.st_ino}-{stat.st_size}"
            if now == cursor:
                return Tail(source=source, cursor=now, lines=None)
            begin = file.seek(max(0, stat.st_size - READ_BYTES))
            text = file.read(READ_BYTES)
    except FileNotFoundError:
        return Tail(source=source, cursor="", lines=[])
    # Not splitlines: what models say has other separators in it, which would tear a line of JSON apart.
    lines = text.decode(errors="replace").removesuffix("\n").split("\n") if text else []
    whole = lines[1:] if begin and len(lines) > 1 else lines
    shown = [_shortened(line) for line in whole[-count:]]
    return Tail(source=source, cursor=now, lines=shown, shortened=bool(begin) or len(whole) > count)


def _shortened(line: str) -> str:
    cut = len(line) - LINE_CHARACTERS
    return line if cut <= 0 else f"{line[:LINE_CHARACTERS]}… ({cut} more characters)"
