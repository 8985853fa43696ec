"""Installing nginx and Prometheus on Debian leaves neither running and the machine's policy as it was."""

import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.setup.machine import Machine

# What a machine's own policy may be: it must be asked about everything but our nginx.
OWN_POLICY = "#!/bin/sh\nexit 104\n"


def own_policy(machine: Machine) -> None:
    machine.policy.write_text(OWN_POLICY)
    machine.policy.chmod(0o751)


def leftovers(machine: Machine) -> list[str]:
    return sorted(path.name for path in machine.policy.parent.iterdir())


@pytest.mark.parametrize("packages", [("nginx",), ("--", "prometheus"), ("nginx", "--", "prometheus")], ids=" ".join)
def test_a_service_is_installed_but_not_started(machine: Machine, packages: tuple[str, ...]) -> None:
    """Debian starts what it installs, unless the policy forbids it."""
    machine.is_debian()

    done = machine.run("apt_install.sh", *packages)

    assert done.returncode == 0, done.stderr
    assert [name for name in ("nginx", "prometheus") if (machine.bin / name).exists()] == [
        *filter(str.isalpha, packages)
    ]
    assert not [call for call in machine.calls if call.endswith(" started")]
    assert leftovers(machine) == []


def test_without_the_policy_the_fake_debian_does_start_services(machine: Machine) -> None:
    """The test above can fail."""
    machine.is_debian()

    subprocess.run([machine.bin / "apt-get", "install", "nginx", "prometheus"], check=True)

    assert machine.calls[-2:] == ["nginx started", "prometheus started"]


def test_nginx_does_not_start_at_the_next_boot_either(machine: Machine) -> None:
    """Debian also enables what it installs."""
    machine.is_debian()

    machine.run("apt_install.sh", "nginx")

    assert machine.calls[-1] == "systemctl disable --quiet nginx"


def test_only_a_fresh_service_is_taken_out_of_the_boot(machine: Machine) -> None:
    """Whoever had an nginx that boots keeps it, also when Prometheus comes."""
    machine.is_debian()
    machine.has("nginx")

    machine.run("apt_install.sh", "nginx", "--", "prometheus")

    assert [call for call in machine.calls if call.startswith("systemctl")] == ["systemctl disable --quiet prometheus"]


def test_without_systemd_the_boot_script_is_taken_out(machine: Machine) -> None:
    """Containers and Debian's sysvinit."""
    machine.is_debian()
    (machine.bin / "systemctl").unlink()
    machine.has("update-rc.d")

    machine.run("apt_install.sh", "nginx")

    assert machine.calls[-1] == "update-rc.d nginx disable"


@pytest.mark.parametrize("apt", [":", "exit 100"], ids=["installed", "failed"])
def test_the_machines_own_policy_is_put_back(machine: Machine, apt: str) -> None:
    """Content and mode, also when apt fails."""
    machine.is_debian(apt=apt)
    own_policy(machine)

    done = machine.run("apt_install.sh", "nginx")

    assert (done.returncode == 0) == (apt == ":")
    assert machine.policy.read_text() == OWN_POLICY
    assert machine.policy.stat().st_mode & 0o777 == 0o751
    assert leftovers(machine) == ["policy-rc.d"]


def test_our_policy_is_removed_when_apt_fails(machine: Machine) -> None:
    """It would keep every later nginx from starting."""
    machine.is_debian(apt="exit 100")

    done = machine.run("apt_install.sh", "nginx")

    assert done.returncode == 100
    assert leftovers(machine) == []


def test_our_policy_is_removed_on_an_interrupt(machine: Machine) -> None:
    """Ctrl-C during apt."""
    machine.is_debian(apt=f"kill -{int(signal.SIGTERM)} $PPID")
    own_policy(machine)

    done = machine.run("apt_install.sh", "nginx")

    assert done.returncode == 130
    assert machine.policy.read_text() == OWN_POLICY


def test_a_killed_setup_is_cleaned_up_by_the_next(machine: Machine) -> None:
    """Its policy must not be taken for the machine's own."""
    machine.is_debian(apt=f"kill -{int(signal.SIGKILL)} $PPID; exit 1")
    own_policy(machine)
    machine.run("apt_install.sh", "nginx")
    assert leftovers(machine) == ["policy-rc.d", "policy-rc.d.before-modelsvc"]

    machine.is_debian()
    machine.run("apt_install.sh", "nginx")

    assert machine.policy.read_text() == OWN_POLICY
    assert leftovers(machine) == ["policy-rc.d"]


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs the real flock, which macOS lacks")
def test_two_setups_at_once_wait_for_each_other(machine: Machine) -> None:
    """Else the second would save the first one's policy as the machine's own, and put that back."""
    machine.is_debian(apt="sleep 0.3")
    own_policy(machine)

    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: machine.run("apt_install.sh", "nginx"), range(2)))

    assert [done.returncode for done in both] == [0, 0]
    assert machine.policy.read_text() == OWN_POLICY
    assert leftovers(machine) == ["policy-rc.d"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("nginx start", 101),
        ("--quiet nginx start 2", 101),
        ("nginx.service start", 101),
        ("prometheus start", 101),
        ("prometheus.service start", 101),
        ("prometheus-node-exporter start", 104),
        ("cron restart", 104),
    ],
)
def test_only_ours_are_kept_from_starting(machine: Machine, asked: str, answer: int) -> None:
    """Any other service that apt restarts is the machine's own policy's business."""
    machine.is_debian(apt=f'"{machine.policy}" {asked}; echo "answer $?"')
    own_policy(machine)

    done = machine.run("apt_install.sh", "nginx", "--", "prometheus")

    assert f"answer {answer}" in done.stdout


def test_what_apt_does_not_know_is_left_out_when_optional(machine: Machine) -> None:
    """And only then: a required package that is missing is a failure of apt's own."""
    machine.is_debian(lacks=("prometheus",))

    machine.run("apt_install.sh", "nginx", "--", "prometheus", "chromium")

    (install,) = (call for call in machine.calls if call.startswith("apt-get install"))
    assert install.endswith(" nginx chromium")


def test_installing_something_else_leaves_policy_and_boot_alone(machine: Machine) -> None:
    """A compiler has nothing to do with nginx."""
    machine.is_debian(apt=f'[ ! -e "{machine.policy}" ] || exit 9')
    machine.has("nginx")

    done = machine.run("apt_install.sh", "build-essential")

    assert done.returncode == 0, done.stderr
    assert not [call for call in machine.calls if call.startswith(("systemctl", "update-rc.d"))]


def test_an_outdated_list_of_packages_is_no_obstacle(machine: Machine) -> None:
    """Offline, with the packages in apt's cache, it still works."""
    machine.is_debian()
    program = (machine.bin / "apt-get").read_text()
    (machine.bin / "apt-get").write_text(program.replace('case "$1" in', 'case "$1" in update) exit 100 ;;'))

    done = machine.run("apt_install.sh", "nginx")

    assert done.returncode == 0
    assert "going on with the lists there are" in done.stdout
