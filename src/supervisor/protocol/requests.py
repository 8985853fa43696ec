"""What is asked."""

from supervisor.protocol.base import Struct
from supervisor.protocol.settings import SettingValue


class DeployRequest(Struct, frozen=True):
    """POST /v1/deployments. Absent fields keep the value of the active release."""

    model: str | None = None  # absolute path of a GGUF file
    settings: dict[str, SettingValue] = {}  # dotted `[model]` keys, as in SETTABLE_KEYS
    in_place: bool = False  # hold requests and stop the old worker first: for what does not fit beside it
    fast: bool = False  # only if it was prewarmed


class PrewarmRequest(Struct, frozen=True):
    """POST /v1/prewarm. Absent fields keep the value of the active release."""

    model: str | None = None
    settings: dict[str, SettingValue] = {}


class StopRequest(Struct, frozen=True):
    """POST /v1/workers/{color}/stop. The active worker is stopped only with `force`."""

    force: bool = False
