"""The watch on files with real ones: what it asks for, what it tells, and what it leaves alone."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from tests.support.watched_files import Desk, other_model

from modelsvc.models import demo_model_path
from supervisor.core.desired import VerdictKind
from supervisor.core.state import Change, Outcome
from supervisor.releases import spec as release_spec
from supervisor.watching.looks import Looks
from supervisor.watching.reader import Reader, Seen

# --- configuration ----------------------------------------------------------------------------------------------------


async def test_an_edit_is_asked_for_once_and_taken_up(world: Desk) -> None:
    """With no change named: the rule of every deployment takes the section from the file."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        (asked,) = world.asked
        assert (asked.request, asked.change, asked.because) == ("watch", Change(), "model.slots 4 -> 2")
        await world.deploys("watch")
        await world.decides("in_accord", 2)
    assert len(world.asked) == 1
    assert world.releases.read(2).settings["slots"] == 2


async def test_comments_order_and_other_sections_are_no_word(world: Desk) -> None:
    """It looks, and finds that what is wanted serves."""
    async with world.watching():
        await world.decides("in_accord")
        world.write("# a comment\n" + tomli_w.dumps({"deploy": {"bake_s": 1.0}, "model": world.tables["model"]}))
        await world.decides("in_accord", 2)
    assert not world.asked
    assert ["deploy.bake_s" in text and "`modelsvc service restart`" in text for text in world.warnings] == [True]


async def test_many_saves_are_one_deployment(world: Desk) -> None:
    """Of the last one."""
    async with world.watching(debounce_s=0.5):
        await world.decides("in_accord")
        for slots in range(5, 25):
            world.edit(slots=slots)
            await asyncio.sleep(0)  # the watch has its turn between them
        await world.sees(lambda: world.asked, "it asks")
    assert [asked.because for asked in world.asked] == ["model.slots 4 -> 24"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[model", "cannot be read as TOML"),
        (
            "[model]\nslotz = 1\n[modle]\n",
            "has 2 problem(s):\n  model.slotz: there is no such key: did you mean slots?\n  modle:",
        ),
        ("[model]\nslots = 1000\n", "model.slots: Input should be less than or equal to 64, not 1000"),
        ('[model]\npath = "/none.gguf"\n', "/none.gguf is gone"),
    ],
)
async def test_a_broken_change_is_reported_once_with_all_that_is_wrong(world: Desk, text: str, problem: str) -> None:
    """And asks for nothing; once it is mended, that is told too."""
    good = world.config.read_text()
    async with world.watching():
        await world.decides("in_accord")
        world.write(text)
        assert problem in (await world.decides("rejected")).reason
        world.write(good)
        await world.decides("in_accord", 2)
    assert [told.verdict for told in world.verdicts] == ["in_accord", "rejected", "in_accord"]
    assert not world.asked


async def test_a_file_that_is_away_for_a_while_is_reported_and_found_again(world: Desk) -> None:
    """The folder with it: the one above is looked at meanwhile."""
    inner = world.folder / "etc"
    inner.mkdir()
    real = inner / "modelsvc.toml"
    world.config.replace(real)
    world.config.symlink_to(real)
    async with world.watching():
        await world.decides("in_accord")
        away = inner.rename(world.folder / "away")
        assert "No such file" in (await world.decides("rejected")).reason
        shutil.copytree(away, inner)
        await world.decides("in_accord", 2)
        real.write_text(real.read_text() + "slots = 2\n")
        await world.sees(lambda: world.asked, "it asks")


# --- the model file ---------------------------------------------------------------------------------------------------


async def test_another_model_file_is_asked_for(world: Desk) -> None:
    """Renamed over the one that serves."""
    async with world.watching():
        await world.decides("in_accord")
        other_model(world.folder / "new")
        (world.folder / "new").replace(world.model)
        await world.sees(lambda: world.asked, "it asks")
    assert world.asked[0].because.startswith("model file 45903656b89b -> ")


async def test_a_link_that_leads_elsewhere_is_another_model_file(world: Desk) -> None:
    """current.gguf, say; the folder of what it leads to is watched as well."""
    models = world.folder / "models"
    models.mkdir()
    shutil.copy(demo_model_path(), models / "v1.gguf")
    other_model(models / "v2.gguf")
    link = world.folder / "current.gguf"
    link.symlink_to(models / "v1.gguf")
    world.edit(path=str(link))
    await world.deploys()
    async with world.watching():
        await world.decides("in_accord")
        beside = world.folder / "beside"
        beside.symlink_to(models / "v2.gguf")
        beside.replace(link)
        await world.sees(lambda: len(world.asked) == 1, "it asks for what the link leads to now")
        await world.deploys("watch")
        await world.decides("in_accord", 2)
        shutil.copy(demo_model_path(), models / "x")
        (models / "x").replace(models / "v2.gguf")
        await world.sees(lambda: len(world.asked) == 2, "it asks for what lies there now")


def touched(path: Path) -> None:
    os.utime(path)


