"""Draw the pictures of docs/architecture.md from the code that decides: `make diagrams`.

A picture stands between `<!-- NAME: written by make diagrams -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from supervisor.core import lifecycle
from supervisor.core.ending import to_undo
from supervisor.core.state import Color, Deployment, DeploymentKind, State, Undo
from supervisor.core.steps import Step

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"

UNDOING = {
    Undo.SWITCH_BACK: "switch the edge back",
    Undo.DRAIN_STANDBY: "let the standby finish what it got",
    Undo.STOP_STANDBY: "stop the standby",
}


def deployment() -> str:
    """The 13 steps, and what is taken back when one of them fails, as a Mermaid flowchart."""
    return "\n".join(["flowchart LR", *(line for group in _groups() for line in _drawn(*group)), *_joined()])


def _groups() -> Iterator[tuple[str, list[Step]]]:
    """Steps that follow each other and whose failure means the same, each time with what it means."""
    for meaning, steps in groupby(Step, _when_it_fails):
        yield meaning, list(steps)


def _when_it_fails(step: Step) -> str:
    begun = Deployment(1, DeploymentKind.DEPLOY, "request", Color.BLUE, Color.GREEN, step=step)
    if begun.is_baked:
        return ""
    undo = to_undo(State(), begun)
    return ",<br>".join(UNDOING[each] for each in undo) or "refused: nothing was changed"


def _drawn(meaning: str, steps: list[Step]) -> Iterator[str]:
    group = f"steps{steps[0]}"
    yield f'    subgraph {group}["{_span(steps)}"]'
    yield "        direction TB"
    yield "        " + " --> ".join(f's{step}["{step:d} {step.title}"]' for step in steps)
    yield "    end"
    if meaning:
        yield f'    {group} -. fails .-> undo{steps[0]}["{meaning}"]'


def _span(steps: list[Step]) -> str:
    return f"step {steps[0]:d}" if len(steps) == 1 else f"steps {steps[0]:d} to {steps[-1]:d}"


def _joined() -> Iterator[str]:
    firsts = [f"steps{steps[0]}" for _, steps in _groups()]
    yield "    " + " --> ".join(firsts)


PICTURES: dict[str, Callable[[], str]] = {"deployment": deployment, "lifecycle": lifecycle.mermaid}


def drawn(page: str) -> str:
    """The page with its pictures as the code has them. Raises ValueError when one has no place in it."""
    for name, picture in PICTURES.items():
        place = re.search(rf"<!-- {name}: written by make diagrams -->\n(.*?)<!-- end -->", page, re.DOTALL)
        if place is None:
            raise ValueError(f"there is no place for the picture {name!r}")
        page = f"{page[: place.start(1)]}```mermaid\n{picture()}\n```\n{page[place.end(1) :]}"
    return page


def main() -> None:
    PAGE.write_text(drawn(PAGE.read_text()))
    print(f"{PAGE.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()
