"""The store beside a running service: what is deployed from it, and what may be taken out of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.service_fixture import Service, running_service

from modelsvc.models import demo_model_path


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def copy_with(service: Service, name: str, padding: int) -> Path:
    """The demo model with another content."""
    path = service.folder / f"{name}.gguf"
    path.write_bytes(demo_model_path().read_bytes() + bytes(padding))
    return path


def needed_by(service: Service) -> dict[str, list[str]]:
    return {model["name"]: model["needed_by"] for model in service.run("model", "list", "--json").last["models"]}


def files(service: Service) -> set[str]:
    return {path.name for path in service.state.root.iterdir()}


def test_models_are_deployed_by_name_and_stay_as_long_as_they_are_needed(service: Service) -> None:
    """Under the eyes of a running supervisor, whose journal is only read; and without it all the same."""
    for name, padding in (("one", 64), ("two", 128)):
        assert service.run("model", "pull", copy_with(service, name, padding)).code == 0
    shown = service.run("model", "inspect", "one", "--json").last
    assert shown["running"] and not shown["reason"] and shown["settings"]["context_tokens"] == 1024

    assert service.ctl("deploy", "--model", "one").code == 0
    assert service.ctl("prewarm", "--model", "two").code == 0
    needed = {"one.gguf": ["the active release (2)"], "two.gguf": ["the prewarmed release (3)"]}
    assert needed_by(service) == needed
    for name in ("one", "two"):
        refused = service.run("model", "remove", name)
        assert refused.code == 4 and needed[f"{name}.gguf"][0] in refused.err
    assert service.ctl("prewarm", "--cancel").code == 0
    assert service.run("model", "remove", "two").code == 0

    service.kill_supervisor()
    assert needed_by(service) == {"one.gguf": needed["one.gguf"]}
    service.up()
    assert service.chat("Hello!").is_success
    assert service.shut_down() == 0
    before = files(service)
    assert service.run("model", "remove", "one").code == 4
    assert files(service) == before and "supervisor.db-wal" not in before, "asking makes no file"
