"""What the pages say in tables. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtest.report.figures import Figures
from loadtest.report.phases import Phase
from loadtest.report.summary import Summary
from loadtest.rig.values import Operation, Run

MB = 1e6


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def tables(run: Run, found: Summary) -> Iterator[Table]:
    yield _phases(found.phases)
    yield _requests(found.phases)
    for operation in run.operations:
        yield _steps(operation)
    yield _answered(found)
    if found.memory:
        yield _memory(found)
    if found.failures:
        rows = tuple((str(each.requests), each.what, each.example) for each in found.failures)
        yield Table("Failures by reason", ("requests", "reason", "one of them"), rows)
    yield _run(run, found)


def _phases(phases: Sequence[Phase]) -> Table:
    rows = tuple(
        (each.name, f"{each.seconds:.1f}", f"{each.rate_per_s:.1f}", *_counts(each.figures), *_times(each.answers))
        for each in phases
    )
    note = (
        "*During* is from when an operation was accepted until it told its outcome, and has each request of which any"
        " part lies in that time. Rate: requests that ended within the phase, by its seconds. Latency is that of the"
        " model's right answers, until they were whole; percentiles are by nearest rank."
    )
    return Table("Before, during, after", ("phase", "s", "rate /s", *_HEADINGS), rows, note)


def _requests(phases: Sequence[Phase]) -> Table:
    kinds = sorted({kind for phase in phases for kind in phase.of_requests})
    cells = ((kind, phase.name, phase.of_requests[kind]) for kind in kinds for phase in phases)
    rows = tuple((kind, phase, *_counts(of), *_times(of)) for kind, phase, of in cells)
    return Table("By class and request", ("class: request", "phase", *_HEADINGS), rows)


_HEADINGS = (
    "requests", "failed", "p50 ms", "p95 ms", "p99 ms", "slowest ms",
    "first token p50 ms", "p95 ms", "between tokens p50 ms", "p95 ms", "longest ms",
)  # fmt: skip


def _counts(of: Figures) -> tuple[str, ...]:
    return f"{of.requests:,}", f"{of.failed:,}"


def _times(of: Figures) -> tuple[str, ...]:
    seconds = (of.p50_s, of.p95_s, of.p99_s, of.slowest_s, of.first_token_p50_s, of.first_token_p95_s)
    gaps = (of.gap_p50_ms, of.gap_p95_ms, of.gap_longest_ms)
    return tuple(map(number, (*map(milliseconds, seconds), *gaps)))


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def number(value: float | None) -> str:
    """Three digits that matter; nothing where nothing was measured."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _steps(operation: Operation) -> Table:
    rows = tuple(
        (
            str(step.number),
            step.name,
            step.state,
            "" if step.seconds is None else f"{step.seconds:.3f}",
            "" if step.began_s is None else f"{step.began_s - operation.began_s:.3f}",
        )
        for step in operation.steps
    )
    outcome = operation.outcome or f"exit code {operation.exit_code}"
    note = f"`{operation.command}`: {outcome} after {operation.seconds:.2f} s. {operation.reason}".strip()
    return Table(f"Steps of the {operation.kind}", ("", "step", "state", "s", "began at s"), rows, note)


def _answered(found: Summary) -> Table:
    kinds = (("colour", found.by_color), ("release", found.by_release), ("class", found.by_class))
    rows = tuple((kind, name, f"{count:,}") for kind, counts in kinds for name, count in sorted(counts.items()))
    return Table("Who answered, and who asked", ("", "", "requests"), rows)


def _memory(found: Summary) -> Table:
    rows = tuple(
        (process, f"{most.private_bytes / MB:,.1f}", f"{most.rss_bytes / MB:,.1f}")
        for process, most in sorted(found.memory.items())
    )
    note = "The most at any look, two each second. Resident memory has the model file in it, which both workers share."
    return Table("Memory", ("process", "private MB", "resident MB"), rows, note)


def _run(run: Run, found: Summary) -> Table:
    rows = [
        ("begun", run.started_at),
        ("users", f"{run.users}, closed loop; answers of up to {(run.tokens + 1) // 2} to {run.tokens} tokens"),
        ("prompts", f"{run.prompt_words} random words" if run.prompt_words else "the demo model's"),
        ("load average", f"{run.load_average[0]:.2f} before, {run.load_average[1]:.2f} after"),
    ]
    if run.edge is not None:
        rows.append(("chat requests", f"the edge counted {_colors(run.edge)}; users {_colors(found.chat_by_color)}"))
    if run.cpu is not None:
        used = run.cpu
        told = f"service {used.service:.2f}, users {used.clients:.2f}, anything else {used.others:.2f}"
        rows.append(("processors used, mean", told))
    if run.facts is not None:
        facts = run.facts
        rows += [
            ("model", f"{facts.model}, {facts.model_bytes / MB:,.1f} MB"),
            ("machine", f"{facts.processors} x {facts.processor}, {facts.memory_bytes / 1e9:.1f} GB, {facts.system}"),
            ("programs", f"modelsvc {facts.modelsvc}, nginx {facts.nginx}, llama-cpp-python {facts.llama_cpp},"
                         f" Python {facts.python}, Locust {facts.locust}"),
        ]  # fmt: skip
    return Table("The run", ("", ""), tuple(rows))


def _colors(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {color}" for color, count in counts.items()) or "none"