def put_back(path: Path) -> None:
    Path(shutil.copy(path, path.with_suffix(".new"))).replace(path)


@pytest.mark.parametrize("change", [touched, put_back], ids=lambda change: change.__name__)
async def test_the_same_bytes_are_the_same_model(world: Desk, change: Callable[[Path], None]) -> None:
    """Whatever inode and time they have."""
    async with world.watching():
        await world.decides("in_accord")
        change(world.model)
        await world.decides("in_accord", 2)
    assert not world.asked


async def test_a_file_that_grows_is_waited_for(world: Desk) -> None:
    """What was copied in part only is reported as what it is; the whole is deployed."""
    whole = demo_model_path().read_bytes() + b"\0" * 64
    copy = world.folder / "copied.gguf"
    async with world.watching(debounce_s=0.3):
        await world.decides("in_accord")
        with copy.open("wb") as file:
            file.write(whole[: len(whole) // 2])
            file.flush()
            world.edit(path=str(copy))
            assert "copied.gguf" in (await world.decides("rejected")).reason
            for at in range(len(whole) // 2, len(whole), len(whole) // 10):
                file.write(whole[at : at + len(whole) // 10])
                file.flush()
        await world.sees(lambda: world.asked, "it asks")
    assert [told.verdict for told in world.verdicts] == ["in_accord", "rejected", "asks"]
    assert f"model.path {world.model} -> {copy}" in world.asked[0].because


# --- deployments ------------------------------------------------------------------------------------------------------


async def test_what_failed_is_not_tried_again_until_something_changes(world: Desk) -> None:
    """Nor by the next supervisor; the reason is kept for whoever asks."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        number = await world.begin("watch")
        world.end(Outcome.ROLLED_BACK, reason="the gate was not passed")
        told = await world.decides("settled")
        assert f"deployment {number} was tried for it, and rolled back: the gate was not passed" in told.reason
    async with world.watching():
        await world.decides("settled", 2)
        assert world.watcher and world.watcher.status.changes == ["model.slots 4 -> 2"]
        assert len(world.asked) == 1
        world.edit(slots=3)
        await world.sees(lambda: len(world.asked) == 2, "it asks for the next edit")


async def test_a_deployment_that_ended_with_its_supervisor_is_not_tried_again(world: Desk) -> None:
    """It may have been what ended it."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        number = await world.begin("watch")
    world.drop()
    world.journal.end_unfinished(number, Outcome.ROLLED_BACK, "the supervisor ended during the deployment")
    async with world.watching():
        assert "the supervisor ended" in (await world.decides("settled")).reason
    assert len(world.asked) == 1


async def test_a_change_during_a_deployment_is_asked_for_after_it(world: Desk) -> None:
    """It is later than what the deployment was made from, although that succeeded."""
    async with world.watching():
        await world.decides("in_accord")
        await world.begin()
        world.edit(slots=2)
        other_model(world.model)
        assert (await world.decides("waits")).changes[0] == "model.slots 4 -> 2"
        assert not world.asked
        world.end()
        await world.sees(lambda: world.asked, "it asks")


async def test_a_change_that_is_taken_back_before_it_was_tried_asks_for_nothing(world: Desk) -> None:
    """What was in the way may end then."""
    good = world.config.read_text()
    async with world.watching():
        await world.decides("in_accord")
        await world.begin()
        world.edit(slots=2)
        await world.decides("waits")
        world.write(good)
        await world.decides("in_accord", 2)
        world.end(Outcome.REFUSED)
        world.write(good + "# look\n")
        await world.decides("in_accord", 3)
    assert not world.asked


async def test_what_was_overtaken_is_asked_for_again(world: Desk) -> None:
    """Another request may come between the decision and the loop."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: len(world.asked) == 1, "it asks")
        world.refuse()
        await world.sees(lambda: len(world.asked) == 2, "it asks again")


async def test_a_rollback_is_not_fought_over(world: Desk) -> None:
    """Neither where a setting was edited, nor where the model file was replaced; the next change counts again."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        other_model(world.folder / "new")
        (world.folder / "new").replace(world.model)
        await world.sees(lambda: world.asked, "it asks")
        await world.deploys("watch")
        await world.decides("in_accord", 2)

        await world.rolls_back(release=1)
        told = await world.decides("settled")
        assert [change.split(" -> ")[0] for change in told.changes] == ["model file 45903656b89b"]
        world.write(world.config.read_text() + "# look\n")
        await world.decides("settled", 2)
        assert len(world.asked) == 1
        world.edit(slots=3)
        await world.sees(lambda: len(world.asked) == 2, "it asks for the next edit")


async def test_an_edit_to_what_serves_makes_the_next_one_count(world: Desk) -> None:
    """Also where that says again what was rolled back from."""
    async with world.watching():
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        await world.deploys("watch")
        await world.decides("in_accord")
        await world.rolls_back(release=1)
        told = await world.decides("settled")
        assert told.changes == ("model.slots 4 -> 2",)
        world.edit(slots=4)
        await world.decides("in_accord", 2)
        world.edit(slots=2)
        await world.sees(lambda: len(world.asked) == 2, "it asks again")
    assert world.asked[1].because == "model.slots 4 -> 2"


async def test_a_rollback_in_the_middle_of_a_look_is_not_fought_over(
    world: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look was at what served before it, and is taken again."""
    look, rolled_back = Reader.look, False

    async def interrupted(reader: Reader, looks: Looks) -> Seen:
        nonlocal rolled_back
        seen = await look(reader, looks)
        if world.state.active_release == 2 and not rolled_back:
            rolled_back = True
            await world.rolls_back(release=1)
        return seen

    other_model(world.folder / "new")
    async with world.watching():
        await world.decides("in_accord")
        (world.folder / "new").replace(world.model)
        await world.sees(lambda: world.asked, "it asks")
        monkeypatch.setattr(Reader, "look", interrupted)
        await world.deploys("watch")
        await world.decides("settled")
    assert rolled_back and len(world.asked) == 1
    assert [told.verdict for told in world.verdicts] == ["in_accord", "asks", "settled"]


async def test_a_setting_that_an_operator_deployed_is_not_undone(world: Desk) -> None:
    """Only an edit of the file is a new desired state."""
    async with world.watching():
        await world.decides("in_accord")
        await world.deploys(slots=1)
        world.write(world.config.read_text() + "# look\n")
        told = await world.decides("settled")
        assert told.changes == ("model.slots 1 -> 4",) and not world.asked
        world.edit(context_tokens=1024)
        await world.sees(lambda: world.asked, "it asks")
    assert world.asked[0].because == "model.context_tokens 512 -> 1024; model.slots 1 -> 4"


async def test_what_was_edited_while_nobody_watched_is_asked_for_at_the_start(world: Desk) -> None:
    """And so is a new version of the package, while the workers of the old one go on."""
    async with world.watching():
        await world.decides("in_accord")
    world.edit(slots=2)
    async with world.watching():
        await world.sees(lambda: world.asked, "it asks")


async def test_a_new_version_of_the_package_is_asked_for(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting that an operator had deployed."""
    async with world.watching():
        await world.decides("in_accord")
        await world.deploys(slots=1)
        await world.decides("settled")
    monkeypatch.setattr(release_spec, "__version__", "99.0")
    async with world.watching():
        await world.sees(lambda: world.asked, "it asks")
    (asked,) = world.asked
    assert asked.because.endswith(" -> 99.0") and "slots" not in asked.because


async def test_other_limits_are_a_reason_to_try_what_failed_again(world: Desk) -> None:
    """They are in force after a restart; a gate is at once."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        await world.begin("watch")
        world.end(Outcome.REFUSED, reason="short of memory")
        await world.decides("settled")
        world.edit("memory", budget_gb=9.0)
        await world.decides("settled", 2)
        assert len(world.asked) == 1
    async with world.watching():
        await world.sees(lambda: len(world.asked) == 2, "it asks again")
        await world.begin("watch")
        world.end(Outcome.ROLLED_BACK, reason="the gate")
        await world.decides("settled", 3)
        world.write(world.config.read_text() + '\n[[gate]]\nprompt = "Hello"\n')
        await world.sees(lambda: len(world.asked) == 3, "it asks once more")


async def test_what_is_prewarmed_is_not_deployed_in_the_place_of_what_is_wanted(world: Desk) -> None:
    """A deployment that names nothing goes to what is prewarmed; so this one names everything."""
    async with world.watching():
        await world.decides("in_accord")
        await world.deploys(slots=3)
        world.prewarmed(release=1)
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
    (asked,) = world.asked
    assert asked.change.path == str(world.model)
    assert (asked.change.settings["model.slots"], asked.change.settings["model.context_tokens"]) == (2, 512)


async def test_what_is_prewarmed_is_switched_to_where_it_is_what_is_wanted(world: Desk) -> None:
    """By a deployment that names nothing, which takes moments."""
    await world.deploys(slots=2)
    await world.rolls_back(release=1)
    async with world.watching():
        await world.decides("in_accord")
        world.prewarmed(release=2)
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
    assert (world.asked[0].change, world.asked[0].because) == (Change(), "model.slots 4 -> 2")


async def test_what_another_version_remembers_in_its_own_terms_is_forgotten(world: Desk) -> None:
    """Then what the files say counts."""
    world.journal.remember("watch_handled", {"desired": "in terms of its own"})
    async with world.watching():
        await world.decides("in_accord")
        assert world.watcher and world.watcher.tracker.handled


async def test_nothing_is_done_while_a_first_deployment_is_about_to_serve(world: Desk) -> None:
    """There is nothing to compare with yet."""
    world.state = replace(world.state, active=None)
    await world.begin("boot")
    async with world.watching():
        assert world.watcher
        await world.watcher.occasion()
        assert not world.told
        world.end()
        await world.decides(VerdictKind.IN_ACCORD)
    assert not world.asked
