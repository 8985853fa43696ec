"""`modelsvc model list|inspect|verify|remove`, and references where models are deployed: with no service running."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.store.conftest import MODEL, Run, left
from tests.support import file_server as fs
from tests.support.file_server import FileServer

from modelsvc.cli.ctl.request import deploy_request
from modelsvc.cli.tree import cli
from modelsvc.doctor import memory
from modelsvc.doctor.situation import survey
from modelsvc.models import demo_model_path
from modelsvc.store import Entry, Store
from supervisor.core import records as rec
from supervisor.core.state import Color, DeploymentKind
from supervisor.core.steps import Step, StepState
from supervisor.errors import InvalidRequest, NotFound
from supervisor.journal import Journal
from supervisor.releases.store import ModelFile, Release, ReleaseStore

SUM = hashlib.sha256(MODEL).hexdigest()
OTHER = MODEL + bytes(64)


@pytest.fixture
def entry(run: Run, store: Store) -> Entry:
    assert run("pull", demo_model_path(), "--name", "first").exit_code == 0
    return store.find("first")


@pytest.fixture
def other(run: Run, store: Store, tmp_path: Path) -> Entry:
    (tmp_path / "other.gguf").write_bytes(OTHER)
    assert run("pull", tmp_path / "other.gguf").exit_code == 0
    return store.find("other")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    (tmp_path / "state" / "releases").mkdir(parents=True, exist_ok=True)
    return Journal(tmp_path / "state" / "supervisor.db")


def released(tmp_path: Path, number: int, path: Path) -> None:
    model = ModelFile(str(path), "0" * 64, 1, 1, 1)
    ReleaseStore(tmp_path / "state" / "releases").write(Release(number, "now", "0.1.0", model, {}))


def told(ended: Any) -> Any:
    return json.loads(ended.stdout.splitlines()[-1])


# --- finding ----------------------------------------------------------------------------------------------------------


def test_a_model_is_found_by_name_and_by_its_first_digits(store: Store, entry: Entry, other: Entry) -> None:
    for reference in ("first", "first.gguf", SUM, SUM[:6], SUM[:12].upper()):
        assert store.find(reference) == entry
    with pytest.raises(NotFound, match=r"no model 'third': it has first, other"):
        store.find("third")
    with pytest.raises(NotFound):
        store.find(SUM[:5])


def test_two_models_of_one_name_are_told_apart_by_digits(run: Run, store: Store, entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "first.gguf").write_bytes(OTHER)
    assert run("pull", tmp_path / "first.gguf").exit_code == 0
    with pytest.raises(InvalidRequest, match=r"'first' means several models .*give the first digits"):
        store.find("first")
    assert store.find(SUM[:8]) == entry


def test_a_model_of_the_store_is_deployed_by_its_name(entry: Entry, tmp_path: Path) -> None:
    """A file of that name in the working folder comes first; a folder is nothing to deploy."""
    (tmp_path / "first").mkdir()
    assert deploy_request(Path("first"), ()).model == str(entry.path)
    assert deploy_request(None, ("model.path=first",)).model == str(entry.path)
    (tmp_path / "first").rmdir()
    (tmp_path / "first").write_bytes(MODEL)
    assert deploy_request(Path("first"), ()).model == str(tmp_path / "first")


def test_what_is_neither_a_file_nor_in_the_store(entry: Entry) -> None:
    """The message says what there is; a path is never looked for in the store."""
    with pytest.raises(InvalidRequest, match=r"no model file .*/third, .* no model 'third': it has first"):
        deploy_request(Path("third"), ())
    with pytest.raises(InvalidRequest, match=r"there is no model file .*/first$"):
        deploy_request(Path("./sub/first"), ())


# --- listing, looking into, verifying ---------------------------------------------------------------------------------


def test_the_list_shows_what_there_is(run: Run, store: Store, entry: Entry, server: FileServer) -> None:
    """Models, and what unfinished pulls left."""
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url("half.gguf"), "--tries", 1).exit_code == 1
    lines = run("list").output.splitlines()
    assert lines[1].split() == ["first", "2", "MB", "Q8_0", SUM[:12], "-"]
    assert "1 MB of 2 MB" in lines[3] and server.url("half.gguf") in lines[3]

    listed = told(run("list", "--json"))
    assert listed["folder"] == str(store.folder)
    assert [(model["name"], model["sha256"], model["needed_by"]) for model in listed["models"]] == [
        ("first.gguf", SUM, [])
    ]
    assert [(left["have_bytes"], left["running"]) for left in listed["unfinished"]] == [(1_000_000, False)]


def test_looking_changes_nothing(run: Run, tmp_path: Path) -> None:
    """Not even a folder is made."""
    assert "no models in" in run("list").output
    assert run("verify").exit_code == 0
    assert run("inspect", demo_model_path()).exit_code == 0
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("reference", ["first", str(demo_model_path())])
def test_a_model_is_looked_into(run: Run, entry: Entry, reference: str) -> None:
    """Its header, and the forecast at the configured settings."""
    found = told(run("inspect", reference, "--json"))
    assert (found["facts"]["architecture"], found["facts"]["quantization"]) == ("llama", "Q8_0")
    assert found["facts"]["chat_template"] is True and found["facts"]["context_length"] == 4096
    assert found["settings"]["context_tokens"] == 4096 and not found["running"] and not found["reason"]
    assert found["forecast"]["weights_bytes"] == len(MODEL)
    shown = run("inspect", reference).output
    assert "alone, for no service runs" in shown and "it fits" in shown


def test_a_model_that_does_not_fit_the_budget(run: Run, entry: Entry, tmp_path: Path) -> None:
    """Told as a deployment would tell it; looking is no failure."""
    config = tmp_path / "small.toml"
    config.write_text("[memory]\nbudget_gb = 0.05\n[model]\ncontext_tokens = 8192\nkv_cache = 'q8_0'\n")
    ended = CliRunner().invoke(cli, ["model", "--config", str(config), "inspect", "first"])
    assert ended.exit_code == 0
    assert "context_tokens 8192" in ended.output and "it would not fit: " in ended.output
    assert "memory.budget_gb allows 50 MB" in ended.output


@pytest.mark.parametrize(("budget_gb", "fits"), [(0.15, True), (0.11, False)])
def test_it_is_said_to_fit_only_where_the_doctor_finds_so_too(
    run: Run, entry: Entry, tmp_path: Path, budget_gb: float, fits: bool
) -> None:
    """Supervisor and nginx need their share, also before they run."""
    config = tmp_path / "small.toml"
    config.write_text(f"[memory]\nbudget_gb = {budget_gb}\n[model]\npath = '{entry.path}'\n")
    inspected = CliRunner().invoke(cli, ["model", "--config", str(config), "inspect", "first"])
    codes = {found.code for found in memory.check(survey(config, deep=False))}
    assert ("it fits" in inspected.output.splitlines()) is fits
    assert ("memory_short" in codes) is not fits


def test_what_is_no_model_is_not_looked_into(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.gguf").write_text("Dear Ada,")
    ended = run("inspect", tmp_path / "letter.gguf")
    assert ended.exit_code == 4 and "not a GGUF file" in ended.stderr
    assert run("inspect", "nothing").exit_code == 2
    missing = run("inspect", "./nothing.gguf")
    assert missing.exit_code == 2 and f"there is no file {tmp_path / 'nothing.gguf'}: check the path" in missing.stderr


def test_a_damaged_model_is_named_and_can_be_replaced(run: Run, entry: Entry, other: Entry) -> None:
    """Its length may be the same; the source it came from is told."""
    entry.path.chmod(0o644)
    entry.path.write_bytes(MODEL[:-1] + bytes([MODEL[-1] ^ 1]))
    ended = run("verify")
    assert ended.exit_code == 1
    assert "first (" in ended.stderr and f"model pull {demo_model_path()} --repair" in ended.stderr
    assert "other (" in ended.stdout and "is sound" in ended.stdout
    assert run("verify", "other").exit_code == 0
    assert [bool(json.loads(line)["damage"]) for line in run("verify", "--json").stdout.splitlines()] == [True, False]

    assert "already" in run("pull", demo_model_path()).output
    inode = other.path.stat().st_ino
    assert run("pull", demo_model_path(), "--repair", "--name", "first").exit_code == 0
    assert run("verify").exit_code == 0
    assert "already" in run("pull", "other.gguf", "--repair").output
    assert other.path.stat().st_ino == inode, "what is sound stays: releases know it by its inode"


def test_a_model_whose_file_is_gone_is_damaged(run: Run, entry: Entry) -> None:
    entry.path.unlink()
    ended = run("verify")
    assert ended.exit_code == 1 and entry.sha256 in ended.stderr and "holds no model file" in ended.stderr
    assert run("pull", demo_model_path()).exit_code == 0 and run("verify").exit_code == 0


# --- removing ---------------------------------------------------------------------------------------------------------


def test_a_model_that_nobody_needs_is_removed(run: Run, store: Store, entry: Entry, other: Entry) -> None:
    """The others stay, and nothing of it is left."""
    assert told(run("remove", "first", "--json"))["removed"]["sha256"] == SUM
    assert store.entries() == (other,)
    assert all(name.startswith(other.sha256) for name in left(store))
    assert run("remove", "first").exit_code == 2


def test_a_model_that_is_needed_stays(
    run: Run, store: Store, entry: Entry, other: Entry, journal: Journal, tmp_path: Path
) -> None:
    """By the release that serves, and by the one a rollback goes to: each is named."""
    released(tmp_path, 1, entry.path)
    released(tmp_path, 2, other.path)
    journal.write(rec.RouteChanged(Color.BLUE, 2, 1))
    journal.close()
    for reference, why in (("first", "the release a rollback goes to (1)"), ("other", "the active release (2)")):
        ended = run("remove", reference, "--json")
        assert ended.exit_code == 4 and told(ended)["error"]["code"] == "model_needed"
        assert why in told(ended)["error"]["message"] and "deploy another model first" in ended.stderr
    assert len(store.entries()) == 2
    assert [model["needed_by"] for model in told(run("list", "--json"))["models"]] == [
        ["the release a rollback goes to (1)"],
        ["the active release (2)"],
    ]


@pytest.mark.parametrize("use", ["prewarmed", "worker", "deployment", "configuration", "symbolic link"])
def test_every_use_of_a_model_keeps_it(
    run: Run, store: Store, entry: Entry, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    """Also one that only begins, and one by another path."""
    path = entry.path
    if use == "symbolic link":
        path = tmp_path / "link.gguf"
        path.symlink_to(entry.path)
    released(tmp_path, 1, path)
    match use:
        case "prewarmed":
            journal.write(rec.Prewarmed(1))
        case "worker":
            journal.write(rec.WorkerBegan(Color.GREEN, "green-1", 1, 1.0, 1))
        case "deployment":
            journal.write(rec.DeploymentBegan("r", 1, DeploymentKind.DEPLOY, None, Color.BLUE))
            journal.write(rec.StepChanged(1, Step.ADMIT, StepState.DONE, release=1))
        case "symbolic link":
            journal.write(rec.RouteChanged(Color.BLUE, 1, None))
        case _:
            (tmp_path / "c.toml").write_text(f'[model]\npath = "{path}"\n')
            monkeypatch.setenv("MODELSVC_CONFIG", str(tmp_path / "c.toml"))
    journal.close()
    ended = run("remove", "first")
    assert ended.exit_code == 4 and "is needed by" in ended.stderr, ended.output
    assert store.entries() == (entry,)


def test_a_deployment_that_has_not_told_its_model_keeps_all(
    run: Run, store: Store, entry: Entry, journal: Journal
) -> None:
    """It may be just about to need this one."""
    journal.write(rec.DeploymentBegan("r", 1, DeploymentKind.DEPLOY, None, Color.BLUE))
    journal.close()
    ended = run("remove", "first")
    assert ended.exit_code == 4 and "a deployment is under way" in ended.stderr
    assert store.entries() == (entry,)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda journal: journal.write_bytes(b"no database" * 1000),
        lambda journal: journal.touch(),
        lambda journal: journal.mkdir(),
        lambda journal: journal.symlink_to("nowhere"),
    ],
    ids=["garbage", "empty", "a folder", "a link to nowhere"],
)
def test_a_journal_that_cannot_be_read_keeps_all(
    run: Run, store: Store, entry: Entry, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """Who does not know what is needed removes nothing."""
    spoil(tmp_path / "state" / "supervisor.db")
    ended = run("remove", "first")
    assert ended.exit_code == 1 and "supervisor.db" in ended.stderr
    assert store.entries() == (entry,)
    listed = run("list", "--json")
    assert listed.exit_code == 0 and "cannot be told" in listed.stderr and "supervisor.db" in listed.stderr
    assert [(model["name"], model["needed_by"]) for model in told(listed)["models"]] == [("first.gguf", None)]
    assert run("list").stdout.splitlines()[1].split()[-1] == "?"


def test_what_unfinished_pulls_left_is_removed_on_demand(run: Run, store: Store, server: FileServer) -> None:
    server.script.append(fs.breaking_after(1_000_000))
    assert run("pull", server.url(), "--tries", 1).exit_code == 1
    assert told(run("remove", "--partial", "--json"))["freed_bytes"] == 1_000_000
    assert left(store) == []
    assert "removed 0 unfinished" in run("remove", "--partial").output


def test_a_link_in_the_place_of_an_entry_is_not_followed(run: Run, entry: Entry, tmp_path: Path) -> None:
    """What somebody else put there is theirs; the message says what it is."""
    folder = entry.path.parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    ended = run("remove", "first")
    assert ended.exit_code == 1 and "symbolic link" in ended.stderr
    assert (tmp_path / "elsewhere" / "first.gguf").is_file()


@pytest.mark.parametrize("arguments", [(), ("first", "--partial")])
def test_removing_needs_one_thing_to_remove(run: Run, entry: Entry, arguments: tuple[str, ...]) -> None:
    ended = run("remove", *arguments)
    assert ended.exit_code == 2 and "REFERENCE or --partial" in ended.stderr
