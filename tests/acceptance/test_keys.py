"""A real service that demands API keys: deployments and restarts go on, and no key is ever written down."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import tomli_w
from disposable.service import DEADLINE_S
from tests.support.service_fixture import Service, other, service_folder

from modelsvc import keyfile

WRONG = keyfile.make_key()


@pytest.fixture
def service() -> Iterator[Service]:
    with service_folder(tables={"security": {"api_keys_file": "keys"}}) as service:
        yield service


def begin(service: Service) -> str:
    """Make a key, start the service, and return the key."""
    service.config.write_text(tomli_w.dumps(service.tables))
    made = service.run("keys", "add", "ada", "--json")
    assert made.code == 0, made.err
    service.up()
    return str(made.last["key"])


def ask(service: Service, path: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(service.url + path, headers=headers, timeout=DEADLINE_S, trust_env=False)


def test_a_service_with_keys_is_deployed_adopted_and_rolled_back(service: Service) -> None:
    """The supervisor has a key of its own, which a later supervisor and the workers it adopts share."""
    key = begin(service)
    assert service.ctl("deploy", "--set", "model.slots=2").code == 0
    served = service.status()
    service.kill_supervisor()
    service.launch()
    adopted = service.settled()
    assert adopted.active is not None
    assert adopted.workers[adopted.active].pid == served.workers[adopted.active].pid
    assert adopted.workers[adopted.active].in_flight == 0  # it was told, so it was let in
    assert service.ctl("rollback").code == 0
    for color in ("blue", "green"):
        assert httpx.get(service.worker_url(color) + "/chat/u", trust_env=False).status_code == 401
    open_to_all = dict.fromkeys(("/healthz", "/ready", "/health", "/v1/health"), 200)
    for path, without in {**open_to_all, "/metrics": 401, "/health/deep": 401, "/chat/u": 401}.items():
        assert (path, ask(service, path).status_code) == (path, without)
        assert (path, ask(service, path, key).status_code) == (path, 200)


def test_no_key_is_written_down(service: Service) -> None:
    """Right or wrong, in whatever log or database there is; the supervisor's own is in its file alone."""
    key = begin(service)
    for given in (key, WRONG):
        ask(service, "/chat/u", given)
        service.run("chat", "--key", given, "--user", "u", "Hello")
        ask(service, "/nothing", given)
    assert service.ctl("deploy", "--set", "model.slots=2").code == 0
    own = service.state.probe_key.read_text().strip()
    assert holders(service.folder, own) == [service.state.probe_key]
    for secret in (key, WRONG):
        assert holders(service.folder, secret) == []
    assert service.state.probe_key.stat().st_mode & 0o777 == 0o600


def holders(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_the_command_line_takes_a_key(service: Service) -> None:
    """By option or environment; without one it is told how to get one."""
    key = begin(service)
    assert service.run("chat", "Hello").code == 2
    assert "Authorization: Bearer KEY" in service.run("chat", "Hello").err
    assert service.run("chat", "--key", key, "Hello").code == 0
    service.environment["MODELSVC_API_KEY"] = key
    assert service.run("chat", "Hello").code == 0
    assert service.run("health", "--json").last["health"]["color"] == "blue"
    assert service.run("chat", "--key", WRONG, "Hello").code == 2


def test_keys_come_and_go_without_a_deployment(service: Service) -> None:
    """On both colours at once."""
    begin(service)
    assert service.ctl("deploy", "--set", "model.slots=2").code == 0
    pids = service.worker_pids()
    key = service.run("keys", "add", "bob", "--json").last["key"]
    assert ask(service, "/chat/u", key).status_code == 200
    assert service.run("keys", "list", "--json").last["names"] == ["ada", "bob"]
    assert service.run("keys", "remove", "bob").code == 0
    assert ask(service, "/chat/u", key).status_code == 401
    assert service.worker_pids() == pids


def test_a_worker_that_demands_no_keys_is_not_adopted_when_keys_are_demanded(service: Service) -> None:
    """Someone killed the supervisor, named a file of keys, and started it again."""
    security = service.tables.pop("security")
    open_to_all = service.up()
    service.kill_supervisor()
    keyfile.add(service.folder / "keys", "ada")
    service.tables["security"] = security
    service.launch()
    guarded = service.settled()
    assert guarded.active is not None
    assert guarded.workers[guarded.active].pid not in {worker.pid for worker in open_to_all.workers.values()}
    assert ask(service, "/chat/u").status_code == 401
    assert service.client.status().workers[other(guarded.active)].state in ("absent", "ready")


def test_keys_that_others_can_read_are_refused(service: Service) -> None:
    """Before anything is started, with what to do."""
    keyfile.add(service.folder / "keys", "ada")
    (service.folder / "keys").chmod(0o644)
    service.launch()
    assert service.exit_code() == 2
    assert f"chmod 600 {service.folder / 'keys'}" in service.said()
    assert service.worker_pids() == []


@pytest.mark.parametrize("guarded", [True, False], ids=["keys", "no keys"])
def test_listening_beyond_this_machine_without_keys_is_warned_about(service: Service, guarded: bool) -> None:
    """It is allowed, but nobody should do it unaware."""
    service.tables["edge"]["listen"] = service.tables["edge"]["listen"].replace("127.0.0.1", "0.0.0.0")
    if guarded:
        keyfile.add(service.folder / "keys", "ada")
    else:
        del service.tables["security"]
    service.up()
    said = service.said()
    assert ("WARNING" in said) is not guarded, said
    assert guarded or ("set security.api_keys_file" in said and "0.0.0.0" in said)
