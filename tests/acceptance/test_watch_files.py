"""The watch on files, with a real service: what is edited is deployed, and nothing else happens."""

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import tomli_w
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fixture import Service, other, passed, running_service
from tests.support.service_traffic import plain_traffic, steady_traffic
from tests.support.service_truth import contradictions

from modelsvc.models import demo_model_path
from supervisor.protocol import Status

OLDER = Path(__file__).parent.parent / "support" / "service_of_older_version.py"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    model = tmp_path_factory.mktemp("models") / "current.gguf"
    shutil.copy(demo_model_path(), model)
    tables = {"watch": {"enabled": True, "debounce_s": 0.2}, "model": {"path": str(model)}}
    with running_service(tables=tables) as service:
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    """What the files say serves."""
    accords(running)
    return running


# --- what is deployed -------------------------------------------------------------------------------------------------


def test_an_edit_is_deployed_under_traffic(service: Service) -> None:
    """As `ctl deploy` would; history and explanation say who asked, and for what."""
    before = service.status()
    slots = another(before)
    with steady_traffic(service.url) as traffic:
        edit(service, slots=slots)
        after = service.sees(lambda s: is_settled(s) and settings(s)["slots"] == slots, "the edit serves")
        traffic.goes_on()

    because = f"model.slots {7 - slots} -> {slots}"
    past = service.history()[0]
    assert (after.active, past.because, past.outcome) == (other(before.active), because, "succeeded")
    assert f"asked by watch: {because}" in service.ctl("history").out
    assert f"by watch: {because}" in service.ctl("explain", str(past.deployment)).out
    assert not contradictions(service, after)


def test_a_new_model_file_is_deployed_under_traffic(service: Service) -> None:
    """It was renamed over the one that served."""
    before = service.status()
    assert before.release
    with steady_traffic(service.url) as traffic:
        rename_over(model_of(service), demo_model_path().read_bytes() + b"\0" * 64)
        after = service.sees(lambda s: is_settled(s) and sha(s) != sha(before), "the new file serves")
        traffic.goes_on()
    assert service.history()[0].because.startswith(f"model file {sha(before)[:12]} -> {sha(after)[:12]}")


def test_a_change_during_a_deployment_is_deployed_after_it(service: Service) -> None:
    """The operator's is not disturbed."""
    slots = another(service.status())
    with service.watching("deploy") as events:
        passed(events, "start_standby", "running")
        edit(service, slots=slots)
        *_, finished = events
    assert finished["outcome"] == "succeeded"
    service.sees(lambda s: is_settled(s) and settings(s)["slots"] == slots, "the edit serves")
    latest, operators = service.history()[:2]
    assert (latest.because, operators.because) == (f"model.slots {7 - slots} -> {slots}", "")


def test_what_was_edited_while_the_supervisor_was_down_is_deployed(service: Service) -> None:
    """The workers go on meanwhile, and are taken over by the next one."""
    before = service.status()
    slots = another(before)
    with steady_traffic(service.url, clients=4) as traffic:
        service.kill_supervisor()
        edit(service, slots=slots)
        service.start_supervisor(service.config)
        after = service.sees(lambda s: is_settled(s) and settings(s)["slots"] == slots, "the edit serves")
        traffic.goes_on()
    assert after.active is other(before.active)
    assert after.workers[other(after.active)].pid == pid_of(before), "the old worker was taken over"


# --- what is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[model", "cannot be read as TOML"),
        ("[model]\nslotz = 1\n[modle]\n", "has 2 problem(s)"),
        ("[model]\nslots = 1000\n", "model.slots: Input should be less than or equal to 64, not 1000"),
        ('[model]\npath = "/none.gguf"\n', "/none.gguf is gone"),
    ],
    ids=["no TOML", "unknown keys", "out of range", "no model"],
)
def test_a_broken_change_is_reported_and_changes_nothing(service: Service, text: str, problem: str) -> None:
    """With all that is wrong; when it is mended, that is told. The daemon can be asked meanwhile."""
    before, good = service.status(), service.config.read_text()
    try:
        rename_over(service.config, text.encode())
        status = service.sees(lambda s: s.watch and s.watch.verdict == "rejected", "it is rejected")
        assert status.watch and problem in status.watch.reason
        assert problem in service.said()
        asked = service.ctl("status")
        assert asked.code == 0 and problem in asked.out
        assert ("cannot be read" in asked.err) == (text == "[model")
    finally:
        rename_over(service.config, good.encode())
    accords(service)
    assert unchanged(service.status()) == unchanged(before)


