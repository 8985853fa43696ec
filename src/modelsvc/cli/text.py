"""Small formatting for people."""

from collections.abc import Sequence

MB = 10**6


def mb(size: int) -> str:
    """In the unit of `memory.budget_gb` and of the steps, such as 8,000 MB."""
    return f"{size / MB:,.0f} MB"


def headline(text: str) -> str:
    """The first line of a text that may have a table under it."""
    return text.partition("\n")[0]


def duration(seconds: float) -> str:
    """Such as 3.2 s, 4 min 05 s, 2 h 13 min, 3 d 4 h."""
    whole = int(seconds)
    if seconds < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines. The last cell of a row takes no width, so it may be long."""
    count = max((len(row) for row in rows), default=0)
    widths = [max((len(row[i]) for row in rows if i < len(row) - 1), default=0) for i in range(count)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def yes_no(value: object) -> str:
    """A JSON value as people say it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
