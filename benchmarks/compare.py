"""Ours and another OpenAI endpoint on the same model, in turn: medians of several rounds, and their ratio.

    python -m benchmarks.compare MODEL.gguf --other "llama-server -m {model} --port {port} -np 8 -c 8192 ..."

`--other` is a command that starts it, or the URL of one that runs. Both are there all the time, and idle while the
other one is asked. The first round warms up and does not count.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.chat_client import add_load
from benchmarks.load import Load
from benchmarks.servers import Server, add_servers, start
from benchmarks.turns import Case, add_turns, show, take_turns


def main() -> int:
    options = parse()
    with ExitStack() as stack:
        servers = start(options, stack)
        cases = [case for clients in options.clients for case in group(clients, servers, options)]
        show(take_turns(cases, options.rounds, options.json))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ours and another OpenAI endpoint, in turn")
    add_servers(parser)
    add_load(parser)
    add_turns(parser)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument(
        "--each", type=int, default=2, help="requests of each client in a run; one alone makes twice that"
    )
    return parser.parse_args()


def group(clients: int, servers: Sequence[Server], options: argparse.Namespace) -> list[Case]:
    requests = options.each * (clients if clients > 1 else 2)
    load = Load(clients, requests, options.prompt_words, options.tokens, never=tuple(options.never))
    return [Case(f"{clients} clients", server.name, server, load) for server in servers]


if __name__ == "__main__":
    sys.exit(main())
