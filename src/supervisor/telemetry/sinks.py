"""Where every record goes: the journal and the log."""

import structlog

from supervisor.core import records as rec
from supervisor.journal import Journal

log = structlog.get_logger()


class Journaling:
    """The journal first: what cannot be kept must not be done."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def publish(self, record: rec.Record) -> None:
        self._journal.write(record)


class Log:
    """Every record as one line."""

    def publish(self, record: rec.Record) -> None:
        if isinstance(record, rec.StepShown):
            return
        values = {name: getattr(record, name) for name in record.__slots__}
        log.info(
            type(record).__name__, **{name: value for name, value in values.items() if value not in (None, "", {}, ())}
        )
