"""Write a run's report anew, or open it.

python -m loadtest.report [RESULT] [--open]
"""

import argparse
import sys
import webbrowser
from pathlib import Path

from loadtest.report import pages
from loadtest.report.write import write
from loadtest.rig import folders
from loadtest.rig.errors import Misuse


def main() -> int:
    options = parse()
    try:
        folder = folders.chosen(options.results, options.result)
        found = write(folder)
    except (Misuse, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    page = (folder / pages.PAGE).absolute()
    sys.stdout.write(f"{pages.headline(folders.read_run(folder), found)}\n{folder / pages.MARKDOWN}\n{page}\n")
    if options.open and not webbrowser.open(page.as_uri()):
        sys.stderr.write(f"there is no browser to open it with: open {page} yourself\n")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.report", description="the report of a load test")
    parser.add_argument("result", nargs="?", default="", help="its folder; the latest one when not given")
    parser.add_argument("--results", type=Path, default=folders.RESULTS, help="where the folders are")
    parser.add_argument("--open", action="store_true", help="in the browser")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
