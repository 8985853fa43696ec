"""What is wanted against what serves: the goal that the watch on files works by, and what is booted.

Only a new desired state asks for a deployment: an edit of `[model]`, other bytes in the model file, or another version
of the package. One that was handled, however that ended, is not taken for new, so nothing is tried twice, and a command
that came after it is not fought over. The exception is what was refused for a reason that may pass by itself, a lack of
memory say: that is due again after a while. What serves may change by itself, by a failover say: nobody asked for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from supervisor.core.state import BOOT_REQUEST, DeploymentKind, Outcome, SettingValue

BY_OPERATORS = (DeploymentKind.DEPLOY, DeploymentKind.ROLLBACK, DeploymentKind.SWAP)
SHA_SHOWN = 12
CHARACTERS_SHOWN = 200
RETRY_PAUSES_S = (60.0, 120.0, 300.0, 600.0)  # after refusals in a row; the last one from then on
OVERRULED = "what serves came later, by a command or a failover, and stays"


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """What serves, or should: a release without its number. `settings` are the `[model]` keys without `path`."""

    settings: Mapping[str, SettingValue]
    model_path: str
    sha256: str
    package_version: str
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Desired:
    """What the files say at a moment.

    `section` is `[model]` as it is configured, `spec` what a deployment without a change would bring now, and
    `circumstances` a digest of whatever else decides about its success: limits and gate.
    """

    section: Mapping[str, SettingValue]
    spec: ReleaseSpec
    circumstances: str = ""


@dataclass(frozen=True, slots=True)
class Handled:
    """The latest desired state that was handled, and how; `outcome` is None while its deployment is under way."""

    desired: Desired
    outcome: Outcome | None = None
    deployment: int | None = None
    reason: str = ""
    transient: bool = False  # refused for a reason that may go away by itself

    @property
    def failed(self) -> bool:
        return self.outcome not in (None, Outcome.SUCCEEDED)

    @property
    def why_not_followed(self) -> str:
        """Why no deployment is asked for any more."""
        if self.failed and self.outcome:
            ended = f"{self.outcome.replace('_', ' ')}: {self.reason}"
            return f"deployment {self.deployment} was tried for it, and {ended}; it is tried again when it changes"
        return f"{OVERRULED}; `modelsvc ctl deploy` brings it"

    @property
    def why_waiting(self) -> str:
        return f"deployment {self.deployment} was refused: {self.reason}; it is tried again by itself"


@dataclass(frozen=True, slots=True)
class Retry:
    """When what was refused for a reason that may pass is tried again, in seconds of the caller's clock."""

    refusals: int = 0  # in a row
    due_s: float = 0.0

    def put_off(self, now_s: float) -> "Retry":
        """It was refused once more."""
        pause_s = RETRY_PAUSES_S[min(self.refusals, len(RETRY_PAUSES_S) - 1)]
        return Retry(self.refusals + 1, now_s + pause_s)


@dataclass(frozen=True, slots=True)
class Ended:
    """A deployment that is over; `desired` is what the files said when it began, where that is known."""

    deployment: int
    kind: DeploymentKind
    request: str
    outcome: Outcome
    reason: str = ""
    desired: Desired | None = None
    transient: bool = False


class VerdictKind(StrEnum):
    """What the watch makes of the files."""

    IN_ACCORD = "in_accord"  # what is wanted serves
    ASKS = "asks"  # for a deployment
    DEPLOYS = "deploys"  # it is under way
    WAITS = "waits"  # until a deployment can begin
    SETTLED = "settled"  # it was dealt with, and what serves is to stay
    REJECTED = "rejected"  # the files cannot be used


@dataclass(frozen=True, slots=True)
class Verdict:
    """`changes` is what is wanted and does not serve, a phrase each; `reason` why it is not deployed now.

    `again_s`: when that is looked at again by itself; None: when it changes, or what is in the way is gone.
    """

    kind: VerdictKind
    changes: tuple[str, ...] = ()
    reason: str = ""
    again_s: float | None = None

    @property
    def essence(self) -> tuple[object, ...]:
        """What makes it another one: one obstacle may be told in other words each time."""
        return self.kind, self.changes, "" if self.kind is VerdictKind.WAITS else self.reason


