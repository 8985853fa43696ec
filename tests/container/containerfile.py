"""A Containerfile as data: stages of instructions, and rules that they keep."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECRET = re.compile(r"password|secret|token|api_?key|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Instruction:
    name: str
    value: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.value)


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    image: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [each.value for each in self.instructions if each.name == name]


def parse(text: str) -> list[Stage]:
    """Raises ValueError for what precedes the first FROM."""
    stages: list[Stage] = []
    for name, value in _lines(text):
        if name == "FROM":
            image, _, alias = value.partition(" AS ")
            stages.append(Stage(image, alias))
        elif stages:
            stages[-1].instructions.append(Instruction(name, value))
        else:
            raise ValueError(f"{name} comes before the first FROM")
    return stages


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Instructions without comments, each on one line."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", "", kept).splitlines():
        if line.strip():
            name, _, value = line.strip().partition(" ")
            yield name, value.strip()


def problems(text: str, context: Path) -> list[str]:
    """What a linter would say; empty when nothing."""
    stages = parse(text)
    return [*_images(stages), *_apt(stages), *_copies(stages, context), *_secrets(stages), *_last(stages[-1])]


def _images(stages: list[Stage]) -> Iterator[str]:
    for stage in stages:
        if ":" not in stage.image.rpartition("/")[2] or stage.image.endswith(":latest"):
            yield f"FROM {stage.image}: name a tag that is not latest"
        if "/" not in stage.image:
            yield f"FROM {stage.image}: name the registry, for podman asks which"


def _apt(stages: list[Stage]) -> Iterator[str]:
    for run in (run for stage in stages for run in stage.all("RUN") if "apt-get install" in run):
        for wanted in ("apt-get update", "--no-install-recommends", "--yes", "rm -rf /var/lib/apt/lists/*"):
            if wanted not in run:
                yield f"RUN {run}: {wanted} is missing"


def _copies(stages: list[Stage], context: Path) -> Iterator[str]:
    for stage in stages:
        yield from (f"ADD {value}: use COPY" for value in stage.all("ADD"))
        for value in stage.all("COPY"):
            *sources, _ = [word for word in value.split() if not word.startswith("--")]
            outside = "--from=" in value
            yield from (
                f"COPY {source}: not there" for source in sources if not outside and not (context / source).exists()
            )


def _secrets(stages: list[Stage]) -> Iterator[str]:
    for stage in stages:
        for name in ("ENV", "ARG"):
            yield from (
                f"{name} {value}: a secret stays in the image" for value in stage.all(name) if SECRET.search(value)
            )


def _last(stage: Stage) -> Iterator[str]:
    """The stage that is run."""
    users = stage.all("USER")
    if not users or users[-1].split(":")[0] in ("root", "0"):
        yield "the last stage runs as root"
    for name in ("CMD", "ENTRYPOINT"):
        yield from (f"{name} {value}: use the exec form" for value in stage.all(name) if not _is_exec(value))
        if len(stage.all(name)) != 1:
            yield f"there should be one {name}"
    checks = stage.all("HEALTHCHECK")
    if not checks or not _is_exec(checks[0].partition("CMD")[2].strip()):
        yield "HEALTHCHECK: one in the exec form is missing"


def _is_exec(value: str) -> bool:
    try:
        words = json.loads(value)
    except ValueError:
        return False
    return isinstance(words, list) and all(isinstance(word, str) for word in words)
