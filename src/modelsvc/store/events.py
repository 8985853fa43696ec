"""What a pull tells while it runs, in the order of time; the last is `Finished`, or an error in its place."""

from collections.abc import Callable

from modelsvc.store.entry import EntryReport
from supervisor.protocol import Struct


class Waiting(Struct, frozen=True, tag_field="event", tag="waiting"):
    """Another process pulls from the same source, and this one waits for it."""

    pid: int | None


class Began(Struct, frozen=True, tag_field="event", tag="began"):
    """The source was found. `resumed_bytes` are there from an earlier pull."""

    source: str
    name: str
    size_bytes: int | None
    resumed_bytes: int


class Progress(Struct, frozen=True, tag_field="event", tag="progress"):
    """How much of the file is there; it falls when the file has to be begun anew."""

    bytes: int
    size_bytes: int | None


class Retrying(Struct, frozen=True, tag_field="event", tag="retrying"):
    """The transfer broke off and goes on after `wait_s`."""

    reason: str
    wait_s: float


class Checking(Struct, frozen=True, tag_field="event", tag="checking"):
    """Everything is there: it is hashed, and looked into."""

    size_bytes: int


class Finished(Struct, frozen=True, tag_field="event", tag="finished"):
    """The store has it; `already` when it had it before. `strangers` lie beside it, and are not the store's."""

    entry: EntryReport
    already: bool
    seconds: float
    strangers: tuple[str, ...] = ()


Event = Waiting | Began | Progress | Retrying | Checking | Finished
Tell = Callable[[Event], None]
