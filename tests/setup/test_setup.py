"""What `make setup` decides, on machines that are folders full of fake programs."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.setup.machine import PROGRAMS, Machine


def bare_debian(machine: Machine) -> None:
    machine.is_debian()
    machine.has_python()
    machine.has("c++")


def test_a_bare_mac_gets_programs_from_homebrew(machine: Machine) -> None:
    """brew does not start what it installs, so nothing has to be stopped."""
    machine.is_macos()
    machine.has_python()

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert machine.calls[0] == "brew install nginx prometheus fish"
    assert not [call for call in machine.calls if "services" in call]


def test_a_mac_with_apples_old_python_gets_a_new_one(machine: Machine) -> None:
    """Apple's command line tools bring Python 3.9."""
    machine.is_macos()
    machine.has_python(too_old=True)

    done = machine.setup()

    assert machine.calls[0] == "brew install python@3.13 nginx prometheus fish"
    assert done.returncode == 1  # the fake brew brings no Python
    assert "brew install python@3.13" in done.stderr


def test_a_mac_without_homebrew_is_told_what_is_missing(machine: Machine) -> None:
    """We install no package manager behind anyone's back."""
    machine.is_macos(brew=False)
    machine.has_python()

    done = machine.setup()

    assert done.returncode == 1
    assert "Homebrew is needed to install nginx:" in done.stderr


def test_a_mac_with_what_is_needed_needs_no_homebrew(machine: Machine) -> None:
    """What only tests and the monitor use is left out, and told."""
    machine.is_macos(brew=False)
    machine.has_python()
    machine.has_programs("nginx")

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert "no Prometheus here" in done.stderr


def test_a_mac_without_compilers_is_told_the_command(machine: Machine) -> None:
    """Apple's installer is a window; a script cannot answer it."""
    machine.is_macos()
    machine.has("xcode-select", "exit 2")

    done = machine.setup()

    assert done.returncode == 1
    assert "xcode-select --install" in done.stderr
    assert machine.calls == []


def test_a_bare_debian_gets_everything_in_one_installation(machine: Machine) -> None:
    """One question of sudo, at the start."""
    machine.is_debian()

    done = machine.setup()

    assert machine.calls[0].startswith("apt-get update")
    assert machine.calls[1].startswith("apt-get install")
    assert machine.calls[1].endswith("python3 python3-venv build-essential nginx prometheus chromium zsh fish")
    assert done.returncode == 1  # the fake apt brings no Python
    assert "sudo apt-get install python3 python3-venv" in done.stderr


def test_debian_installs_only_what_is_missing(machine: Machine) -> None:
    """Debian splits venv off Python, and names it after the version."""
    machine.is_debian()
    machine.has_python(no_venv=True)
    machine.has("c++")
    machine.has_programs()

    machine.setup()

    assert machine.calls[1].endswith(" python3.12-venv")


def test_nothing_missing_means_no_package_manager(machine: Machine) -> None:
    """A machine that has all needs neither root nor network for it."""
    bare_debian(machine)
    machine.has_programs()

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert not [call for call in machine.calls if call.startswith("apt-get")]


def test_an_ordinary_user_of_debian_installs_with_sudo(machine: Machine) -> None:
    """Only the system's packages are installed as root, the rest as the user."""
    bare_debian(machine)
    machine.has("id", "echo 1000")
    machine.has("sudo", 'exec "$@"')

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert [call.split()[1:] for call in machine.calls if call.startswith("sudo")] == [
        [str(machine.checkout / "scripts/apt_install.sh"), "nginx", "--", *PROGRAMS[1:]]
    ]


def test_an_ordinary_user_without_sudo_is_told_what_root_must_run(machine: Machine) -> None:
    """The message can be copied to whoever is root."""
    bare_debian(machine)
    machine.has("id", "echo 1000")

    done = machine.setup()

    assert done.returncode == 1
    command = f"{machine.checkout}/scripts/apt_install.sh nginx -- prometheus chromium zsh fish"
    assert f"root has to install nginx, and there is no sudo. As root, run: {command}\n" in done.stderr


