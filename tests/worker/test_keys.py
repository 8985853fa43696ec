"""API keys at a real worker: who gets in, who does not, whose conversation it is, and that no key is ever written."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.waiting import until
from disposable.worker import write_release
from tests.worker.harness import DEADLINE_S, Worker, error_of, release_record, running

from modelsvc import keyfile

ASK = {"message": "Hello", "temperature": 0, "max_tokens": 8}
BY_EDGE = {"X-Forwarded-For": "192.0.2.1"}
WRONG = keyfile.make_key()


@dataclass
class Guarded:
    worker: Worker
    file: Path
    keys: dict[str, str]

    def ask(self, method: str, path: str, key: str | None = None, **headers: str) -> httpx.Response:
        given = {"Authorization": f"Bearer {self.keys.get(key, key)}"} if key else {}
        body: Any = ASK if method == "POST" else None
        url = self.worker.url + path
        return httpx.request(method, url, json=body, headers=given | headers, timeout=DEADLINE_S, trust_env=False)


@pytest.fixture(scope="module")
def guarded(model: Path) -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="w") as name:
        folder = Path(name)
        file, probe = folder / "keys", folder / "probe.key"
        keys = {name: keyfile.add(file, name) for name in ("ada", "bob")}
        keys["supervisor"] = keyfile.make_key()
        keyfile.publish(probe, keys["supervisor"] + "\n")
        with running(folder, write_release(folder, release_record(model)), api_keys=file, probe_key=probe) as worker:
            yield Guarded(worker.wait_ready(), file, keys)


EVERYWHERE = [("POST", "/chat"), ("POST", "/chat/u"), ("GET", "/chat/u"), ("DELETE", "/chat/u")]
EVERYWHERE += [
    ("POST", "/tokenize"),
    ("POST", "/detokenize"),
    ("GET", "/v1/models"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
]
REPORTS = [("GET", "/metrics"), ("GET", "/health/deep"), ("GET", "/openapi.json")]
SIGNS = [("GET", "/healthz"), ("GET", "/ready"), ("GET", "/health"), ("GET", "/v1/health")]


@pytest.mark.parametrize(("method", "path"), [*EVERYWHERE, ("GET", "/"), ("GET", "/nothing"), ("PUT", "/chat")])
@pytest.mark.parametrize("forwarded", [{}, BY_EDGE], ids=["direct", "edge"])
def test_without_a_key_nothing_is_told(guarded: Guarded, method: str, path: str, forwarded: dict[str, str]) -> None:
    """Not even which paths there are."""
    answer = guarded.ask(method, path, **forwarded)
    assert answer.status_code == 401
    assert error_of(answer)["code"] == "no_api_key"
    assert "Authorization: Bearer KEY" in error_of(answer)["message"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_a_wrong_key_is_refused(guarded: Guarded, method: str, path: str) -> None:
    """Also one that is nearly right, and a hash from the file."""
    right = guarded.keys["ada"]
    for wrong in (WRONG, right[:-1], right + "x", right.lower(), keyfile.digest(right), "é"):
        answer = guarded.ask(method, path, Authorization=f"Bearer {wrong}".encode())  # type: ignore[arg-type]
        assert (answer.status_code, error_of(answer)["code"]) == (401, "wrong_api_key")
        assert wrong not in answer.text


@pytest.mark.parametrize("value", ["", "Bearer", "Basic {}", "{}", "Bearer {0} {0}"])
def test_what_is_no_bearer_is_refused(guarded: Guarded, value: str) -> None:
    """One scheme only."""
    answer = guarded.ask("GET", "/chat/u", Authorization=value.format(guarded.keys["ada"]))
    assert answer.status_code == 401


def test_two_keys_are_none(guarded: Guarded) -> None:
    """Nobody can tell whose request it is."""
    headers = [("Authorization", f"Bearer {guarded.keys[name]}") for name in ("ada", "bob")]
    assert httpx.get(guarded.worker.url + "/chat/u", headers=headers).status_code == 401


def test_a_key_gets_in(guarded: Guarded) -> None:
    """Every key of the file, and the supervisor's own."""
    for key in ("ada", "bob", "supervisor"):
        assert guarded.ask("POST", "/chat", key).status_code == 200
    answer = guarded.ask("GET", "/nothing", "ada")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "no_such_route")


@pytest.mark.parametrize(("method", "path"), SIGNS)
def test_load_balancers_need_no_key(guarded: Guarded, method: str, path: str) -> None:
    """Neither here nor through the edge."""
    assert guarded.ask(method, path).status_code == 200
    assert guarded.ask(method, path, **BY_EDGE).status_code == 200


@pytest.mark.parametrize(("method", "path"), REPORTS)
def test_reports_are_open_on_the_own_port_only(guarded: Guarded, method: str, path: str) -> None:
    """That port is on loopback; the edge marks what comes through it."""
    assert guarded.ask(method, path).status_code == 200
    assert guarded.ask(method, path, **BY_EDGE).status_code == 401
    assert guarded.ask(method, path, "ada", **BY_EDGE).status_code == 200


