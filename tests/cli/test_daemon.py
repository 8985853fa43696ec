"""Which daemon a command asks when the configuration is broken."""

import socket
from pathlib import Path

import pytest

from modelsvc.cli.daemon import daemon_socket
from supervisor.errors import ConfigError


@pytest.fixture
def broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that is found, and is no TOML."""
    path = home / "broken.toml"
    path.write_text("[model")
    monkeypatch.setenv("MODELSVC_CONFIG", str(path))
    return path


def bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    return listener


def test_the_state_folders_daemon_is_asked_under_a_broken_configuration(
    broken: Path, socket_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs on with the configuration of before; what is wrong is told."""
    with bound(socket_path):
        assert daemon_socket() == socket_path
    assert f"{broken} cannot be read as TOML" in capsys.readouterr().err


def test_without_a_daemon_the_broken_configuration_is_the_error(broken: Path) -> None:
    """There is nobody to ask, and a socket of another name may be meant."""
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        daemon_socket()


def test_a_file_that_was_named_is_not_passed_over(broken: Path, socket_path: Path) -> None:
    """Whoever names it means the daemon that it names."""
    with bound(socket_path), pytest.raises(ConfigError, match="cannot be read as TOML"):
        daemon_socket(broken)