def test_a_model_that_cannot_be_served_is_reported_and_changes_nothing(service: Service, tmp_path: Path) -> None:
    """A part of a file; when the rest has come, it is deployed."""
    before, was = service.status(), str(model_of(service))
    whole = demo_model_path().read_bytes() + b"\0" * 32
    part = tmp_path / "part.gguf"
    part.write_bytes(whole[: len(whole) // 2])
    edit(service, path=str(part))
    status = service.sees(lambda s: s.watch and s.watch.verdict == "rejected", "it is rejected")
    assert status.watch and str(part) in status.watch.reason
    assert unchanged(status) == unchanged(before)

    with part.open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    service.sees(lambda s: is_settled(s) and s.release and s.release.model_path == str(part), "the whole serves")
    edit(service, path=was)
    service.sees(lambda s: is_settled(s) and s.release and s.release.model_path == was, "the first one serves again")


def test_comments_and_other_sections_replace_no_worker(service: Service) -> None:
    """What is read at the start only is named, with the command that takes it up."""
    before, looks = service.status(), len(decisions(service))
    service.tables["edge"]["hold_limit"] = 17
    rename_over(service.config, ("# a comment\n" + tomli_w.dumps(service.tables)).encode())
    until(lambda: len(decisions(service)) > looks, "it looked")
    del service.tables["edge"]["hold_limit"]

    status = accords(service)
    assert status.watch and status.watch.needs_restart == ["edge.hold_limit"]
    assert "edge.hold_limit; `modelsvc service restart` takes it up" in service.said()
    assert unchanged(status) == unchanged(before)
    edit(service)
    service.sees(lambda s: s.watch and not s.watch.needs_restart, "it was taken back")


def test_the_same_bytes_are_no_new_model_and_a_crashed_worker_starts_from_them(service: Service) -> None:
    """Whatever inode and time the file has; the release stays, and its proof of sharing holds."""
    service.does("stop", other(service.status().active))
    before, looks = service.status(), len(decisions(service))
    rename_over(model_of(service), model_of(service).read_bytes())
    until(lambda: len(decisions(service)) > looks, "it looked")
    assert unchanged(accords(service)) == unchanged(before)

    with plain_traffic(service.url) as traffic:
        psutil.Process(pid_of(before)).send_signal(signal.SIGKILL)
        after = service.sees(lambda s: is_settled(s) and pid_of(s) not in (None, pid_of(before)), "it is back")
        traffic.goes_on()
    assert (after.active, after.release) == (before.active, before.release)
    assert service.ctl("deploy").code == 0 and service.ctl("rollback").code == 0
    service.does("stop", other(service.status().active))
    assert service.ctl("rollback").code == 0, "a full deployment of a release that was recorded before"
    assert not contradictions(service, service.settled())


def test_what_the_gate_refuses_is_rolled_back_and_not_tried_again(service: Service) -> None:
    """Until something changes: the gate here."""
    before, good = service.status(), service.config.read_text()
    slots = another(before)
    gate = '\n[[gate]]\nprompt = "Hello!"\nexpect = "no model says this"\nmax_tokens = 4\n'
    edited = tomli_w.dumps({**service.tables, "model": {**service.tables["model"], "slots": slots}})
    with steady_traffic(service.url, clients=4) as traffic:
        rename_over(service.config, (edited + gate).encode())
        status = service.sees(lambda s: s.watch and s.watch.verdict == "settled", "it is settled")
        traffic.goes_on()
    failed = service.history()[0]
    assert (failed.outcome, failed.because) == ("rolled_back", f"model.slots {7 - slots} -> {slots}")
    assert status.watch and f"deployment {failed.deployment} was tried for it" in status.watch.reason

    looks = len(decisions(service))
    rename_over(service.config, ("# look\n" + edited + gate).encode())
    until(lambda: len(decisions(service)) > looks, "it looked again")
    assert service.history()[0].deployment == failed.deployment
    assert served(service.status()) == served(before)
    rename_over(service.config, edited.encode())
    service.sees(lambda s: is_settled(s) and settings(s)["slots"] == slots, "without the gate it serves")
    rename_over(service.config, good.encode())
    service.sees(lambda s: is_settled(s) and settings(s)["slots"] == 7 - slots, "what was there before serves again")


def test_a_rollback_is_not_fought_over(service: Service) -> None:
    """Neither by the next look, nor by the next supervisor."""
    before = service.status()
    rename_over(model_of(service), demo_model_path().read_bytes() + b"\0" * 96)
    service.sees(lambda s: is_settled(s) and sha(s) != sha(before), "the new file serves")
    accords(service)
    assert service.ctl("rollback").code == 0
    status = service.sees(lambda s: s.watch and s.watch.verdict == "settled", "it is settled")
    assert status.watch and status.watch.changes[0].startswith("model file ")
    latest = service.history()[0].deployment

    service.kill_supervisor()
    service.start_supervisor(service.config)
    service.sees(lambda s: s.watch and s.watch.verdict == "settled", "it is settled for the next one, too")
    assert service.history()[0].deployment == latest
    assert service.ctl("deploy").code == 0


# --- services of their own --------------------------------------------------------------------------------------------


def test_another_version_is_deployed_after_a_restart() -> None:
    """So an upgrade is to install it and to restart the supervisor: workers of the old version serve until then."""
    with running_service(
        tables={"watch": {"enabled": True, "debounce_s": 0.2}}, program=(sys.executable, str(OLDER))
    ) as service:
        before = accords(service)
        assert before.release and before.release.package_version == "0.0.1"
        with steady_traffic(service.url, clients=4) as traffic:
            service.kill_supervisor()
            service.program = Service.program
            service.start_supervisor(service.config)
            after = service.sees(lambda s: is_settled(s) and _version(s) != "0.0.1", "the new version serves")
            traffic.goes_on()
        assert service.history()[0].because == f"modelsvc 0.0.1 -> {_version(after)}"


def test_what_memory_is_short_of_is_waited_for() -> None:
    """It would fit without the active worker, which may hold less in a while. Status and explanation say when."""
    tables = {
        "watch": {"enabled": True, "debounce_s": 0.2},
        "memory": {"budget_gb": 1.0, "worker_limit_gb": 1.0},
    }
    with running_service(tables=tables) as service:
        before = accords(service)
        edit(service, context_tokens=tokens_for_half_a_worker_too_much(service, before))
        status = service.sees(lambda s: s.watch and s.watch.verdict == "waits" and s.watch.retry_at, "it waits")
        refused = service.history()[0]
        assert status.watch and status.watch.retry_of == refused.deployment and status.watch.retry_at
        assert "short of" in status.watch.reason and status.watch.retry_at in service.ctl("status").out
        assert f"again: the watch on files tries it at {status.watch.retry_at}" in service.ctl("explain").out
        assert served(status) == served(before)

        edit(service, context_tokens=1_000_000)  # too much for a worker alone
        service.sees(lambda s: s.watch and s.watch.verdict == "settled", "that is not waited for")
        assert "again:" not in service.ctl("explain").out


def tokens_for_half_a_worker_too_much(service: Service, status: Status) -> int:
    """What a standby needs grows with the context in a straight line."""

    def over_bytes(tokens: int) -> int:
        account = service.ctl("deploy", "--plan", "--json", "--set", f"model.context_tokens={tokens}").last["account"]
        return int(account["sum_bytes"] - account["limit_bytes"])

    assert status.active
    wanted = (status.workers[status.active].private_bytes or 0) // 2
    few, many = 2_000, 100_000
    at_few, at_many = over_bytes(few), over_bytes(many)
    return few + (wanted - at_few) * (many - few) // (at_many - at_few)


def test_without_it_an_edit_waits_for_the_next_deployment() -> None:
    """Supervisor and workers are looked at all the same, but not the files."""
    with running_service() as service:
        before = service.status()
        edit(service, slots=2)
        after = service.sees(lambda s: s.uptime_s > before.uptime_s + 2.5, "two more looks")
        assert after.watch is None
        assert served(after) == served(before) and len(service.history()) == 1
        assert service.ctl("deploy").code == 0
        assert settings(service.status())["slots"] == 2


# --- tools ------------------------------------------------------------------------------------------------------------


def accords(service: Service) -> Status:
    return service.sees(
        lambda s: is_settled(s) and s.watch and s.watch.verdict == "in_accord", "what the files say serves"
    )


def edit(service: Service, **values: Any) -> None:
    service.tables["model"] |= values
    rename_over(service.config, tomli_w.dumps(service.tables).encode())


def rename_over(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def model_of(service: Service) -> Path:
    return Path(service.tables["model"]["path"])


def decisions(service: Service) -> list[dict[str, Any]]:
    """What the watch told so far, as it is in the log."""
    lines = (service.state.logs / "supervisor.log").read_text().splitlines()
    return [told for line in lines if (told := json.loads(line))["event"] == "WatchDecided"]


def settings(status: Status) -> dict[str, Any]:
    assert status.release
    return status.release.settings


def another(status: Status) -> int:
    """A number of slots that does not serve: 3 or 4."""
    return int(7 - settings(status)["slots"])


def sha(status: Status) -> str:
    assert status.release
    return status.release.model_sha256


def _version(status: Status) -> str:
    assert status.release
    return status.release.package_version


def pid_of(status: Status) -> int | None:
    """That of the active worker."""
    assert status.active
    return status.workers[status.active].pid


def served(status: Status) -> tuple[object, ...]:
    return status.active, status.release, pid_of(status)


def unchanged(status: Status) -> tuple[object, ...]:
    return *served(status), {color: worker.pid for color, worker in status.workers.items()}
