"""Which processes are a service's own: by what its supervisor gave them, as real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from disposable.waiting import until
from tests.support.service_fixture import Service, running_service

from supervisor import own_processes
from supervisor.own_processes import left_behind, role, supervisor_pid
from supervisor.paths import StatePaths


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "one")
    for folder in (paths.run, paths.edge, paths.releases, paths.monitor, paths.logs):
        folder.mkdir(parents=True)
    return paths


@contextmanager
def running(
    *words: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None, reads: Path | None = None
) -> Iterator[psutil.Process]:
    """A process with these words on its command line, that has `reads` open."""
    wait = "import sys; kept = open(sys.argv[1]) if sys.argv[1] else None; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", wait, str(reads or ""), *words]
    env = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        yield psutil.Process(process.pid)
        process.stdin.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--release", "{one}/releases/0007.toml", "--color", "green", "--worker-id", "w"), "green worker"),
        (("--release", "{link}/releases/0007.toml", "--color", "blue"), "blue worker"),
        (("--storage.tsdb.path={one}/monitor/data",), "Prometheus"),
        (("--release", "{one}2/releases/0007.toml", "--color", "green"), ""),
        (("--release", "/backup{one}/releases/0007.toml", "--color", "green"), ""),
        (("--storage.tsdb.path={one}/monitors/data",), ""),
        (("tail", "-f", "{one}/logs/supervisor.log"), ""),
        (("{one}",), ""),
        (("nginx: master process nginx -p {one}/edge/ -c nginx.conf",), ""),
        (("-m", "supervisor"), ""),
    ],
)
def test_a_process_is_known_by_what_it_was_given(
    paths: StatePaths, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    """Of two services each has its own; who only reads there, or says that it is nginx, is none."""
    (tmp_path / "link").symlink_to(paths.root)
    told = [word.format(one=paths.root, link=tmp_path / "link") for word in words]
    with running(*told) as process:
        assert role(process, paths) == expected


def test_a_shell_that_works_there_is_no_part_of_the_service(paths: StatePaths) -> None:
    """Nor is what it starts, though it has the variable, and a word of a supervisor's or a worker's."""
    with running(
        "supervisor", "--worker-id", cwd=paths.edge, environment={"MODELSVC_HOME": str(paths.root)}
    ) as process:
        assert role(process, paths) == ""


def test_the_supervisor_is_who_has_the_lock_open(paths: StatePaths) -> None:
    """Its pid may be another one's by now, a supervisor of another folder say."""
    paths.lock.touch()
    with running("supervisor") as other, running(reads=paths.lock) as holder:
        paths.lock.write_text(f"{other.pid}\n")
        assert supervisor_pid(paths) is None and role(other, paths) == ""
        paths.lock.write_text(f"{holder.pid}\n")
        assert supervisor_pid(paths) == holder.pid and role(holder, paths) == own_processes.SUPERVISOR
    assert supervisor_pid(paths) is None


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def roles(paths: StatePaths) -> list[str]:
    return sorted(filter(None, (role(process, paths) for process in psutil.process_iter())))


def test_every_process_of_a_service(service: Service) -> None:
    """By whatever path its folder is named, and with those that outlive supervisor and nginx's master."""
    link = service.folder / "link"
    link.symlink_to(service.state.root)
    assert set(roles(service.state)) == {"blue worker", "nginx", "supervisor"}
    assert roles(StatePaths(link)) == roles(service.state) and roles(service.state).count("nginx") > 1
    assert service.process is not None and supervisor_pid(service.state) == service.process.pid

    master = service.status().edge.pid
    assert master is not None
    workers = {child.pid for child in psutil.Process(master).children()}
    service.kill_supervisor()
    psutil.Process(master).kill()
    until(lambda: not psutil.pid_exists(master), "the master is gone", 10)
    left = left_behind(service.state)
    assert {f"nginx (pid {pid})" for pid in workers} <= set(left) and any("blue worker" in each for each in left)
    service.up()
