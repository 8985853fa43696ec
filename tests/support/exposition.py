"""What an exposition in Prometheus' text format says."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")


class Exposition:
    """`exposition["name", "value", …]`: the sample with these values of its labels, in the order of their names."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text.decode() if isinstance(text, bytes) else text
        self.families: list[Metric] = list(text_string_to_metric_families(self.text))
        self._values = {_key(sample): sample.value for sample in self.samples()}

    def samples(self) -> Iterator[Sample]:
        return (sample for family in self.families for sample in family.samples)

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        return self._values[(key,) if isinstance(key, str) else key]

    def __contains__(self, key: object) -> bool:
        return ((key,) if isinstance(key, str) else key) in self._values


def promtool_says(text: str) -> str:
    """What `promtool check metrics` finds wrong, formally or by the field's conventions."""
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    return f"{found.stdout}{found.stderr}" or ("" if found.returncode == 0 else f"exit code {found.returncode}")


def _key(sample: Sample) -> tuple[str, ...]:
    return sample.name, *(value for _, value in sorted(sample.labels.items()))
