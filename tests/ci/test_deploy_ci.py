"""`make deploy-ci` against a service: what it prints, keeps and exits with."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from scripts import deploy_ci
from scripts.deploy_ci import EVENTS, EXPLANATION, Failed, only_wheel
from tests.support.service_fixture import ROOT, Service, running_service
from tests.support.service_models import truncated

COMMAND = '#!/bin/sh\nexec {python} -m modelsvc "$@"\n'


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        command = service.folder / "modelsvc-command"
        command.write_text(COMMAND.format(python=sys.executable))
        command.chmod(0o700)
        yield service


def deploy(service: Service, evidence: Path, arguments: str = "") -> "subprocess.CompletedProcess[str]":
    own = {"MODELSVC_COMMAND": str(service.folder / "modelsvc-command"), "EVIDENCE": str(evidence), "ARGS": arguments}
    command = [sys.executable, "-m", "scripts.deploy_ci"]
    return subprocess.run(command, cwd=ROOT, env={**service.env, **own}, capture_output=True, text=True, timeout=100)


def kept(evidence: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (evidence / EVENTS).read_text().splitlines()]


def test_a_deployment_that_succeeds(service: Service, tmp_path: Path) -> None:
    """Its events are printed and kept; there is nothing to explain."""
    ran = deploy(service, tmp_path, "--set model.slots=2")
    assert ran.returncode == 0, ran
    assert kept(tmp_path)[-1]["outcome"] == "succeeded"
    assert [json.loads(line) for line in ran.stdout.splitlines()] == kept(tmp_path)
    assert not (tmp_path / EXPLANATION).exists()


def test_a_deployment_that_is_refused(service: Service, tmp_path: Path) -> None:
    """With the exit code of the command itself, and why."""
    truncated(service.folder / "bad.gguf")
    ran = deploy(service, tmp_path, f"--model {service.folder / 'bad.gguf'}")
    assert ran.returncode == 4
    assert "download it again" in ran.stdout + ran.stderr
    assert kept(tmp_path)[-1]["outcome"] == "refused"
    assert json.loads((tmp_path / EXPLANATION).read_text())["deployment"]["outcome"] == "refused"


def test_evidence_is_of_one_deployment(service: Service, tmp_path: Path) -> None:
    """What an earlier one left says nothing of this one, which could not even be asked for."""
    (tmp_path / EXPLANATION).write_text("of the one before")
    ran = deploy(service, tmp_path, "--set model.slots=0")
    assert ran.returncode == 2 and "error" in kept(tmp_path)[-1]
    assert not (tmp_path / EXPLANATION).exists()


def test_arguments_that_nobody_can_take_apart(service: Service, tmp_path: Path) -> None:
    ran = deploy(service, tmp_path, '--model "half')
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "ARGS is '--model \"half'" in ran.stdout and "nothing was deployed" in ran.stdout


def test_a_command_without_a_python_beside_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A wheel cannot be installed for it."""
    (tmp_path / "modelsvc").write_text("#!/bin/sh\n")
    (tmp_path / "modelsvc").chmod(0o700)
    (tmp_path / "m.whl").touch()
    own = {"MODELSVC_COMMAND": "modelsvc", "WHEEL": "m.whl", "EVIDENCE": "e"}
    assert deploy_ci.main({name: str(tmp_path / file) for name, file in own.items()}) == 1
    assert "cannot be run: No such file" in capfd.readouterr().out


def test_a_deployment_that_is_rolled_back(service: Service, tmp_path: Path) -> None:
    """Its explanation is printed for people, and kept for programs."""
    configured = service.config.read_text()
    service.config.write_text(
        configured + '\n[[gate]]\nprompt = "Hello!"\nexpect = "no model says this"\nmax_tokens = 1\n'
    )
    try:
        ran = deploy(service, tmp_path)
    finally:
        service.config.write_text(configured)
    assert ran.returncode == 1
    number = kept(tmp_path)[-1]["deployment"]
    assert f"deployment {number}" in ran.stdout
    explanation = json.loads((tmp_path / EXPLANATION).read_text())
    assert explanation["deployment"]["outcome"] == "rolled_back"


def test_arguments_are_not_for_a_shell(service: Service, tmp_path: Path) -> None:
    """Whatever is in them, it is an argument of the deployment."""
    ran = deploy(service, tmp_path, f"--model '$(touch {tmp_path}/touched)' ;touch {tmp_path}/touched")
    assert ran.returncode == 2
    assert not (tmp_path / "touched").exists()


def test_a_wheel_is_installed_and_the_service_restarted_first(tmp_path: Path) -> None:
    """In the environment of the command, even where that is reached by a link; then the deployment comes."""
    calls = tmp_path / "calls"
    bin_folder = tmp_path / "venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("python", "modelsvc"):
        (bin_folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\n')
        (bin_folder / name).chmod(0o700)
    (tmp_path / "modelsvc").symlink_to(bin_folder / "modelsvc")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "m.whl").touch()
    own = {
        "MODELSVC_COMMAND": str(tmp_path / "modelsvc"),
        "WHEEL": str(tmp_path / "dist"),
        "EVIDENCE": str(tmp_path / "e"),
    }
    assert deploy_ci.main(own) == 0
    assert calls.read_text().splitlines() == [
        f"python -m pip install --upgrade --constraint {tmp_path}/e/constraints.txt {tmp_path}/dist/m.whl",
        "modelsvc service restart",
        "modelsvc ctl deploy --json",
    ]


def test_the_versions_of_the_lock_are_what_is_installed() -> None:
    """Names, versions and conditions; pip reads each of them as a requirement."""
    lock = """# by a tool
granian==2.5.1 \\
    --hash=sha256:00 \\
    --hash=sha256:01
uvloop==0.21 ; platform_machine == 'arm64' \\
    --hash=sha256:02
    # via granian
"""
    assert deploy_ci.constraints(lock) == "granian==2.5.1\nuvloop==0.21 ; platform_machine == 'arm64'\n"
    ours = deploy_ci.constraints(deploy_ci.LOCK.read_text())
    assert {str(Requirement(line).specifier)[:2] for line in ours.splitlines()} == {"=="}
    assert "llama-cpp-python==" in ours and "sha256" not in ours


def test_nothing_is_deployed_when_the_upgrade_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "python").symlink_to("/bin/false")
    (tmp_path / "modelsvc").write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    (tmp_path / "modelsvc").chmod(0o700)
    (tmp_path / "m.whl").touch()
    own = {
        name: str(tmp_path / file)
        for name, file in (("MODELSVC_COMMAND", "modelsvc"), ("WHEEL", "m.whl"), ("EVIDENCE", "e"))
    }
    assert deploy_ci.main(own) == 1
    assert "nothing was deployed" in capfd.readouterr().out
    assert not (tmp_path / "called").exists()


def test_without_the_service_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert deploy_ci.main({"MODELSVC_COMMAND": "no-such-command"}) == 2
    assert "set MODELSVC_COMMAND" in capfd.readouterr().out


def test_a_folder_must_have_one_wheel(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="has 0 wheels"):
        only_wheel(tmp_path)
