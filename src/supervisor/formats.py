"""Times and signals as people and machines read them."""

import signal
from datetime import UTC, datetime


def rfc3339(epoch_s: float) -> str:
    """A time of day as people and machines read it, in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signal_name(number: int) -> str:
    """Most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
