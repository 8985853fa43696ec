"""What a request that found nobody home may hope for."""

from enum import StrEnum


class Outlook(StrEnum):
    """`serves`: ask again now. `coming`: somebody will serve. `gone`: nobody will, unless an operator acts."""

    SERVES = "serves"
    COMING = "coming"
    GONE = "gone"