def test_what_only_tests_need_does_not_need_root(machine: Machine) -> None:
    """The service runs without; the second run is quick, and asks no more."""
    bare_debian(machine)
    machine.has("id", "echo 1000")
    machine.has_programs("nginx", "prometheus")

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert f"as root, run: {machine.checkout}/scripts/apt_install.sh -- chromium zsh fish\n" in done.stdout
    assert machine.setup().stdout == "setup: everything is there\n"


@pytest.mark.parametrize(("nginx", "code"), [(True, 0), (False, 1)], ids=["wished", "needed"])
def test_a_user_whom_sudo_refuses_is_told_what_root_must_run(machine: Machine, nginx: bool, code: int) -> None:
    """Not among the sudoers, or without a terminal for the password. Only what is needed fails the setup."""
    bare_debian(machine)
    machine.has("id", "echo 1000")
    machine.has("sudo", "echo sudo: a password is required >&2; exit 1")
    if nginx:
        machine.has_programs("nginx")

    done = machine.setup()

    assert done.returncode == code
    assert (f"As root, run: {machine.checkout}/scripts/apt_install.sh nginx --" in done.stderr) == (not nginx)
    assert ("going on" in done.stdout) == nginx


@pytest.mark.parametrize(("nginx", "code"), [(True, 0), (False, 1)], ids=["wished", "needed"])
def test_an_apt_that_fails_is_fatal_only_for_what_is_needed(machine: Machine, nginx: bool, code: int) -> None:
    """Offline, a machine that can serve is set up all the same."""
    machine.is_debian(apt="exit 100")
    machine.has_python()
    machine.has_programs("c++", *(["nginx"] if nginx else []))

    done = machine.setup()

    assert done.returncode == code
    assert ("installing nginx failed" in done.stderr) == (not nginx)


def test_another_linux_is_told_what_to_install(machine: Machine) -> None:
    """We know two package managers and do not guess a third."""
    machine.has("uname", "echo Linux")
    machine.has_python()
    machine.has("c++")

    done = machine.setup()

    assert done.returncode == 1
    assert "nginx is needed" in done.stderr


def test_every_package_is_installed_by_hash_and_nothing_built_in_isolation(machine: Machine) -> None:
    """Build isolation would fetch backends that no hash covers."""
    bare_debian(machine)
    machine.has_programs()

    machine.setup()

    ready, compiled, project = (call for call in machine.calls if " -m pip " in call)
    assert "--require-hashes" in ready
    assert "--require-hashes" in compiled
    assert "--no-build-isolation" in compiled
    assert "--no-build-isolation" in project
    assert "--no-deps" in project


def test_the_lock_is_split_without_losing_a_line(machine: Machine) -> None:
    """What is compiled comes second, with its hashes; the rest first, build backends included."""
    bare_debian(machine)
    machine.has_programs()

    machine.setup()

    venv = machine.checkout / ".venv"
    ready = (venv / "ready.lock").read_text().splitlines()
    compiled = (venv / "compiled.lock").read_text().splitlines()
    assert compiled[0].startswith("llama-cpp-python==")
    assert compiled[1:] and all("--hash=sha256:" in line for line in compiled[1:])
    assert sorted(ready + compiled) == sorted((machine.checkout / "requirements.lock").read_text().splitlines())


def test_a_second_run_does_nothing(machine: Machine) -> None:
    """`make demo` and `make test` run it each time."""
    bare_debian(machine)
    machine.has_programs()
    machine.setup()
    before = machine.calls

    done = machine.setup()

    assert done.stdout == "setup: everything is there\n"
    assert machine.calls == before


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_dependency_is_installed(machine: Machine, name: str) -> None:
    """The stamp holds what was installed from; .venv itself is kept."""
    bare_debian(machine)
    machine.has_programs()
    machine.setup()
    with (machine.checkout / name).open("a") as file:
        file.write("# another line\n")

    machine.setup()

    assert len([call for call in machine.calls if " -m pip " in call]) == 6
    assert len([call for call in machine.calls if " -m venv " in call]) == 1


