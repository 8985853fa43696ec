"""One running service, and everything wrong that can be sent to it: each is answered, and none changes anything."""

import http.client
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from disposable.service import DEADLINE_S
from tests.acceptance.bad_inputs import ROWS, Cli, Config, Http, table
from tests.support.service_fixture import Ran, Service, service_folder

from modelsvc import keyfile
from modelsvc.models import demo_model_path

UNEXPECTED = ("Traceback", '"exception"', "request_failed", "control_request_failed", "stream_failed")


@dataclass
class Bench:
    service: Service
    key: str

    @property
    def folder(self) -> Path:
        """With files to go wrong with."""
        return self.service.folder / "wrong"

    def state(self) -> dict[str, Any]:
        """What nothing wrong may change."""
        status = self.service.status()
        workers = {str(color): (its.state, its.pid, its.restarts) for color, its in status.workers.items()}
        with closing(sqlite3.connect(f"file:{self.service.state.chat_history}?mode=ro", uri=True)) as chats:
            (messages,) = chats.execute("SELECT count(*) FROM message").fetchone()
        releases = sorted(path.name for path in self.service.state.releases.iterdir())
        return {
            "active": status.active,
            "workers": workers,
            "edge": (status.edge.pid, status.edge.routes_to),
            "deployment": status.deployment,
            "succeeded": [row.deployment for row in self.service.history() if row.outcome == "succeeded"],
            "releases": releases,
            "messages": messages,
            "keys": (self.service.folder / "keys").read_text(),
        }

    def logs(self) -> str:
        logs = [self.service.console, *self.service.state.logs.glob("*.log")]
        return "\n".join(log.read_text(errors="replace") for log in logs if log.exists())


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with service_folder(tables={"security": {"api_keys_file": "keys"}}) as service:
        key = keyfile.add(service.folder / "keys", "ada")
        service.environment["MODELSVC_API_KEY"] = key
        service.up()
        bench = Bench(service, key)
        _go_wrong(bench.folder)
        before = bench.state()
        yield bench
        assert bench.state() == before
        assert not any(word in bench.logs() for word in UNEXPECTED), bench.logs()


def _go_wrong(folder: Path) -> None:
    folder.mkdir()
    (folder / "text.gguf").write_text("This is a letter.\n")
    (folder / "text.gguf").chmod(0o600)
    (folder / "cut.gguf").write_bytes(demo_model_path().read_bytes()[:100_000])
    keyfile.add(folder / "open.keys", "ada")
    (folder / "open.keys").chmod(0o644)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.to}: {row.sent}"[:90] for row in ROWS])
def test_it_is_answered_as_the_table_says(bench: Bench, row: Http | Cli | Config) -> None:
    """With the status, the code, and a message that names the value and the remedy."""
    match row:
        case Http():
            status, error = _sent(bench, row)
        case Cli():
            status, error = _ran(bench, row)
        case Config():
            status, error = _configured(bench, row)
    expected = row.expected.removeprefix("exit ").strip()
    assert f"{status} {error['code']}".strip() == expected, error
    words = [word.format(active=_active(bench)) for word in row.words]
    assert [word for word in words if word not in error["message"]] == [], error["message"]
    assert "Traceback" not in error["message"]


def test_the_table_is_long_enough() -> None:
    """And can be printed."""
    assert len(ROWS) >= 60
    assert table().count("\n") == len(ROWS)


def _active(bench: Bench) -> str:
    return str(bench.service.status().active)


# --- how a row is sent ------------------------------------------------------------------------------------------------


def _sent(bench: Bench, row: Http) -> tuple[int, dict[str, str]]:
    headers = [f"Host: {row.host}", f"Content-Length: {len(row.body)}", "Connection: close", *row.headers]
    if row.key and row.to != "control":
        headers.append(f"Authorization: Bearer {bench.key}")
    head = "\r\n".join([f"{row.method} {row.path} HTTP/1.1", *headers])
    with closing(_connect(bench, row.to)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + row.body)
        answer = http.client.HTTPResponse(connection, method=row.method)
        answer.begin()
        content = answer.read()
    assert answer.headers.get_content_type() == "application/json", content
    return answer.status, _error(json.loads(content))


def _connect(bench: Bench, to: str) -> socket.socket:
    tables = bench.service.tables
    if to == "control":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(DEADLINE_S)
        connection.connect(str(bench.service.state.control_socket))
        return connection
    listen = tables["edge"]["listen"].rpartition(":")[2] if to == "edge" else tables["workers"]["blue_port"]
    return socket.create_connection(("127.0.0.1", int(listen)), timeout=DEADLINE_S)


def _error(answer: dict[str, Any]) -> dict[str, str]:
    error: dict[str, str] = answer["error"]
    assert set(error) - {"param"} == {"type", "message", "code"}  # a worker's tells which field, too
    return error


def _ran(bench: Bench, row: Cli) -> tuple[int, dict[str, str]]:
    names = {"folder": bench.folder, "config": bench.service.config, "active": _active(bench)}
    return _told(bench.service.run(*(argument.format(**names) for argument in row.args), "--json"))


def _configured(bench: Bench, row: Config) -> tuple[int, dict[str, str]]:
    config = bench.folder / "wrong.toml"
    config.write_text(row.text)
    return _told(bench.service.run("up", "--config", config, "--json"))


def _told(ran: Ran) -> tuple[int, dict[str, str]]:
    """An error, or an operation's last event that says no; and one line for people on stderr."""
    assert "Traceback" not in ran.out + ran.err, ran
    assert ran.err.startswith("modelsvc: "), ran
    last = ran.last
    if "error" in last:
        assert last["error"]["message"] in ran.err
        return ran.code, _error(last)
    assert last["event"] == "finished"
    return ran.code, {"code": "", "message": last["reason"]}
