"""What a person who runs `modelsvc up` in a terminal gets to see: the few lines that matter."""

import sys

from supervisor.core import records as rec
from supervisor.core.state import Outcome


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"modelsvc: {text}\n")
    sys.stderr.flush()


class Console:
    """Tells the outcome of operations and every unexpected end."""

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.RequestEnded(outcome=Outcome.SUCCEEDED, deployment=int(), active=active, release=release):
                say(f"deployment {record.deployment} succeeded: {active} serves release {release}")
            case rec.RequestEnded(deployment=int()):
                say(f"deployment {record.deployment} {record.outcome.replace('_', ' ')}: {record.reason}")
            case rec.WorkerGone(expected=False):
                say(record.reason)
            case rec.EdgeChanged(pid=None) if record.reason:
                say(f"edge: {record.reason}")
            case _:
                pass
