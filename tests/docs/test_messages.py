"""docs/messages.md has every error code there is, and none that there is not."""

import re
from functools import cache
from pathlib import Path

import pytest
from tests.support.error_codes import Code, codes
from tests.support.warnings_told import warnings

from supervisor import errors
from supervisor.client import exchange
from supervisor.errors import SupervisorError
from supervisor.protocol import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PAGE = (ROOT / "docs" / "messages.md").read_text()

# Where a code is passed on, or what is called `code` is none: an exit code, an answer's HTTP status.
PASSED_ON = {
    "modelsvc/cli/edge.py: told.get('code')",
    "modelsvc/cli/edge.py: code",
    "modelsvc/engine/inspect.py: error.code",
    "modelsvc/store/pull.py: error.code",
    "modelsvc/worker/app.py: code",  # of _CODES
    "modelsvc/worker/envelope.py: error.code",
    "modelsvc/worker/errors.py: self.code",
    "modelsvc/worker/routes_health.py: reason.code",
    "modelsvc/worker/service.py: reason.code",
    "supervisor/steps/admission.py: verdict.code",
    "supervisor/control/app.py: kind",  # an error's type
    "supervisor/core/account.py: code",
    "supervisor/core/planner.py: code",
    "supervisor/core/planner.py: event.code",
    "supervisor/core/slots.py: code",
    "supervisor/edge.py: pid",  # for processes.found, which has a namesake
    "supervisor/errors.py: self.code",
    "supervisor/client/exchange.py: body.code",
    "supervisor/front/server.py: kind",  # an error's type
    "supervisor/front/guard.py: self.code",
    "supervisor/unavailable.py: self.code",
    "supervisor/hooks/run.py: ended.result()",
    "supervisor/journal/past.py: code",
    "supervisor/releases/model_file.py: process.returncode",
    "supervisor/monitor/room.py: verdict.code",
    "supervisor/nginx/config.py: self.code",
    "supervisor/nginx/config.py: code",
    "supervisor/page/errors.py: self.code",
    "supervisor/parts.py: code",
    "supervisor/feed/retelling.py: code",
    "supervisor/startup.py: error.code",
    "supervisor/telemetry/edge.py: FORESEEN_CODES",
}


@cache
def made() -> list[Code]:
    """All but findings of the doctor, which are no errors; docs/doctor.md has them."""
    return [code for code in codes(SRC) if not code.place.startswith("modelsvc/doctor/")]


def listed(page: str) -> set[str]:
    """The codes in the first column of every table but the one of warnings."""
    cells = [line.split("|")[1] for line in page.partition("## Warnings")[0].splitlines() if line.startswith("| `")]
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def test_every_code_is_on_the_page() -> None:
    """Whoever adds an error tells there what to do about it; whoever removes one takes it away."""
    written = {code.text: code.place for code in made() if code.literal}
    assert listed(PAGE) == set(written), {
        "missing": {text: place for text, place in written.items() if text not in listed(PAGE)},
        "not in the source": listed(PAGE) - set(written),
    }


def test_no_code_is_made_where_the_search_does_not_see_it() -> None:
    """What is not written as a text comes from a place that is known to pass on a text written elsewhere."""
    found = {f"{code.place.partition(':')[0]}: {code.text}" for code in made() if not code.literal}
    assert found - PASSED_ON == set()
    assert PASSED_ON - found == set(), "these are no more: take them off the list"


def rows(column: str) -> dict[str, set[str]]:
    """What the tables with this column tell in it, by code."""
    told: dict[str, set[str]] = {}
    for table in re.findall(rf"^\| code \| {column} \|.*\n\|-.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            for code in re.findall(r"`([^`]+)`", cells[1]):
                told.setdefault(code, set()).add(cells[2])
    return told


def test_exit_codes_are_those_of_the_errors() -> None:
    """Each by the class that carries the code."""
    told, classes = rows("exit"), {**vars(errors), **vars(exchange)}
    wrong = {}
    for code in (each for each in made() if each.text in told and not each.place.startswith("modelsvc/worker")):
        maker = classes.get(code.maker)
        if isinstance(maker, type) and issubclass(maker, SupervisorError):
            exit_code = str(int(EXIT_CODES[maker.type]))
            if exit_code not in told[code.text]:
                wrong[code.text] = f"{code.place}: {exit_code}, not {told[code.text]}"
    assert wrong == {}


def test_statuses_are_those_of_the_answers() -> None:
    """Each as it stands before the code."""
    told = rows("status")
    wrong = {
        code.text: f"{code.place}: {code.status}, not {told[code.text]}"
        for code in made()
        if code.text in told and code.status is not None and str(code.status) not in told[code.text]
    }
    assert wrong == {}


def test_every_row_says_what_to_do() -> None:
    """No cell of a table is empty but that of a step."""
    rows = [line.strip("| ").split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    assert all(cell.strip() for row in rows for cell in (row[0], *row[-2:]))


def test_every_warning_is_on_the_page() -> None:
    """By a piece of its text."""
    told = PAGE.partition("## Warnings")[2]
    cells = re.findall(r"^\| `([^`]+)`", told, re.MULTILINE)
    texts, passed_on = warnings(SRC)
    assert [text for text in texts if not any(cell in text for cell in cells)] == []
    # each of hooks.missing_programs; and WorkerPorts.put_off, which is on the page, too
    assert passed_on == {"supervisor/service.py: problem", "supervisor/takeover.py: why"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('class A(Exception):\n    code = "one"', ["one"]),
        ('class A(Exception):\n    status, code = 4, "two"', ["two"]),
        ('raise A("text", code="three")', ["three"]),
        ('class B:\n    def __init__(self, status, code): ...\nB(4, "four")', ["four"]),
        ('@dataclass\nclass C:\n    status: int\n    code: str\nC(4, "five")', ["five"]),
        ('class D(E): ...\nclass E:\n    def __init__(self, code=""): ...\nclass F(E): ...\nF("six")', ["six"]),
        (
            "class G:\n    def __init__(self, s, code): ...\n"
            'class H(G):\n    def __init__(self):\n        super().__init__(5, "six and a half")',
            ["six and a half"],
        ),
        ('def refuse(what, code): ...\nrefuse("x", "seven")', ["seven"]),
        ('x = {"error": {"code": "eight"}}', ["eight"]),
        ('_CODES = {404: ("nine", "text"), 405: "ten"}', ["nine", "ten"]),
        ('A(code="eleven" if x else f"http_{y}")', ["eleven", "http_…"]),
        ('A(code=str(x.get("code", "twelve")))', ["twelve"]),
        ("A(code=known)", ["known"]),
        ("A(code=3)\nA(code=None)", []),
        ('from errors import I\nI("thirteen")', []),  # of which it is not known where its code stands
    ],
)
def test_a_planted_code_is_found(tmp_path: Path, source: str, found: list[str]) -> None:
    """The tests above can fail, whichever way an error is written."""
    (tmp_path / "a.py").write_text(source)
    assert [code.text for code in codes(tmp_path)] == found


def test_a_private_name_counts_in_its_own_module_only(tmp_path: Path) -> None:
    """`_refused` of one module is not that of another."""
    (tmp_path / "a.py").write_text('def _refused(what, code): ...\n_refused("x", "one")')
    (tmp_path / "b.py").write_text('def _refused(what, why): ...\n_refused("x", "no code")')
    assert [code.text for code in codes(tmp_path)] == ["one"]
