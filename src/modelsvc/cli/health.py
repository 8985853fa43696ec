"""`modelsvc health`."""

from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult

import click
import msgspec

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.edge import UNREADABLE, Edge, edge_url, key_option
from modelsvc.cli.text import columns, mb, yes_no
from supervisor.protocol import ExitCode

TIMEOUT_S = 10.0


@click.command(cls=Command)
@click.option("--url", metavar="URL", help="Where the service listens; else the daemon or the configuration says it.")
@key_option
def health(url: str | None, key: str | None) -> int:
    """Ask the service whether it can answer; exit 0 when it can, 1 when not, 3 when nothing answers.

    \b
    Example:
      modelsvc health
      modelsvc health --url http://127.0.0.1:8000
    """
    edge = edge_url(url)
    ready_status, ready = _ask(edge, "/ready", key)
    _, deep = _ask(edge, "/health/deep", key)
    is_ready = ready_status == HTTPStatus.OK
    _print(edge.geturl(), is_ready, ready, deep)
    return ExitCode.DONE if is_ready else ExitCode.FAILED


def _ask(url: SplitResult, path: str, key: str | None) -> tuple[int, Any]:
    with closing(Edge(url, TIMEOUT_S, key)) as edge:
        response = edge.ask("GET", path)
        return response.status, _content(edge.read(response))


def _content(body: bytes) -> Any:
    """An answer that says no is content too; a page of nginx's own says nothing."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        return None


def _print(url: str, is_ready: bool, ready: Any, deep: Any) -> None:
    if output.json_wanted():
        output.emit({"url": url, "ready": is_ready, "answer": ready, "health": deep})
        return
    told = [] if is_ready else list(facts_of(ready))
    more = [fact for fact in facts_of(deep) if fact not in told]  # while requests are held both answers are the same
    click.echo("\n".join(columns([["url", url], ["ready", yes_no(is_ready)], *told, *more])))


def facts_of(value: Any, name: str = "") -> Iterator[list[str]]:
    """Nested JSON as one dotted name and value a line; lists are left to `--json`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from facts_of(inner, f"{name}.{key}" if name else str(key))
    elif name.endswith("_bytes") and isinstance(value, int):
        yield [name.removesuffix("_bytes"), mb(value)]
    elif name and not isinstance(value, list):
        yield [name, yes_no(value)]
