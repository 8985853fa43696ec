"""`modelsvc doctor` before the service was ever started: sound, and broken in each way that keeps it from starting."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from disposable.waiting import until
from tests.acceptance.test_full_disk import fill, small_file_system
from tests.doctor.conftest import configure, everything_in, examine
from tests.support import service_models
from tests.support.service_fixture import Service

from supervisor.core import records as rec
from supervisor.core.state import Color
from supervisor.journal import Journal

LISTEN = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(600)
"""


def test_a_sound_machine(service: Service) -> None:
    """Nothing is wrong, the exit code is 0, every area says what it saw, and the report says where it looked."""
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, [])
    assert [area.area for area in seen.report.areas if not area.findings] == []
    assert all(finding.seen and not finding.mend for finding in seen.findings)
    assert {"daemon_absent", "journal_absent", "state_absent", "nginx_config_ok"} <= {f.code for f in seen.findings}
    assert (seen.report.config, seen.report.state_dir) == (str(service.config), str(service.state.root))


def test_it_leaves_no_trace(service: Service) -> None:
    """Not even a folder where the service would have its state, nor a temporary file, nor a process, nor a port."""
    before, temporary = everything_in(service.folder), str(service.folder / "tmp")
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    assert examine(service).ran.code == 0
    after = everything_in(service.folder)
    assert after.keys() == before.keys()
    assert {path for path, what in after.items() if before[path] != what} <= {temporary}  # whose time changed
    until(lambda: {child.pid for child in psutil.Process().children(recursive=True)} <= children, "no child is left", 5)
    host, _, port = str(service.tables["edge"]["listen"]).rpartition(":")
    socket.create_server((host, int(port))).close()


def test_without_any_configuration(service: Service) -> None:
    """The defaults are looked at."""
    service.environment["MODELSVC_CONFIG"] = ""
    seen = examine(service)
    assert seen.report.config is None and seen["config_defaults"].level == "ok"
    assert "127.0.0.1:8080" in "".join(finding.seen for finding in seen.findings)


def test_no_nginx(service: Service) -> None:
    configure(service, edge={"nginx": "no-such-nginx"})
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["nginx_missing"])
    assert "'no-such-nginx'" in seen["nginx_missing"].seen
    assert "install nginx" in seen["nginx_missing"].mend


def test_a_program_that_is_no_nginx(service: Service) -> None:
    configure(service, edge={"nginx": "/bin/echo"})
    assert examine(service).codes == ["nginx_unusable"]


def test_a_program_that_prints_what_a_terminal_acts_on(service: Service) -> None:
    """Its words are shown without that."""
    program = service.folder / "nginx"
    program.write_text("#!/bin/sh\nprintf 'so \\033[2J says \\a it'\n")
    program.chmod(0o700)
    configure(service, edge={"nginx": str(program)})
    seen = examine(service)["nginx_unusable"].seen
    assert seen.isprintable() and "so" in seen and "says" in seen


def test_a_state_folder_that_is_a_link_to_nowhere(service: Service) -> None:
    """No folder can be made in its place."""
    service.state.root.symlink_to(service.folder / "nowhere")
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["state_no_folder"])
    assert str(service.folder / "nowhere") in seen["state_no_folder"].seen


def test_a_folder_in_the_place_of_the_journal(service: Service) -> None:
    service.state.journal.mkdir(parents=True)
    service.state.root.chmod(0o700)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["journal_unreadable"])
    assert "is no file: move it away" in seen["journal_unreadable"].seen


