"""What Locust runs: four kinds of users, and a record of each request.

    python -m locust -f loadtest/locustfile.py --headless --host http://127.0.0.1:8080 --users 8 --records requests.csv

`python -m loadtest.run` does this, and the rest of a load test.
"""

import time
from argparse import ArgumentParser
from typing import Any

from loadtest.records import Record, Writer, utc
from loadtest.users import RECORD, HealthWatcher, LongChat, ShortChat, Streaming
from locust import events
from locust.env import Environment

__all__ = ["HealthWatcher", "LongChat", "ShortChat", "Streaming"]


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--records", required=True, metavar="FILE", help="CSV to write, a row for each request")
    parser.add_argument("--tokens", type=int, default=32, help="that an answer may have")
    parser.add_argument("--prompt-words", type=int, default=0, help="0: what the demo model understands")


def keep_records(environment: Environment, **_: Any) -> None:
    assert environment.parsed_options is not None
    file = open(environment.parsed_options.records, "w", newline="", encoding="utf-8")  # noqa: PTH123, SIM115
    writer = Writer(file)

    def requested(context: dict[str, Any], **_: Any) -> None:
        if (record := context.get(RECORD)) is not None:
            writer.write(record)
            _measure(environment, record)

    def broke(user_instance: object, exception: Exception, **_: Any) -> None:
        """A mistake of the load test itself must not pass for a quiet run."""
        writer.write(_mistake(type(user_instance).__name__, exception))

    environment.events.request.add_listener(requested)
    environment.events.user_error.add_listener(broke)
    environment.events.quit.add_listener(lambda exit_code: file.close())


def _measure(environment: Environment, record: Record) -> None:
    """Locust's own statistics get streams' times as entries of their own."""
    entries = [("first token", 1000 * record.first_token_s)] if record.first_token_s is not None else []
    entries += [("between tokens", gap) for gap in record.gaps_ms]
    for kind, milliseconds in entries:
        environment.stats.log_request(kind, record.request, round(milliseconds), 0)


def _mistake(user_class: str, error: Exception) -> Record:
    return Record(
        at=utc(time.time()), began_s=time.monotonic(), user_class=user_class, request="none", color="", release="",
        status=0, latency_s=0.0, first_token_s=None, tokens=None, bytes=0, gaps_ms=(),
        failure=f"the load test's own mistake: {error!r}",
    )  # fmt: skip


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(keep_records)
