"""Hugging Face's protocol, spoken by a server of the test's: what is asked, and what its refusals become."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from tests.store.conftest import MODEL, begin, left
from tests.support import file_server as fs
from tests.support.file_server import Exchange, FileServer, serving_file

from modelsvc.store import Store
from modelsvc.store import hub as hub_client
from modelsvc.store.patience import Patience
from modelsvc.store.source import HubFile

SUM = hashlib.sha256(MODEL).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = "hf://owner/repo/model.gguf"


@dataclass
class Hub:
    """The hub tells where the file is, the store beside it (another origin) has the bytes."""

    hub: FileServer
    files: FileServer
    headers: dict[str, str] = field(default_factory=lambda: {"X-Linked-Etag": f'"{SUM}"'})

    def resolve(self, exchange: Exchange) -> None:
        linked = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(MODEL)), "ETag": '"of the pointer"', **self.headers}
        exchange.answer(302, {"Location": self.files.url("blob"), **linked})

    def pull(self, *arguments: object, **environment: str) -> tuple[int, dict[str, object], str]:
        """Exit code, last event, stderr."""
        process = begin("pull", *arguments, "--json", HF_ENDPOINT=self.hub.address, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, json.loads(out.splitlines()[-1]), err


@pytest.fixture
def hub(server: FileServer) -> Iterator[Hub]:
    with serving_file(b"") as front:
        hub = Hub(front, server)
        front.usual = hub.resolve
        yield hub


def test_a_file_of_a_repository_is_pulled(hub: Hub, store: Store) -> None:
    """By its revision, pinned to the commit; with the token, which other servers do not see."""
    code, last, _ = hub.pull(f"{SOURCE}@v1", HF_TOKEN="hf_secret")

    assert (code, last["event"]) == (0, "finished")
    (entry,) = store.entries()
    assert entry.sha256 == SUM and entry.name == "model.gguf" and entry.path.read_bytes() == MODEL
    assert entry.origin and (entry.origin.revision, entry.origin.source) == (COMMIT, f"{SOURCE}@v1")
    asked = [(request.method, request.path) for request in hub.hub.asked]
    assert asked == [
        ("HEAD", "/owner/repo/resolve/v1/model.gguf"),
        ("GET", f"/owner/repo/resolve/{COMMIT}/model.gguf"),
    ]
    assert {request.headers["authorization"] for request in hub.hub.asked} == {"Bearer hf_secret"}
    assert all("authorization" not in request.headers for request in hub.files.asked)


def test_what_the_store_has_is_known_by_the_hubs_sum(hub: Hub, store: Store) -> None:
    """One question, no transfer."""
    assert hub.pull(SOURCE)[0] == 0
    code, last, _ = hub.pull("hf://owner/repo@main/model.gguf")
    assert (code, last["already"]) == (0, True)
    assert len(hub.files.asked) == 1


def test_a_broken_transfer_goes_on(hub: Hub, store: Store) -> None:
    """The hub redirects each time; the bytes are asked for from where they ended."""
    hub.files.script.append(fs.breaking_after(1_000_000))
    code, _, _ = hub.pull(SOURCE)
    assert code == 0
    assert hub.files.asked[-1].headers["range"] == "bytes=1000000-"


def test_bytes_that_are_not_those_of_the_hub_are_refused(hub: Hub, store: Store) -> None:
    """The sum that the hub tells is checked against what came, and both are shown."""
    hub.files.content = MODEL[:-1] + bytes([MODEL[-1] ^ 1])
    code, _, err = hub.pull(SOURCE)
    assert code == 4
    assert f"its SHA-256 is {hashlib.sha256(hub.files.content).hexdigest()}, and {SUM} was expected" in err
    assert left(store) == []


def test_a_sum_that_the_hub_does_not_have_is_told_before_the_transfer(hub: Hub, store: Store) -> None:
    code, _, err = hub.pull(SOURCE, "--sha256", "a" * 64)
    assert code == 4 and SUM in err and "a" * 64 in err and "nothing was pulled" in err
    assert hub.files.asked == []


def test_a_small_file_has_no_sum_at_the_hub(hub: Hub, store: Store) -> None:
    """Its ETag is git's own hash of it; it is pulled as from any server."""
    hub.headers = {"X-Linked-Etag": '"da39a3ee5e6b4b0d3255bfef95601890afd80709"'}
    assert hub.pull(SOURCE)[0] == 0
    assert [entry.sha256 for entry in store.entries()] == [SUM]


REFUSALS = [
    (404, {"X-Error-Code": "RepoNotFound"}, 2, "no_repository", ("there is no repository owner/repo", "HF_TOKEN")),
    (401, {"X-Error-Code": "RepoNotFound"}, 2, "no_repository", ("or it is private",)),
    (404, {"X-Error-Code": "RevisionNotFound"}, 2, "no_revision", ("no revision 'v9'",)),
    (404, {"X-Error-Code": "EntryNotFound"}, 2, "no_file", ("no file 'model.gguf'", "/tree/v9")),
    (403, {"X-Error-Code": "GatedRepo"}, 4, "gated", ("accepted its conditions", "HF_TOKEN")),
    (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, 4, "access_denied", ("HF_TOKEN",)),
    (403, {}, 4, "access_denied", ("403", "HF_TOKEN")),
    (503, {}, 1, "download_failed", ("answered 503", "try again later")),
    (429, {"Retry-After": "7200"}, 1, "download_failed", ("answered 429",)),
]


