"""CHANGELOG.md as data: the section of a version, and whether that may be released."""

import re
from dataclasses import dataclass
from datetime import date

_HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>.+))?$", re.MULTILINE)
_ENTRY = re.compile(r"^- \S", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """What is under `## [VERSION] - DAY`."""

    version: str
    day: str
    text: str


def sections(changelog: str) -> list[Section]:
    """Every version's section, as they stand."""
    headings = list(_HEADING.finditer(changelog))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    return [
        Section(heading["version"], heading["day"] or "", changelog[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    ]


def problems(changelog: str, version: str) -> list[str]:
    """Why this version may not be released; empty when it may."""
    found = [section for section in sections(changelog) if section.version == version]
    if len(found) != 1:
        return [f"CHANGELOG.md has {len(found)} sections ## [{version}] - YYYY-MM-DD, and should have one"]
    (section,) = found
    checks = (
        (_is_day(section.day), f"its section [{version}] is dated {section.day!r}, not YYYY-MM-DD"),
        (bool(_ENTRY.search(section.text)), f"its section [{version}] has no entry (a line that begins with `- `)"),
    )
    return [f"CHANGELOG.md: {problem}" for sound, problem in checks if not sound]


def notes(changelog: str, version: str) -> str:
    """The text of a version's section. Raises KeyError when there is none."""
    return {section.version: section.text for section in sections(changelog)}[version]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
