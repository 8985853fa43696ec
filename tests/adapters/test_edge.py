"""The edge's life with the installed nginx: start, reroute, crash, adoption, end."""

import asyncio
import os
import shutil
import signal
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from disposable.ports import free_port
from tests.support.edge_backend import edge_backend
from tests.support.edge_client import StrictClient
from tests.support.edge_fixture import NGINX, edge_folder, running_edge

from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import ConfigError, EdgeError, PortTaken, StorageError
from supervisor.nginx import command
from supervisor.nginx import master as nginx_master
from supervisor.nginx.config import EdgeLimits, NginxBuild, Version
from supervisor.nginx.folder import CONFIG, TEMP, EdgeOptions
from supervisor.nginx.master import group_members
from supervisor.nginx.reload import MARKERS, MinTimeoutReload, RetireThenReload, strategy_for
from supervisor.nginx.route import ROUTE
from supervisor.patience import eventually

OLDER = (1, 22, 1)
NONSENSE = EdgeLimits(body_bytes=-1)


@pytest_asyncio.fixture
async def folder() -> AsyncIterator[Path]:
    async with edge_folder() as folder:
        yield folder


@asynccontextmanager
async def blue_edge(as_version: Version | None = None) -> AsyncIterator[Edge]:
    async with edge_backend(Color.BLUE) as blue, running_edge({Color.BLUE: blue}, as_version=as_version) as edge:
        edge.write_route(Color.BLUE)
        yield edge


def options(folder: Path, nginx: str = NGINX) -> EdgeOptions:
    return EdgeOptions(folder, {Color.BLUE: 1, Color.GREEN: 2}, f"127.0.0.1:{free_port()}", nginx)


async def status_of(edge: Edge, target: str = "/") -> int:
    async with StrictClient(edge.address.port) as client:
        return (await client.request("GET", target)).status


# --- start and stop ---------------------------------------------------------------------------------------------------


async def test_a_started_edge_serves_before_any_worker_does() -> None:
    """It says 503 itself; the report tells the rest."""
    async with running_edge() as edge:
        assert await status_of(edge) == 503
        report = edge.report()
        assert report.running and report.pid == edge.identity().pid
        assert report.nginx_version == str(edge.build) and report.swap == edge.build.swap
        assert report.routes_to is None and report.listen == str(edge.address)


async def test_nginx_leads_a_session_of_its_own_and_only_its_owner_may_look_inside() -> None:
    """The supervisor's terminal or death does not reach it."""
    async with running_edge() as edge:
        pid = edge.identity().pid
        assert os.getsid(pid) == os.getpgid(pid) == pid
        assert stat.S_IMODE(edge.options.folder.stat().st_mode) == 0o700


async def test_a_folder_with_a_space_and_a_dollar_sign_is_fine() -> None:
    """No path enters the configuration, so none needs quoting."""
    async with running_edge(name="model svc $1", as_version=OLDER) as edge:
        await edge.test_config()
        await edge.reload()
        assert await status_of(edge) == 503


async def test_starting_twice_leaves_the_running_nginx_alone() -> None:
    """A goal, not an order."""
    async with running_edge() as edge:
        assert await edge.start() == edge.identity()


async def test_stop_lets_an_answer_under_way_finish() -> None:
    """QUIT before TERM."""
    async with blue_edge() as edge, StrictClient(edge.address.port) as client:
        _, answered = await client.send("POST", "/stream?events=5&gap=0.05")
        stopping = asyncio.create_task(edge.stop(timeout_s=10))
        assert len([part async for part in client.parts(answered)]) == 5
        await stopping
        assert await edge.wait() == 0
        assert not edge.report().running


async def test_stop_ends_an_answer_that_takes_longer_than_the_deadline() -> None:
    """QUIT, deadline, TERM: nothing is left."""
    async with blue_edge() as edge, StrictClient(edge.address.port) as client:
        await client.send("POST", "/stream?events=1&gap=60")
        pid = edge.identity().pid
        await edge.stop(timeout_s=0.1)
        assert not group_members(pid)