@contextmanager
def stranger(port: int, **given: str) -> Iterator[int]:
    """A process that has nothing to do with the service and listens on its port."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MODELSVC")} | given
    command = [sys.executable, "-c", LISTEN, str(port)]
    with subprocess.Popen(command, cwd="/", env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("setting", "code", "exit_code"),
    [(("workers", "green_port"), "port_taken", 1), (("control", "metrics_listen"), "port_taken_optional", 0)],
)
def test_a_port_taken_by_a_stranger(service: Service, setting: tuple[str, str], code: str, exit_code: int) -> None:
    """It is named with its pid, though its shell knew the state folder. Without metrics the service starts."""
    section, key = setting
    port = int(str(service.tables[section][key]).rpartition(":")[2])
    with stranger(port, MODELSVC_HOME=str(service.state.root)) as pid:
        seen = examine(service)
    assert (seen.ran.code, seen.codes) == (exit_code, [code])
    assert f"{section}.{key}" in seen[code].seen and f"pid {pid}" in seen[code].seen
    assert f"kill {pid}" in seen[code].mend


def test_an_address_of_another_machine(service: Service) -> None:
    configure(service, edge={"listen": "192.0.2.1:8080"})
    seen = examine(service)
    assert seen.codes == ["listens_to_all", "port_unusable"]
    assert "192.0.2.1:8080" in seen["port_unusable"].seen


def test_a_state_folder_of_another_user(service: Service, as_root: None) -> None:
    """As `sudo modelsvc up` leaves one, the other way round."""
    service.state.root.mkdir(mode=0o700)
    os.chown(service.state.root, 65534, 65534)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["state_of_another_user"])
    assert str(service.state.root) in seen["state_of_another_user"].seen
    assert "chown -R" in seen["state_of_another_user"].mend


def test_a_state_folder_that_cannot_be_written(service: Service) -> None:
    """Root may write whatever the mode says, but no read-only file system."""
    with small_file_system(service.state.root):
        subprocess.run(["mount", "-o", "remount,ro", str(service.state.root)], check=True)
        seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["state_not_writable", "disk_no_second_model"])
    assert f"{service.state.root} (mode 0700)" in seen["state_not_writable"].seen


@pytest.mark.skipif(not os.geteuid(), reason="root may write whatever the mode says")
def test_a_state_folder_without_rights(service: Service) -> None:
    service.state.root.mkdir(mode=0o500)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["state_not_writable"])
    assert "chmod u+rwx" in seen["state_not_writable"].mend


def test_a_state_folder_that_others_may_enter(service: Service) -> None:
    service.state.root.mkdir()
    service.state.root.chmod(0o755)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["state_open_to_others"])
    assert f"chmod 700 {service.state.root}" in seen["state_open_to_others"].mend


def test_a_file_where_the_state_folder_should_be(service: Service) -> None:
    service.state.root.write_text("in the way")
    seen = examine(service)
    assert seen.ran.code == 1 and "state_no_folder" in seen.codes


def test_a_socket_path_that_is_too_long(service: Service) -> None:
    service.environment["MODELSVC_HOME"] = str(service.folder / ("long" * 25))
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["socket_path_too_long"])
    assert "103" in seen["socket_path_too_long"].seen


def test_a_lock_that_was_left(service: Service) -> None:
    """By a supervisor that was killed, and whose pid another process may have by now: no harm."""
    service.state.run.mkdir(mode=0o700, parents=True)
    service.state.root.chmod(0o700)
    service.state.lock.write_text(f"{os.getpid()}\n")
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, [])
    assert seen["lock_left"].level == "ok"


@pytest.mark.parametrize(
    ("make", "code"),
    [(service_models.truncated, "model_truncated"), (service_models.not_gguf, "model_not_gguf")],
)
def test_a_model_file_that_is_broken(service: Service, make: service_models.Maker, code: str) -> None:
    """There is no forecast of it then, and that is said."""
    make(service.folder / "m.gguf")
    configure(service, model={"path": str(service.folder / "m.gguf")})
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, [code, "memory_unknown"])
    assert "m.gguf" in seen[code].seen and seen[code].mend


def test_a_model_file_that_is_not_there(service: Service) -> None:
    configure(service, model={"path": str(service.folder / "m.gguf")})
    assert examine(service).codes == ["model_missing", "memory_unknown"]


def test_a_budget_too_small_for_one_worker(service: Service) -> None:
    """With the table that a refused deployment would show."""
    configure(service, memory={"budget_gb": 0.1})
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["memory_short"])
    assert "memory.budget_gb  " in seen["memory_short"].seen and "short of" in seen["memory_short"].seen
    assert "model.context_tokens" in seen["memory_short"].mend


def test_a_budget_too_small_for_two_workers(service: Service) -> None:
    """One serves, and deployments have to be in place."""
    configure(service, memory={"budget_gb": 0.15})
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["memory_only_in_place"])
    assert "--in-place" in seen["memory_only_in_place"].mend


def test_a_budget_beyond_the_machine(service: Service) -> None:
    configure(service, memory={"budget_gb": 9999.0})
    assert examine(service).codes == ["memory_budget_beyond_machine"]


def test_a_configuration_with_three_problems(service: Service) -> None:
    """All are told at once, and the rest of the file still counts."""
    configure(
        service,
        model={"context_tokens": 7, "colour": "red"},
        edge={"hold_limit": "many"},
        memory={"budget_gb": 9999.0},
    )
    seen = examine(service)
    assert seen.ran.code == 1
    assert seen.codes == ["config_invalid"] * 3 + ["memory_budget_beyond_machine"]
    told = " ".join(finding.seen for finding in seen.findings if finding.code == "config_invalid")
    assert all(key in told for key in ("model.context_tokens", "model.colour", "edge.hold_limit"))
    assert str(service.tables["workers"]["blue_port"]) in " ".join(finding.seen for finding in seen.findings)


def test_ports_that_clash(service: Service) -> None:
    """A problem of several sections takes the ports alone."""
    configure(service, memory={"budget_gb": 9999.0}, workers={"green_port": service.tables["workers"]["blue_port"]})
    seen = examine(service)
    assert "use the same port" in seen["config_invalid"].seen
    assert "memory_budget_beyond_machine" in seen.codes


def test_a_configuration_that_is_no_toml(service: Service) -> None:
    service.config.write_text("[model\n")
    seen = examine(service)
    assert (seen.ran.code, "config_invalid" in seen.codes) == (1, True)
    assert "cannot be read as TOML" in seen["config_invalid"].seen


def test_a_configuration_that_is_not_there(service: Service) -> None:
    seen = examine(service, "--config", "nowhere.toml")
    assert seen.ran.code == 1 and "nowhere.toml" in seen["config_missing"].seen


def test_a_full_disk(service: Service) -> None:
    with small_file_system(service.state.root):
        fill(service.state.root)
        seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["disk_full"])
    assert f"{service.state.root} has 0 MB free" in seen["disk_full"].seen


def test_a_disk_without_room_for_another_model(service: Service) -> None:
    with small_file_system(service.state.root):
        seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["disk_no_second_model"])


def journal(service: Service) -> Journal:
    service.state.root.mkdir(mode=0o700)
    return Journal(service.state.journal)


def test_a_journal_from_the_future(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was set back, or was wrong before; nothing has to fail of that."""
    later = time.time() + 3 * 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    past = journal(service)
    past.write(rec.WorkerBegan(Color.BLUE, "blue-1", 2**22 + 1, 1.0, 1))
    past.close()
    monkeypatch.undo()
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["clock_behind_journal"])
    assert "set the clock" in seen["clock_behind_journal"].mend


