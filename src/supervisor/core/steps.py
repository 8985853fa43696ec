"""The 13 steps of a deployment: their order, their titles, and what undoes them."""

from enum import IntEnum, StrEnum


class Step(IntEnum):
    """A step's number; its name in lower case is how it is recorded."""

    CHECK_ACTIVE = 1
    CHECK_EDGE = 2
    ADMIT = 3
    START_STANDBY = 4
    AWAIT_READY = 5
    WARM_UP = 6
    WRITE_CONFIG = 7
    TEST_CONFIG = 8
    SWITCH_ROUTE = 9
    VERIFY_ROUTE = 10
    DRAIN = 11
    BAKE = 12
    RECORD = 13

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def title(self) -> str:
        return TITLES[self]


class StepState(StrEnum):
    """Where a step of a deployment stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"


TITLES = {
    Step.CHECK_ACTIVE: "active worker answers",
    Step.CHECK_EDGE: "edge runs and routes to it",
    Step.ADMIT: "model, disk and memory admitted",
    Step.START_STANDBY: "standby started",
    Step.AWAIT_READY: "standby ready",
    Step.WARM_UP: "standby warmed up",
    Step.WRITE_CONFIG: "edge configuration written",
    Step.TEST_CONFIG: "edge configuration tested",
    Step.SWITCH_ROUTE: "edge switched",
    Step.VERIFY_ROUTE: "new colour answers at the edge",
    Step.DRAIN: "old colour drained",
    Step.BAKE: "new colour baked",
    Step.RECORD: "recorded",
}