def decide(
    desired: Desired,
    serving: ReleaseSpec | None,
    handled: Handled | None,
    obstacle: str = "",
    retry: Retry = Retry(),
    now_s: float = 0.0,
) -> Verdict:
    """Whether a deployment is to be asked for. `obstacle`: why none can begin now; empty when one can.

    `retry`: when what was refused for a transient reason is due again.
    """
    changes = differences(serving, desired.spec)
    if not changes:
        other = _overruled(desired, serving)
        why = f"{OVERRULED}; an edit of it, or `modelsvc ctl deploy --set`, brings it"
        return Verdict(VerdictKind.SETTLED, other, why) if other else Verdict(VerdictKind.IN_ACCORD)
    if handled and not is_new(desired, handled):
        if handled.outcome is None and handled.deployment is not None:
            return Verdict(VerdictKind.DEPLOYS, changes, f"deployment {handled.deployment} brings it")
        if not handled.transient:
            return Verdict(VerdictKind.SETTLED, changes, handled.why_not_followed)
        if now_s < retry.due_s:
            return Verdict(VerdictKind.WAITS, changes, handled.why_waiting, retry.due_s)
    if obstacle:
        return Verdict(VerdictKind.WAITS, changes, obstacle)
    return Verdict(VerdictKind.ASKS, changes)


def is_new(desired: Desired, handled: Handled) -> bool:
    """Whether anything was said since. Another model file is news only where it is the same path that has it."""
    now, then = desired.spec, handled.desired.spec
    said = desired.section != handled.desired.section or _runs(now) != _runs(then)
    replaced = now.model_path == then.model_path and now.sha256 != then.sha256
    return said or replaced or (handled.failed and desired.circumstances != handled.desired.circumstances)


def settle(handled: Handled | None, ended: Ended, now: Desired | None) -> Handled | None:
    """What has been dealt with once that deployment is over.

    What operators bring about settles the desired state as it was when it began, and so does a boot that failed, for
    that is tried again by itself. What else the supervisor does by itself settles nothing.
    """
    if handled and handled.deployment == ended.deployment and handled.outcome is None:
        return replace(handled, outcome=ended.outcome, reason=ended.reason, transient=ended.transient)
    by_operator = ended.kind in BY_OPERATORS and ended.outcome is Outcome.SUCCEEDED
    desired = _as_of(ended.desired, now)
    if desired is None or not (by_operator or ended.request == BOOT_REQUEST):
        return handled
    return Handled(desired, ended.outcome, ended.deployment, ended.reason)


def differences(serving: ReleaseSpec | None, wanted: ReleaseSpec) -> tuple[str, ...]:
    """What a deployment would change, a phrase each."""
    if serving is None:
        return ("nothing serves",)
    settings = [
        _changed(f"model.{key}", serving.settings.get(key, "unset"), value)
        for key, value in wanted.settings.items()
        if serving.settings.get(key) != value
    ]
    rest = (
        ("model.path", serving.model_path, wanted.model_path),
        ("model file", serving.sha256[:SHA_SHOWN], wanted.sha256[:SHA_SHOWN]),
        ("modelsvc", serving.package_version, wanted.package_version),
        ("security.allowed_hosts", ", ".join(serving.allowed_hosts), ", ".join(wanted.allowed_hosts)),
        ("security.allowed_origins", _listed(serving.allowed_origins), _listed(wanted.allowed_origins)),
    )
    return (*settings, *(_changed(name, before, after) for name, before, after in rest if before != after))


def _overruled(desired: Desired, serving: ReleaseSpec | None) -> tuple[str, ...]:
    """What is configured and neither serves nor is wanted any more."""
    settings = {key: value for key, value in desired.section.items() if key != "path"}
    configured = replace(desired.spec, settings=settings, model_path=str(desired.section["path"]))
    return differences(serving, configured)


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values) or "none"


def _changed(name: str, before: object, after: object) -> str:
    return f"{name} {_shown(before)} -> {_shown(after)}"


def _shown(value: object) -> str:
    """A system prompt may be long."""
    text = str(value)
    return text if len(text) <= CHARACTERS_SHOWN else f"{text[:CHARACTERS_SHOWN]}…"


def _runs(spec: ReleaseSpec) -> tuple[object, ...]:
    return spec.package_version, spec.allowed_hosts, spec.allowed_origins


def _as_of(before: Desired | None, now: Desired | None) -> Desired | None:
    """The desired state of then, in terms of what serves now: a file that was replaced meanwhile is still news.

    None where nobody had looked yet: then all is news.
    """
    if before is None or now is None:
        return before
    if before.spec.model_path != now.spec.model_path:
        return replace(before, spec=now.spec)
    return replace(before, spec=replace(now.spec, sha256=before.spec.sha256))
