"""`release.py check|notes TAG`: may this tag be released, and what is told of it?

A tag is `v` and the version of pyproject.toml. Exit code 1 with every problem, a line each.
"""

import sys
import tomllib
from pathlib import Path

from scripts import changelog

ROOT = Path(__file__).resolve().parent.parent


def problems(root: Path, tag: str) -> list[str]:
    """Why the tag may not be released; empty when it may."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    found = (
        [] if tag == f"v{version}" else [f"the tag is {tag!r}, and pyproject.toml has version {version}: v{version}"]
    )
    return found + changelog.problems((root / "CHANGELOG.md").read_text(), tag.removeprefix("v"))


def main(arguments: list[str], root: Path = ROOT) -> int:
    match arguments:
        case ["check", tag] if tag:
            found = problems(root, tag)
            sys.stdout.write("".join(f"{line}\n" for line in found or [f"{tag} may be released"]))
            return 1 if found else 0
        case ["notes", tag] if not problems(root, tag):
            sys.stdout.write(changelog.notes((root / "CHANGELOG.md").read_text(), tag.removeprefix("v")) + "\n")
            return 0
        case ["notes", tag]:
            return main(["check", tag], root)
        case _:
            sys.stderr.write("usage: release.py check|notes TAG, such as v0.1.0\n")
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
