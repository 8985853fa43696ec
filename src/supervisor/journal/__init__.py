"""The durable record, and what it tells of the past."""

from supervisor.journal.journal import Journal as Journal
from supervisor.journal.past import Route as Route
from supervisor.journal.past import WorkerRow as WorkerRow
