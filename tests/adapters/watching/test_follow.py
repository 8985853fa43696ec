"""When the watch on files looks: at events of the system, whatever is done to a file, and now and then without any."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from supervisor.patience import eventually
from supervisor.watching import follow
from supervisor.watching.follow import occasions
from supervisor.watching.looks import Looks
from supervisor.watching.places import folders, links, signature

NEVER_S = 60.0
DEADLINE_S = 15.0
LOOKS = Looks(lambda: None)


class Looking:
    """Counts the occasions, and remembers what the file was at the last of them."""

    def __init__(self, path: Path, interval_s: float) -> None:
        self.path, self.occasions = path, 0
        self.seen = signature([path])
        self._interval_s = interval_s

    async def run(self) -> None:
        async for _ in occasions(lambda: [self.path], LOOKS, self._interval_s):
            self.occasions += 1
            self.seen = signature([self.path])

    async def notices(self, change: Callable[[], object]) -> None:
        """The file as it is after the change is looked at before long."""
        before = self.seen
        change()

        async def noticed() -> bool:
            return self.seen != before and self.seen == signature([self.path])

        assert await eventually(noticed, DEADLINE_S), "the change was not noticed"


@asynccontextmanager
async def looking(path: Path, interval_s: float = NEVER_S) -> AsyncIterator[Looking]:
    """Without an interval worth the name only events can be what is seen."""
    found = Looking(path, interval_s)
    task = asyncio.create_task(found.run())

    async def begun() -> bool:
        return found.occasions > 0

    try:
        assert await eventually(begun, DEADLINE_S)
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def beside(path: Path, text: str) -> Path:
    new = path.with_name(f".{path.name}.swp")
    new.write_text(text)
    return new


def written_over(path: Path) -> None:
    path.write_text("new")


def renamed_over(path: Path) -> None:
    beside(path, "new").replace(path)


def saved_as_editors_do(path: Path) -> None:
    """The old one kept under another name, the new one in its place."""
    new = beside(path, "new")
    path.rename(path.with_name(path.name + "~"))
    new.rename(path)


def in_new_folder(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("new")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "change", [written_over, renamed_over, saved_as_editors_do, removed], ids=lambda change: change.__name__
)
async def test_whatever_is_done_to_a_file_is_noticed_by_an_event(folder: Path, change: Callable[[Path], None]) -> None:
    """Its folder is followed, for a file that is replaced is another one."""
    path = folder / "c.toml"
    path.write_text("old")
    async with looking(path) as look:
        await look.notices(lambda: change(path))
        await look.notices(lambda: path.write_text("once more"))


async def test_a_file_that_does_not_exist_yet_is_noticed_when_it_comes(folder: Path) -> None:
    """So is one in a folder that does not."""
    path = folder / "new"
    async with looking(path) as look:
        await look.notices(lambda: path.write_text("x"))
    deep = folder / "a" / "b" / "c.toml"
    async with looking(deep) as look:
        deep.parent.parent.mkdir()
        await look.notices(lambda: in_new_folder(deep))


async def test_a_link_and_what_it_leads_to_are_noticed(folder: Path) -> None:
    """In whatever folders they are."""
    (folder / "v1").mkdir()
    (folder / "v2").mkdir()
    for name in ("v1", "v2"):
        (folder / name / "m.gguf").write_text(name)
    link = folder / "current.gguf"
    link.symlink_to("v1/m.gguf")

    def retarget() -> None:
        new = folder / ".current"
        new.symlink_to("v2/m.gguf")
        new.replace(link)

    async with looking(link) as look:
        await look.notices(lambda: renamed_over(folder / "v1" / "m.gguf"))
        await look.notices(retarget)
        await look.notices(lambda: renamed_over(folder / "v2" / "m.gguf"))


async def test_a_folder_that_vanishes_and_comes_back_is_found_again(folder: Path) -> None:
    """Another folder has its name then."""
    path = folder / "etc" / "c.toml"
    path.parent.mkdir()
    path.write_text("old")
    async with looking(path) as look:
        await look.notices(lambda: shutil.rmtree(path.parent))
        await look.notices(lambda: in_new_folder(path))
        await look.notices(lambda: renamed_over(path))


async def test_a_folder_that_may_not_be_entered_does_not_end_the_watch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a link that is replaced at that moment. The refusal is made up, for root may enter any folder."""

    def refused(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    path = folder / "c.toml"
    path.write_text("old")
    with monkeypatch.context() as locked:
        locked.setattr(Path, "is_symlink", refused)
        locked.setattr(Path, "is_dir", refused)
        assert links(path) == [path] and set(folders([path])) == {folder}
        async with looking(path) as look:
            locked.undo()
            await look.notices(lambda: renamed_over(path))


async def test_without_events_it_looks_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no more watches to give, say."""

    def none_left(*_: object, **__: object) -> AsyncIterator[None]:
        raise OSError("No space left on device")

    monkeypatch.setattr(follow, "awatch", none_left)
    path = folder / "c.toml"
    path.write_text("old")
    async with looking(path, interval_s=0.05) as look:
        await look.notices(lambda: renamed_over(path))


async def test_a_silent_file_system_is_looked_at_now_and_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders that are followed are others: no event comes of the change."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    silent = folders([elsewhere / "x"])
    monkeypatch.setattr(follow, "folders", lambda paths: silent)
    path = folder / "c.toml"
    path.write_text("old")
    async with looking(path, interval_s=0.05) as look:
        await look.notices(lambda: renamed_over(path))


def test_links_that_go_round_come_to_an_end(folder: Path) -> None:
    """They lead to no file."""
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert set(links(folder / "a")) == {folder / "a", folder / "b"}
    assert signature([folder / "a"]) == {folder / "a": None}
    assert set(folders([folder / "a"])) == {folder}
