"""What the page's own API answers beside the control API's types."""

from supervisor.page.access import Allowed
from supervisor.protocol import Color, ForecastReport, ModelReport, Status
from supervisor.protocol.base import Struct


class Share(Struct, frozen=True):
    """What one process, or nginx's group of them, holds for itself."""

    who: str
    private_bytes: int


class Look(Struct, frozen=True):
    """GET /api/status."""

    status: Status
    at: str  # when this was looked at, by the supervisor's clock
    worker_uptime_s: dict[Color, float]
    steps: list[str]  # the titles of all steps of a deployment
    shares: list[Share]
    models: list[ModelReport]
    forecast: ForecastReport | None  # of a standby with the active release
    last_deployment: int  # 0: none yet
    allowed: Allowed


class Tail(Struct, frozen=True):
    """GET /api/logs. `lines` is null when nothing was written since `cursor`."""

    source: str
    cursor: str
    lines: list[str] | None
    shortened: bool = False  # there is more than these lines
