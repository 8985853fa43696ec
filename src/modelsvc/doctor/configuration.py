"""The configuration: which file, and all that is wrong with it."""

from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation

KEYS_FILE = "security.api_keys_file:"


def check(situation: Situation) -> Iterator[Finding]:
    """One finding, or one for each problem."""
    path = situation.config_path
    if situation.missing:
        yield found("config_missing", situation.missing, "correct the path, or leave it out: the defaults hold then")
    elif path is None:
        yield found("config_defaults", "there is no configuration file, so every key has its default")
    elif not situation.problems:
        yield found("config_ok", f"{path} is sound")
    for problem in situation.problems:
        if situation.keys_file and problem.startswith(KEYS_FILE):
            continue  # the check of keys tells it, with what mends it
        yield found(
            "config_invalid",
            f"{path}: {problem}",
            f"correct it in {path} (docs/configuration.md has every key); the other checks go on without this key",
        )