def test_a_refused_body_is_read(guarded: Guarded) -> None:
    """Else the connection would be reset under the answer."""
    for _ in range(10):
        answer = httpx.post(guarded.worker.url + "/chat", content=b"x" * 1_000_000)
        assert answer.status_code == 401


def test_adding_and_revoking_take_effect_at_once(guarded: Guarded) -> None:
    """Without a deployment."""
    guarded.keys["eve"] = keyfile.add(guarded.file, "eve")
    assert guarded.ask("GET", "/chat/u", "eve").status_code == 200
    keyfile.remove(guarded.file, "eve")
    assert guarded.ask("GET", "/chat/u", "eve").status_code == 401
    assert guarded.ask("GET", "/chat/u", "ada").status_code == 200


@pytest.mark.parametrize("damage", ["gone", "open", "garbled", "twice"])
def test_a_broken_file_keeps_the_last_good_keys(guarded: Guarded, damage: str) -> None:
    """And the log says so; neither everyone nor nobody gets in."""
    text, told = guarded.file.read_text(), len(_unusable(guarded))
    match damage:
        case "gone":
            guarded.file.unlink()
        case "open":
            guarded.file.chmod(0o644)
        case "garbled":
            guarded.file.write_text(text + "not a key\n")
        case "twice":
            guarded.file.write_text(text + text)
    assert guarded.ask("GET", "/chat/u", "ada").status_code == 200
    assert guarded.ask("GET", "/chat/u", WRONG).status_code == 401
    assert len(_unusable(guarded)) == told + 1
    keyfile.publish(guarded.file, text)
    assert guarded.ask("GET", "/chat/u", "ada").status_code == 200


def _unusable(guarded: Guarded) -> list[dict[str, Any]]:
    return [line for line in guarded.worker.log() if line["event"] == "keys_unusable"]


def test_conversations_belong_to_the_key(guarded: Guarded) -> None:
    """The same user id under another key is another conversation: not read, not extended, not deleted."""
    assert guarded.ask("POST", "/chat/same", "ada").status_code == 200
    assert _messages(guarded, "ada") == 2
    assert _messages(guarded, "bob") == 0
    assert guarded.ask("DELETE", "/chat/same", "bob").json() == {"deleted": 0}
    assert guarded.ask("POST", "/chat/same", "bob").status_code == 200
    assert (_messages(guarded, "ada"), _messages(guarded, "bob")) == (2, 2)
    assert guarded.ask("DELETE", "/chat/same", "ada").json() == {"deleted": 2}
    assert (_messages(guarded, "ada"), _messages(guarded, "bob")) == (0, 2)


def _messages(guarded: Guarded, key: str) -> int:
    return len(guarded.ask("GET", "/chat/same", key).json()["messages"])


@pytest.mark.parametrize("user", ["ada:same", "ada%3Asame", "%3Asame", "..%2Fsame", "same%00", "s%C3%A0me", "x" * 65])
def test_no_user_id_reaches_into_another_scope(guarded: Guarded, user: str) -> None:
    """The separator is in no user id, however it is written."""
    for method in ("GET", "POST", "DELETE"):
        answer = guarded.ask(method, f"/chat/{user}", "bob")
        assert answer.status_code in (400, 404)
        assert error_of(answer)["code"] in ("invalid_user_id", "no_such_route")


def test_user_ids_are_told_apart_by_case(guarded: Guarded) -> None:
    """And so are names like `..`, of which no path is made."""
    for user in ("Case", "%2E%2E", "a.b"):
        assert guarded.ask("POST", f"/chat/{user}", "ada").status_code == 200
    assert guarded.ask("GET", "/chat/case", "ada").json()["messages"] == []
    assert len(guarded.ask("GET", "/chat/Case", "ada").json()["messages"]) == 2
    assert len(guarded.ask("GET", "/chat/%2E%2E", "ada").json()["messages"]) == 2


def test_no_key_is_in_the_log(guarded: Guarded) -> None:
    """Right or wrong, and neither is its hash."""
    guarded.ask("POST", "/chat", "ada")
    guarded.ask("POST", "/chat", WRONG)
    until(lambda: "no_api_key" in guarded.worker.errors.read_text(), "the refusal is logged")
    text = guarded.worker.errors.read_text()
    for key in (*guarded.keys.values(), WRONG):
        assert key not in text
        assert keyfile.digest(key) not in text


def test_a_worker_does_not_start_with_keys_it_cannot_use(folder: Path, model: Path) -> None:
    """It would have to let in everyone or nobody."""
    file = folder / "keys"
    keyfile.add(file, "ada")
    file.chmod(0o640)
    with running(folder, write_release(folder, release_record(model)), api_keys=file) as worker:
        assert worker.wait_exit() == 2
        assert f"chmod 600 {file}" in worker.log()[-1]["reason"]


def test_all_keys_are_compared() -> None:
    """The last one counts as the first does; no match is nobody."""
    known = [(name, keyfile.digest(name)) for name in ("a", "b", "c")]
    assert [keyfile.find(keyfile.digest(name), known) for name in ("a", "b", "c", "d")] == ["a", "b", "c", None]