def test_a_moved_checkout_gets_a_new_environment(machine: Machine) -> None:
    """A virtual environment's commands name the folder it was made in."""
    bare_debian(machine)
    machine.has_programs()
    machine.setup()
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("elsewhere"))

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert len([call for call in machine.calls if " -m venv " in call]) == 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_removed_program_is_installed_again(machine: Machine, name: str) -> None:
    """The stamp says nothing about what is there of the system's packages."""
    bare_debian(machine)
    machine.has_programs()
    machine.setup()
    (machine.bin / name).unlink()

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert [call for call in machine.calls if call.startswith("apt-get install") and call.endswith(f" {name}")]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("prometheus", "`modelsvc monitor` cannot be used"),
        ("chromium", "tests of the status page in a browser"),
        ("zsh", "no zsh here: the tests of its completion"),
        ("fish", "no fish here: the tests of its completion"),
    ],
)
def test_what_apt_does_not_have_is_told_and_not_asked_for_again(machine: Machine, name: str, told: str) -> None:
    """Ubuntu has no Chromium of its own: the service works without, and a second run is as quick as elsewhere."""
    machine.is_debian(lacks=(name,))
    machine.has_python()
    machine.has_programs("c++", "nginx")

    first = machine.setup()
    calls = machine.calls
    second = machine.setup()

    assert first.returncode == 0, first.stderr
    assert told in first.stderr
    assert not (machine.bin / name).exists()
    assert second.stdout == "setup: everything is there\n"
    assert machine.calls == calls


def test_a_machine_with_nothing_optional_asks_apt_for_nothing_else(machine: Machine) -> None:
    """An installation of no package would be an error of apt's."""
    machine.is_debian(lacks=PROGRAMS[1:])
    machine.has_python()
    machine.has_programs("c++", "nginx")

    done = machine.setup()

    assert done.returncode == 0, done.stderr
    assert not [call for call in machine.calls if call.startswith("apt-get install")]


def test_a_mac_without_a_browser_is_told_what_is_skipped(machine: Machine) -> None:
    """Homebrew has no Chromium that Gatekeeper lets run."""
    machine.is_macos()
    machine.has_python()

    done = machine.setup()

    assert "no Chromium or Chrome here" in done.stderr
    assert machine.setup().stdout == "setup: everything is there\n"


@pytest.mark.parametrize("app", ["Chromium", "Google Chrome"])
def test_a_browser_in_the_applications_folder_counts(machine: Machine, app: str) -> None:
    """Neither is on a Mac's PATH."""
    machine.is_macos()
    machine.has_python()
    (machine.root / "Applications" / f"{app}.app").mkdir(parents=True)

    assert "no Chromium" not in machine.setup().stderr


def test_a_failed_installation_shows_why_and_is_tried_again(machine: Machine) -> None:
    """No stamp without success."""
    bare_debian(machine)
    machine.has_programs()
    machine.has_python(pip="echo no such compiler; exit 7")

    failed = machine.setup()
    again = machine.setup()

    assert failed.returncode == again.returncode == 7
    assert "no such compiler" in failed.stderr
    assert "setup.log" in failed.stderr
    assert "done" not in failed.stdout


def test_a_chosen_python_is_taken(machine: Machine) -> None:
    """make setup PYTHON=... for those who have several."""
    bare_debian(machine)
    machine.has_programs()
    machine.has_python(too_old=True)
    (machine.bin / "mine").write_text((machine.bin / "python3").read_text().replace("exit 1", "exit 0"))
    (machine.bin / "mine").chmod(0o755)

    done = machine.setup(PYTHON=str(machine.bin / "mine"))

    assert done.returncode == 0, done.stderr
    assert [call for call in machine.calls if call.startswith("mine -m venv")]


def test_two_setups_at_once_do_not_meet_in_one_environment(machine: Machine) -> None:
    """Two terminals, or a killed setup whose pip goes on: the second waits for the first."""
    bare_debian(machine)
    machine.has_programs()
    held = machine.checkout / "held"
    os.mkfifo(held)
    # The first pip reads until the test lets it end; one beside it fails.
    machine.has_python(pip=f'[ ! -p "{held}" ] || {{ mkdir "{held}.taken" || exit 9; cat "{held}"; }}')

    with ThreadPoolExecutor() as pool:
        first = pool.submit(machine.setup)
        with held.open("w"):  # returns once the first pip reads
            second = machine.started("setup.sh")
            assert second.stdout is not None
            said = next((line for line in second.stdout if "another setup is at work" in line), None)
            held.unlink()
        second.communicate(timeout=60)

    assert said
    assert (first.result().returncode, second.returncode) == (0, 0)