@pytest.mark.parametrize(("status", "headers", "exit", "code", "words"), REFUSALS, ids=lambda value: str(value)[:30])
def test_refusals_of_the_hub_say_what_to_do(
    hub: Hub, store: Store, status: int, headers: dict[str, str], exit: int, code: str, words: tuple[str, ...]
) -> None:
    """One line each, and nothing is left."""
    hub.hub.usual = lambda exchange: exchange.answer(status, headers)
    ended, last, err = hub.pull(f"{SOURCE}@v9", "--tries", 2)
    error = last["error"]
    assert isinstance(error, dict)
    assert (ended, error["code"]) == (exit, code), err
    assert [word for word in words if word not in err] == [], err
    assert err.count("\n") == 1 and left(store) == []


def test_a_hub_that_fails_once_is_asked_again(hub: Hub, store: Store) -> None:
    hub.hub.script.append(fs.status(503))
    assert hub.pull(SOURCE)[0] == 0


def test_offline_mode_is_respected(hub: Hub, store: Store) -> None:
    """HF_HUB_OFFLINE is the user's word."""
    code, _, err = hub.pull(SOURCE, HF_HUB_OFFLINE="1")
    assert code == 4 and "HF_HUB_OFFLINE is set" in err and hub.hub.asked == []


@pytest.mark.parametrize(
    ("environment", "code", "word"),
    [
        ({"HF_ENDPOINT": "nonsense"}, "bad_endpoint", "'nonsense'"),
        ({"HF_ENDPOINT": "https://[::1"}, "bad_endpoint", "'https://[::1'"),
        (
            {"ALL_PROXY": "socks5://127.0.0.1:1"},
            "bad_network_settings",
            "ALL_PROXY",
        ),
        ({"HF_TOKEN": "hf_\u00fc"}, "bad_network_settings", "HF_TOKEN"),
    ],
    ids=["no address", "half an address", "a proxy that needs more", "a token of no use"],
)
def test_an_environment_that_cannot_be_meant(store: Store, environment: dict[str, str], code: str, word: str) -> None:
    """Told by the name of the variable."""
    process = begin("pull", SOURCE, "--tries", 1, "--json", **environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["error"]["code"]) == (2, code), err
    assert word in err and "Traceback" not in err


def test_a_mirror_by_plain_http_is_not_asked(store: Store) -> None:
    """Anyone between would see the token, and could tell another sum."""
    process = begin("pull", SOURCE, "--json", HF_ENDPOINT="http://mirror.invalid", HF_TOKEN="hf_secret")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4 and "http://mirror.invalid/" in err and "--sha256" in err
    assert [json.loads(line)["error"]["code"] for line in out.splitlines()] == ["unsafe_source"]


@pytest.mark.parametrize(
    ("endpoint", "tokens"),
    [("https://mirror.invalid", {"Bearer hf_secret"}), ("http://mirror.invalid", {None})],
)
def test_the_token_is_sent_where_nobody_reads_along(
    endpoint: str, tokens: set[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sum that is known guards the file, and not the token: by plain http none is sent."""
    asked: list[bool | None] = []

    def found(_: str, token: bool | None, **__: object) -> SimpleNamespace:
        asked.append(token)
        return SimpleNamespace(commit_hash=COMMIT, etag=SUM, size=len(MODEL))

    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", found)
    remote = hub_client.resolve(HubFile("owner/repo", "model.gguf"), Patience(), lambda _: None, pinned=True)

    assert {remote.headers.get("authorization")} == tokens
    assert asked == [None if endpoint.startswith("https") else False]


def test_certificates_that_are_not_there(store: Store) -> None:
    process = begin("pull", "https://models.invalid/m.gguf", SSL_CERT_FILE="/no/such/file")
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, 2) and "Traceback" not in err and err.count("\n") == 1


@pytest.mark.parametrize("repository", ["ow ner/repo", "a--b/c", f"{'x' * 100}/y"])
def test_a_repository_that_cannot_be_is_misuse(store: Store, repository: str) -> None:
    process = begin("pull", f"hf://{repository}/m.gguf")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "cannot be a repository's file" in err and err.count("\n") == 1


def test_a_hub_that_nobody_answers_for(hub: Hub, store: Store) -> None:
    process = begin("pull", SOURCE, "--tries", 1, HF_ENDPOINT="http://joe:hunter2@127.0.0.1:1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "hunter2" not in err
    assert "http://127.0.0.1:1/owner/repo cannot be asked for model.gguf" in err and "HF_ENDPOINT" in err
    assert err.count("\n") == 1
