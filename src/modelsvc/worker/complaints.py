"""msgspec's complaints about a request in plain words. Pure."""

import re

KINDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
BOTH = "true | false"
_EXPECTED = re.compile(r"Expected `([^`]+)`(.*?)(?:, got `([^`]+)`)?")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field (`.+`)")
_NO_SUCH = re.compile(r"Invalid (?:enum )?value (.+)")


def missing(complaint: str) -> str:
    """The field that is missing; empty for other complaints."""
    found = _MISSING.fullmatch(complaint)
    return found[1] if found else ""


def in_words(complaint: str, found: str) -> str:
    """What is wrong. `found` is what is there instead, as text, or empty when that is not known."""
    if expected := _EXPECTED.fullmatch(complaint):
        kinds, limits, got = expected.groups()
        there = found or (_kinds(got) if got else "")
        return f"must be {_kinds(kinds.replace('bool', BOTH))}{limits}" + (f", not {there}" if there else "")
    if name := missing(complaint):
        return f"the required field `{name}` is missing"
    if unknown := _UNKNOWN.fullmatch(complaint):
        return f"there is an unknown field {unknown[1]}"
    if no_such := _NO_SUCH.fullmatch(complaint):
        return f"cannot be {found or no_such[1]}"
    return complaint + (f", not {found}" if found else "")


def _kinds(names: str) -> str:
    """`str | array | null` as a string, a list or null."""
    *some, last = (KINDS.get(name, name) for name in names.split(" | "))
    return f"{', '.join(some)} or {last}" if some else last