async def test_clients_that_cannot_be_told_do_not_keep_it_from_stopping() -> None:
    """The folder of markers is gone, say; whoever waits for the end would wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with running_edge(as_version=OLDER, listener=listener, lasting=True) as edge:
            shutil.rmtree(edge.options.folder / MARKERS)
            await edge.stop(timeout_s=5)
            assert not edge.report().running


# --- what can be wrong ------------------------------------------------------------------------------------------------


def test_nginx_is_found_outside_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's PATH on Debian lacks sbin, and launchd's lacks Homebrew; a name nobody has stays as it was asked for."""
    program = tmp_path / "nginx-of-this-test"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(command, "USUAL_FOLDERS", (str(tmp_path),))

    assert command.locate("nginx-of-this-test") == str(program)
    assert command.locate(str(program)) == str(program)
    assert command.locate("nginx-of-nobody") == "nginx-of-nobody"


async def test_nginx_missing_says_how_to_install_it(folder: Path) -> None:
    """And nothing is created."""
    with pytest.raises(EdgeError, match=r"cannot run '/no/nginx' .* install nginx|brew install nginx") as caught:
        await Edge.open(options(folder, "/no/nginx"))
    assert caught.value.code == "nginx_missing"
    assert not folder.exists()


async def test_an_nginx_that_is_gone_by_now_is_told(folder: Path) -> None:
    """As is a folder where its log cannot be; else nobody would try it again."""
    folder.mkdir()
    build = await command.inspect(NGINX)
    with socket.socket() as listener:
        with pytest.raises(EdgeError, match=r"nginx cannot be started: .*/no/nginx"):
            command.start("/no/nginx", build, folder, listener)
        with pytest.raises(EdgeError, match=r"nginx cannot be started: .*start.log"):
            command.start(NGINX, build, folder / "gone", listener)


async def test_a_program_that_is_no_nginx_is_refused(folder: Path) -> None:
    """Its own words are shown."""
    with pytest.raises(EdgeError, match="does not say its version"):
        await Edge.open(options(folder, "echo"))


async def test_a_taken_port_names_its_holder(folder: Path) -> None:
    """nginx is not even started."""
    edge = await Edge.open(options(folder))
    taken = rf"is taken by .*\(pid {os.getpid()}\)"
    with socket.create_server((edge.address.host, edge.address.port)), pytest.raises(PortTaken, match=taken):
        await edge.start()
    assert not edge.report().running


async def test_a_rejected_configuration_is_told_in_nginxs_words(folder: Path) -> None:
    """By the test, and by a start without one; no process is left."""
    edge = await Edge.open(replace(options(folder), limits=NONSENSE))
    with pytest.raises(EdgeError, match='rejects its configuration: "client_max_body_size" directive') as tested:
        await edge.test_config()
    with pytest.raises(EdgeError, match='did not start: "client_max_body_size" directive') as started:
        await edge.start()
    assert tested.value.code == started.value.code == "config_rejected"
    assert not edge.report().running
    edge.close()


@pytest.mark.parametrize("as_version", [None, OLDER])
async def test_a_reload_that_nginx_rejects_changes_nothing(as_version: Version | None) -> None:
    """The old workers go on, and keep their clients' connections."""
    async with running_edge(as_version=as_version) as edge:
        workers = edge.workers()
        edge.folder.options = replace(edge.options, limits=NONSENSE)
        assert edge.write_config()
        with pytest.raises(EdgeError, match='nginx did not reload: "client_max_body_size" directive'):
            await edge.apply_config()
        assert edge.workers() == workers
        assert not list((edge.options.folder / MARKERS).iterdir())


async def test_what_needs_a_running_nginx_says_so(folder: Path) -> None:
    """No pid is made up."""
    edge = await Edge.open(options(folder))
    with pytest.raises(EdgeError, match="nginx does not run"):
        await edge.reload()
    with pytest.raises(EdgeError, match="nginx does not run"):
        edge.identity()


async def test_a_folder_too_deep_for_a_socket_is_refused(folder: Path) -> None:
    """The system's own message would not say why."""
    with pytest.raises(ConfigError, match="socket path"):
        await Edge.open(options(folder / ("deep" * 30)))


# --- route and reload -------------------------------------------------------------------------------------------------


async def test_nginx_and_we_see_the_same_route() -> None:
    """With the next request, on a connection that stays; also where somebody put both markers, or a folder."""
    async with (
        edge_backend(Color.BLUE) as blue,
        edge_backend(Color.GREEN) as green,
        running_edge({Color.BLUE: blue, Color.GREEN: green}) as edge,
        StrictClient(edge.address.port) as client,
    ):
        workers, route = edge.workers(), edge.options.folder / "route"

        async def seen() -> str | None:
            answer = await client.request("GET", "/echo")
            assert answer.status == (503 if edge.read_route() is None else 200)
            return answer.headers.get("x-modelsvc-color")

        for color in (None, Color.BLUE, Color.GREEN, None, Color.GREEN, Color.BLUE):
            edge.write_route(color)
            assert edge.read_route() == await seen() == color
        (route / "green").touch()
        assert edge.read_route() == await seen() == Color.GREEN
        (route / "green").unlink()
        (route / "green").mkdir()
        assert edge.read_route() == await seen() == Color.BLUE
        (route / "blue").unlink()
        assert edge.read_route() is await seen() is None
        assert edge.workers() == workers