def test_a_journal_that_is_damaged(service: Service) -> None:
    journal(service).close()
    service.state.journal.write_bytes(b"This is no database. " * 500)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["journal_corrupt"])


LLAMAS = {
    "llama_crashed": "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n",
    "llama_missing": "raise OSError('libllama.so: cannot open shared object file')\n",
}


@pytest.mark.parametrize("code", LLAMAS)
def test_a_llama_cpp_that_does_not_run_here(service: Service, code: str) -> None:
    """Only a process of its own ends by it. The model is not blamed alone: both are told."""
    package = service.folder / "lib" / "llama_cpp"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "llama_cpp.py").write_text(LLAMAS[code])
    service.environment["PYTHONPATH"] = os.pathsep.join((str(package.parent), os.environ.get("PYTHONPATH", "")))
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, [code, "model_unreadable", "memory_unknown"])
    assert signal.SIGILL.name in seen[code].seen or "libllama.so" in seen[code].seen
    assert "--no-binary llama-cpp-python" in seen[code].mend


def test_keys_that_others_may_read(service: Service) -> None:
    """Told once, with what mends it; the rest of the configuration is looked at."""
    keys = service.folder / "keys"
    assert service.run("keys", "--file", keys, "add", "phone").code == 0
    configure(service, security={"api_keys_file": str(keys)})
    assert examine(service)["keys_ok"].seen.endswith("phone")
    keys.chmod(0o644)
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (1, ["keys_unusable"])
    assert f"chmod 600 {keys}" in seen["keys_unusable"].mend
    keys.unlink()
    assert examine(service).codes == ["keys_unusable"]


def test_listening_to_all_without_keys(service: Service) -> None:
    port = str(service.tables["edge"]["listen"]).rpartition(":")[2]
    configure(service, edge={"listen": f"0.0.0.0:{port}"})
    seen = examine(service)
    assert (seen.ran.code, seen.codes) == (0, ["listens_to_all"])
    assert f"edge.listen = 0.0.0.0:{port}" in seen["listens_to_all"].seen


def test_few_open_files(service: Service) -> None:
    command = [sys.executable, "-m", "modelsvc", "doctor"]
    limited = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", *command]
    done = subprocess.run(limited, cwd=service.folder, env=service.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning  open files: 256 open files, 256 at most" in done.stdout


def test_what_a_person_reads(service: Service) -> None:
    """A line a finding, what is wrong with its mend under it, and the sum."""
    configure(service, edge={"nginx": "no-such-nginx"})
    ran = service.run("doctor")
    lines = ran.out.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("failure  nginx: cannot run"))
    assert lines[at + 1].startswith("         -> `")
    assert lines[-1] == "1 failure(s), 0 warning(s)"
    assert str(service.config) in lines[0] and (ran.code, ran.err) == (1, "")
