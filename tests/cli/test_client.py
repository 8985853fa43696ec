"""The client against a scripted daemon: every way it can answer, and not answer."""

import socket
import threading
from pathlib import Path

import pytest
from tests.cli import samples
from tests.cli.scripted import Answer, Asked, Script

from supervisor.client import ControlClient
from supervisor.client.exchange import BadAnswer, DaemonError, StreamBroken, TimedOut, Unreachable
from supervisor.errors import SupervisorError
from supervisor.protocol import Color, DeployRequest, ExitCode, Finished, History, LogLines, StepState

PLAIN = {"in_place": False, "fast": False}


@pytest.fixture
def client(socket_path: Path) -> ControlClient:
    return ControlClient(socket_path, timeout_s=30)


def test_status_comes_back_as_sent(daemon: Script, client: ControlClient) -> None:
    daemon.reply("GET /v1/status", samples.STATUS)
    assert client.status() == samples.STATUS


def test_history_and_logs_say_what_they_want(daemon: Script, client: ControlClient) -> None:
    daemon.reply("GET /v1/history?limit=5", History(deployments=[samples.PAST]))
    daemon.reply("GET /v1/deployments/3", samples.PAST)
    daemon.reply("GET /v1/logs?source=blue&lines=2", LogLines(source="blue", lines=["a", "b"]))
    assert client.history(5) == [samples.PAST]
    assert client.deployment(3) == samples.PAST
    assert client.logs("blue", 2).lines == ["a", "b"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_gives_every_event_to_the_last(daemon: Script, client: ControlClient, chunked: bool) -> None:
    daemon.stream("POST /v1/deployments", samples.DEPLOYED, chunked=chunked)
    assert list(client.deploy(DeployRequest(settings={"model.slots": 2}))) == samples.DEPLOYED
    assert daemon.asked[0].body == {"model": None, "settings": {"model.slots": 2}, **PLAIN}


def test_a_stream_ends_at_finished_even_when_the_connection_stays(daemon: Script, client: ControlClient) -> None:
    daemon.stream("POST /v1/swap", [samples.STARTED], chunked=True, hold=True)
    assert list(client.swap()) == [samples.STARTED]


def test_each_operation_has_its_own_request(daemon: Script, client: ControlClient) -> None:
    paths = [
        "/v1/rollback",
        "/v1/swap",
        "/v1/workers/green/start",
        "/v1/workers/blue/stop",
        "/v1/shutdown",
        "/v1/handover",
    ]
    for path in paths:
        daemon.stream(f"POST {path}", [samples.STARTED])
    for events in (
        client.rollback(),
        client.swap(),
        client.start(Color.GREEN),
        client.stop(Color.BLUE, force=True),
        client.shutdown(),
        client.hand_over(),
    ):
        assert [type(event) for event in events] == [Finished]
    assert [asked.path for asked in daemon.asked] == paths
    assert daemon.asked[3] == Asked("POST", "/v1/workers/blue/stop", {"force": True})


def test_without_a_daemon_it_says_where_it_looked_and_what_to_do(client: ControlClient, socket_path: Path) -> None:
    with pytest.raises(Unreachable, match="modelsvc up") as absent:
        client.status()
    assert str(socket_path) in absent.value.message
    assert absent.value.exit_code is ExitCode.UNREACHABLE


def test_a_stale_socket_is_an_absent_daemon(client: ControlClient, socket_path: Path) -> None:
    """A killed daemon leaves its socket file behind."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path))
    with pytest.raises(Unreachable, match="refused"):
        client.status()


def test_a_file_in_the_sockets_place_is_an_absent_daemon(client: ControlClient, socket_path: Path) -> None:
    socket_path.write_text("")
    with pytest.raises(Unreachable):
        client.status()


def test_a_socket_path_too_long_is_told_before_anything_is_asked() -> None:
    with pytest.raises(SupervisorError, match="MODELSVC_HOME"):
        ControlClient(Path("/" + "a" * 120))


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("failed", 500, ExitCode.FAILED),
        ("invalid_request", 400, ExitCode.MISUSE),
        ("not_found", 404, ExitCode.MISUSE),
        ("refused", 409, ExitCode.REFUSED),
        ("timed_out", 504, ExitCode.TIMED_OUT),
        ("unavailable", 503, ExitCode.UNREACHABLE),
    ],
)
def test_the_daemons_error_keeps_its_type(
    daemon: Script, client: ControlClient, kind: str, status: int, code: ExitCode
) -> None:
    daemon.refuse("POST /v1/rollback", kind, "because", status)
    with pytest.raises(DaemonError, match="because") as error:
        client.rollback()
    assert (error.value.type, error.value.code, error.value.exit_code) == (kind, "scripted", code)


def test_an_error_line_in_a_stream_is_the_daemons_error(daemon: Script, client: ControlClient) -> None:
    error = {"error": {"type": "failed", "message": "the journal is full", "code": "journal_failed"}}
    daemon.stream("POST /v1/deployments", [samples.ACCEPTED, error])
    with pytest.raises(DaemonError, match="the journal is full"):
        list(client.deploy(DeployRequest()))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_that_breaks_says_during_which_step(daemon: Script, client: ControlClient, chunked: bool) -> None:
    events = [samples.ACCEPTED, *samples.walk(6), samples.changed(7, StepState.RUNNING)]
    daemon.stream("POST /v1/deployments", events, chunked=chunked, cut=True)
    with pytest.raises(StreamBroken, match="during step 7") as broken:
        list(client.deploy(DeployRequest()))
    assert "ctl status" in broken.value.message
    assert broken.value.exit_code is ExitCode.FAILED


def test_a_stream_that_breaks_in_a_line_is_broken_or_unreadable(daemon: Script, client: ControlClient) -> None:
    daemon.answers["POST /v1/swap"] = Answer([b'{"event":"acce'], chunked=True, cut=True)
    with pytest.raises((StreamBroken, BadAnswer)):
        list(client.swap())


def test_progress_alone_tells_the_step_too(daemon: Script, client: ControlClient) -> None:
    daemon.stream("POST /v1/deployments", [samples.ACCEPTED, samples.LOADING], cut=True)
    with pytest.raises(StreamBroken, match="during step 5:"):
        list(client.deploy(DeployRequest()))


def test_a_daemon_that_hangs_up_without_an_answer_is_broken(client: ControlClient, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        server.listen()
        hanging_up = threading.Thread(target=hang_up, args=(server,))
        hanging_up.start()
        with pytest.raises(StreamBroken, match="before it answered"):
            client.status()
        hanging_up.join()


def test_a_daemon_that_hangs_is_not_waited_for(socket_path: Path) -> None:
    """An operation may take hours, but its answer begins at once: `ctl shutdown` ends also without --timeout."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        server.listen()
        with pytest.raises(TimedOut, match=r"within 0\.2 s \(before it answered"):
            ControlClient(socket_path, timeout_s=0.2).shutdown()


def hang_up(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"active": "purple"}', b"[]", b'"\xff"'])
def test_an_answer_of_another_version_is_told_as_such(daemon: Script, client: ControlClient, body: bytes) -> None:
    daemon.answers["GET /v1/status"] = Answer([body])
    with pytest.raises(BadAnswer, match="same version"):
        client.status()


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"event":"unheard-of"}\n', b'{"error": 7}\n', b'{"error":7}\n'])
def test_a_malformed_event_is_told_as_such(daemon: Script, client: ControlClient, line: bytes) -> None:
    daemon.answers["POST /v1/swap"] = Answer([line])
    with pytest.raises(BadAnswer, match="same version"):
        list(client.swap())


def test_an_error_page_that_is_no_json_is_told_as_such(daemon: Script, client: ControlClient) -> None:
    daemon.answers["GET /v1/status"] = Answer([b"Internal Server Error"], 500, "text/plain")
    with pytest.raises(BadAnswer, match="Internal Server Error"):
        client.status()


def test_a_silent_daemon_times_out(daemon: Script, socket_path: Path) -> None:
    daemon.stream("POST /v1/deployments", [samples.ACCEPTED], hold=True)
    events = ControlClient(socket_path, patience_s=0.2).deploy(DeployRequest())
    assert next(events) == samples.ACCEPTED
    with pytest.raises(TimedOut) as late:
        next(events)
    assert late.value.exit_code is ExitCode.TIMED_OUT


def test_patience_counts_from_the_request_not_from_the_last_event(daemon: Script, socket_path: Path) -> None:
    daemon.stream("POST /v1/deployments", samples.DEPLOYED)
    events = ControlClient(socket_path, patience_s=1e-9).deploy
    with pytest.raises(TimedOut):
        list(events(DeployRequest()))
