"""What all plots look like: themes, colours, the marks of operations and their steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from loadtest.records import Record
from loadtest.rig.samples import Sample
from loadtest.rig.values import Operation, Run
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

WIDTH_IN, HEIGHT_IN, DPI, PALETTE = 9.0, 3.4, 130, 128
NEAR = 0.03  # of the width: steps that begin closer to each other share a label
# Told apart by those who do not see red and green, too (Okabe and Ito).
CLASS_COLORS = {"HealthWatcher": "#999999", "ShortChat": "#E69F00", "LongChat": "#CC79A7", "Streaming": "#009E73"}
COLORS = {"blue": "#3A7BD5", "green": "#2FA36B", "none": "#D55E00", "supervisor": "#999999"}
SWITCH = 9  # the step by which clients get to the other colour
FAILED, MARK = "#D55E00", "#8250DF"
THEMES = {
    "light": {"paper": "#ffffff", "ink": "#24292f", "line": "#d0d7de"},
    "dark": {"paper": "#161b22", "ink": "#d6dde5", "line": "#3d444d"},
}


@dataclass(frozen=True, slots=True)
class Story:
    """All that plots are made of."""

    run: Run
    records: Sequence[Record]
    samples: Sequence[Sample]

    def second(self, at_s: float) -> float:
        """Since the run began."""
        return at_s - self.run.began_s

    @property
    def last_s(self) -> float:
        """When the last answer was whole: after the users were told to stop."""
        return max((record.ended_s for record in self.records), default=self.run.ended_s)


def axes_of(story: Story, figure: Figure, what: str) -> Axes:
    axes = figure.subplots()
    dress(story, axes, what)
    return axes


def dress(story: Story, axes: Axes, what: str, *, numbered: bool = True) -> None:
    """Name the axes; shade operations, mark and number their steps."""
    axes.set_ylabel(what)
    axes.set_xlabel("seconds since the first request")
    axes.set_xlim(0, max(1.0, story.second(max(story.run.ended_s, story.last_s))))
    for operation in story.run.operations:
        _mark(story, axes, operation, numbered)


def label(axes: Axes) -> None:
    """Beside the plot, so that it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)


def save(theme: str, draw: Callable[[Figure], None], path: Path) -> None:
    with mpl.rc_context(_style(**THEMES[theme])):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        draw(figure)
        drawn = BytesIO()
        figure.savefig(drawn, dpi=DPI)
    # A palette does for plots, and makes the page half as large.
    Image.open(drawn).convert("RGB").quantize(PALETTE).save(path, optimize=True)


def _mark(story: Story, axes: Axes, operation: Operation, numbered: bool) -> None:
    axes.axvspan(story.second(operation.began_s), story.second(operation.ended_s), alpha=0.12, color=MARK, lw=0)
    marks = [(story.second(step.began_s), step.number) for step in operation.steps if step.began_s is not None]
    for at_s, step_number in marks:
        axes.axvline(at_s, color=MARK, lw=2.0 if step_number == SWITCH else 0.7, alpha=0.7)
    if numbered:
        where = axes.get_xaxis_transform()
        for at_s, text in labels(marks, NEAR * axes.get_xlim()[1]):
            axes.text(at_s, 1.015, text, size=6.5, ha="center", transform=where)


def labels(marks: Sequence[tuple[float, int]], near: float) -> list[tuple[float, str]]:
    """Where to write which numbers: those of marks that lie near to the one before are written together."""
    bunches: list[list[tuple[float, int]]] = []
    for mark in sorted(marks):
        if bunches and mark[0] - bunches[-1][-1][0] < near:
            bunches[-1].append(mark)
        else:
            bunches.append([mark])
    return [(fmean(at for at, _ in bunch), _range([number for _, number in bunch])) for bunch in bunches]


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{min(numbers)}-{max(numbers)}"


def _style(paper: str, ink: str, line: str) -> Any:
    inked = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(inked, ink),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor"), paper),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), line),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.linewidth": 0.5,
        "font.size": 9,
    }
