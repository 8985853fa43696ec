"""Numbers on the command line of a load test; each refuses what cannot be meant, in words."""

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

LONGEST_S = 86_400


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of `least` or more."""

    def read(text: str) -> int:
        if not text.strip().isdecimal() or (value := int(text)) < least:
            raise ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
        return value

    return read


def duration_s(text: str) -> float:
    if not 0 < (value := _number(text)) <= LONGEST_S:
        raise ArgumentTypeError(f"{text!r} is not between 0 and {LONGEST_S:,} seconds")
    return value


def bake_s(text: str) -> float:
    """0 is for none."""
    if not 0 <= (value := _number(text)) <= LONGEST_S:
        raise ArgumentTypeError(f"{text!r} is not 0 or up to {LONGEST_S:,} seconds")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
