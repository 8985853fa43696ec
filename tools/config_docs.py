"""Write config/modelsvc.toml and docs/configuration.md from the configuration's code: `make config-docs`."""

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from supervisor.config.file import Config
from supervisor.config.sections import Section
from supervisor.config.values import Form, Unit

ROOT = Path(__file__).resolve().parent.parent
FILE, REFERENCE = ROOT / "config" / "modelsvc.toml", ROOT / "docs" / "configuration.md"
WIDTH = 120

FILE_HEAD = """\
# modelsvc's configuration. Every key is here with its default, so an empty file means the same.
# Read from --config, else $MODELSVC_CONFIG, else ./config/modelsvc.toml, else modelsvc.toml in the user's
# configuration folder. Unknown keys and wrong values are reported all at once, each with its path.
"""

REFERENCE_HEAD = """\
# Configuration

Every key of the configuration file. This page and [config/modelsvc.toml](../config/modelsvc.toml), which is the same as
a commented file to start from, are written from the code by `make config-docs`.

**Which file.** `--config FILE`, else `$MODELSVC_CONFIG`, else `./config/modelsvc.toml`, else `modelsvc.toml` in the
user's configuration folder (`~/Library/Application Support/modelsvc` on macOS, `~/.config/modelsvc` on Linux), else
the defaults. A file that is named but cannot be read is an error.

**Paths.** A relative path counts from the file's folder, from wherever a command is run and however the service is
started; `~` is the user's home. What `--model` and `--set model.path=` of `modelsvc ctl deploy` name counts from the
shell's folder, as with any command. A program's name without a `/` is looked for in `PATH`.

**What is wrong with it** is said all at once, each problem with its path, what is allowed and what was found; then
nothing is started (exit code 2). Tables of one name (`hook.1`) and values of a list are counted from 1, as in events.
Unknown keys are problems. No value is bent into another type: `"8"` is no number.
The TCP ports must differ from each other.

**When an edit is taken up.** The supervisor reads the file when it starts, and `[model]` and `[[gate]]` anew for each
deployment. Until then nothing changes, whatever the file says; with [`[watch]`](operations.md#watch-files) an edit of
`[model]` brings about a deployment. `modelsvc ctl deploy --set model.KEY=VALUE` changes a key of `[model]` without the
file.
"""


def commented_file() -> str:
    """The whole of config/modelsvc.toml."""
    tables = (_example(name, section) if many else _table(name, section) for name, section, many in sections())
    return "\n".join([FILE_HEAD, *tables])


def reference() -> str:
    """The whole of docs/configuration.md."""
    return "\n".join([REFERENCE_HEAD, *(_chapter(*entry) for entry in sections())])


def sections() -> Iterator[tuple[str, type[Section], bool]]:
    """Each table of the file: its name, its class, and whether there may be several of it."""
    for name, field in Config.model_fields.items():
        many = get_origin(field.annotation) is list
        section: Any = get_args(field.annotation)[0] if many else field.annotation
        yield name, section, many


def _table(name: str, section: type[Section]) -> str:
    lines = [*_wrapped(_about(section), "# "), f"[{name}]", *keys(section, WIDTH)]
    return "\n".join(lines) + "\n"


def _example(name: str, section: type[Section]) -> str:
    """A table that an empty file has none of: as a comment."""
    head = _wrapped(_about(section), "# ")
    return "\n".join([*head, f"# [[{name}]]", *(f"# {line}" for line in keys(section, WIDTH - 2))]) + "\n"


def keys(section: type[Section], width: int) -> Iterator[str]:
    """Keys with their values, and the comments one below the other. Raises ValueError for a line beyond `width`."""
    pairs = {f"{key} = {_toml(_value(field))}": field.description for key, field in section.model_fields.items()}
    column = max(map(len, pairs))
    for pair, description in pairs.items():
        line = f"{pair:{column}}  # {description}"
        if len(line) > width:
            raise ValueError(f"{len(line)} characters, more than {width}: shorten the description: {line}")
        yield line


def _chapter(name: str, section: type[Section], many: bool) -> str:
    heading = f"## [[{name}]]" if many else f"## [{name}]"
    return "\n".join(
        [
            heading,
            "",
            *_wrapped(_linked(_about(section))),
            "",
            f"Taken up {section.effect}.",
            "",
            "| key | value | unit | default | |",
            "|---|---|---|---|---|",
            *(_row(key, field) for key, field in section.model_fields.items()),
            "",
        ]
    )


def _row(key: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_toml(field.default)}`"
    cells = (f"`{key}`", allowed(field), unit(field), default, field.description or "")
    return f"| {' | '.join(cell.replace('|', '&#124;').replace('*', '&#42;') for cell in cells)} |"


def allowed(field: FieldInfo) -> str:
    """The values a key may have, in words. Raises TypeError for a type that nobody has words for."""
    forms = [mark.words for mark in field.metadata if isinstance(mark, Form)]
    if forms:
        return forms[-1]
    match field.annotation:
        case annotation if annotation is bool:
            return "true or false"
        case annotation if annotation is int:
            return f"a whole number{_limits(field)}"
        case annotation if annotation is float:
            return f"a number{_limits(field)}"
        case annotation if annotation is str:
            return "text"
        case annotation if annotation == list[str]:
            return "a list of texts"
        case annotation if get_origin(annotation) is Literal:
            return " or ".join(_toml(choice) for choice in get_args(annotation))
        case annotation:
            raise TypeError(f"a key of type {annotation} needs a Form in its annotation")


def unit(field: FieldInfo) -> str:
    """What the number counts; empty for what is no number, and for ports."""
    return next((mark.name for mark in field.metadata if isinstance(mark, Unit)), "")


def _limits(field: FieldInfo) -> str:
    low = next((f" from {_number(mark.ge)}" for mark in field.metadata if isinstance(mark, Ge)), "")
    above = next((f" above {_number(mark.gt)}" for mark in field.metadata if isinstance(mark, Gt)), "")
    high = next((f" to {_number(mark.le)}" for mark in field.metadata if isinstance(mark, Le)), "")
    return f"{low}{above}{',' if above and high else ''}{high.replace('to', 'up to') if above else high}"


def _number(limit: Any) -> str:
    return f"{limit:,}"


def _value(field: FieldInfo) -> Any:
    """An example where there is one, since it is given where the default says nothing."""
    return field.examples[0] if field.examples else field.default


def _toml(value: Any) -> str:
    """Strings, numbers, booleans and lists are written alike in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)


def _about(section: type[Section]) -> str:
    return " ".join((inspect.getdoc(section) or "").split())


def _linked(text: str) -> str:
    """Pages are named from the repository's top; the reference is one of them."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def _wrapped(text: str, prefix: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)


def main() -> None:
    for path, text in ((FILE, commented_file()), (REFERENCE, reference())):
        path.write_text(text)
        print(f"{path.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()
