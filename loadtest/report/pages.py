"""The report of a run as Markdown and as a page that needs nothing but itself."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from loadtest.report.summary import Summary
from loadtest.report.tables import Table, tables
from loadtest.rig.values import Run

MARKDOWN, PAGE = "report.md", "report.html"
TEMPLATE = Path(__file__).with_name("report.html.j2")
SHADED = (
    "Shaded: while an operation ran. The lines with numbers are where its steps began, the thick one is the switch."
)
Plots = Mapping[str, Mapping[str, Path]]  # files by title and theme


def title(run: Run) -> str:
    return f"Load test: {run.kind}, {run.started_at}"


def headline(run: Run, found: Summary) -> str:
    told = (f"{each.kind} {each.outcome or 'refused'} after {each.seconds:.1f} s" for each in run.operations)
    return "; ".join((f"{found.failed:,} of {found.requests:,} requests failed", *told))


def markdown(run: Run, found: Summary, plots: Plots) -> str:
    parts = [f"# {title(run)}", f"**{headline(run, found)}**"]
    parts += ["\n".join(f"- {problem}" for problem in found.verdict)] if found.verdict else []
    first, *others = tables(run, found)
    parts += _section(first)
    parts += [f"![{name}](plots/{files['light'].name})" for name, files in plots.items()]
    if run.operations:
        parts.append(SHADED)
    for table in others:
        parts += _section(table)
    parts += ["## Once more", f"```sh\n{run.repeat}\n```"]
    return "\n\n".join(parts) + "\n"


def page(run: Run, found: Summary, plots: Plots) -> str:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title(run),
        headline=headline(run, found),
        problems=found.verdict,
        plots=[{"title": name} | _embedded(files) for name, files in plots.items()],
        shaded=SHADED if run.operations else "",
        tables=[_plain(table) for table in tables(run, found)],
        repeat=run.repeat,
    )


def _section(table: Table) -> list[str]:
    return [f"## {table.title}", _table(table), *([table.note] if table.note else [])]


def _table(table: Table) -> str:
    ruler = ["---:" if right else "---" for right in _right(table)]
    return "\n".join(_line(cells) for cells in (table.headings, ruler, *table.rows))


def _right(table: Table) -> list[bool]:
    """Which columns have figures only, and stand under each other by their ends."""
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.headings)
    return [any(column) and all(map(_is_figure, filter(None, column))) for column in columns]


def _is_figure(cell: str) -> bool:
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _plain(table: Table) -> dict[str, object]:
    """Without Markdown's marks."""
    note = table.note.replace("`", "").replace("*", "")
    return {"title": table.title, "headings": table.headings, "rows": table.rows, "right": _right(table), "note": note}


def _embedded(files: Mapping[str, Path]) -> dict[str, str]:
    """By theme."""
    encoded = {theme: base64.b64encode(path.read_bytes()).decode() for theme, path in files.items()}
    return {theme: f"data:image/png;base64,{text}" for theme, text in encoded.items()}
