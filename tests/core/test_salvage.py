"""What a lost or damaged journal is told: from what lives and what was logged."""

import pytest

from supervisor.core import records as rec
from supervisor.core.salvage import Known, Reality, Salvage, Traces, salvage, worker_number
from supervisor.core.state import Color

BLUE, GREEN = Color.BLUE, Color.GREEN
OLD = rec.WorkerBegan(BLUE, "blue-3", 30, 3.0, 1)
NEW = rec.WorkerBegan(GREEN, "green-4", 40, 4.0, 2)
NGINX = rec.EdgeChanged(50, 5.0)
LOST = Known(fresh=True)
SOUND = Known(workers=frozenset({"blue-3", "green-4"}), colors=frozenset(Color), active=BLUE, edge_lives=True)


def test_a_new_folder_has_nothing_to_salvage() -> None:
    """No record, and numbers from the beginning."""
    assert salvage(LOST, Reality(), Traces()) == Salvage((), {"deployment": 0, "worker": 0})


def test_a_sound_journal_is_told_nothing() -> None:
    """Even where the route differs, which is a deployment's or an operator's business."""
    assert salvage(SOUND, Reality((OLD, NEW), NGINX, GREEN), Traces(9, 9)) == Salvage()


def test_all_that_lives_is_taken_up() -> None:
    """The route by its marker, the release by the worker that serves, the numbers by whichever is higher."""
    logged = Traces(7, 3, rec.RouteChanged(GREEN, 2, 1))
    found = salvage(LOST, Reality((OLD, NEW), NGINX, GREEN), logged)
    assert found == Salvage((OLD, NEW, NGINX, rec.RouteChanged(GREEN, 2, 1)), {"deployment": 7, "worker": 4})


def test_a_route_that_was_switched_after_the_last_word_in_the_log() -> None:
    """The worker that gets the requests serves; what was logged as serving is the release before."""
    found = salvage(LOST, Reality((OLD, NEW), NGINX, GREEN), Traces(route=rec.RouteChanged(BLUE, 1, None)))
    assert found.records[-1] == rec.RouteChanged(GREEN, 2, 1)


@pytest.mark.parametrize(
    ("reality", "traces", "expected"),
    [
        (Reality((OLD,)), Traces(), rec.RouteChanged(BLUE, 1, None)),
        (Reality((), None, GREEN), Traces(), rec.RouteChanged(GREEN, None, None)),
        (Reality(), Traces(route=rec.RouteChanged(GREEN, 5, 4)), rec.RouteChanged(GREEN, 5, 4)),
        (Reality((OLD, NEW)), Traces(route=rec.RouteChanged(BLUE, 1, None)), rec.RouteChanged(BLUE, 1, None)),
    ],
    ids=["one worker lives", "only the marker", "only the log", "requests are held"],
)
def test_what_serves_where_little_is_left(reality: Reality, traces: Traces, expected: rec.RouteChanged) -> None:
    """The best witness there is."""
    assert salvage(LOST, reality, traces).records[-1] == expected


def test_two_workers_and_no_witness() -> None:
    """Nobody can tell which one served: neither is said to."""
    assert salvage(LOST, Reality((OLD, NEW)), Traces()).records == (OLD, NEW)


def test_a_pause_and_what_was_prewarmed_or_rejected_outlive_the_journal() -> None:
    """As the log has them."""
    found = salvage(LOST, Reality(), Traces(paused=True, prewarmed=8, rejected=7))
    assert found.records == (rec.Paused(True), rec.Prewarmed(8), rec.Rejected(7))


def test_a_worker_that_was_never_written_down() -> None:
    """A supervisor that was killed right after it had started one, or a log that was cut: it is known from now on."""
    known = Known(workers=frozenset({"blue-3"}), colors=frozenset({BLUE}), active=BLUE, edge_lives=True)
    assert salvage(known, Reality((OLD, NEW), NGINX, BLUE), Traces()) == Salvage((NEW,))


def test_a_journal_that_is_outdated() -> None:
    """It knows an active worker that has gone, and not the one that gets the requests: that one serves."""
    known = Known(workers=frozenset({"blue-3"}), active=BLUE, edge_lives=True)
    found = salvage(known, Reality((NEW,), NGINX, GREEN), Traces())
    assert found == Salvage((NEW, rec.RouteChanged(GREEN, 2, None)))


def test_an_unfinished_deployment_is_left_to_be_reconciled() -> None:
    """There the route may be ahead of what was verified."""
    known = Known(workers=frozenset({"blue-3"}), active=BLUE, edge_lives=True, unfinished=True)
    assert salvage(known, Reality((NEW,), NGINX, GREEN), Traces()) == Salvage((NEW,))


def test_another_nginx_than_the_recorded_one() -> None:
    """It is taken up when the recorded one is gone."""
    known = Known(workers=frozenset({"blue-3"}), colors=frozenset({BLUE}), active=BLUE)
    assert salvage(known, Reality((OLD,), NGINX, BLUE), Traces()) == Salvage((NGINX,))


@pytest.mark.parametrize(("worker_id", "number"), [("blue-7", 7), ("", 0), ("blue-x", 0), ("blue", 0)])
def test_worker_number(worker_id: str, number: int) -> None:
    """0 for what is no id of ours."""
    assert worker_number(worker_id) == number
