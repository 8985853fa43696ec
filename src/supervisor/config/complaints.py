"""What is wrong with a configuration, as lines that people can act on. Pure."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from supervisor.config.sections import Section

Place = Sequence[int | str]
SCALARS = (str, int, float)


def describe(error: ValidationError, root: type[Section], prefix: str = "") -> list[str]:
    """One line a problem: dotted path, what is allowed, and the value that is not. `root` is what was validated."""
    return list(dict.fromkeys(_line(detail, root, prefix) for detail in error.errors()))


def dotted(place: Place) -> str:
    """Tables of one name and values of a list are counted from 1, as in events and as people do."""
    return ".".join(str(part + 1 if isinstance(part, int) else part) for part in place if part != "")


def _line(detail: ErrorDetails, root: type[Section], prefix: str) -> str:
    path = dotted((prefix, *detail["loc"]))
    told = _told(detail, root)
    return f"{path}: {told}" if path else told


def _told(detail: ErrorDetails, root: type[Section]) -> str:
    place, value = detail["loc"], detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(root, place, value)
        case "model_type":
            return f"must be a table of keys, not {value!r}"
        case "list_type" if len(place) == 1:
            return f"must be tables, each headed [[{place[0]}]]" + (
                "" if isinstance(value, dict) else f", not {value!r}"
            )
        case "list_type":
            such = f", such as {json.dumps([value])}" if isinstance(value, SCALARS) else ""
            return f"must be a list{such}, not {value!r}"
    text = detail["msg"].removeprefix("Value error, ")
    return text if detail["type"] == "value_error" or isinstance(value, dict) else f"{text}, not {value!r}"


def _unknown(root: type[Section], place: Place, value: Any) -> str:
    *above, name = place
    table = _table(root, above)
    close = get_close_matches(str(name), table.model_fields if table else (), n=1)
    is_table = isinstance(value, (dict, list)) and not above
    such = f": did you mean {f'[{close[0]}]' if is_table else close[0]}?" if close else ""
    return f"there is no such {'table' if is_table else 'key'}{such}"


def _table(root: type[Section], place: Place) -> type[Section] | None:
    """The table that a place is in."""
    for part in place:
        if isinstance(part, str):
            annotation: Any = root.model_fields[part].annotation
            root = next(iter(get_args(annotation)), annotation)
    return root if isinstance(root, type) and issubclass(root, Section) else None
