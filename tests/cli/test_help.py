"""`--help` of the whole command tree."""

from collections.abc import Iterator

import click
import pytest
from tests.cli.conftest import Run, Spawn

from modelsvc.cli.tree import cli
from supervisor.protocol import ExitCode


def walk(command: click.Command, ctx: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None, f"{name} is listed, but cannot be loaded"
            yield from walk(inner, click.Context(inner, info_name=name, parent=ctx), (*path, name))


COMMANDS = list(walk(cli, click.Context(cli, info_name="modelsvc")))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    example = result.output.partition("Example:\n")[2].splitlines()[0].strip()
    assert example.startswith(" ".join(("modelsvc", *path)))
    assert "--json" in result.output


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_misuse_in_one_line(run: Run, path: tuple[str, ...]) -> None:
    result = run(*path, "--no-such-option")
    assert result.exit_code == ExitCode.MISUSE
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("modelsvc: No such option")
    assert f"{' '.join(('modelsvc', *path))} --help" in result.stderr


def test_the_tree_has_the_commands_of_the_design() -> None:
    names = {" ".join(path) for path in COMMANDS}
    ctl = ["status", "deploy", "rollback", "swap", "start", "stop", "history", "logs", "shutdown", "handover"]
    assert {"up", "chat", "health", *(f"ctl {name}" for name in ctl)} <= names


def test_the_internal_worker_command_is_not_listed(run: Run) -> None:
    assert "worker" not in run("--help").output


@pytest.mark.parametrize("args", [(), ("ctl",)])
def test_a_group_without_a_command_shows_its_help(run: Run, args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.exit_code == ExitCode.MISUSE
    assert "Commands:" in result.stderr


def test_the_help_of_a_forced_stop_says_what_the_edge_does_then(run: Run) -> None:
    assert "answers 503 until a worker is started" in " ".join(run("ctl", "stop", "--help").output.split())


def test_an_unknown_command_is_misuse(run: Run) -> None:
    result = run("ctl", "teleport")
    assert result.exit_code == ExitCode.MISUSE
    assert result.stderr.startswith("modelsvc: No such command")


def test_version(run: Run) -> None:
    assert run("--version").output.startswith("modelsvc 0.")


def test_the_module_runs_as_the_command_does(spawn: Spawn) -> None:
    assert "Usage: modelsvc" in spawn("--help").stdout
