"""A load test: a service, users who ask it, what is done to it meanwhile, and the report of it all.

    python -m loadtest.run baseline|deploy|prewarm|traffic [--duration 90] [--users 8] [--model MODEL.gguf] [--url URL]

It makes a service of its own, and leaves nothing of it, unless a running one is named. Exit code 0: nothing failed;
1: requests, an operation, or the test itself failed; 2: misuse; 3: no daemon answers at the running service's socket.
"""

import argparse
import shlex
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loadtest.arguments import LONGEST_S, bake_s, duration_s, whole
from loadtest.records import utc
from loadtest.report import pages
from loadtest.report.write import write
from loadtest.rig import folders, service
from loadtest.rig.edge_count import counted, growth, settled
from loadtest.rig.errors import RunFailed, exit_code
from loadtest.rig.facts import facts
from loadtest.rig.operate import PATIENCE_S, meanwhile, operate
from loadtest.rig.samples import load_average, sampling
from loadtest.rig.service import Target
from loadtest.rig.users import Users, users
from loadtest.rig.values import Cpu, Facts, Kind, Operation, Run

# What is done between equal parts of the time.
OPERATIONS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    Kind.BASELINE: (),
    Kind.DEPLOY: (("deploy",),),
    Kind.PREWARM: (("prewarm",), ("deploy", "--fast")),
    Kind.TRAFFIC: (),
}


USUAL_S = 90.0


class LoadTest:
    """One run; what is known of it so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._kind = Kind(options.kind)
        self._operations: list[Operation] = []
        self._problems: list[str] = []
        self._cpu: Cpu | None = None
        self._facts: Facts | None = None
        self._edge: dict[str, int] | None = None
        self._started_at, self._began_s, self._ended_s = utc(time.time()), 0.0, 0.0
        self._load_before = load_average()

    def perform(self, target: Target) -> None:
        """Whatever comes, what was recorded until then is kept."""
        options = self._options
        if target.client is not None:
            self._facts = facts(target.client.status())
        before = counted(target.metrics_listen)
        limit_s = options.duration + PATIENCE_S * (1 + len(OPERATIONS[self._kind]))
        with users(target.url, self._folder, options.users, options.tokens, options.prompt_words, limit_s) as asking:
            memory = self._folder / "memory.csv"
            with sampling(target.client, memory, asking.process.pid, self._keep_cpu):
                try:
                    self._ask(target, asking)
                except RunFailed as error:
                    self._problems.append(str(error))
                except KeyboardInterrupt:
                    self._problems += [] if self._kind is Kind.TRAFFIC else ["interrupted"]
                self._ended_s = time.monotonic()
                if code := asking.stop():
                    self._problems.append(f"Locust ended with {code}; see {asking.log}")
        self._edge = growth(before, settled(target.metrics_listen))
        if self._kind is Kind.TRAFFIC and target.client is not None:
            self._operations += meanwhile(target.client, self._began_s)

    def run(self) -> Run:
        options = self._options
        return Run(
            kind=self._kind,
            started_at=self._started_at,
            began_s=self._began_s,
            ended_s=self._ended_s,
            users=options.users,
            tokens=options.tokens,
            prompt_words=options.prompt_words,
            repeat=f"python -m loadtest.run {shlex.join(sys.argv[1:])}",
            operations=tuple(self._operations),
            problems=tuple(self._problems),
            facts=self._facts,
            cpu=self._cpu,
            load_average=(self._load_before, load_average()),
            edge=self._edge,
        )

    def _ask(self, target: Target, asking: Users) -> None:
        self._began_s = time.monotonic()  # in case that nobody ever asks
        self._began_s = asking.begin()
        operations = OPERATIONS[self._kind]
        part_s = self._options.duration / (len(operations) + 1)
        asking.go_on(part_s)
        for words in operations:
            self._operations.append(operate(target, words, self._folder / "operations.jsonl"))
            asking.go_on(part_s)

    def _keep_cpu(self, used: Cpu) -> None:
        self._cpu = used


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    folders.check(options.results)
    with target_of(options) as target:
        folder = folders.new(options.results, options.kind)
        say(f"results in {folder}; users ask {target.url}")
        test = LoadTest(options, folder)
        test.perform(target)
    run = test.run()
    folders.write_run(folder, run)
    found = write(folder)
    say(
        "\n".join(
            (pages.headline(run, found), *found.verdict, f"report: {folder / pages.MARKDOWN}, {folder / pages.PAGE}")
        )
    )
    return int(bool(found.verdict))


def target_of(options: argparse.Namespace) -> AbstractContextManager[Target]:
    kind = Kind(options.kind)
    if options.url or options.running or kind is Kind.TRAFFIC:
        return nullcontext(service.running(options.url, must_obey=bool(OPERATIONS[kind])))
    slots = options.slots or min(options.users, 8)
    return service.own(options.model, options.context_tokens, slots, options.bake_s)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.run", description="a load test, and its report")
    parser.add_argument("kind", choices=[*Kind], help="what is done meanwhile; `traffic` asks a running service")
    parser.add_argument("--duration", type=duration_s, help="of traffic, without operations; 90, traffic a day")
    parser.add_argument("--users", type=whole(1), default=8, help="that ask at once")
    parser.add_argument("--tokens", type=whole(1), default=32, help="of an answer: half as many, or more")
    parser.add_argument("--prompt-words", type=whole(0), default=0, help="random; 0: what the demo model understands")
    parser.add_argument("--url", help="of a running service's edge, instead of a service of its own")
    parser.add_argument("--running", action="store_true", help="the service that `modelsvc ctl` would find")
    parser.add_argument("--results", type=Path, default=folders.RESULTS, help="where a folder for the run is made")
    own = parser.add_argument_group("a service of its own")
    own.add_argument("--model", type=Path, help="GGUF file; the built-in model when not given")
    own.add_argument("--context-tokens", type=whole(1), default=4096)
    own.add_argument("--slots", type=whole(0), default=0, help="0: one for each user, up to 8")
    own.add_argument("--bake-s", type=bake_s, default=10.0, help="seconds that a deployment watches the new worker")
    options = parser.parse_args()
    options.duration = options.duration or (LONGEST_S if options.kind == Kind.TRAFFIC else USUAL_S)
    return options


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(exit_code(main))
