"""What a bad server or a bad source does to a pull: what the user is told, the exit code, and what is left on disk."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.store.conftest import MODEL, Run, left
from tests.support import file_server as fs
from tests.support.file_server import FileServer

from modelsvc.store import Store

SUM = hashlib.sha256(MODEL).hexdigest()
HALF = len(MODEL) // 2
Prepare = Callable[[FileServer], None]


@dataclass(frozen=True)
class Fault:
    """`script`: what the server does at first, `usual`: and then for ever. `left`: entry, part or nothing."""

    what: str
    script: tuple[fs.Step, ...]
    exit: int
    left: str
    code: str = ""
    words: tuple[str, ...] = ()
    usual: fs.Step = fs.honest
    arguments: tuple[str, ...] = ()
    etag: str = '"one"'


ROWS = [
    Fault("breaks off once", (fs.breaking_after(HALF),), 0, "entry"),
    Fault("breaks off in the middle each time", (), 1, "part", "download_failed", ("broke off", "are kept"),
          usual=fs.breaking_after(HALF)),
    Fault("breaks off before its first byte", (fs.breaking_after(0),), 0, "entry"),
    Fault("stalls once", (fs.stalling_after(HALF),), 0, "entry"),
    Fault("stalls each time", (), 5, "part", "stalled", ("nothing for 0.3 s", "are kept"),
          usual=fs.stalling_after(HALF)),
    Fault("stalls before its first byte", (), 5, "nothing", "stalled", ("nothing for 0.3 s",),
          usual=fs.stalling_after(0)),
    Fault("tells too short a length", (fs.telling(HALF),), 4, "nothing", "model_truncated",
          ("ends at byte", "nothing of it was kept")),
    Fault("tells too long a length", (), 1, "part", "download_failed", ("broke off",),
          usual=fs.telling(len(MODEL) + 1000)),
    Fault("tells no length", (fs.without_length(),), 0, "entry"),
    Fault("tells no length and breaks off", (fs.without_length(HALF),), 4, "nothing", "model_truncated",
          ("ends at byte",)),
    Fault("ignores ranges", (fs.breaking_after(HALF), fs.ignoring_range()), 0, "entry"),
    Fault("has nothing to tell its file by", (fs.breaking_after(HALF),), 0, "entry", etag=""),
    Fault("has a weak ETag alone", (fs.breaking_after(HALF),), 0, "entry", etag='W/"one"'),
    Fault("answers 416 to each range", (fs.breaking_after(HALF), fs.status(416)), 0, "entry"),
    Fault("redirects once", (fs.redirecting("/elsewhere.gguf"),), 0, "entry"),
    Fault("redirects for ever", (), 1, "nothing", "download_failed", ("redirects more than 10 times",),
          usual=fs.redirecting("/round")),
    Fault("redirects to another scheme", (fs.redirecting("ftp://127.0.0.1/m.gguf"),), 4, "nothing", "unsafe_source",
          ("ftp://127.0.0.1/m.gguf is not https",)),
    Fault("redirects to http elsewhere", (fs.redirecting("http://models.invalid/m.gguf"),), 4, "nothing",
          "unsafe_source", ("http://models.invalid/m.gguf is not https", "--sha256")),
    Fault("redirects without saying where", (fs.status(302),), 1, "nothing", "download_failed", ("answered 302",)),
    Fault("404", (fs.status(404),), 2, "nothing", "no_file", ("no such file (404)", "check the address")),
    Fault("410", (fs.status(410),), 2, "nothing", "no_file", ("410",)),
    Fault("401", (fs.status(401),), 4, "nothing", "access_denied", ("does not give the file to you (401)",)),
    Fault("403", (fs.status(403),), 4, "nothing", "access_denied", ("403",)),
    Fault("400", (fs.status(400),), 1, "nothing", "download_failed", ("answered 400",)),
    Fault("204", (fs.status(204),), 1, "nothing", "download_failed", ("answered 204",)),
    Fault("429 once", (fs.status(429, Retry_After="1"),), 0, "entry"),
    Fault("429 for an hour", (fs.status(429, Retry_After="3600"),), 1, "nothing", "download_failed",
          ("answered 429", "3600 s")),
    Fault("500 once", (fs.status(500),), 0, "entry"),
    Fault("500 each time", (), 1, "nothing", "download_failed", ("answered 500", "try again later"),
          usual=fs.status(500)),
    Fault("503 with Retry-After", (fs.status(503, Retry_After="2"),), 0, "entry"),
    Fault("503 with a date", (fs.status(503, Retry_After="Thu, 26 Nov 2026 02:00:00 GMT"),), 0, "entry"),
    Fault("sends a piece of the rest at a time", (fs.breaking_after(HALF),), 0, "entry", usual=fs.pieces_of(HALF // 2)),
    Fault("sends a piece of what was not asked for in pieces", (), 0, "entry", usual=fs.pieces_of(HALF)),
    Fault("breaks off each time, with nothing to tell its file by", (), 1, "nothing", "download_failed",
          ("broke off", "try again later"), usual=fs.breaking_after(HALF), etag=""),
    Fault("answers 304 to no such question", (fs.status(304),), 0, "entry"),
    Fault("answers 304 when asked for the rest", (fs.breaking_after(HALF),), 1, "part", "download_failed",
          ("answered 304",), usual=fs.status(304)),
    Fault("compresses what must not be", (fs.compressed,), 4, "nothing", "model_not_gguf", ("compressed (gzip)",)),
    Fault("redirects to a secret address", (fs.redirecting("http://u:hunter2@models.invalid/m?sig=abc"),), 4, "nothing",
          "unsafe_source", ("http://models.invalid/m is not https",)),
    Fault("sends an empty file", (fs.telling(0),), 4, "nothing", "model_not_gguf", ("it is empty",)),
    Fault("sends a web page", (fs.page,), 4, "nothing", "model_not_gguf", ("not a GGUF file", "it is a web page")),
    Fault("sends wrong bytes", (), 4, "nothing", "wrong_checksum", (SUM, "a" * 64, "nothing of it was kept"),
          arguments=("--sha256", "a" * 64)),
    Fault("sends wrong bytes after a break", (fs.breaking_after(HALF),), 4, "nothing", "wrong_checksum", (SUM,),
          arguments=("--sha256", "a" * 64)),
    Fault("sends the bytes that were asked for", (), 0, "entry", arguments=("--sha256", SUM)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_what_a_server_does_is_dealt_with_as_the_table_says(
    run: Run, store: Store, server: FileServer, row: Fault
) -> None:
    """One clear line, an exit code with a meaning, and nothing half-done where models are."""
    server.etag, server.usual = row.etag, row.usual
    server.script.extend(row.script)
    ended = run("pull", server.url(), "--tries", 3, "--stall", 0.3, "--json", *row.arguments)
    last = json.loads(ended.stdout.splitlines()[-1])

    assert ended.exit_code == row.exit, ended.output
    assert kind_of(left(store)) == row.left, left(store)
    if row.exit:
        assert last["error"]["code"] == row.code, last
        assert [word for word in row.words if word not in last["error"]["message"]] == [], last
        assert ended.stderr.count("\n") == 1
    else:
        assert (store.folder / SUM / "model.gguf").read_bytes() == MODEL
        assert last["event"] == "finished" and last["entry"]["sha256"] == SUM and not last["already"]


def kind_of(files: list[str]) -> str:
    if files == [f"{SUM}/model.gguf", f"{SUM}/origin.json"]:
        return "entry"
    if len(files) == 1 and files[0].startswith(".partial/") and files[0].endswith("/file/part"):
        return "part"
    return "nothing" if not files else "other"


def retries(ended: Any) -> list[str]:
    events = map(json.loads, ended.stdout.splitlines())
    return [event["reason"] for event in events if event["event"] == "retrying"]


@pytest.mark.parametrize("etag", ['"two"', ""], ids=["as an ETag tells", "as nothing tells"])
@pytest.mark.parametrize("more", [0, 64], ids=["of the same length", "of another length"])
def test_a_file_that_changes_between_two_tries_is_begun_anew(
    run: Run, store: Store, server: FileServer, etag: str, more: int
) -> None:
    """Never a file of two halves."""
    other = MODEL[: HALF - 8] + b"another!" + MODEL[HALF:-8] + b"another!" + bytes(more)  # llama.cpp loads it as well
    server.etag = '"one"' if etag else ""

    def change(exchange: fs.Exchange) -> None:
        fs.breaking_after(HALF)(exchange)
        server.content, server.etag = other, etag

    server.script.append(change)
    ended = run("pull", server.url(), "--json")

    assert ended.exit_code == 0, ended.output
    (entry,) = store.entries()
    assert entry.path.read_bytes() == other


@pytest.mark.parametrize("size", [len(MODEL) + 64, len(MODEL)], ids=["of another length", "of the same length"])
def test_a_changed_file_is_noticed_where_the_server_ignores_if_range(
    run: Run, store: Store, server: FileServer, size: int
) -> None:
    """Such a server sends the rest of another file; its answer tells by ETag or length."""
    other = (MODEL + bytes(64))[: size - 8] + b"another!"
    server.usual = fs.ignoring_if_range()

    def change(exchange: fs.Exchange) -> None:
        fs.breaking_after(HALF)(exchange)
        server.content, server.etag = other, '"two"'

    server.script.append(change)
    ended = run("pull", server.url(), "--json")

    assert ended.exit_code == 0, ended.output
    (entry,) = store.entries()
    assert entry.path.read_bytes() == other
    assert "does not go on with the same file" in retries(ended)[1]


def test_a_second_pull_goes_on_where_the_first_gave_up(run: Run, store: Store, server: FileServer) -> None:
    """By a range, on the condition that the file is the same."""
    server.script.append(fs.breaking_after(HALF))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    ended = run("pull", server.url(), "--json")

    assert ended.exit_code == 0
    assert json.loads(ended.stdout.splitlines()[0])["resumed_bytes"] == HALF
    headers = server.asked[-1].headers
    assert (headers["range"], headers["if-range"]) == (f"bytes={HALF}-", '"one"')
    assert kind_of(left(store)) == "entry"


def test_a_source_that_the_store_has_is_not_pulled_again(run: Run, store: Store, server: FileServer) -> None:
    """The server is asked whether it changed; where the sum is given, not even that."""
    assert run("pull", server.url()).exit_code == 0
    again = run("pull", server.url(), "--json")
    assert again.exit_code == 0 and json.loads(again.stdout.splitlines()[-1])["already"]
    assert server.asked[-1].headers["if-none-match"] == '"one"'

    asked = len(server.asked)
    assert "is there already" in run("pull", server.url("other.gguf"), "--sha256", SUM).output
    assert len(server.asked) == asked

    server.content, server.etag = MODEL + bytes(64), '"two"'
    assert run("pull", server.url()).exit_code == 0
    assert len(store.entries()) == 2


def test_nobody_listens(run: Run, store: Store, server: FileServer) -> None:
    """Told as what it is."""
    ended = run("pull", "http://127.0.0.1:1/m.gguf", "--tries", 2)
    assert ended.exit_code == 1
    assert "http://127.0.0.1:1/m.gguf: the connection broke off" in ended.stderr
    assert left(store) == []


def test_credentials_are_neither_shown_nor_kept(run: Run, store: Store, server: FileServer) -> None:
    """An address may hold a password, or a signature."""
    url = server.url("m.gguf?signature=s3cret").replace("://", "://ada:passw0rd@")
    ended = run("pull", url)
    assert ended.exit_code == 0
    assert server.asked[0].headers["authorization"].startswith("Basic ")
    everything = ended.output + "".join(path.read_text() for path in store.folder.rglob("*.json"))
    assert "passw0rd" not in everything and "s3cret" not in everything
