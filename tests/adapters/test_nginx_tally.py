"""Counting what the edge answered, from its access log."""

import json
import os
import shutil
from pathlib import Path

import pytest

from supervisor.nginx import tally as tallies
from supervisor.nginx.access_log import EdgeMark, mark
from supervisor.nginx.tally import EdgeTally, tally


def line(number: int, status: int, color: str = "blue", path: str = "/chat", method: str = "POST") -> str:
    told = {"time": "2026-01-02T03:04:05+00:00", "request_id": f"{number:09}", "method": method, "seconds": 0.25}
    return json.dumps({**told, "status": status, "color": color, "path": path}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def add(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.writelines(lines)


def test_what_came_after_the_mark_is_counted_by_colour(log: Path) -> None:
    """A status of 500 or more has failed; below it, the client was answered."""
    add(log, line(1, 500), line(2, 200))
    since = mark(log)
    add(log, line(3, 200), line(4, 429), line(5, 503, ""), line(6, 200, "green"), line(7, 500, "green"))

    assert tally(log, since) == EdgeTally(
        requests=5,
        failed=2,
        by_color={"blue": 2, "": 1, "green": 2},
        failed_by_color={"": 1, "green": 1},
        complete=True,
    )
    assert tally(log, mark(log)) == EdgeTally()


def test_questions_about_health_and_origins_are_no_requests_of_clients(log: Path) -> None:
    """The supervisor itself asks about health at the edge, and load balancers do; browsers ask about origins."""
    add(
        log,
        line(1, 200, path="/healthz"),
        line(2, 503, path="/ready"),
        line(2, 503, path="/v1/health"),
        line(2, 204, "", method="OPTIONS"),
        line(3, 200, path="/chat/ada"),
    )

    assert tally(log, EdgeMark()).requests == 1


def test_a_line_under_way_is_left_for_the_next_time(log: Path) -> None:
    """nginx may be writing it."""
    since = mark(log)
    add(log, line(1, 200), line(2, 500)[:20])

    assert tally(log, since).requests == 1


@pytest.mark.parametrize("after", [1, 9], ids=["shorter", "longer than before"])
def test_a_rotated_log_is_counted_from_its_beginning(log: Path, after: int) -> None:
    """Copied aside and emptied; what was lost with it is owned up to."""
    add(log, *(line(number, 200) for number in range(5)))
    since = mark(log)
    shutil.copyfile(log, log.with_suffix(".1"))
    os.truncate(log, 0)
    add(log, *(line(100 + number, 200) for number in range(after)))

    assert tally(log, since) == EdgeTally(after, 0, {"blue": after}, {}, complete=False)


def test_a_line_that_cannot_be_read_is_owned_up_to(log: Path) -> None:
    """nginx writes 000 where it sent no status, which is no JSON; the others are counted all the same."""
    add(log, line(1, 200), line(2, 200).replace("200", "000"), line(3, 500))

    assert tally(log, EdgeMark()) == EdgeTally(2, 1, {"blue": 2}, {"blue": 1}, complete=False)


def test_a_log_that_is_not_there_has_nothing(log: Path) -> None:
    """Not yet, or no longer."""
    assert mark(log) == EdgeMark() and tally(log, EdgeMark()) == EdgeTally()
    assert not tally(log, EdgeMark(10, b"{")).complete


def test_counting_ends_at_a_limit_and_says_so(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence must not cost seconds."""
    size = len(line(1, 200))
    monkeypatch.setattr(tallies, "READ_LIMIT", 2 * size)
    since = mark(log)
    add(log, line(1, 200), line(2, 200))
    assert tally(log, since) == EdgeTally(2, 0, {"blue": 2}, {}, complete=True)
    add(log, line(3, 200))
    assert tally(log, since) == EdgeTally(2, 0, {"blue": 2}, {}, complete=False)
