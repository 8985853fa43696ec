"""What a person who runs `modelsvc up` in a terminal gets to see: the few lines that matter."""

import sys
from contextlib import suppress

from supervisor.core import records as rec
from supervisor.core.desired import VerdictKind
from supervisor.core.state import Outcome
from supervisor.protocol import Struct, encode_text


def say(text: str) -> None:
    """One line on stderr; lost where that goes to a full disk, to a terminal that was closed, or nowhere."""
    if sys.stderr is None:  # its descriptor was closed before we began
        return
    with suppress(OSError):
        sys.stderr.write(f"modelsvc: {text}\n")
        sys.stderr.flush()


def tell_program(message: Struct) -> None:
    """One line of JSON on stdout. That it cannot be written is said, but to a reader who left."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(f"{encode_text(message, sys.stdout.encoding)}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        say(f"stdout cannot be written: {error.strerror}; free its disk, or send the output elsewhere")


class Console:
    """Tells the outcome of operations and every unexpected end."""

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.Prewarmed(release=int()):
                say(f"release {record.release} is prewarmed: `modelsvc ctl deploy` switches to it")
            case rec.RequestEnded(outcome=Outcome.SUCCEEDED, deployment=int(), active=active):
                say(f"deployment {record.deployment} succeeded, release {record.release}; {active} serves")
            case rec.RequestEnded(deployment=int()):
                say(f"deployment {record.deployment} {record.outcome.replace('_', ' ')}: {record.reason}")
            case rec.Warned():
                say(record.text)
            case rec.WatchDecided(verdict=VerdictKind.ASKS):
                say(f"watch: deploying {'; '.join(record.changes)}")
            case rec.WatchDecided(verdict=VerdictKind.REJECTED):
                say(f"watch: nothing is changed, for {record.reason}")
            case rec.WatchDecided() if record.reason:
                say(f"watch: does not deploy {'; '.join(record.changes)}: {record.reason}")
            case rec.Paused():
                say("requests are held at the edge" if record.paused else "requests pass again")
            case rec.WorkerGone(expected=False):
                say(record.reason)
            case rec.EdgeChanged(pid=None) if record.reason:
                say(f"edge: {record.reason}")
            case _:
                pass
