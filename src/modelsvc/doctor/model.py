"""Model files: the configured one, and those that the recorded releases still need."""

from collections.abc import Iterator

from modelsvc.doctor.findings import LEVELS, Finding, found
from modelsvc.doctor.shapes import shape_of
from modelsvc.doctor.situation import Situation
from supervisor.core.ledger import ModelShape, mb
from supervisor.errors import JournalError, Refused, SupervisorError
from supervisor.journal.past import Route
from supervisor.journal.peek import peek
from supervisor.offline import verify_unchanged
from supervisor.releases.model_file import model_path
from supervisor.releases.store import ReleaseStore

PULL = "download or convert it again (`modelsvc model pull --help`), and name it by model.path"
MENDS = {
    "model_missing": "correct model.path, or put the file back",
    "model_not_a_file": "set model.path to a .gguf file",
    "model_unreadable": "see what `ls -l` says; if llama.cpp crashes on every file, see its own findings",
}


def check(situation: Situation) -> Iterator[Finding]:
    """What the workers would be given, then what is on record."""
    try:
        shape = shape_of(model_path(situation.config.model))
    except Refused as error:
        yield unusable(error)
    else:
        yield from judge(situation, shape)
    yield from _recorded(situation)


def unusable(error: Refused) -> Finding:
    """The finding of the same name as the refusal."""
    code = error.code if error.code in LEVELS else "model_unsupported"
    return found(code, error.message, MENDS.get(code, PULL))


def judge(situation: Situation, shape: ModelShape) -> Iterator[Finding]:
    """A model that can be loaded."""
    model = situation.config.model
    name = str(model_path(model)) if model.path else "the built-in demo model"
    known = f"{name}: {shape.architecture}, {mb(shape.size_bytes)}, trained for {shape.context_tokens:,} tokens"
    per_request = model.context_tokens
    if shape.context_tokens and per_request > shape.context_tokens * model.slots:
        yield found(
            "model_context_beyond_training",
            f"{known}; model.context_tokens is {per_request:,} for {model.slots} slot(s), more than they can use",
            f"set model.context_tokens = {shape.context_tokens * model.slots} or less, which also saves memory",
        )
    else:
        yield found("model_ok", known)


def _recorded(situation: Situation) -> Iterator[Finding]:
    """Whether the files are what they were when their releases were made."""
    try:
        with peek(situation.paths.journal) as past:
            route = past.route()
    except JournalError:
        return  # there is none, or its own check tells why not
    yield from _releases(ReleaseStore(situation.paths.releases), route)


def _releases(store: ReleaseStore, route: Route) -> Iterator[Finding]:
    for number, serves in ((route.release, True), (route.previous_release, False)):
        if number is None:
            continue
        try:
            verify_unchanged(store.read(number).model)
        except SupervisorError as error:
            yield _changed(number, serves, error)


def _changed(number: int, serves: bool, error: SupervisorError) -> Finding:
    if serves:
        seen = f"release {number} serves, and its worker cannot be started again: {error.message}"
        return found("model_changed", seen, "put the file back as it was, or `modelsvc ctl deploy` a new release")
    seen = f"release {number} is the one before, and cannot be gone back to without its warm worker: {error.message}"
    return found("model_of_previous_release", seen, "put the file back as it was, or do without")
