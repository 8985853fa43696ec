"""Ask any OpenAI endpoint with closed-loop clients, and print what they saw.

    python -m benchmarks.chat_client http://127.0.0.1:8080 [--clients 8] [--requests 16] [--prompt-words 48] [--json]

With as many requests as clients all arrive together; `--requests` counts those of all clients. The clients need
processor time as well: how much is printed.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict, fields

from benchmarks.closed_loop import Figures, Run
from benchmarks.load import Load
from rich.console import Console
from rich.table import Table


def main() -> int:
    options = parse()
    given = {field.name: getattr(options, field.name) for field in fields(Load)}
    figures = asyncio.run(Run(Load(**given)).against(options.url, os.environ.get("OPENAI_API_KEY")))
    if options.json:
        sys.stdout.write(json.dumps(given | asdict(figures)) + "\n")
    else:
        show(figures)
    return int(bool(figures.failed))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="closed-loop clients of an OpenAI endpoint")
    parser.add_argument("url", help="without /v1; a key for it is taken from OPENAI_API_KEY")
    add_load(parser)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=16, help="of all clients together")
    parser.add_argument("--system-words", type=int, default=0, help="of a system prompt that all prompts share")
    parser.add_argument("--apart", action="store_true", help="let system prompts differ in their first word")
    parser.add_argument("--seed", default="0", help="another one makes other prompts")
    parser.add_argument("--json", action="store_true", help="a line of JSON instead of the table")
    return parser.parse_args()


def add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt-words", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=32, help="of each answer")
    parser.add_argument(
        "--never", type=int, nargs="*", default=(), metavar="TOKEN", help="not to be drawn: those that end an answer"
    )


def show(figures: Figures) -> None:
    table = Table("figure", "", title=f"load average {os.getloadavg()[0]:.1f}")
    for name, value in asdict(figures).items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
