"""`modelsvc health` against a scripted edge."""

import json

import pytest
from tests.cli.conftest import Run
from tests.cli.scripted import Answer, Script

from supervisor.protocol import ExitCode

ScriptedEdge = tuple[Script, str]
DEEP = {
    "color": "blue",
    "release": 6,
    "memory": {"rss_bytes": 100000000},
    "engine": None,
    "draining": False,
    "recent": [[1, 2]],
}


def test_a_healthy_service_is_one_fact_a_line(edge: ScriptedEdge, run: Run) -> None:
    """Lists of samples are for programs."""
    script, url = edge
    script.reply("GET /ready", {"status": "ready"})
    script.reply("GET /health/deep", DEEP)
    result = run("health", "--url", url)
    assert result.exit_code == ExitCode.DONE
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()] == [
        ["url", url],
        ["ready", "yes"],
        ["color", "blue"],
        ["release", "6"],
        ["memory.rss", "100 MB"],
        ["engine", "none"],
        ["draining", "no"],
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer([b'{"error": {"type": "unavailable", "message": "still loading", "code": "loading"}}'], 503),
        Answer([b"<html>still loading</html>"], 502, "text/html"),
    ],
)
def test_a_service_that_is_not_ready_says_why(edge: ScriptedEdge, run: Run, answer: Answer) -> None:
    script, url = edge
    script.answers["GET /ready"] = answer
    result = run("health", "--url", url)
    assert result.exit_code == ExitCode.FAILED
    assert "no" in result.stdout
    assert ("still loading" in result.stdout) == (answer.status == 503)


def test_what_both_answers_say_is_told_once(edge: ScriptedEdge, run: Run) -> None:
    """While requests are held, nginx answers all with the same error."""
    script, url = edge
    for path in ("/ready", "/health/deep"):
        script.refuse(f"GET {path}", "unavailable", "requests are held", 503)
    assert run("health", "--url", url).stdout.count("requests are held") == 1


def test_json_has_both_answers(edge: ScriptedEdge, run: Run) -> None:
    script, url = edge
    script.reply("GET /ready", {"status": "ready"})
    script.reply("GET /health/deep", DEEP)
    assert json.loads(run("health", "--json", "--url", url).stdout) == {
        "url": url,
        "ready": True,
        "answer": {"status": "ready"},
        "health": DEEP,
    }


def test_nobody_there_is_unreachable(run: Run, unused_tcp_port: int) -> None:
    result = run("health", "--json", "--url", f"http://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert json.loads(result.stdout)["error"]["code"] == "unreachable"
