"""The port of each colour: that of the worker which lives there, else the configured one.

A worker that an earlier supervisor started may have another port than is configured now. It keeps that as long as it
lives, and so does its colour while the edge routes there; the next worker of an idle colour has the configured one.
"""

from collections.abc import Iterator, Mapping

from supervisor.config import Config
from supervisor.core.state import Color


class WorkerPorts(Mapping[Color, int]):
    """What probe, edge and workforce go by; each sees a change at once."""

    def __init__(self, config: Config) -> None:
        self._configured = {color: config.port(color) for color in Color}
        self._now = dict(self._configured)

    def __getitem__(self, color: Color) -> int:
        return self._now[color]

    def __iter__(self) -> Iterator[Color]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def keep(self, color: Color, port: int) -> None:
        """A worker lives there."""
        self._now[color] = port

    def reset(self, color: Color) -> None:
        """The colour is idle: its next worker has the configured port."""
        self._now[color] = self._configured[color]

    def change(self, color: Color) -> str:
        """How the port of the colour differs from the configured one; empty when it does not."""
        now, wanted = self._now[color], self._configured[color]
        return "" if now == wanted else f"workers.{color}_port {now} -> {wanted}"

    def put_off(self, living: Mapping[Color, int]) -> str:
        """Go on with the ports as they are where a new one belongs to the other colour's living worker; why, if so.

        Neither worker could be replaced before the other has ended.
        """
        held = [color for color in Color if living.get(color.other) == self._configured[color]]
        if not held:
            return ""
        why = " and ".join(
            f"workers.{color}_port is {self._configured[color]}, which the {color.other} worker has" for color in held
        )
        kept = {color: living.get(color, self._configured[color.other]) for color in Color}
        self._configured, self._now = kept, dict(kept)
        ports = " and ".join(f"{port} ({color})" for color, port in kept.items())
        way_out = "set ports that neither has, or run `modelsvc ctl shutdown` and then `modelsvc up`"
        return f"{why}: the workers go on with {ports}; {way_out}"