async def test_a_configuration_is_made_right_only_when_it_is_wrong(folder: Path) -> None:
    """Edited, deleted, or of other limits."""
    edge = await Edge.open(options(folder))
    config, right = folder / CONFIG, (folder / CONFIG).read_text()
    assert not edge.write_config()
    config.write_text("nonsense;\n")
    assert edge.write_config() and config.read_text() == right
    config.unlink()
    assert edge.write_config() and config.read_text() == right
    edge.folder.options = replace(edge.options, limits=EdgeLimits(body_bytes=9))
    assert edge.write_config() and "client_max_body_size 9;" in config.read_text()


@pytest.mark.parametrize("as_version", [None, OLDER])
async def test_nginx_is_reloaded_only_when_it_runs_with_something_else(as_version: Version | None) -> None:
    """Not by a later supervisor that finds everything as it was; by one with other limits, once."""
    async with running_edge(as_version=as_version) as edge:
        workers, identity = edge.workers(), edge.identity()
        later = Edge(edge.options, edge.build)
        assert later.adopt(identity.pid, identity.started_at)
        assert not await later.apply_config() and later.workers() == workers

        changed = Edge(replace(edge.options, limits=EdgeLimits(body_bytes=9)), edge.build)
        assert changed.adopt(identity.pid, identity.started_at)
        assert await changed.apply_config() == workers and changed.workers().isdisjoint(workers)
        assert not await changed.apply_config()
        later.close()
        changed.close()


async def test_an_nginx_that_is_down_needs_no_reload() -> None:
    """A deployment that meets it between a crash and its restart goes on: the next one reads what is on disk."""
    async with running_edge() as edge:
        edge.folder.options = replace(edge.options, limits=EdgeLimits(body_bytes=9))
        assert edge.write_config()
        for member in group_members(edge.identity().pid):
            os.kill(member, signal.SIGKILL)
        await edge.wait()
        assert not await edge.apply_config()
        await edge.start()
        workers = edge.workers()
        assert not await edge.apply_config() and edge.workers() == workers


async def test_a_damaged_configuration_is_mended_before_the_next_start() -> None:
    """Nobody is asked to."""
    async with running_edge() as edge:
        await edge.stop(timeout_s=1)
        (edge.options.folder / CONFIG).write_text("nonsense;\n")
        await edge.start()
        assert await status_of(edge) == 503


async def test_a_folder_that_lost_a_part_is_mended_before_the_next_start() -> None:
    """Somebody tidied up while nginx was down."""
    async with running_edge() as edge:
        await edge.stop(timeout_s=1)
        for part in (MARKERS, TEMP, ROUTE):
            shutil.rmtree(edge.options.folder / part)
        await edge.start()
        assert await status_of(edge) == 503


async def test_a_folder_that_cannot_be_mended_is_told(folder: Path) -> None:
    """With what to do."""
    edge = await Edge.open(options(folder))
    try:
        (folder / MARKERS).rmdir()
        (folder / MARKERS).touch()
        with pytest.raises(StorageError, match=f"the folder {folder / MARKERS} cannot be made.*mend the rights"):
            await edge.start()
    finally:
        edge.close()


@pytest.mark.parametrize("as_version", [None, OLDER])
async def test_a_reload_cuts_no_stream_and_its_old_workers_leave(as_version: Version | None) -> None:
    """They finish what they have."""
    async with blue_edge(as_version) as edge:
        if edge.build.swap == "retire_then_reload":
            edge.strategy = RetireThenReload(timeout_s=0.1)

        async def no_old_workers() -> bool:
            return not edge.old_workers()

        async with StrictClient(edge.address.port) as client:
            _, answered = await client.send("POST", "/stream?events=10&gap=0.1")
            left = await edge.reload()
            assert left and edge.old_workers() == left
            assert len([part async for part in client.parts(answered)]) == 10
        assert await eventually(no_old_workers, timeout_s=5)


