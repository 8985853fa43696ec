"""What it brings that a system prompt which all clients share is computed once: tokens/s with it, and without.

    python -m benchmarks.shared_prefix MODEL.gguf [--system-words 500] [--clients 8]

Without means prompts of the same length whose system prompts differ in their first word. Both take turns on the same
server; with `--other` on another one as well.
"""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace

from benchmarks.chat_client import add_load
from benchmarks.load import Load
from benchmarks.servers import Server, add_servers, start
from benchmarks.turns import Case, add_turns, show, take_turns


def main() -> int:
    options = parse()
    with ExitStack() as stack:
        cases = [case for server in start(options, stack) for case in group(server, options)]
        show(take_turns(cases, options.rounds, options.json))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a system prompt that is shared, and one that is not")
    add_servers(parser)
    add_load(parser)
    add_turns(parser)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--system-words", type=int, default=500)
    parser.add_argument("--each", type=int, default=2, help="requests of each client in a run")
    return parser.parse_args()


def group(server: Server, options: argparse.Namespace) -> list[Case]:
    load = Load(
        clients=options.clients,
        requests=options.clients * options.each,
        prompt_words=options.prompt_words,
        tokens=options.tokens,
        system_words=options.system_words,
        never=tuple(options.never),
    )
    return [
        Case(server.name, "shared", server, load),
        Case(server.name, "apart", server, replace(load, apart=True)),
    ]


if __name__ == "__main__":
    sys.exit(main())
