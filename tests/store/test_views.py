"""How a pull shows itself: a bar on a terminal, lines in a pipe, JSON for programs; and what others pay for it."""

import json
import os
import pty
import re
import subprocess
import sys

from tests.cli.screen import COMMAND, read_all
from tests.store.conftest import MODEL, Run, begin
from tests.support import file_server as fs
from tests.support.file_server import FileServer

from modelsvc.cli.model.describe import event_line
from modelsvc.models import demo_model_path
from modelsvc.store.events import Began, Progress, Retrying, Waiting


def on_terminal(*args: str) -> tuple[int, str]:
    """Exit code, and what a terminal of 100 columns received."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen([*COMMAND, "model", *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    received = read_all(leader)
    os.close(leader)
    return process.wait(60), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", received.decode()).replace("\r", "")


def test_a_terminal_sees_a_bar_and_what_to_do_next(server: FileServer) -> None:
    """Retries are told above it, and the bar ends full."""
    server.script.append(fs.breaking_after(1_000_000))
    code, screen = on_terminal("pull", server.url("my [bold]model.gguf".replace(" ", "%20")))
    assert code == 0
    assert "the connection broke off" in screen and "trying again in" in screen
    assert "my [bold]model.gguf" in screen and "1.9/1.9 MB" in screen and "━━" in screen
    assert "serve it: modelsvc ctl deploy --model 'my [bold]model'" in screen


def test_a_terminal_sees_one_line_for_an_error(server: FileServer) -> None:
    server.usual = fs.status(404)
    code, screen = on_terminal("pull", server.url())
    assert code == 2
    assert screen.rstrip().splitlines()[-1].startswith("modelsvc: ") and "Traceback" not in screen


def test_a_pipe_gets_lines(run: Run) -> None:
    lines = run("pull", demo_model_path()).output.splitlines()
    assert [line.split()[0] for line in lines] == ["pulling", "checking", "demo.gguf", "serve", "or,"]


def test_programs_get_events_of_which_the_last_has_the_entry(run: Run, server: FileServer) -> None:
    server.script.append(fs.breaking_after(1_000_000))
    events = [json.loads(line) for line in run("pull", server.url(), "--json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["began", "retrying", "checking", "finished"]
    assert set(events[-1]["entry"]) == {"sha256", "name", "path", "size_bytes", "source"}
    assert events[-1]["entry"]["size_bytes"] == len(MODEL)


def test_a_long_transfer_tells_how_far_it_is(server: FileServer) -> None:
    """To programs once a second."""
    server.usual = fs.dripping
    process = begin("pull", server.url(), "--json")
    assert process.stdout is not None
    events = map(json.loads, process.stdout)
    progress = next(event for event in events if event["event"] == "progress")
    process.kill()
    process.communicate()
    assert 0 < progress["bytes"] < progress["size_bytes"] == len(MODEL)


def test_each_event_is_a_line_for_people() -> None:
    """With what is known."""
    assert event_line(Waiting(pid=None)) == "waiting for another pull of the same"
    assert event_line(Waiting(pid=7)) == "waiting for another pull of the same (pid 7)"
    resumed = Began(source="https://a/m", name="m", size_bytes=10_000_000, resumed_bytes=4_000_000)
    assert event_line(resumed) == "pulling https://a/m, 10 MB; 4 MB of it are there already"
    assert event_line(Progress(bytes=4_000_000, size_bytes=None)) == "4 MB"
    assert event_line(Progress(bytes=4_000_000, size_bytes=10_000_000)) == "4 MB of 10 MB"
    assert event_line(Retrying(reason="it broke", wait_s=0.5)) == "it broke; trying again in 0.5 s"


def test_other_commands_do_not_wait_for_the_hubs_library() -> None:
    """Nor for what transfers: both take longer to import than they do."""
    names = "'huggingface_hub', 'httpx', 'httpx2', 'pydantic'"
    code = f"import sys, modelsvc.cli.ctl.deploy, modelsvc.cli.ctl.prewarm; print({{{names}}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
    code = (
        "import sys, modelsvc.cli.model.listing, modelsvc.cli.model.pull; print({'huggingface_hub'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"
