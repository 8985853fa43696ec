"""Where the supervisor and its client find each other."""

from pathlib import Path

import pytest

from supervisor.errors import ConfigError
from supervisor.paths import SOCKET_PATH_LIMIT, StatePaths, check_socket_path, control_socket, find_config, state_paths
from supervisor.protocol import ExitCode


def test_state_folder_is_the_one_of_the_environment(tmp_path: Path) -> None:
    assert state_paths({"MODELSVC_HOME": str(tmp_path)}) == StatePaths(tmp_path)


def test_state_folder_is_absolute_even_when_the_environment_names_a_relative_one(tmp_path: Path) -> None:
    """The supervisor and its client may run in different folders."""
    assert state_paths({"MODELSVC_HOME": "here"}).root == tmp_path / "here"


def test_state_folder_without_environment_is_the_users(tmp_path: Path) -> None:
    root = state_paths({}).root
    assert root.is_relative_to(tmp_path) or "modelsvc" in root.parts


def test_everything_lives_under_the_state_folder() -> None:
    paths = StatePaths(Path("/s"))
    named = [paths.run, paths.control_socket, paths.notify_socket, paths.hold_socket, paths.lock]
    named += [paths.edge, paths.releases, paths.journal, paths.chat_history, paths.logs]
    assert len(set(named)) == 10
    assert all(path.is_relative_to("/s") for path in named)


def test_configuration_is_searched_from_the_most_explicit_place_on(tmp_path: Path) -> None:
    places = [tmp_path / "option.toml", tmp_path / "env.toml", tmp_path / "config" / "modelsvc.toml"]
    for path in places:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    environ = {"MODELSVC_CONFIG": str(places[1])}
    assert find_config(places[0], environ) == places[0]
    assert find_config(None, environ) == places[1]
    assert find_config(None, {}) == places[2]


def test_no_configuration_anywhere_is_none() -> None:
    assert find_config(None, {}) is None


@pytest.mark.parametrize(("option", "environ"), [("a.toml", {}), (None, {"MODELSVC_CONFIG": "a.toml"})])
def test_a_named_configuration_that_is_missing_is_an_error(option: str | None, environ: dict[str, str]) -> None:
    """A mistyped name must not silently become the defaults."""
    with pytest.raises(ConfigError, match="no such file"):
        find_config(Path(option) if option else None, environ)


def test_control_socket_of_the_configuration_wins(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[control]\nsocket = "/run/m.sock"\n')
    assert control_socket(config) == Path("/run/m.sock")


def test_a_relative_control_socket_counts_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[control]\nsocket = "m.sock"\n')
    assert control_socket(config) == tmp_path / "m.sock"


@pytest.mark.parametrize("text", ["", "[control]\n", '[control]\nsocket = ""\n'])
def test_control_socket_is_by_default_in_the_state_folder(tmp_path: Path, home: Path, text: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text)
    assert control_socket(config) == home / "run" / "control.sock"


@pytest.mark.parametrize("text", ["[control", "[control]\nsocket = 7\n"])
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.toml"):
        control_socket(config)


def test_a_socket_path_at_the_limit_is_fine() -> None:
    path = Path("/" + "a" * (SOCKET_PATH_LIMIT - 1))
    assert check_socket_path(path) == path


def test_a_socket_path_over_the_limit_is_refused_with_its_length_and_a_way_out() -> None:
    with pytest.raises(ConfigError, match="has 104 bytes") as refusal:
        check_socket_path(Path("/" + "a" * SOCKET_PATH_LIMIT))
    assert refusal.value.exit_code is ExitCode.MISUSE
    assert "MODELSVC_HOME" in refusal.value.message


def test_a_socket_path_is_measured_in_bytes() -> None:
    with pytest.raises(ConfigError):
        check_socket_path(Path("/" + "é" * 60))
