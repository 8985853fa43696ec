"""Numbers between two bounds, in GBNF. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

MOST = 10**16 - 1  # the largest number whose digits are written out
_NO_FRACTION = '("." "0"{1,6})?'
_FRACTION = '"." [0-9]{0,5} [1-9] "0"{0,3}'  # never zero


class Range(NamedTuple):
    """Whole bounds, within `MOST`; those that are open are not in it themselves."""

    low: int = -MOST
    high: int = MOST
    low_open: bool = False
    high_open: bool = False

    def negated(self) -> "Range":
        return Range(-self.high, -self.low, self.high_open, self.low_open)


def integers(within: Range) -> str | None:
    """None where there are none."""
    low, high = within.low + within.low_open, within.high - within.high_open
    negative = [f'"-" ({digits})' for digits in _digits(max(-high, 1), -low)]
    return " | ".join([*_digits(max(low, 0), high), *negative]) or None


def numbers(within: Range) -> str | None:
    """Without exponents, of up to six decimals and zeros. None where there are none."""
    whole = integers(within)
    positive = [f"({digits}) {_FRACTION}" for digits in _digits(max(within.low, 0), within.high - 1)]
    below = within.negated()
    negative = [f'"-" ({digits}) {_FRACTION}' for digits in _digits(max(below.low, 0), below.high - 1)]
    return " | ".join([*([f"({whole}) {_NO_FRACTION}"] if whole else []), *positive, *negative]) or None


def _digits(low: int, high: int) -> Iterator[str]:
    """Alternatives for the numbers from `low`, not negative, to `high`: for each length apart."""
    while low <= high:
        longest = min(high, 10 ** len(str(low)) - 1)
        yield from _of_one_length(str(low), str(longest))
        low = longest + 1


def _of_one_length(low: str, high: str) -> Iterator[str]:
    if low[0] == high[0] and len(low) > 1:
        yield from (f'"{low[0]}" {rest}' for rest in _of_one_length(low[1:], high[1:]))
        return
    first, last, length = int(low[0]), int(high[0]), len(low) - 1
    if low[1:] != "0" * length:
        yield from (f'"{first}" {rest}' for rest in _of_one_length(low[1:], "9" * length))
        first += 1
    if high[1:] != "9" * length:
        yield from (f'"{last}" {rest}' for rest in _of_one_length("0" * length, high[1:]))
        last -= 1
    if first <= last:
        yield f"[{first}-{last}]" + (f" [0-9]{{{length}}}" if length else "")
