"""docs/api.md: every example is run against a real service, and every route has one."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.support.documents import ROOT, blocks
from tests.support.readers_shell import of_this_service, prepared
from tests.support.real_prometheus import FOUND
from tests.support.service_fixture import Service, service_folder
from tests.support.tool_templates import HERMES_TEMPLATE
from tools.random_gguf import Shape, write_random_gguf

PAGE = ROOT / "docs" / "api.md"
EVERYTHING = Shape(context=4096, pooling=3)  # with its template: a model that chats, calls tools and has embeddings
# A curl that fails where the service does.
CURLRC = 'fail-with-body\nsilent\nshow-error\nwrite-out = "\\n"\n'
NOT_FOR_CLIENTS = {("post", "/foreground")}  # the supervisor's
EXAMPLES = blocks(PAGE, "sh", "python")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.gguf"
    write_random_gguf(EVERYTHING, "F16", 1, path, HERMES_TEMPLATE)
    return path


def run(text: str, service: Service, language: str = "sh", **more: str) -> str:
    """What an example prints; fails where it does."""
    command = {"sh": ["bash", "-euc"], "python": [sys.executable, "-c"]}[language]
    arguments = [*command, of_this_service(text, service)]
    env = {**service.env, **more}
    done = subprocess.run(arguments, cwd=service.folder, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def shape(value: Any) -> Any:
    """The keys of an answer, at every depth."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case [first, *_]:
            return [shape(first)]
        case _:
            return None


def test_examples_without_keys(model: Path) -> None:
    """In the page's order; each deployment succeeds, and the last example ends the service."""
    shown = {one: other for one, other in pairwise(blocks(PAGE)) if other.language == "json"}
    security = {"allowed_origins": ["http://localhost:3000"]}
    with service_folder(tables={"model": {"path": str(model)}, "security": security}) as service:
        prepared(service, CURLRC).up()
        for block in (each for each in EXAMPLES if each.heading != "Keys"):
            if "monitor/up" in block.text and not FOUND:
                continue
            printed = run(block.text, service, block.language)
            finished = [json.loads(line) for line in printed.splitlines() if line.startswith('{"event":"finished"')]
            assert [event for event in finished if event["outcome"] != "succeeded"] == [], block
            if block in shown:
                assert shape(json.loads(printed.strip().splitlines()[-1])) == shape(json.loads(shown[block].text)), (
                    block
                )
            if "/v1/handover" in block.text:
                assert service.exit_code() == 0
                service.up()
        assert service.exit_code() == 0


def test_examples_with_keys(model: Path) -> None:
    """A key is made, and demanded."""
    shell, python = [each for each in EXAMPLES if each.heading == "Keys"]
    with service_folder(tables={"model": {"path": str(model)}, "security": {"api_keys_file": "keys"}}) as service:
        (prepared(service, CURLRC).folder / "keys").touch(mode=0o600)
        service.up()
        key = run(f'{shell.text}\nprintf "%s" "$KEY"', service).splitlines()[-1]
        assert "model" in run(python.text, service, "python", KEY=key)
        with pytest.raises(AssertionError, match="AuthenticationError"):
            run(python.text, service, "python", KEY="another")


def test_every_route_has_an_example(model: Path) -> None:
    """Of the two OpenAPI documents, by curl."""
    with service_folder() as service:
        service.up()
        worker = service.get("/openapi.json").json()
        control = json.loads(
            run('curl --unix-socket "$MODELSVC_HOME/run/control.sock" http://localhost/v1/schema/openapi.json', service)
        )
    asked = list(requests())
    missing = [
        (method, path)
        for document in (worker, control)
        for path, methods in document["paths"].items()
        for method in methods.keys() & {"get", "post", "delete"}
        if not any(method == how and matches(path, what) for how, what in asked)
    ]
    assert set(missing) == NOT_FOR_CLIENTS


def requests() -> Iterator[tuple[str, str]]:
    """Method and path of each curl of the page, and of each call of the function that stands for one."""
    for block in (each for each in EXAMPLES if each.language == "sh"):
        for line in block.text.splitlines():
            for words in (
                shlex.split(f"curl {part}", comments=True) for part in re.split(r"\bcurl |^control ", line)[1:]
            ):
                yield how(words), where(words, line.startswith("control "))


def how(words: list[str]) -> str:
    if "-X" in words:
        return words[words.index("-X") + 1].lower()
    return "post" if "-d" in words else "get"


def where(words: list[str], of_control: bool) -> str:
    target = words[1] if of_control else next(word for word in words if word.startswith("http"))
    path = f"/v1/{target}" if of_control else re.sub(r"https?://[^/]+", "", target)
    return path.partition("?")[0]


def matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path) is not None
