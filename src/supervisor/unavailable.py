"""What clients are told while no worker answers them, by the holder, or by nginx where nobody holds."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered by a worker, and when its client should come back."""

    code: str
    message: str
    retry_after_s: int

    @property
    def body(self) -> bytes:
        return json.dumps({"error": {"type": "unavailable", "message": self.message, "code": self.code}}).encode()


REPLAYS = 3  # of one request; one that ends its worker each time must not do so for ever
ASK_PATH = "/asked"  # at the holder: for this moment's answer, without waiting

STARTING = Refusal("starting", "no worker serves yet, but one is being started; retry in 1 s", 1)
TOO_LATE = Refusal("hold_timeout", "a worker is being started, but did not serve in time; retry in 5 s", 5)
PAUSED = Refusal("paused", "requests are held by an operator's word; retry in 30 s", 30)
GONE = Refusal("no_worker", "no worker serves, and none will before an operator starts one: ask the operator", 60)
AWAY = Refusal("supervisor_away", "no worker serves, and the supervisor, which starts one, is away; retry in 5 s", 5)
FULL = Refusal("hold_full", "too many requests wait for a worker already; retry in 1 s", 1)
GIVEN_UP = Refusal(
    "given_up",
    f"no worker stayed up for this request, which was sent {REPLAYS + 1} times: if others are answered, change it",
    5,
)
