"""Plans and accounts of memory as lines for people. Pure: values in, text out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from modelsvc.cli.text import columns, mb
from supervisor.protocol import AccountReport, ForecastReport, MemoryReport, ObservationReport, Plan, ProcessReport

SHA_SHOWN = 12


def plan_lines(plan: Plan) -> list[str]:
    """What would be deployed, and the account of it."""
    changes = [f"  {key}: {before} -> {after}" for key, (before, after) in sorted(plan.changed.items())]
    return [
        f"release {plan.release} would be {PurePath(plan.model_path).name} ({plan.model_sha256[:SHA_SHOWN]})"
        + (", in place" if plan.in_place else ""),
        *(["changes:", *changes] if changes else ["nothing differs from what serves"]),
        *forecast_lines(plan.forecast),
        "memory, with the standby:",
        *account_lines(plan.account),
        *(["Prometheus would be stopped for it"] if plan.monitor_leaves else []),
        "it would be admitted; nothing was changed" if plan.admitted else "it would be refused; nothing was changed",
    ]


def account_lines(account: AccountReport) -> list[str]:
    """The rows, what they add up to, and what is left or missing."""
    spare = account.limit_bytes - account.sum_bytes
    rows = [
        *((row.what, row.bytes) for row in account.rows),
        ("sum", account.sum_bytes),
        (account.limit, account.limit_bytes),
        ("short of", -spare) if spare < 0 else ("left", spare),
    ]
    return table([[what, mb(size)] for what, size in rows])


def forecast_lines(forecast: ForecastReport) -> list[str]:
    correction = f" {mb(forecast.correction_bytes)} as measured before" if forecast.correction_bytes else ""
    return [
        f"forecast: {mb(forecast.private_bytes)} of its own (KV cache {mb(forecast.kv_bytes)}, compute"
        f" {mb(forecast.compute_bytes)}, base {mb(forecast.base_bytes)}{',' if correction else ''}{correction}),"
        f" weights {mb(forecast.weights_bytes)}; by {forecast.basis}"
    ]


def memory_lines(report: MemoryReport) -> list[str]:
    left = report.budget_bytes - report.used_bytes
    spare = f"{mb(left)} left" if left >= 0 else f"{mb(-left)} over"
    return [
        *table([["process", "RSS", "USS", "private", "PSS"], *map(_process, report.processes)]),
        *table([["model file, counted once", "size", "mapped by"], *_models(report)]),
        f"budget: {mb(report.used_bytes)} of {mb(report.budget_bytes)} used, {mb(report.shared_bytes)} of it model"
        f" files; {spare}",
        f"{report.available_of} can give {mb(report.available_bytes)} more",
        *(["a standby with the active release:", *forecast_lines(report.forecast)] if report.forecast else []),
        *_measured(report.observations),
    ]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Names to the left, everything after them to the right, all columns as wide as their widest."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = (
        [
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    )
    return [f"  {'  '.join(cells)}".rstrip() for cells in lines]


def _process(process: ProcessReport) -> list[str]:
    count = len(process.pids)
    name = f"{process.who} ({count} processes)" if count > 1 else f"{process.who} (pid {process.pids[0]})"
    pss = "-" if process.pss_bytes is None else mb(process.pss_bytes)
    return [name, mb(process.rss_bytes), mb(process.uss_bytes), mb(process.private_bytes), pss]


def _models(report: MemoryReport) -> list[list[str]]:
    return [[model.name, mb(model.size_bytes), " and ".join(model.mapped_by)] for model in report.models]


def _measured(observations: Sequence[ObservationReport]) -> list[str]:
    if not observations:
        return ["no deployment has measured anything yet"]
    counts = Counter(tuple(_observation(seen)) for seen in observations)  # in the order of the newest of each
    rows = [["model", "settings", "formula", "measured"], *(_counted(row, count) for row, count in counts.items())]
    return ["what earlier deployments measured, newest first:", *(f"  {line}" for line in columns(rows))]


def _counted(row: Sequence[str], count: int) -> list[str]:
    *before, last = row
    return [*before, f"{last}, {count} times" if count > 1 else last]


def _observation(seen: ObservationReport) -> list[str]:
    settings = ", ".join(f"{key} {value}" for key, value in sorted(seen.settings.items()))
    return [seen.model_sha256[:SHA_SHOWN], settings, mb(seen.formula_bytes), mb(seen.measured_bytes)]
