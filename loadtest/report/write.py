"""Make the report of a run from what is in its folder."""

from collections.abc import Sequence
from pathlib import Path

from loadtest import records
from loadtest.report import pages, plots, summary
from loadtest.report.canvas import Story
from loadtest.report.figures import groups
from loadtest.report.summary import Memory, Summary
from loadtest.rig import folders, samples
from loadtest.rig.samples import Sample


def write(folder: Path) -> Summary:
    """report.md, report.html, summary.json and plots/. Raises ValueError when the records cannot be read."""
    run = folders.read_run(folder)
    asked, looked = folder / "requests.csv", folder / "memory.csv"
    requests = records.read(asked) if asked.exists() else []  # users that could not even begin
    looks = samples.read(looked) if looked.exists() else []
    found = summary.summary(run, requests, most(looks))
    drawn = plots.draw_all(Story(run, requests, looks), folder / "plots")
    summary.write(folder, found)
    (folder / pages.MARKDOWN).write_text(pages.markdown(run, found, drawn), encoding="utf-8")
    (folder / pages.PAGE).write_text(pages.page(run, found, drawn), encoding="utf-8")
    return found


def most(looks: Sequence[Sample]) -> dict[str, Memory]:
    return {
        process: Memory(max(look.private_bytes for look in own), max(look.rss_bytes for look in own))
        for process, own in groups(looks, lambda look: look.process).items()
    }