async def test_idle_connections_do_not_hold_a_reload_up() -> None:
    """They cannot be told, for nobody asks on them."""
    async with blue_edge(OLDER) as edge, StrictClient(edge.address.port) as client:
        if not edge.build.stub_status:
            pytest.skip("this nginx does not tell how many connections are idle")
        edge.strategy = RetireThenReload(timeout_s=60)
        await client.request("GET", "/echo")
        async with asyncio.timeout(10):
            await edge.reload()


async def test_markers_of_before_are_removed_at_the_start() -> None:
    """One may carry the number of a worker to come, which would end every connection after one answer."""
    async with running_edge(as_version=OLDER) as edge:
        await edge.stop(timeout_s=1)
        marker = edge.options.folder / MARKERS / "1"
        marker.touch()
        await edge.start()
        assert not marker.exists()


def test_each_kind_of_nginx_has_its_strategy() -> None:
    """The report's name of the swap is the strategy's."""
    assert isinstance(strategy_for(NginxBuild((1, 27, 4))), MinTimeoutReload)
    assert isinstance(strategy_for(NginxBuild((1, 27, 3))), RetireThenReload)
    for version in ((1, 27, 3), (1, 27, 4)):
        build = NginxBuild(version)
        assert strategy_for(build).name == build.swap


# --- crash and adoption -----------------------------------------------------------------------------------------------


async def test_clients_wait_while_a_killed_nginx_is_replaced() -> None:
    """The socket outlives master and workers: a connection made in between is served by the next nginx."""
    async with running_edge() as edge:
        pid = edge.identity().pid
        for member in group_members(pid):
            os.kill(member, signal.SIGKILL)
        assert await edge.wait() == -signal.SIGKILL
        waiting = asyncio.create_task(status_of(edge))
        assert (await edge.start()).pid != pid
        async with asyncio.timeout(5):
            assert await waiting == 503


async def test_the_workers_of_a_killed_master_finish_and_leave() -> None:
    """Their stream is not cut; they count as old workers until they are gone."""
    async with blue_edge() as edge, StrictClient(edge.address.port) as client:
        _, answered = await client.send("POST", "/stream?events=5&gap=0.1")
        pid, workers = edge.identity().pid, edge.workers()
        os.kill(pid, signal.SIGKILL)
        await edge.wait()
        await edge.start()
        assert edge.old_workers() == workers
        assert len([part async for part in client.parts(answered)]) == 5
        assert await status_of(edge, "/echo") == 200


async def test_a_later_supervisor_adopts_the_running_nginx() -> None:
    """By pid and start time; it can reroute and stop it, and starts a new one when that is gone."""
    async with running_edge() as edge:
        identity = edge.identity()
        edge.close()
        later = Edge(edge.options, edge.build)
        assert later.adopt(identity.pid, identity.started_at)
        assert await later.start() == identity
        await later.test_config()
        await later.reload()
        assert await status_of(later) == 503
        await later.stop(timeout_s=1)
        assert not (later.report()).running
        await later.start()
        assert await status_of(later) == 503
        await later.stop(timeout_s=1)
        later.close()


async def test_a_pid_that_was_given_away_again_is_not_adopted(folder: Path) -> None:
    """The start time tells."""
    edge = await Edge.open(options(folder))
    assert not edge.adopt(os.getpid(), 1.0)
    assert not edge.report().running
    await edge.stop(timeout_s=0)


async def test_the_inherited_socket_never_blocks() -> None:
    """In a blocking one, a worker that loses the race for a client would be stuck with all its connections."""
    async with edge_folder() as folder:
        edge = await Edge.open(options(folder))
        with socket.create_server((edge.address.host, edge.address.port)) as listener:
            edge.take(listener)
            assert not listener.getblocking()
            await edge.start()
            await edge.stop(timeout_s=1)


@pytest.mark.parametrize(
    ("title", "serves", "leaves"),
    [
        ("nginx: worker process", True, False),
        ("nginx: worker process is shutting down", False, True),
        ("", False, False),
        ("nginx: master process /usr/sbin/nginx -p edge/", False, False),
    ],
    ids=["serving", "leaving", "exiting", "newborn"],
)
async def test_only_workers_that_say_so_serve(
    title: str, serves: bool, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that exits has lost its title: counted as serving, it made a reload look undone."""
    async with running_edge() as edge:
        with monkeypatch.context() as patch:
            patch.setattr(nginx_master, "_title", lambda _: title)
            assert (bool(edge.workers()), bool(edge.old_workers())) == (serves, leaves)
