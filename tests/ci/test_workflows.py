"""The workflows of .github: what they run is `make`, with no more rights and time than they need."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.schemas import complaints

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PINNED = re.compile(r"[\w-]+/[\w/-]+@(v\d+|[0-9a-f]{40})")
EXPRESSION = re.compile(r"\$\{\{")


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text()))


def triggers(path: Path) -> dict[str, Any]:
    """YAML 1.1 takes the key `on` for a truth value."""
    return dict(read(path)[True])


JOBS = {
    f"{path.stem}.{name}": job for path in WORKFLOWS for name, job in read(path)["jobs"].items()
}  # by workflow and name
OWN = {name: job for name, job in JOBS.items() if "uses" not in job}  # those with steps
STEPS = [step for job in OWN.values() for step in job["steps"]]


def test_there_is_a_workflow_for_each_purpose() -> None:
    assert {path.stem for path in WORKFLOWS} == {"test", "release", "deploy"}
    assert set(JOBS) == {
        "test.lint",
        "test.test",
        "test.wheel",
        "release.test",
        "release.release",
        "release.deploy",
    } | {"deploy.deploy"}


def test_githubs_schemas_have_nothing_to_say() -> None:
    assert complaints("github-workflows", *WORKFLOWS) == ""
    assert complaints("dependabot", ROOT / ".github/dependabot.yml") == ""


@pytest.mark.parametrize(
    ("before", "after"), [("timeout-minutes:", "timeout-minute:"), ("uses: actions", "use: actions")]
)
def test_a_misspelt_key_is_found(tmp_path: Path, before: str, after: str) -> None:
    """The test above can fail."""
    text = (ROOT / ".github/workflows/test.yml").read_text()
    (tmp_path / "test.yml").write_text(text.replace(before, after, 1))
    assert "$.jobs.lint" in complaints("github-workflows", tmp_path / "test.yml")


def test_every_command_is_a_make_target() -> None:
    """So that each step can be run by hand."""
    commands = [step["run"] for step in STEPS if "run" in step]
    assert len(commands) >= 6
    for command in commands:
        program, *targets = command.split()
        assert program == "make" and set(targets) <= TARGETS, command


def test_nothing_from_outside_is_pasted_into_a_command() -> None:
    """A tag's name or an input reaches programs by the environment alone."""
    assert [step["run"] for step in STEPS if EXPRESSION.search(step.get("run", ""))] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_read_only_unless_a_job_needs_more(path: Path) -> None:
    """Only the job that publishes may write, and only contents."""
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    writing = [name for name, job in workflow["jobs"].items() if "write" in job.get("permissions", {}).values()]
    assert writing == (["release"] if path.stem == "release" else [])


def test_every_job_has_a_limit_of_time() -> None:
    assert {name for name, job in OWN.items() if not 0 < job.get("timeout-minutes", 0) <= 60} == set()


def test_actions_are_pinned_and_keep_no_credentials() -> None:
    actions = [step for step in STEPS if "uses" in step]
    assert [step["uses"] for step in actions if not PINNED.fullmatch(step["uses"])] == []
    checkouts = [step for step in actions if step["uses"].startswith("actions/checkout@")]
    assert len(checkouts) == len(OWN)
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_tests_run_on_both_systems_with_every_python() -> None:
    """Every Python that pyproject.toml names."""
    matrix = JOBS["test.test"]["strategy"]["matrix"]
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert matrix["python"] == named
    assert [system.split("-")[0] for system in matrix["os"]] == ["ubuntu", "macos"]


def test_what_is_compiled_is_kept_for_this_lock_and_python() -> None:
    """Else each run compiles llama.cpp for minutes. The processor it meets later may be another one."""
    caches = [step["with"] for step in STEPS if step.get("uses", "").startswith("actions/cache@")]
    assert len(caches) == 3
    assert all("requirements.lock" in cache["key"] and "runner.os" in cache["key"] for cache in caches)
    assert all(read(path)["env"]["CMAKE_ARGS"] == "-DGGML_NATIVE=OFF" for path in WORKFLOWS if path.stem == "test")


def test_a_release_is_of_a_tag_and_a_wheel_that_were_tested() -> None:
    """`make publish` checks the tag first."""
    path = ROOT / ".github/workflows/release.yml"
    assert triggers(path) == {"push": {"tags": ["v*"]}}
    release, deploy = JOBS["release.release"], JOBS["release.deploy"]
    assert (release["needs"], deploy["needs"]) == ("test", "release")
    assert [step["run"] for step in release["steps"] if "run" in step] == ["make publish"]
    assert [step["with"]["name"] for step in release["steps"] if "download-artifact" in step.get("uses", "")] == [
        "wheel"
    ]


def test_the_job_that_may_write_takes_nothing_from_a_cache() -> None:
    """Whatever got into one would have its rights."""
    assert not [step for step in JOBS["release.release"]["steps"] if "cache" in step.get("uses", "")]


def test_one_deployment_at_a_time_and_its_evidence_is_kept() -> None:
    """One that runs is never cancelled."""
    path = ROOT / ".github/workflows/deploy.yml"
    assert read(path)["concurrency"] == {"group": "modelsvc-deploy", "cancel-in-progress": False}
    assert set(triggers(path)) == {"workflow_dispatch", "workflow_call"}
    job = JOBS["deploy.deploy"]
    assert "self-hosted" in job["runs-on"]
    kept = job["steps"][-1]
    assert (kept["if"], kept["with"]["path"]) == ("always()", "evidence")
