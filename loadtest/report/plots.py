"""The plots of a run, each drawn for light and for dark pages."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from loadtest.records import Record
from loadtest.report.canvas import CLASS_COLORS, COLORS, FAILED, THEMES, Story, axes_of, dress, label, save
from loadtest.report.figures import groups, per_second, percentile, reason_of, reasons
from loadtest.rig.samples import Sample
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LEAST_MS = 0.001  # a logarithmic axis has no 0
SLOW_PER_S, SLOW_STEP_S = 10.0, 5.0
OTHER_REASONS, SHORT = "other reasons", 40
Draw = Callable[[Story, Figure], None]


def draw_all(story: Story, folder: Path) -> dict[str, dict[str, Path]]:
    """PNG files by the plot's title and theme."""
    folder.mkdir(exist_ok=True)
    drawn: dict[str, dict[str, Path]] = {}
    for theme in THEMES:
        for title, (name, draw) in PLOTS.items():
            path = folder / (f"{name}.png" if theme == "light" else f"{name}-{theme}.png")
            save(theme, lambda figure, draw=draw: draw(story, figure), path)  # type: ignore[misc]
            drawn.setdefault(title, {})[theme] = path
    return drawn


def latency(story: Story, figure: Figure) -> None:
    """Each answer a dot; failed requests are crosses."""
    axes = axes_of(story, figure, "latency, s")
    axes.set_yscale("log")
    for name, records in _by_class(story):
        _dots(story, axes, records, name)
    failed = [record for record in story.records if record.failure]
    if failed:
        axes.scatter(
            [story.second(record.ended_s) for record in failed], [record.latency_s for record in failed],
            s=30, marker="x", color=FAILED, label="failed",
        )  # fmt: skip
    label(axes)


def rate(story: Story, figure: Figure) -> None:
    """What ended, by class."""
    _stacked(story, axes_of(story, figure, "requests /s"), _by_class(story), CLASS_COLORS)


def by_color(story: Story, figure: Figure) -> None:
    """Who answered."""
    found = groups(story.records, lambda record: record.color or "none")
    _stacked(story, axes_of(story, figure, "answers /s"), sorted(found.items()), COLORS)


def streams(story: Story, figure: Figure) -> None:
    """Time to first token, and the median gap after it, of each stream."""
    axes = axes_of(story, figure, "ms")
    axes.set_yscale("log")
    begun = [record for record in story.records if record.first_token_s is not None]
    gaps = {record: percentile(record.gaps_ms, 0.5) for record in begun if record.gaps_ms}
    points = {
        ("Streaming", "to first token"): [(record, 1000 * (record.first_token_s or 0)) for record in begun],
        ("ShortChat", f"between tokens, median\n(0 is drawn as {LEAST_MS})"): [
            (record, gap or LEAST_MS) for record, gap in gaps.items()
        ],
    }
    for (color, name), found in points.items():
        times = [story.second(record.ended_s) for record, _ in found]
        axes.scatter(times, [value for _, value in found], s=7, label=name, color=CLASS_COLORS[color])
    label(axes)


def memory(story: Story, figure: Figure) -> None:
    """Private bytes above, resident ones below."""
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, name, megabytes in ((top, "private", _private_mb), (bottom, "resident", _resident_mb)):
        for process, samples in groups(story.samples, lambda sample: sample.process).items():
            seconds = [story.second(sample.at_s) for sample in samples]
            values = [megabytes(sample) for sample in samples]
            axes.step(seconds, values, where="post", color=COLORS[process], label=process)
        axes.set_ylim(bottom=0)
        dress(story, axes, f"{name}, MB", numbered=axes is top)
    top.set_xlabel("")
    label(top)


def failures(story: Story, figure: Figure) -> None:
    """What failed, by reason."""
    axes = axes_of(story, figure, "failed /s")
    failed = [record for record in story.records if record.failure]
    if not failed:
        axes.set_ylim(0, 1)
        axes.text(0.5, 0.45, f"0 of {len(story.records):,} failed", transform=axes.transAxes, ha="center", size=13)
        return
    frequent = [reason.what for reason in reasons(failed)[: len(CLASS_COLORS)]]
    found = groups(failed, lambda record: what if (what := reason_of(record)) in frequent else OTHER_REASONS)
    series = [(what[:SHORT], found[what]) for what in (*frequent, OTHER_REASONS) if what in found]
    _stacked(story, axes, series, dict(zip((what[:SHORT] for what in frequent), CLASS_COLORS.values(), strict=False)))


PLOTS: dict[str, tuple[str, Draw]] = {
    "Latency over time": ("latency", latency),
    "Request rate over time": ("rate", rate),
    "Who answered": ("colors", by_color),
    "Streams: time to first token and between tokens": ("streams", streams),
    "Memory": ("memory", memory),
    "Failures": ("failures", failures),
}


def _private_mb(sample: Sample) -> float:
    return sample.private_bytes / 1e6 or math.nan  # no process, no line


def _resident_mb(sample: Sample) -> float:
    return sample.rss_bytes / 1e6 or math.nan


def _by_class(story: Story) -> list[tuple[str, list[Record]]]:
    return sorted(groups(story.records, lambda record: record.user_class).items())


def _dots(story: Story, axes: Axes, records: Sequence[Record], name: str) -> None:
    right = [record for record in records if not record.failure]
    axes.scatter(
        [story.second(record.ended_s) for record in right], [record.latency_s for record in right],
        s=7, alpha=0.6, linewidths=0, color=CLASS_COLORS.get(name), label=name,
    )  # fmt: skip


def _stacked(story: Story, axes: Axes, series: Sequence[tuple[str, Sequence[Record]]], colors: dict[str, str]) -> None:
    """What ended in a second, in steps; slow services get wider ones, for they would be but spikes."""
    began_s, ended_s = story.run.began_s, story.last_s
    width_s = SLOW_STEP_S if len(story.records) < SLOW_PER_S * (ended_s - began_s) else 1.0
    rates = [per_second(records, began_s, ended_s, width_s) for _, records in series]
    if rates:
        axes.stackplot(
            [width_s * number for number in range(len(rates[0]) + 1)], [[*each, each[-1]] for each in rates],
            labels=[name for name, _ in series], colors=[colors.get(name, FAILED) for name, _ in series],
            step="post", alpha=0.85,
        )  # fmt: skip
    label(axes)
