"""The last line about an operation."""

import click

from modelsvc.cli import output
from modelsvc.cli.ctl.journey import Journey
from modelsvc.cli.text import duration
from supervisor.protocol import Finished, Outcome, StepState


def tell_verdict(journey: Journey, finished: Finished) -> None:
    """On stdout when it did what was asked, else on stderr."""
    if finished.outcome is Outcome.SUCCEEDED:
        click.echo(verdict(journey, finished))
    else:
        output.say(verdict(journey, finished))


def verdict(journey: Journey, finished: Finished) -> str:
    """Such as: deployment 4: blue -> green, release 7, 3.2 s."""
    took = f", {duration(finished.seconds)}" if finished.seconds else ""
    if finished.outcome is Outcome.SUCCEEDED:
        done = "" if journey.accepted else f": {finished.reason or 'done'}"
        if journey.done and finished.release is not None:
            return f"{journey.headline}: {journey.done.format(finished.release)}{took}"
        release = "" if finished.release is None else f", release {finished.release}"
        return f"{journey.headline}{done}{release}{took}"
    ending = str(finished.outcome).replace("_", " ")
    told, _, table = finished.reason.partition("\n")
    reason = f": {told}" if told else ""
    serving = f"; {finished.active} is active" if finished.active else ""
    return f"{journey.headline}: {ending}{_failed_step(journey)}{reason}{serving}{took}" + (
        f"\n{table}" if table else ""
    )


def _failed_step(journey: Journey) -> str:
    step = next((step for step in journey.steps.values() if step.state is StepState.FAILED), None)
    return f" at step {step.number} ({step.title})" if step else ""
