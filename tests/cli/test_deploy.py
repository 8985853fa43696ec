"""`modelsvc ctl deploy`: validation before it asks, and what it shows and exits with after."""

import json
from pathlib import Path

import pytest
from tests.cli import samples
from tests.cli.conftest import Run
from tests.cli.scripted import Script

from supervisor.protocol import Accepted, ExitCode, Finished, Outcome, StepState, StreamEvent

DEPLOY = "POST /v1/deployments"
PLAIN = {"in_place": False, "fast": False}


def test_the_request_has_the_absolute_model_and_typed_settings(daemon: Script, run: Run, gguf: Path) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    args = ["--model", gguf.name, "--set", "model.context_tokens=8192", "--set", "model.kv_cache=q8_0"]
    assert run("ctl", "deploy", *args).exit_code == ExitCode.DONE
    assert daemon.asked[0].body == {
        "model": str(gguf),
        "settings": {"model.context_tokens": 8192, "model.kv_cache": "q8_0"},
        **PLAIN,
    }


def test_set_model_path_is_the_same_as_model(daemon: Script, run: Run, gguf: Path) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    run("ctl", "deploy", "--set", f"model.path={gguf.name}")
    assert daemon.asked[0].body == {"model": str(gguf), "settings": {}, **PLAIN}


def test_an_empty_model_path_asks_for_the_built_in_model(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    run("ctl", "deploy", "--set", 'model.path=""')
    assert daemon.asked[0].body == {"model": None, "settings": {"model.path": ""}, **PLAIN}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--model", "nowhere.gguf"], "there is no model file"),
        (["--model", ""], "it is empty"),
        (["--model", "xdg"], "xdg is a folder, and the store has no model"),
        (["--model", "./xdg/"], "xdg is a folder, and the store has no model"),
        (["--model", "xdg/models"], "models is a folder: name the GGUF file itself"),
        (["--model", "."], "is a folder: name the GGUF file itself"),
        (["--model", "text.gguf"], "does not begin with the bytes GGUF"),
        (["--model", "empty.gguf"], "does not begin with the bytes GGUF"),
        (["--set", "model.path=nowhere.gguf"], "there is no model file"),
        (["--model", "b.gguf", "--set", "model.path=b.gguf"], "give one of them"),
        (["--set", "model.context_tokens"], "KEY=VALUE"),
        (["--set", "model.context_tokens="], "KEY=VALUE"),
        (["--set", "edge.listen=1"], "cannot be set by a deployment"),
        (["--set", "model.slots=[1]"], "not a single value"),
        (["--timeout", "0"], "--timeout"),
        (["--timeout", "soon"], "--timeout"),
        (["surplus"], "unexpected extra argument"),
    ],
    ids=" ".join,
)
def test_bad_input_is_misuse_and_asks_nothing(daemon: Script, run: Run, gguf: Path, args: list[str], told: str) -> None:
    (gguf.parent / "text.gguf").write_text("hello")
    (gguf.parent / "empty.gguf").touch()
    (gguf.parent / "xdg" / "models").mkdir(parents=True)
    result = run("ctl", "deploy", *args)
    assert result.exit_code == ExitCode.MISUSE
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert daemon.asked == []


def test_a_pipe_gets_a_line_a_step_and_the_verdict(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, [samples.ACCEPTED, samples.LOADING, *samples.DEPLOYED[1:]])
    lines = run("ctl", "deploy").stdout.splitlines()
    assert lines[0] == "deployment 4: blue -> green"
    assert [line.split()[0] for line in lines[1:-1]] == [f"{number}/13" for number in range(1, 14)]
    assert lines[1].split() == ["1/13", "done", "the", "active", "worker", "answers", "0.2", "s"]
    assert lines[-1] == "deployment 4: blue -> green, release 7, 3.2 s"


def test_json_is_the_events_one_a_line_with_the_outcome_last(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, samples.DEPLOYED)
    events = [json.loads(line) for line in run("ctl", "deploy", "--json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["accepted", *["step"] * 26, "finished"]
    last = events[-1]
    assert (last["outcome"], last["deployment"], last["release"], last["seconds"]) == ("succeeded", 4, 7, 3.2)
    assert len(last["steps"]) == 13


@pytest.mark.parametrize(
    ("events", "code", "told"),
    [
        (samples.DEPLOYED, ExitCode.DONE, ""),
        (
            samples.SPOILT,
            ExitCode.FAILED,
            "modelsvc: deployment 4: blue -> green: rolled back at step 6 (warm up): it said 41 where 42 was expected;"
            " blue is active, 2.0 s\n",
        ),
        (
            [samples.ACCEPTED, samples.REFUSED],
            ExitCode.REFUSED,
            "modelsvc: deployment 4: blue -> green: refused: needs 900 MB, 200 MB are left; blue is active\n",
        ),
        ([samples.FAILED], ExitCode.FAILED, "modelsvc: deploy: failed: green does not start; blue is active\n"),
    ],
    ids=["succeeded", "rolled back", "refused", "failed"],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_the_outcome_decides_the_exit_code(
    daemon: Script, run: Run, events: list[StreamEvent], code: ExitCode, told: str, form: list[str]
) -> None:
    daemon.stream(DEPLOY, events)
    result = run("ctl", "deploy", *form)
    assert (result.exit_code, result.stderr) == (code, told)


def test_a_second_deployment_is_refused_by_the_daemon(daemon: Script, run: Run) -> None:
    daemon.refuse(DEPLOY, "refused", "deployment 3 is running", 409)
    result = run("ctl", "deploy", "--json")
    assert result.exit_code == ExitCode.REFUSED
    assert json.loads(result.stdout)["error"]["message"] == "deployment 3 is running"


def test_a_daemon_that_goes_away_is_a_failure_with_what_is_known(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, [samples.ACCEPTED, *samples.walk(6), samples.changed(7, StepState.RUNNING)], cut=True)
    result = run("ctl", "deploy")
    assert result.exit_code == ExitCode.FAILED
    assert "during step 7" in result.stderr
    assert "modelsvc ctl status" in result.stderr


def test_timeout_gives_up_waiting_and_says_that_it_goes_on(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, [samples.ACCEPTED], hold=True)
    result = run("ctl", "deploy", "--timeout", "0.3")
    assert result.exit_code == ExitCode.TIMED_OUT
    assert result.stderr == ("modelsvc: gave up waiting: deployment 4 goes on; watch it with `modelsvc ctl status`\n")


def test_timeout_before_the_daemon_accepted_promises_nothing(daemon: Script, run: Run) -> None:
    daemon.stream(DEPLOY, [], hold=True)
    result = run("ctl", "deploy", "--timeout", "0.3", "--json")
    assert result.exit_code == ExitCode.TIMED_OUT
    assert "may still do" in json.loads(result.stdout)["error"]["message"]


def test_the_first_deployment_has_no_colour_to_come_from(daemon: Script, run: Run) -> None:
    first = [
        Accepted(
            deployment=1, kind=samples.ACCEPTED.kind, from_color=None, to_color=samples.ACCEPTED.to_color, steps=[]
        ),
        Finished(outcome=Outcome.SUCCEEDED, deployment=1, release=1, seconds=61.0),
    ]
    daemon.stream(DEPLOY, first)
    assert run("ctl", "deploy").stdout.splitlines()[-1] == "deployment 1: green, release 1, 1 min 01 s"
