"""Who holds what, and whether a standby fits: every private byte once per process, every mapped file once.

An account is a table of rows that add up, and a limit. There are three, judged in this order:

    worker   the standby's own bytes                      against memory.worker_limit_gb
    budget   everything that will run, standby included   against memory.budget_gb
    machine  the same rows                                against what the machine can give at this moment
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from supervisor.core.ledger import Forecast, mb

NUMBER_COLUMNS = 9


@dataclass(frozen=True, slots=True)
class Mapped:
    """A model file: which one it is (device and inode), how it is called, and its bytes."""

    identity: tuple[int, int]
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process, or a group of them, holds: private bytes, and the model file it maps."""

    who: str
    private_bytes: int
    model: Mapped | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What the system can still give. On Linux that has the pages of mapped files in it, on macOS it has not."""

    available_bytes: int
    counts_mapped: bool
    source: str = "the machine"  # or the cgroup that allows less


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Account:
    """Rows that add up, and what they may add up to."""

    rows: tuple[Row, ...]
    limit: str
    limit_bytes: int

    @property
    def sum_bytes(self) -> int:
        return sum(row.bytes for row in self.rows)

    @property
    def short_bytes(self) -> int:
        """How much is missing; 0 when it fits."""
        return max(0, self.sum_bytes - self.limit_bytes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The account that decided, and why the standby is refused; `code` is empty when it is admitted.

    `transient`: it may fit in a while, when others hold less.
    """

    account: Account
    code: str = ""
    reason: str = ""
    transient: bool = False

    @property
    def admitted(self) -> bool:
        return not self.code

    @property
    def message(self) -> str:
        """The reason, and the table under it."""
        return "\n".join([self.reason, *table(self.account)])


def total(holdings: Iterable[Holding]) -> tuple[int, int]:
    """(all bytes used, those of them that are model files)."""
    holdings = tuple(holdings)
    shared = sum(model.size_bytes for model in models(holdings))
    return sum(holding.private_bytes for holding in holdings) + shared, shared


def models(holdings: Iterable[Holding]) -> list[Mapped]:
    """Every mapped file once, in the order of first mention."""
    found = {holding.model.identity: holding.model for holding in reversed(tuple(holdings)) if holding.model}
    return list(reversed(found.values()))


def shared_with(holdings: Iterable[Holding], model: Mapped) -> list[str]:
    """Who maps this file already."""
    return [held.who for held in holdings if held.model and held.model.identity == model.identity]


def judge(
    needed: Forecast,
    model: Mapped,
    staying: Sequence[Holding],
    leaving: Sequence[Holding],
    machine: Machine,
    budget_bytes: int,
    worker_limit_bytes: int,
) -> Verdict:
    """Whether a standby with this forecast may run beside `staying`, once `leaving` have ended."""
    own = Account(_own(needed), "memory.worker_limit_gb", worker_limit_bytes)
    if own.short_bytes:
        return _refused(
            own, "memory_short", "the standby alone would need", "lower model.context_tokens", transient=False
        )
    rows = _beside(needed, model, staying)
    budget = Account(rows, "memory.budget_gb", budget_bytes)
    if budget.short_bytes:
        alone = Account(_beside(needed, model, [held for held in staying if held.model is None]), "", budget_bytes)
        way_out = f"{'' if alone.short_bytes else 'deploy with --in-place, '}lower model.context_tokens"
        fits = not alone.short_bytes
        return _refused(budget, "memory_short", "with the standby it would all need", way_out, transient=fits)
    limit = _capacity(machine, [*staying, *leaving])
    physical = Account(rows, f"what {machine.source} can give", limit)
    if physical.short_bytes:
        way_out = "end other programs, or lower model.context_tokens"
        return _refused(physical, "machine_memory_short", "with the standby it would all need", way_out)
    return Verdict(budget)


def judge_guest(
    guest: Row, standby_bytes: int, holdings: Sequence[Holding], machine: Machine, budget_bytes: int
) -> Verdict:
    """Whether something beside the service fits, so that a deployment of what serves still does."""
    planned = (Row("a standby to deploy to", standby_bytes),) if standby_bytes else ()
    rows = (*_held(holdings), *planned, guest)
    budget = Account(rows, "memory.budget_gb", budget_bytes)
    if budget.short_bytes:
        return _refused(budget, "memory_short", f"with {guest.what} it would all need", "stop a standby nobody needs")
    physical = Account(rows, f"what {machine.source} can give", _capacity(machine, holdings))
    if physical.short_bytes:
        return _refused(physical, "machine_memory_short", f"with {guest.what} it would all need", "end other programs")
    return Verdict(budget)


def table(account: Account) -> list[str]:
    """The account as aligned lines, in MB."""
    rows = [*account.rows, Row("sum", account.sum_bytes), Row(account.limit, account.limit_bytes)]
    left = account.limit_bytes - account.sum_bytes
    rows.append(Row("short of", -left) if left < 0 else Row("left", left))
    width = max(len(row.what) for row in rows)
    return [f"  {row.what:<{width}}  {mb(row.bytes):>{NUMBER_COLUMNS + 3}}" for row in rows]


def _refused(account: Account, code: str, what: str, way_out: str, *, transient: bool = True) -> Verdict:
    limit = f"{account.limit} allows" if account.limit.startswith("memory.") else f"{account.limit} is"
    raising = ", or raise the limit" if account.limit.startswith("memory.") else ""
    return Verdict(
        account,
        code,
        f"{what} {mb(account.sum_bytes)}, and {limit} {mb(account.limit_bytes)}: it is short of"
        f" {mb(account.short_bytes)}; {way_out}{raising}",
        transient,
    )


def _beside(needed: Forecast, model: Mapped, staying: Sequence[Holding]) -> tuple[Row, ...]:
    """Those who stay, and the standby."""
    return (*_held(staying), *_weights(needed, model, staying), *_own(needed))


def _held(holdings: Sequence[Holding]) -> list[Row]:
    files = [Row(f"model {model.name}, mapped once", model.size_bytes) for model in models(holdings)]
    return [*(Row(held.who, held.private_bytes) for held in holdings), *files]


def _weights(needed: Forecast, model: Mapped, staying: Sequence[Holding]) -> list[Row]:
    """Of the standby's model, unless it is among the mapped ones."""
    return [] if shared_with(staying, model) else [Row(f"standby: weights {model.name}", needed.weights_bytes)]


def _own(needed: Forecast) -> tuple[Row, ...]:
    rows = (
        Row("standby: KV cache", needed.kv_bytes),
        Row("standby: compute", needed.compute_bytes),
        Row("standby: base", needed.base_bytes),
    )
    measured = Row("standby: as measured before", needed.correction_bytes)
    return (*rows, measured) if needed.correction_bytes else rows


def _capacity(machine: Machine, holdings: Sequence[Holding]) -> int:
    """What all of ours together may hold: what they hold now, and what is available besides."""
    used, shared = total(holdings)
    return machine.available_bytes + (used - shared if machine.counts_mapped else used)
