"""Records and operations to reckon with."""

from dataclasses import replace
from typing import Any

from loadtest.records import Record
from loadtest.rig.values import Kind, Operation, Run

RIGHT = Record(
    at="2026-01-02T03:04:05.678Z", began_s=10.0, user_class="ShortChat", request="POST /chat", color="blue",
    release="1", status=200, latency_s=1.0, first_token_s=None, tokens=3, bytes=100, gaps_ms=(), failure="",
)  # fmt: skip
DEPLOY = Operation("modelsvc ctl deploy", "deploy", 20.0, 30.0, 0, "succeeded", "", ())


def record(began_s: float = 10.0, latency_s: float = 1.0, **changed: Any) -> Record:
    return replace(RIGHT, began_s=began_s, latency_s=latency_s, **changed)


def run(*operations: Operation, kind: Kind = Kind.DEPLOY, problems: tuple[str, ...] = ()) -> Run:
    return Run(
        kind=kind, started_at="2026-01-02T03:04:05.678Z", began_s=10.0, ended_s=40.0, users=8, tokens=32,
        prompt_words=0, repeat="python -m loadtest.run deploy", operations=operations, problems=problems, facts=None,
        cpu=None, load_average=(0.5, 1.5), edge=None,
    )  # fmt: skip
