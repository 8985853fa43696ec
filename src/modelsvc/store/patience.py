"""How long a pull puts up with a bad connection. Pure."""

from dataclasses import dataclass

CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Patience:
    """`tries` in a row that bring nothing new; pauses double between them; `stall_s` without a byte ends a try."""

    tries: int = 5
    stall_s: float = 30.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0
    longest_asked_s: float = 60.0  # of what a server asks for with Retry-After

    def pause_s(self, failed: int, asked_s: float | None) -> float | None:
        """After `failed` tries in a row; None: give up."""
        if failed >= self.tries or (asked_s is not None and asked_s > self.longest_asked_s):
            return None
        return max(asked_s or 0.0, min(self.longest_pause_s, self.first_pause_s * 2.0 ** (failed - 1)))


USUAL = Patience()
