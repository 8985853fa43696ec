"""A state folder without room, or that cannot be written: on a small file system of its own."""

import errno
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from disposable.waiting import until
from tests.support.service_fixture import Service, service_folder

ROOM_MB = 80


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MB}m,mode=700", "modelsvc-test", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if made.returncode:
        pytest.skip(f"mounting is not permitted: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def service() -> Iterator[Service]:
    with service_folder() as service, small_file_system(service.state.root):
        yield service
        if service.process is not None and service.process.poll() is None:
            service.shut_down()


def fill(folder: Path) -> Path:
    """Until not one byte more fits."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast


def test_the_service_outlives_a_full_disk(service: Service) -> None:
    """The journal takes the reserve, answers are told although they cannot be kept, deployments are refused; with room
    again all is as before."""
    before = service.up()
    assert service.state.reserve.stat().st_blocks * 512 >= 4_000_000, "it holds room, and no holes"
    assert service.chat("Hello!", "ada").is_success
    ballast = fill(service.state.root)

    for _ in range(400):
        service.does("pause")
        service.does("resume")
        if not service.state.reserve.exists():
            break
    assert not service.state.reserve.exists(), "it was given up"
    assert service.settled().pid == before.pid
    fill(service.state.root)

    kept, plain, streamed = ask_until_refused(service), service.chat("Hello!"), stream(service, "bob")
    assert (kept.status_code, kept.json()["error"]["code"]) == (507, "not_recorded")
    assert kept.json()["response"] and plain.is_success
    assert streamed[-1]["error"]["code"] == "not_recorded" and "".join(each.get("text", "") for each in streamed)

    ballast.unlink()
    until(service.state.reserve.exists, "the reserve is made again", 20)
    assert service.chat("Hello!", "ada").is_success
    assert service.ctl("deploy").code == 0
    assert service.settled().pid == before.pid


def test_a_deployment_is_refused_without_room(service: Service) -> None:
    """Before anything is started, with what to do."""
    service.up()
    with (service.state.root / "ballast").open("wb") as file:
        file.write(bytes(50_000_000))
    ran = service.ctl("deploy", "--json")
    assert ran.code == 4 and "free the disk" in ran.err and ran.last["outcome"] == "refused", ran
    assert service.settled().active == "blue"


def test_a_folder_that_is_read_only(service: Service) -> None:
    """At the start: one clear error, nothing is left running."""
    service.up()
    assert service.shut_down() == 0
    subprocess.run(["mount", "-o", "remount,ro", str(service.state.root)], check=True)
    service.launch()
    assert service.exit_code() == 2
    said = service.said().splitlines()[-1]
    assert f"the state folder {service.state.root} cannot be used: Read-only file system" in said


def ask_until_refused(service: Service) -> httpx.Response:
    """The log of conversations has some room of its own."""
    for _ in range(50):
        if not (answer := service.chat("Hello!" * 100, "ada")).is_success:
            return answer
    raise AssertionError("every conversation was written down")


def stream(service: Service, user: str) -> list[dict[str, Any]]:
    body = {"message": "Hello!", "temperature": 0, "stream": True}
    with httpx.stream("POST", f"{service.url}/chat/{user}", json=body, timeout=30, trust_env=False) as answer:
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
