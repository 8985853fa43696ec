"""Memory: what admission would say to two workers with the configured model, on this machine and within the budget.

What runs already is not asked: the two workers are added up as if the service were about to start, and what its
processes hold now counts as free.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from modelsvc import __version__
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.shapes import shape_of
from modelsvc.doctor.situation import Situation
from supervisor import offline
from supervisor.config import Config
from supervisor.core import account, ledger
from supervisor.core.account import Holding, Machine, Mapped
from supervisor.errors import JournalError, Refused, SupervisorError
from supervisor.journal.peek import peek
from supervisor.memory import machine
from supervisor.memory.usage import measure
from supervisor.own_processes import role
from supervisor.releases.model_file import looks_like, model_path
from supervisor.releases.store import ReleaseStore

SWAP_SHARE = 0.1  # of the physical memory


@dataclass(frozen=True, slots=True)
class Machinery:
    """What the machine has and can give. `own_bytes`: what this service's processes hold of it now."""

    total_bytes: int
    total_of: str
    available: Machine
    own_bytes: int
    swap_used_bytes: int
    swap_total_bytes: int


def check(situation: Situation) -> Iterator[Finding]:
    """The forecast, then what concerns the machine alone."""
    machinery = _look(situation)
    try:
        needed, model = _forecast(situation)
    except Refused as error:
        seen = f"without a model file that can be read there is no forecast: {error.message}"
        yield found("memory_unknown", seen, "mend the model file first")
    else:
        yield judge(situation.config, needed, model, machinery)
    yield from judge_machine(situation.config, machinery)


def judge(config: Config, needed: ledger.Forecast, model: Mapped, machinery: Machinery) -> Finding:
    """Whether a second worker would be admitted, else at least the first."""
    base = list(offline.SERVICE_ITSELF)
    alone = _verdict(config, needed, model, base, machinery)
    if not alone.admitted:
        return found("memory_short", f"one worker does not fit: {alone.message}", _way_out(config, alone))
    both = _verdict(config, needed, model, [*base, Holding("active worker", needed.private_bytes, model)], machinery)
    if not both.admitted:
        mend = f"`modelsvc ctl deploy --in-place` replaces one by the other; else {_way_out(config, both)}"
        return found("memory_only_in_place", f"a second worker does not fit: {both.message}", mend)
    used, limit = both.account.sum_bytes, both.account.limit_bytes
    return found(
        "memory_ok",
        f"two workers, {ledger.mb(needed.private_bytes)} each, and their model take {ledger.mb(used)}"
        f" of {both.account.limit} {ledger.mb(limit)} (by {needed.basis})",
    )


def judge_machine(config: Config, machinery: Machinery) -> Iterator[Finding]:
    """The budget against what there is, and swap."""
    budget, total = config.budget_bytes, machinery.total_bytes
    if budget > total:
        yield found(
            "memory_budget_beyond_machine",
            f"memory.budget_gb is {budget / 1e9:g}, and {machinery.total_of} has {ledger.mb(total)}",
            f"set memory.budget_gb = {total / 1e9 * 0.8:.1f} or less, so that the system keeps some",
        )
    swap = f"{ledger.mb(machinery.swap_used_bytes)} of {ledger.mb(machinery.swap_total_bytes)} swap in use"
    if machinery.swap_used_bytes > SWAP_SHARE * total:
        mend = "end other programs, or lower memory.budget_gb: a worker in swap answers many times slower"
        yield found("swap_used", swap, mend)
    else:
        yield found("swap_ok", swap)


def _verdict(
    config: Config, needed: ledger.Forecast, model: Mapped, staying: Sequence[Holding], machinery: Machinery
) -> account.Verdict:
    limits = config.budget_bytes, config.worker_limit_bytes
    return account.judge(needed, model, staying, (), _before_start(machinery, staying), *limits)


def _before_start(machinery: Machinery, staying: Sequence[Holding]) -> Machine:
    """The judge takes what stays for held already: of it, only what our processes hold now is."""
    available = machinery.available
    used, shared = account.total(staying)
    held = used - shared if available.counts_mapped else used
    free = available.available_bytes + machinery.own_bytes - held
    return Machine(free, available.counts_mapped, available.source)


def _way_out(config: Config, verdict: account.Verdict) -> str:
    if verdict.code == "machine_memory_short":
        return "end other programs, lower model.context_tokens, or take a smaller model"
    smaller_cache = 'set model.kv_cache = "q8_0", ' if config.model.kv_cache == "f16" else ""
    return f"lower model.context_tokens, {smaller_cache}or raise {verdict.account.limit}"


def _forecast(situation: Situation) -> tuple[ledger.Forecast, Mapped]:
    """As admission makes it, but that only a file which is on record unchanged has its hash without being read."""
    section = situation.config.model
    path = model_path(section)
    shape = shape_of(path)
    stat = path.stat()
    formula = ledger.forecast(shape, section.context_tokens, section.kv_cache)
    matters = section.model_dump(include=set(ledger.MATTERING))
    mapped = Mapped((stat.st_dev, stat.st_ino), path.name, stat.st_size)
    with suppress(JournalError), peek(situation.paths.journal) as past:
        sha256 = _recorded_hash(ReleaseStore(situation.paths.releases), path, stat)
        subject = ledger.Subject(sha256, shape.architecture, __version__, matters)
        return ledger.corrected(formula, subject, past.observations()), mapped
    return formula, mapped


def _recorded_hash(store: ReleaseStore, path: Path, stat: os.stat_result) -> str:
    """Empty when no release of late has this very file."""
    last = store.last()
    for number in range(last, max(0, last - 10), -1):
        with suppress(SupervisorError):
            model = store.read(number).model
            if Path(model.path) == path and looks_like(stat, model):
                return model.sha256
    return ""


def _look(situation: Situation) -> Machinery:
    available, limit = machine.available(), machine.limit()
    total = psutil.virtual_memory().total
    swap = psutil.swap_memory()
    smaller = limit is not None and limit < total
    return Machinery(
        limit if smaller and limit is not None else total,
        "its cgroup" if smaller else "this machine",
        available,
        _own_bytes(situation),
        swap.used,
        swap.total,
    )


def _own_bytes(situation: Situation) -> int:
    """Private bytes of the service's processes."""
    ours = (each for each in psutil.process_iter() if role(each, situation.paths))
    return sum(memory.private_bytes for each in ours if (memory := measure(each)))
