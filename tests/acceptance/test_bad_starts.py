"""A start that cannot succeed: the exit code of its kind, one message that says what to do, nothing left running."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.processes import processes_of
from disposable.waiting import until
from tests.support import service_models as models
from tests.support.service_fixture import Service, service_folder

REJECTING_NGINX = """#!/bin/sh
case "$*" in
    *-V*) exec {nginx} "$@" ;;
    *) echo 'nginx: [emerg] unknown directive "straw" in nginx.conf:1' >&2; exit 1 ;;
esac
"""


@pytest.fixture
def service() -> Iterator[Service]:
    with service_folder() as service:
        yield service


def test_every_wrong_key_is_named_at_once(service: Service) -> None:
    """Unknown sections and keys, wrong types, values out of range."""
    service.tables |= {"straw": {"x": 1}, "deploy": {"bake_s": -1, "hope": True}}
    service.tables["model"] |= {"slots": 0, "kv_cache": "f8", "context_tokens": "many"}
    service.tables["edge"]["listen"] = "everywhere"
    said = refused(service, 2)
    for path, allowed in {
        "straw": "there is no such table",
        "deploy.hope": "there is no such key",
        "deploy.bake_s": "greater than or equal to 0",
        "model.slots": "greater than or equal to 1",
        "model.kv_cache": "'f16' or 'q8_0'",
        "model.context_tokens": "valid integer",
        "edge.listen": "must be ADDRESS:PORT",
    }.items():
        assert any(path in line and allowed in line for line in said.splitlines()), (path, said)


def test_ports_that_are_the_same(service: Service) -> None:
    """Both keys are named."""
    service.tables["workers"]["blue_port"] = service.tables["workers"]["green_port"]
    assert "workers.blue_port and workers.green_port use the same port" in refused(service, 2)


def test_a_file_that_is_no_toml(service: Service) -> None:
    """With the place of the mistake."""
    said = refused(service, 2, config="[model\n")
    assert f"{service.config} cannot be read as TOML" in said and "line 1" in said


@pytest.mark.parametrize("command", ["python -m supervisor", "modelsvc up"])
def test_a_configuration_file_that_is_not_there(service: Service, command: str) -> None:
    """The option and the path."""
    missing = service.folder / "missing.toml"
    if command == "modelsvc up":
        ran = service.run("up", "--config", missing)
        code, said = ran.code, ran.err
    else:
        service.start_supervisor(missing)
        code, said = service.exit_code(), service.said()
    assert (code, said) == (2, f"modelsvc: --config names {missing}, but there is no such file\n")


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        (lambda path: None, ["does not exist"]),
        (models.truncated, ["download it again"]),
        (models.not_gguf, ["GGUF"]),
        (Path.mkdir, ["is a folder", "give the path"]),
    ],
    ids=["missing", "truncated", "not GGUF", "folder"],
)
def test_a_model_that_cannot_be_served(service: Service, maker: models.Maker, words: list[str]) -> None:
    """model.path, the file, and what to do about it."""
    path = service.folder / "m.gguf"
    maker(path)
    service.tables["model"]["path"] = str(path)
    said = refused(service, 2)
    assert "model.path" in said and str(path) in said and all(word in said for word in words), said


@pytest.mark.parametrize("port", ["edge", "blue", "green"])
def test_a_port_that_is_taken(service: Service, port: str) -> None:
    """The message names the port and who has it."""
    number = port_of(service, port)
    with listening(number):
        said = refused(service, 4)
    remedy = "configure another port" if port == "edge" else f"workers.{port}_port"
    assert all(words in said for words in (str(number), f"(pid {os.getpid()})", remedy)), said


def test_what_only_watches_is_not_needed_to_serve(service: Service) -> None:
    """A taken port of the metrics and a hook without its program are told; the page is there when the port is free."""
    number = port_of(service, "metrics")
    service.tables["hook"] = [{"on": ["warned"], "command": ["no-such-program"]}]  # type: ignore[assignment]
    with listening(number):
        service.up()
        said = service.said()
        assert all(word in said for word in ("no metrics and no status page", str(number), f"(pid {os.getpid()})")), (
            said
        )
        assert "hook.1.command: there is no program 'no-such-program'" in said
        assert service.chat("My name is Ada.").status_code == 200
    until(lambda: _serves(number), "the metrics are served")
    assert service.shut_down() == 0


def _serves(port: int) -> bool:
    with suppress(httpx.TransportError):
        return "modelsvc_edge_up 1.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    return False


def test_nginx_missing(service: Service) -> None:
    """How to install it, and the setting that names it."""
    service.tables["edge"]["nginx"] = str(service.folder / "no-nginx")
    said = refused(service, 1)
    assert str(service.folder / "no-nginx") in said and "install nginx" in said and "edge.nginx" in said


def test_nginx_that_is_something_else(service: Service) -> None:
    """A program that is no nginx."""
    service.tables["edge"]["nginx"] = "true"
    said = refused(service, 1)
    assert "true' does not say its version as nginx does, but nothing: set edge.nginx to an nginx" in said


def test_nginx_that_rejects_its_configuration(service: Service) -> None:
    """In nginx's own words."""
    program = service.folder / "rejecting-nginx"
    program.write_text(REJECTING_NGINX.format(nginx=shutil.which("nginx")))
    program.chmod(0o755)
    service.tables["edge"]["nginx"] = str(program)
    said = refused(service, 1)
    assert 'nginx rejects its configuration: unknown directive "straw" in nginx.conf:1' in said and "edge.nginx" in said


def test_a_state_folder_whose_sockets_would_have_too_long_names(service: Service) -> None:
    """The limit, and what to set."""
    service.environment["MODELSVC_HOME"] = str(service.folder / ("x" * 100))
    said = refused(service, 2)
    assert "103" in said and "set MODELSVC_HOME" in said


@pytest.mark.parametrize("where", ["", "logs", "run"])
def test_a_state_folder_that_cannot_be_used(service: Service, where: str) -> None:
    """A file is in the way."""
    blocked = service.state.root / where
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("in the way")
    said = refused(service, 2)
    assert f"the state folder {service.state.root} cannot be used" in said and "set MODELSVC_HOME" in said


def test_a_journal_that_cannot_be_opened(service: Service) -> None:
    """The file, and what can be done with it; a damaged one is healed instead (test_lost_journal.py)."""
    service.state.journal.mkdir(parents=True)
    said = refused(service, 1)
    assert str(service.state.journal) in said and "move the file away" in said


def refused(service: Service, code: int, **how: Any) -> str:
    """Start it, and return what it said when it gave up."""
    service.launch(**how)
    ended = service.exit_code()
    said = service.said()
    assert ended == code, said
    assert said.count("modelsvc: ") == 1 and "Traceback" not in said, said
    assert processes_of(service.folder) == []
    return said


def port_of(service: Service, name: str) -> int:
    listens = {"edge": service.tables["edge"]["listen"], "metrics": service.tables["control"]["metrics_listen"]}
    return int(listens[name].rpartition(":")[2] if name in listens else service.tables["workers"][f"{name}_port"])


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield
