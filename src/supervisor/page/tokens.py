"""How many tokens a worker has generated, by its own metrics.

The counter of completion tokens goes up when an answer ends, so a long answer would be one needle in a chart. Every
token but an answer's first is also one observed gap between tokens, at once, and every answer's first one observed time
to it: together they count the same tokens while they come.
"""

from collections.abc import Awaitable, Callable

from supervisor.core.state import Color

GAPS = "modelsvc_inter_token_seconds_count"
FIRST = "modelsvc_time_to_first_token_seconds_count"
Reader = Callable[[Color], Awaitable[str | None]]
TokenCounter = Callable[[Color], Awaitable[tuple[str, float] | None]]  # a worker's id, and its tokens


def token_counter(read: Reader, worker_id: Callable[[Color], str | None]) -> TokenCounter:
    """`read` gets a worker's metrics as text, or None when it does not answer at once."""

    async def count(color: Color) -> tuple[str, float] | None:
        worker = worker_id(color)
        text = await read(color) if worker else None
        tokens = tokens_in(text) if text else None
        return None if worker is None or tokens is None else (worker, tokens)

    return count


def tokens_in(text: str) -> float | None:
    """None when the text does not tell."""
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((GAPS, FIRST)))
    try:
        return sum(float(value) for value in found.values()) if found else None
    except ValueError:
        return None
