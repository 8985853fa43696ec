"""docs/first-deployment.md: its commands do what it shows, in its order, on a small model."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from disposable.waiting import until
from tests.support.documents import ROOT, blocks
from tests.support.readers_shell import of_this_service, prepared
from tests.support.service_fixture import Service, running_service
from tools.random_gguf import Shape, write_random_gguf

PAGE = ROOT / "docs" / "first-deployment.md"
STEP = re.compile(r"^ ?(\d+/13)  (done|failed|skipped) +(.*?)  ", re.MULTILINE)
BEGUN, REFUSED = "modelsvc up", "models/cut.gguf"


@pytest.fixture
def service() -> Iterator[Service]:
    """Started, as the page's first command does."""
    with running_service() as service:
        models = service.folder / "models"
        write_random_gguf(Shape(context=8192), "F16", 1, models / "my-model.gguf")
        (models / "cut.gguf").write_bytes((models / "my-model.gguf").read_bytes()[:100_000])
        yield prepared(service)


def run(text: str, service: Service, expected: int = 0) -> str:
    command = ["bash", "-euc", of_this_service(text, service)]
    env = {**service.env, "HOME": str(service.folder), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=service.folder, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == expected, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@contextmanager
def asking(text: str, service: Service) -> Iterator[None]:
    """The page's loop, in the background from its first answer on."""
    env, asked = {**service.env, "HOME": str(service.folder)}, service.folder / "asked.txt"
    command = ["bash", "-c", of_this_service(text, service)]
    with subprocess.Popen(command, cwd=service.folder, env=env, start_new_session=True) as process:
        try:
            until(lambda: asked.exists() and asked.read_text(), "somebody was answered", 20)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def test_the_page_can_be_followed(service: Service) -> None:
    """Each command succeeds, or is refused where the page says so; nobody who asks meanwhile fails."""
    shells = [block.text for block in blocks(PAGE, "sh") if block.text.strip() != BEGUN]
    at = next(number for number, text in enumerate(shells) if "while sleep" in text)
    said = [run(text, service) for text in shells[:at]]
    with asking(shells[at], service):
        said += [run(text, service, 4 if REFUSED in text else 0) for text in shells[at + 1 :]]

    printed = "\n".join(said)
    assert set(STEP.findall(PAGE.read_text())) - set(STEP.findall(printed)) == set()
    answers = {line.split()[0] for line in (service.folder / "asked.txt").read_text().splitlines()}
    assert answers == {"200"}
