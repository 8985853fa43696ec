"""The journal: what is written is there for the next supervisor, and what cannot be written is an error."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from supervisor.core import records as rec
from supervisor.core.ledger import Observation, Subject
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.errors import JournalCorrupt, JournalError
from supervisor.formats import rfc3339
from supervisor.journal import Journal, Route, WorkerRow, database

BLUE, GREEN = Color.BLUE, Color.GREEN
RUNNING, DONE, FAILED = StepState.RUNNING, StepState.DONE, StepState.FAILED


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "supervisor.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def began(number: int, to_color: Color = GREEN) -> rec.DeploymentBegan:
    return rec.DeploymentBegan("r", number, DeploymentKind.DEPLOY, to_color.other, to_color)


def write(journal: Journal, *records: rec.Record) -> None:
    for record in records:
        journal.write(record)


def test_a_new_journal_knows_nothing(journal: Journal) -> None:
    """And says so without an error."""
    assert journal.route() == Route()
    assert (journal.last_deployment(), journal.last_worker()) == (0, 0)
    assert (journal.living_workers(), journal.last_exits(), journal.history(9)) == ([], {}, [])
    assert journal.unfinished() is None
    assert journal.deployment(1) is None
    assert journal.fact("edge") is None


def test_everything_is_there_after_a_crash(path: Path) -> None:
    """Each record is durable when it is written, without a proper end of the supervisor."""
    before = Journal(path)
    write(
        before,
        rec.WorkerBegan(BLUE, "blue-4", 40, 4.5, 1),
        rec.EdgeChanged(50, 5.5),
        rec.RouteChanged(BLUE, 1, None),
        began(7),
        rec.StepChanged(7, Step.CHECK_ACTIVE, RUNNING),
    )
    with closing(Journal(path)) as after:  # while the first still has it open
        assert after.living_workers() == [WorkerRow("blue-4", BLUE, 40, 4.5, 1)]
        assert after.fact("edge") == [50, 5.5]
        assert after.route() == Route(BLUE, 1, None)
        assert (after.last_deployment(), after.last_worker()) == (7, 4)
        left = after.unfinished()
        assert left is not None
        assert (left.deployment, left.from_color, left.to_color, left.outcome) == (7, BLUE, GREEN, None)
    before.close()


def test_a_deployment_with_its_steps(journal: Journal) -> None:
    """States, details, and how long each took."""
    write(
        journal,
        began(1),
        rec.StepChanged(1, Step.CHECK_ACTIVE, RUNNING),
        rec.StepChanged(1, Step.CHECK_ACTIVE, DONE, "blue is ready"),
        rec.StepChanged(1, Step.ADMIT, RUNNING),
        rec.StepChanged(1, Step.ADMIT, DONE, "fits", release=3),
        rec.StepChanged(1, Step.START_STANDBY, StepState.SKIPPED, "warm"),
        rec.StepShown(1, Step.AWAIT_READY, "loading"),
        rec.StepChanged(1, Step.BAKE, RUNNING),
        rec.RequestEnded("r", Outcome.SUCCEEDED, "", 1, 3, GREEN),
    )
    found = journal.deployment(1)
    assert found is not None
    steps = {step.number: step for step in found.steps}

    assert (found.outcome, found.release, found.reason, found.kind) == (Outcome.SUCCEEDED, 3, "", DeploymentKind.DEPLOY)
    assert set(steps) == {Step.CHECK_ACTIVE, Step.ADMIT, Step.START_STANDBY, Step.BAKE}
    assert (steps[1].name, steps[1].state, steps[1].detail) == ("check_active", DONE, "blue is ready")
    assert steps[1].seconds is not None
    assert steps[1].seconds >= 0
    assert (steps[4].state, steps[4].seconds) == (StepState.SKIPPED, None)
    assert (steps[12].state, steps[12].seconds) == (RUNNING, None)
    assert found.seconds is not None
    assert found.started_at <= (found.finished_at or "")


def test_an_undone_step_keeps_why_and_how_long(journal: Journal) -> None:
    """The undoing has nothing to say of its own."""
    write(
        journal,
        began(1),
        rec.StepChanged(1, Step.WRITE_CONFIG, RUNNING),
        rec.StepChanged(1, Step.WRITE_CONFIG, DONE, "to green"),
    )
    before = journal.deployment(1)
    write(journal, rec.StepChanged(1, Step.WRITE_CONFIG, StepState.UNDONE))
    after = journal.deployment(1)
    assert before is not None
    assert after is not None

    assert (after.steps[0].state, after.steps[0].detail) == (StepState.UNDONE, "to green")
    assert after.steps[0].seconds == before.steps[0].seconds


def test_a_step_that_comes_again_takes_its_time_anew(journal: Journal) -> None:
    """A later supervisor goes on with a deployment from an earlier step on."""
    write(journal, began(1), rec.StepChanged(1, Step.DRAIN, RUNNING), rec.StepChanged(1, Step.DRAIN, DONE))
    for state in (StepState.PENDING, RUNNING):
        write(journal, rec.StepChanged(1, Step.DRAIN, state))
        found = journal.deployment(1)
        assert found and (found.steps[0].state, found.steps[0].seconds) == (state, None)
    write(journal, rec.StepChanged(1, Step.DRAIN, DONE))
    found = journal.deployment(1)
    assert found and found.steps[0].seconds is not None


def test_history_is_newest_first_and_bounded(journal: Journal) -> None:
    """Whatever the outcome."""
    for number in (1, 2, 3):
        write(journal, began(number), rec.RequestEnded("r", Outcome.ROLLED_BACK, f"because {number}", number))

    assert [found.deployment for found in journal.history(10)] == [3, 2, 1]
    assert [(found.deployment, found.reason) for found in journal.history(1)] == [(3, "because 3")]
    assert journal.unfinished() is None


def test_requests_without_a_deployment_are_not_history(journal: Journal) -> None:
    """A refusal changed nothing."""
    write(journal, rec.RequestEnded("r", Outcome.REFUSED, "busy"))
    assert journal.history(10) == []


def test_what_was_left_open_is_closed(journal: Journal) -> None:
    """By the next supervisor, with its outcome and the reason."""
    write(journal, began(1))
    journal.end_unfinished(1, Outcome.ROLLED_BACK, "the supervisor ended")
    found = journal.deployment(1)
    assert found is not None

    assert journal.unfinished() is None
    assert (found.outcome, found.reason) == (Outcome.ROLLED_BACK, "the supervisor ended")
    assert found.finished_at is not None


def test_the_route_is_the_last_verified_one(journal: Journal) -> None:
    """Nobody, too."""
    write(journal, rec.RouteChanged(BLUE, 1, None), rec.RouteChanged(GREEN, 2, 1, 5))
    assert journal.route() == Route(GREEN, 2, 1, 5)
    write(journal, rec.RouteChanged(None, None, None))
    assert journal.route() == Route()


def test_how_each_colours_last_worker_ended(journal: Journal) -> None:
    """By exit code or by signal, and never both; one that nobody watched by neither."""
    write(
        journal,
        rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1),
        rec.WorkerGone(BLUE, "blue-1", 3, False, "exited with code 3"),
        rec.WorkerBegan(BLUE, "blue-2", 2, 2.0, 1),
        rec.WorkerGone(BLUE, "blue-2", -9, False, "was killed"),
        rec.WorkerBegan(GREEN, "green-3", 3, 3.0, 1),
    )
    assert {color: (its.code, its.signal) for color, its in journal.last_exits().items()} == {BLUE: (None, "SIGKILL")}
    journal.lose_worker("green-3")
    assert (journal.last_exits()[GREEN].code, journal.last_exits()[GREEN].signal) == (None, None)
    assert journal.living_workers() == []


@pytest.mark.parametrize(
    ("code", "expected"), [(0, (0, None)), (1, (1, None)), (-15, (None, "SIGTERM")), (-45, (None, "signal 45"))]
)
def test_an_exit_in_words(journal: Journal, code: int, expected: tuple[int | None, str | None]) -> None:
    """A signal without a name is told by its number."""
    write(journal, rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1), rec.WorkerGone(BLUE, "blue-1", code, True))
    exit_ = journal.last_exits()[BLUE]
    assert (exit_.code, exit_.signal) == expected


def test_the_end_of_a_worker_that_never_began_is_no_error(journal: Journal) -> None:
    """Its process could not be spawned."""
    write(journal, rec.WorkerGone(BLUE, "blue-1", None, False, "no such file"))
    assert journal.last_exits() == {}


def test_worker_numbers_count_across_colours(journal: Journal) -> None:
    """As numbers: 10 is after 9."""
    write(journal, rec.WorkerBegan(BLUE, "blue-9", 1, 1.0, 1), rec.WorkerBegan(GREEN, "green-10", 2, 2.0, 1))
    assert journal.last_worker() == 10


def test_an_ended_edge_is_not_looked_for(journal: Journal) -> None:
    """Only a living nginx is worth adopting."""
    write(journal, rec.EdgeChanged(5, 1.5), rec.EdgeChanged(None, reason="killed"))
    assert journal.fact("edge") is None


def test_facts_are_kept_by_name(journal: Journal) -> None:
    """The last one counts."""
    for value in ({"slots": 4, "path": ""}, [1], None, "x"):
        journal.remember("name", value)
        assert journal.fact("name") == value
    assert journal.fact("other") is None


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but long enough to be asked", b"SQLite format 3\0junk"]
)
def test_a_broken_file_is_an_error_of_its_own(path: Path, content: bytes) -> None:
    """Named, and left as it is for whoever wants to look."""
    path.write_bytes(content * 40)
    with pytest.raises(JournalCorrupt, match=r"supervisor\.db is damaged.*sets the file aside"):
        Journal(path)
    assert path.read_bytes() == content * 40


def test_a_file_that_cannot_be_made_is_an_error(folder: Path) -> None:
    """Its folder is missing, or a folder has its name; so for root, too."""
    (folder / "db").mkdir()
    for path in (folder / "missing" / "supervisor.db", folder / "db"):
        with pytest.raises(JournalError, match="cannot be opened"):
            Journal(path)


def test_a_write_that_the_disk_refuses_is_an_error(path: Path) -> None:
    """A journal that cannot be written ends the supervisor rather than let decisions go unrecorded."""
    with closing(Journal(path)) as journal:
        journal._db.run("PRAGMA query_only=1", ())
        with pytest.raises(JournalError, match=r"cannot be written.*free the disk"):
            journal.write(began(1))
        assert journal.history(1) == []


def test_a_deployment_is_not_begun_twice(journal: Journal) -> None:
    """Its number is its identity."""
    write(journal, began(1))
    with pytest.raises(JournalError, match="cannot be written"):
        journal.write(began(1))


def test_the_journal_waits_for_the_disk(path: Path) -> None:
    """Each write is synced, and readers do not stop it."""
    with closing(Journal(path)) as journal:
        ((mode,),) = journal._db.rows("PRAGMA journal_mode")
        ((synchronous,),) = journal._db.rows("PRAGMA synchronous")
        assert (mode, synchronous) == ("wal", 2)
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM deployments").fetchall()
            journal.write(began(1))


VERSION_1 = """
CREATE TABLE deployments (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, from_color TEXT, to_color TEXT NOT NULL, release INTEGER,
    started_at REAL NOT NULL, finished_at REAL, outcome TEXT, reason TEXT NOT NULL DEFAULT ''
);
CREATE TABLE steps (
    deployment INTEGER NOT NULL REFERENCES deployments(id), number INTEGER NOT NULL, state TEXT NOT NULL,
    started_at REAL NOT NULL, seconds REAL, detail TEXT NOT NULL DEFAULT '', PRIMARY KEY (deployment, number)
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO deployments VALUES (3, 'deploy', 'blue', 'green', 2, 100.0, 104.0, 'succeeded', '');
INSERT INTO steps VALUES (3, 3, 'done', 100.5, 0.25, 'release 2');
INSERT INTO facts VALUES ('route', '{"active": "green", "release": 2, "previous_release": 1}');
PRAGMA user_version=1;
"""


def test_a_journal_of_version_1_is_taken_over(path: Path) -> None:
    """With all that it holds; its steps have no evidence. Opening it again changes nothing."""
    with closing(sqlite3.connect(path)) as older:
        older.executescript(VERSION_1)
    for _ in range(2):
        with closing(Journal(path)) as journal:
            found = journal.deployment(3)
            assert found is not None
            assert (found.outcome, found.steps[0].detail, found.steps[0].evidence) == ("succeeded", "release 2", {})
            assert journal.route() == Route(GREEN, 2, 1)
            assert journal.observations() == []
    with closing(Journal(path)) as journal:
        write(journal, rec.StepChanged(3, Step.WARM_UP, DONE, evidence=observed(480)))
        assert [seen.measured_bytes for seen in journal.observations()] == [480]
    with closing(sqlite3.connect(path)) as newer:
        assert newer.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    """The older modelsvc can still read its journal."""
    with closing(sqlite3.connect(path)) as older:
        older.executescript(VERSION_1 + "ALTER TABLE steps RENAME TO stages;")
        before = older.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(path)
    with closing(sqlite3.connect(path)) as older:
        assert older.execute("PRAGMA user_version").fetchone() == (1,)
        assert older.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before


def test_evidence_is_kept_with_its_step(journal: Journal) -> None:
    """Also when the step is undone later, and of a step that failed."""
    sharing = {"sharing": {"mapped_bytes": 5, "shared_with": ["blue"], "private_bytes": None}}
    write(
        journal,
        began(1),
        rec.StepChanged(1, Step.ADMIT, RUNNING),
        rec.StepChanged(1, Step.ADMIT, DONE, "fits", 1, sharing),
        rec.StepChanged(1, Step.ADMIT, StepState.UNDONE),
        rec.StepChanged(1, Step.WARM_UP, FAILED, "no", evidence={"short_bytes": 7}),
    )
    found = journal.deployment(1)

    assert found is not None
    assert [step.evidence for step in found.steps] == [sharing, {"short_bytes": 7}]


def observed(measured: int) -> dict[str, object]:
    return {
        "observation": {
            "model_sha256": "aa",
            "architecture": "llama",
            "package_version": "1.0",
            "settings": {"slots": 4},
            "formula_bytes": 500,
            "measured_bytes": measured,
        }
    }


def test_what_was_measured_is_found_again(path: Path) -> None:
    """In the order of time, one a deployment, by the next supervisor too; a step that failed measured nothing."""
    with closing(Journal(path)) as journal:
        for number, measured in ((1, 480), (2, 470)):
            write(journal, began(number), rec.StepChanged(number, Step.WARM_UP, DONE, evidence=observed(measured)))
        write(journal, began(3), rec.StepChanged(3, Step.WARM_UP, FAILED, evidence=observed(9)))
    with closing(Journal(path)) as journal:
        subject = Subject("aa", "llama", "1.0", {"slots": 4})
        assert journal.observations() == [Observation(subject, 500, 480), Observation(subject, 500, 470)]


def test_what_served_before_a_deployment(journal: Journal) -> None:
    """The release of the last one that succeeded."""
    ends = [(Outcome.SUCCEEDED, 5), (Outcome.ROLLED_BACK, 6), (Outcome.SUCCEEDED, 7)]
    for number, (outcome, release) in enumerate(ends, 1):
        write(journal, began(number), rec.RequestEnded("r", outcome, "", number, release))

    assert [journal.served_before(number) for number in (1, 2, 3, 4)] == [None, 5, 5, 7]


def test_a_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    """What an older modelsvc does not know it must not change."""
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match=r"has version 99.*install the newer modelsvc"):
        Journal(path)


@pytest.mark.parametrize("jump_s", [-7200.0, 7200.0])
def test_durations_do_not_follow_the_time_of_day(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """The clock is set by hours in the middle of a deployment, and nothing took hours, or less than nothing."""
    now = time.time()
    write(journal, rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1), rec.WorkerGone(BLUE, "blue-1", 1, False, "first"))
    write(journal, began(1), rec.StepChanged(1, Step.CHECK_ACTIVE, RUNNING))
    monkeypatch.setattr(time, "time", lambda: now + jump_s)
    under_way = journal.deployment(1)
    write(journal, rec.StepChanged(1, Step.CHECK_ACTIVE, DONE), rec.RequestEnded("r", Outcome.SUCCEEDED, "", 1, 3))
    write(journal, rec.WorkerBegan(BLUE, "blue-2", 2, 2.0, 1), rec.WorkerGone(BLUE, "blue-2", 1, False, "second"))

    over = journal.deployment(1)
    assert under_way and over and over.steps[0].seconds is not None
    assert all(0 <= (seconds or 0) < 5 for seconds in (under_way.seconds, over.seconds, over.steps[0].seconds))
    assert journal.last_exits()[BLUE].reason == "second"
    assert [death.reason for death in journal.deaths()[BLUE]] == ["second", "first"]


def test_a_deployment_of_an_earlier_supervisor_never_took_less_than_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beginning is known by the time of day only, which was set back since."""
    with closing(Journal(path)) as before:
        write(before, began(1), rec.StepChanged(1, Step.CHECK_ACTIVE, RUNNING))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 7200.0)
    with closing(Journal(path)) as journal:
        left = journal.unfinished()
        write(journal, rec.StepChanged(1, Step.CHECK_ACTIVE, DONE))
        journal.end_unfinished(1, Outcome.FAILED, "ended")
        over = journal.deployment(1)
    assert left and over and (left.seconds, over.seconds, over.steps[0].seconds) == (0, 0, 0)


def test_times_are_told_in_utc() -> None:
    """As RFC 3339 has them."""
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"
    assert datetime.fromisoformat(rfc3339(1_700_000_000.25)).timestamp() == 1_700_000_000.25


@pytest.mark.parametrize("place", ["sync_folder", "_put_in_place", "_open"])
def test_a_journal_that_could_not_be_made_anew_is_made_anew_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Wherever that failed, what it knew is in the file in the end."""
    journal = Journal(path)
    write(journal, rec.WorkerBegan(BLUE, "blue-4", 40, 4.5, 1))
    path.unlink()

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error") if place != "_open" else JournalError("no")

    with monkeypatch.context() as broken:
        broken.setattr(database if place == "sync_folder" else database.Database, place, fail)
        for _ in range(2):
            with pytest.raises(JournalError):
                journal.recreate()
    journal.recreate()
    write(journal, rec.WorkerBegan(GREEN, "green-5", 50, 5.5, 2))
    with closing(Journal(path)) as after:
        assert [row.worker_id for row in after.living_workers()] == ["blue-4", "green-5"]
    journal.close()
