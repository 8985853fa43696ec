"""How many requests the edge counted meanwhile, from nginx's log: as many as the users did, if both count right."""

import time
from collections import Counter
from collections.abc import Mapping

import httpx
from loadtest.exposition import parse

REQUESTS = "modelsvc_edge_requests_total"  # without questions about health
POLL_S, SETTLED_WITHIN_S = 0.5, 5.0
Counts = Mapping[str, int]  # by colour


def counted(listen: str) -> Counts | None:
    """By the supervisor's metrics at `listen`; None when nobody answers there, or nothing is known of it."""
    if not listen:
        return None
    try:
        text = httpx.get(f"http://{listen}/metrics", timeout=10, trust_env=False).raise_for_status().text
    except httpx.HTTPError:
        return None
    counts: Counter[str] = Counter()
    for series, value in parse(text).items():
        if series.name == REQUESTS:
            counts[dict(series.labels)["color"]] += int(value.value)
    return counts


def settled(listen: str) -> Counts | None:
    """Once two looks see the same, since the log is read a little later than it is written."""
    deadline, found = time.monotonic() + SETTLED_WITHIN_S, counted(listen)
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        before, found = found, counted(listen)
        if found == before:
            break
    return found


def growth(before: Counts | None, after: Counts | None) -> dict[str, int] | None:
    """None where it was not told, or where the counting began anew meanwhile."""
    if before is None or after is None or any(after.get(color, 0) < count for color, count in before.items()):
        return None
    grown = {color: count - before.get(color, 0) for color, count in after.items()}
    return {color: count for color, count in sorted(grown.items()) if count}
