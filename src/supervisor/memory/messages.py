"""Values of the core as messages and as the JSON that is kept with a deployment's steps."""

from typing import Any

import msgspec

from supervisor.core.account import Account
from supervisor.core.ledger import Forecast, Observation
from supervisor.core.sharing import Proof
from supervisor.protocol import AccountReport, AccountRow, ForecastReport, ObservationReport


def forecast_report(forecast: Forecast) -> ForecastReport:
    return ForecastReport(
        private_bytes=forecast.private_bytes,
        kv_bytes=forecast.kv_bytes,
        compute_bytes=forecast.compute_bytes,
        base_bytes=forecast.base_bytes,
        correction_bytes=forecast.correction_bytes,
        weights_bytes=forecast.weights_bytes,
        basis=forecast.basis,
    )


def account_report(account: Account) -> AccountReport:
    return AccountReport(
        rows=[AccountRow(what=row.what, bytes=row.bytes) for row in account.rows],
        sum_bytes=account.sum_bytes,
        limit=account.limit,
        limit_bytes=account.limit_bytes,
        short_bytes=account.short_bytes,
    )


def observation_report(seen: Observation) -> ObservationReport:
    return ObservationReport(
        model_sha256=seen.subject.model_sha256,
        architecture=seen.subject.architecture,
        settings=dict(seen.subject.settings),
        package_version=seen.subject.package_version,
        formula_bytes=seen.formula_bytes,
        measured_bytes=seen.measured_bytes,
    )


def sharing_evidence(proof: Proof) -> dict[str, object]:
    """None where the system does not tell."""
    load, memory = proof.load, proof.memory
    return {
        "mapped_bytes": load.mapped_bytes,
        "copied_bytes": load.copied_bytes,
        "device_bytes": load.device_bytes,
        "repacked": load.repacked,
        "private_bytes": memory.private_bytes,
        "pss_bytes": memory.pss_bytes,
        "forecast_bytes": proof.forecast_bytes,
        "resident_of_file_bytes": memory.mapping.resident_bytes if memory.mapping else None,
        "private_copies_of_file_bytes": memory.mapping.private_copies_bytes if memory.mapping else None,
        "shared_with": list(proof.shared_with),
    }


def plain(message: msgspec.Struct) -> dict[str, Any]:
    """A message as JSON values."""
    values: dict[str, Any] = msgspec.to_builtins(message)
    return values
