"""Operations on the running service under traffic, one after the other, and what its clients saw of each.

    python -m loadtest.rehearse swaps|deploy|full-cycle [--clients 4] [--swaps 4] [-- CHANGE]

CHANGE are arguments of `modelsvc ctl deploy`, such as --model or --set. The service is the one that `modelsvc ctl`
finds. Exit code 0: every operation did what it should, no request failed, and a conversation went on through all of
it; 1 if not; 2: misuse; 3: no daemon answers.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.arguments import duration_s, whole
from loadtest.conversation import Conversation
from loadtest.judge import Failed
from loadtest.rig.errors import Misuse, exit_code
from loadtest.rig.operate import operate
from loadtest.rig.service import Target, running
from loadtest.rig.values import Operation
from loadtest.traffic import Report, Traffic

from modelsvc.cli.edge import KEY_ENV
from supervisor.client import ControlClient
from supervisor.protocol import Color, ExitCode, Status

TOKENS = 24
THINK_S = 0.05
ROW = "{:<24} {:<12} {:>8} {:>7} {:>9} {:>7}  {}"
HEADINGS = ROW.format("operation", "outcome", "seconds", "serves", "requests", "failed", "answered by")


@dataclass(frozen=True, slots=True)
class Step:
    """An operation of `modelsvc ctl`, and whether another colour, or another release, must serve after it."""

    words: tuple[str, ...]
    moves: bool = True
    renews: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a step, and what clients saw from its begin until the next one's."""

    operation: Operation
    serves: Color | None
    requests: int
    failed: int
    answers: Counter[str]
    problem: str

    def __str__(self) -> str:
        told = ", ".join(f"{color} {count:,}" for color, count in sorted(self.answers.items())) or "nobody"
        name = self.operation.command.removeprefix("modelsvc ctl ")
        outcome = self.operation.outcome or f"exit {self.operation.exit_code}"
        seconds = f"{self.operation.seconds:.1f}"
        return ROW.format(name[:24], outcome, seconds, self.serves or "nobody", self.requests, self.failed, told)


def steps(kind: str, active: Color, swaps: int, change: Sequence[str]) -> list[Step]:
    """What is done, where `active` serves at first. A step that moves nothing is a preparation."""
    back_and_forth = [active.other if not number % 2 else active for number in range(swaps)]
    deploy, prepared = Step(("deploy", *change), renews=True), Step(("prewarm", *change), moves=False)
    plans = {
        "swaps": [Step(("start", active.other), moves=False), *(Step(("swap", color)) for color in back_and_forth)],
        "deploy": [deploy],
        "full-cycle": [deploy, Step(("rollback",), renews=True), prepared, Step(("deploy", "--fast"), renews=True)],
    }
    return plans[kind]


def problem(step: Step, operation: Operation, before: Status, after: Status) -> str:
    """What is wrong after a step; empty when all is as it should be. Pure."""
    if not operation.succeeded:
        return f"{operation.command}: {operation.reason or operation.outcome or 'it did not finish'}"
    if (after.active is not before.active) is not step.moves:
        return f"{operation.command}: {before.active} served before, {after.active} does now"
    if step.renews and _release(after) == _release(before):
        return f"{operation.command}: release {_release(before)} serves as before"
    return ""


def _release(status: Status) -> int | None:
    return status.release.number if status.release else None


class Rehearsal:
    """Clients who ask all the time, a conversation, and the operations."""

    def __init__(self, target: Target, client: ControlClient, clients: int, dwell_s: float) -> None:
        key = target.environment.get(KEY_ENV, "")
        self._target, self._client, self._dwell_s = target, client, dwell_s
        self._traffic = Traffic(target.url, clients, think_s=THINK_S, max_tokens=TOKENS, key=key)
        self._conversation = Conversation(target.url, key)

    async def perform(self, plan: Sequence[Step]) -> tuple[Report, list[str]]:
        """What the clients saw in all, and what was wrong."""
        problems = []
        sys.stdout.write(f"{HEADINGS}\n")
        async with self._conversation:
            await self._traffic.start()
            try:
                await self._conversation.turn()
                for step in plan:
                    seen = await self._take(step)
                    sys.stdout.write(f"{seen}\n")
                    sys.stdout.flush()
                    problems += [seen.problem] if seen.problem else []
            except Failed as error:
                problems.append(f"the conversation did not go on: {error}")
            finally:
                report = await self._traffic.stop()
        return report, problems

    async def _take(self, step: Step) -> Seen:
        counted, before = self._traffic.report(), await asyncio.to_thread(self._client.status)
        operation = await asyncio.to_thread(operate, self._target, step.words, Path(os.devnull))
        await asyncio.sleep(self._dwell_s)
        color = await self._conversation.turn()
        after, now = await asyncio.to_thread(self._client.status), self._traffic.report()
        wrong = problem(step, operation, before, after)
        if not wrong and color != after.active:
            wrong = f"{operation.command}: {after.active} should serve, and {color} answered"
        return Seen(
            operation,
            after.active,
            now.sent - counted.sent,
            now.failed - counted.failed,
            Counter(now.by_color) - Counter(counted.by_color),
            wrong,
        )


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    target = running(None, must_obey=True)
    assert target.client is not None, "it must obey"
    active = target.client.status().active
    if active is None:
        raise Misuse("no colour is active yet: wait for `modelsvc ctl active`")
    plan = steps(options.kind, active, options.swaps, options.change)
    rehearsal = Rehearsal(target, target.client, options.clients, options.dwell)
    return tell(*asyncio.run(rehearsal.perform(plan)))


def tell(report: Report, problems: Sequence[str]) -> int:
    """The last lines, and the exit code."""
    failures = [f"at {failure.at_s:.1f} s: {failure.reason}" for failure in report.failures]
    sys.stdout.write(
        f"{report.failed:,} of {report.sent:,} requests failed ({report.streams:,} were streams);"
        f" slowest {report.slowest_s:.2f} s; "
        + (f"{len(problems)} thing(s) went wrong:\n" if problems else "the conversation went on\n")
    )
    for line in (*problems, *failures):
        sys.stderr.write(f"{line}\n")
    return ExitCode.FAILED if problems or report.failed or not report.sent else ExitCode.DONE


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    about, _, usage = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m loadtest.rehearse", description=about, epilog=usage)
    parser.add_argument("kind", choices=("swaps", "deploy", "full-cycle"))
    parser.add_argument("--clients", type=whole(1), default=4, help="that ask all the time; half of it streams")
    parser.add_argument("--swaps", type=whole(1), default=4, help="how often another colour is swapped to")
    parser.add_argument("--dwell", type=duration_s, default=1.0, help="seconds of traffic after each operation")
    # argparse takes what follows -- for a positional only where no option came before it.
    words = [*arguments, "--"]
    own, change = words[: words.index("--")], words[words.index("--") + 1 : -1]
    options = parser.parse_args(own)
    options.change = change
    return options


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
