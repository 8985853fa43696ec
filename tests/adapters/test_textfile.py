"""The metrics as a file for a node exporter."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.exposition import Exposition, needs_promtool, promtool_says

from supervisor.telemetry import Metrics
from supervisor.telemetry.textfile import Textfile


@pytest.fixture(autouse=True)
def private_by_default() -> Iterator[None]:
    """As an administrator's umask may be."""
    previous = os.umask(0o077)
    yield
    os.umask(previous)


def textfile(path: Path, metrics: Metrics) -> Textfile:
    return Textfile(path, metrics.render_own, metrics.textfile_failures)


async def test_others_may_read_it_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    """The collector is another user, and takes every *.prom there is."""
    path = tmp_path / "modelsvc.prom"
    await textfile(path, Metrics()).write()

    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]
    assert Exposition(path.read_text())["modelsvc_operations_total", "succeeded"] == 0


async def test_it_leaves_out_what_a_node_exporter_says_of_itself(tmp_path: Path) -> None:
    """A metric that comes twice makes its whole scrape fail."""
    metrics, path = Metrics(), tmp_path / "modelsvc.prom"
    await textfile(path, metrics).write()
    own = {family.name for family in Exposition(path.read_text()).families}

    assert all(name.startswith("modelsvc_") for name in own)
    assert own <= {family.name for family in Exposition(await metrics.render()).families}


@needs_promtool
async def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    """Formally, and by the field's conventions."""
    path = tmp_path / "modelsvc.prom"
    await textfile(path, Metrics()).write()
    assert promtool_says(path.read_text()) == ""


async def test_a_write_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    """It is logged once, and again when it fails in another way: a missing folder should not fill the log."""
    metrics, folder = Metrics(), tmp_path / "collector"
    file = textfile(folder / "modelsvc.prom", metrics)
    with capture_logs() as lines:
        await file.write()
        await file.write()
        folder.touch()
        await file.write()
        folder.unlink()
        folder.mkdir()
        await file.write()

    assert [line["event"] for line in lines] == ["textfile_not_written"] * 2
    assert str(folder) in lines[0]["reason"]
    assert Exposition(await metrics.render())["modelsvc_textfile_write_failures_total"] == 3
    assert Exposition((folder / "modelsvc.prom").read_text())["modelsvc_textfile_write_failures_total"] == 3


async def test_it_goes_when_the_supervisor_goes(tmp_path: Path) -> None:
    """Also when a write was under way; the figures would be taken for true."""
    path = tmp_path / "modelsvc.prom"
    file = textfile(path, Metrics())
    await file.write()
    writing = asyncio.create_task(file.write())
    await file.close()
    await writing
    await file.write()

    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    """Nothing stops for it."""
    path = tmp_path / "modelsvc.prom"
    path.mkdir()
    with capture_logs() as lines:
        await textfile(path, Metrics()).close()

    assert [line["event"] for line in lines] == ["textfile_not_removed"]
    assert str(path) in lines[0]["reason"]
