"""What is told of models and pulls, as lines for people. Pure: values in, text out."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from modelsvc.cli.text import columns, duration, mb, yes_no
from modelsvc.store.entry import Entry, short
from modelsvc.store.events import Began, Checking, Event, Finished, Progress, Retrying, Waiting
from modelsvc.store.names import bare
from modelsvc.store.unfinished import Unfinished


def event_line(event: Event) -> str:
    """An event of a pull."""
    match event:
        case Waiting():
            return f"waiting for another pull of the same{f' (pid {event.pid})' if event.pid else ''}"
        case Began():
            size = f", {mb(event.size_bytes)}" if event.size_bytes else ""
            there = f"; {mb(event.resumed_bytes)} of it are there already" if event.resumed_bytes else ""
            return f"pulling {event.source}{size}{there}"
        case Progress():
            return f"{mb(event.bytes)}{f' of {mb(event.size_bytes)}' if event.size_bytes else ''}"
        case Retrying():
            return f"{event.reason}; trying again in {duration(event.wait_s)}"
        case Checking():
            return f"checking {mb(event.size_bytes)}"
        case Finished():
            how = "is there already" if event.already else f"is there, after {duration(event.seconds)}"
            beside = f"; its folder {strangers_phrase(event.strangers)}" if event.strangers else ""
            return f"{event.entry.name} ({short(event.entry.sha256)}, {mb(event.entry.size_bytes)}) {how}{beside}"
        case _:
            assert_never(event)


def strangers_phrase(strangers: Sequence[str]) -> str:
    """Of the folder of a model."""
    return f"also has {', '.join(strangers)}, which the store did not put there and leaves alone"


def next_step(event: Finished) -> str:
    """What to do with a model that has come."""
    return (
        f"serve it: modelsvc ctl deploy --model {shown_reference(event.entry.name)}\n"
        f'or, before the first start: model.path = "{event.entry.path}" in the configuration'
    )


def shown_reference(name: str) -> str:
    """The name as a shell takes it."""
    import shlex

    return shlex.quote(bare(name))


def list_lines(entries: Sequence[Entry], needed: Mapping[str, Sequence[str]] | None) -> list[str]:
    """`needed` tells by SHA-256 what needs an entry; None: nobody knows."""
    rows = [_row(entry, ("?",) if needed is None else needed.get(entry.sha256, ())) for entry in entries]
    return columns([["name", "size", "quantisation", "sha256", "needed by"], *rows])


def _row(entry: Entry, needed: Sequence[str]) -> list[str]:
    quantization = entry.origin.quantization or "?"
    return [bare(entry.name), mb(entry.size_bytes), quantization, short(entry.sha256), ", ".join(needed) or "-"]


def unfinished_lines(unfinished: Sequence[Unfinished]) -> list[str]:
    """What pulls left."""
    if not unfinished:
        return []
    rows = [[f"  {mb(left.have_bytes)}{_of(left)}", _state(left), left.source or left.folder] for left in unfinished]
    return [
        "unfinished (a pull of the same source goes on; `modelsvc model remove --partial` removes them):",
        *columns(rows),
    ]


def _of(left: Unfinished) -> str:
    return f" of {mb(left.size_bytes)}" if left.size_bytes else ""


def _state(left: Unfinished) -> str:
    return "being pulled" if left.running else f"left {duration(left.age_s)} ago"


def facts_lines(facts: Mapping[str, object]) -> list[str]:
    """What a file's header says."""
    rows = [[label, yes_no(facts.get(key))] for key, label in FACTS.items()]
    return columns(rows)


FACTS = {
    "architecture": "architecture",
    "description": "description",
    "quantization": "quantisation",
    "parameters": "parameters",
    "context_length": "context, tokens",
    "vocabulary_size": "vocabulary, tokens",
    "block_count": "blocks",
    "embedding_length": "embedding",
    "head_count": "heads",
    "head_count_kv": "KV heads",
    "chat_template": "chat template",
}
