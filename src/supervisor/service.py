"""The supervisor's life: the past taken up, servers and chores begun, the loop run, everything closed."""

import asyncio
import math
import signal
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from pathlib import Path

from supervisor import signals
from supervisor.chores import begin, keep_reserve, rotate_logs
from supervisor.config import split_listen
from supervisor.console import say
from supervisor.control.app import ControlPlane, build_app
from supervisor.control.server import ControlServer
from supervisor.core import events as ev
from supervisor.core.records import Warned
from supervisor.edge import Edge
from supervisor.errors import ActivationError, SupervisorError
from supervisor.front.server import FrontServer, build_front
from supervisor.hooks.hooks import missing_programs
from supervisor.http.unix_server import UnixServer
from supervisor.journal.reserve import Reserve
from supervisor.manager.activation import Inherited
from supervisor.nginx.config import EdgeLimits
from supervisor.nginx.folder import EdgeOptions
from supervisor.page.page import Page
from supervisor.parts import Parts
from supervisor.salvage import open_journal
from supervisor.settings import Settings
from supervisor.takeover import take_up
from supervisor.telemetry.textfile import Textfile
from supervisor.upkeep import Upkeep, required_files
from supervisor.workers.notify import Inbox

RETRY_S = 5.0


async def serve(settings: Settings) -> None:
    """Run one supervisor until a shutdown or a hand-over was asked for. Raises SupervisorError when it cannot begin."""
    config, paths = settings.config, settings.paths
    options = EdgeOptions(
        paths.edge,
        settings.ports,
        config.edge.listen,
        config.edge.nginx,
        EdgeLimits(hold_timeout_s=math.ceil(config.edge.hold_timeout_s)),
        paths.hold_socket,
        tuple(config.security.allowed_origins),
    )
    edge = await Edge.open(options)
    _take_socket(edge, settings.inherited)
    reserve = Reserve(paths.reserve)
    reserve.keep()
    journal = open_journal(paths, reserve)
    try:
        await _live(Parts(settings, edge, journal), reserve)
    finally:
        journal.close()


async def _live(parts: Parts, reserve: Reserve) -> None:
    manager = parts.settings.manager
    async with AsyncExitStack() as stack:
        stack.callback(begin(manager.run(parts.state)).cancel)
        _obey_signals(parts)
        stack.push_async_callback(parts.probe.close)
        stack.callback(parts.edge.close)
        hold = await _open_hold(parts, stack)  # first: nginx, which serves on, may find a worker gone at any time
        await take_up(parts)
        inbox = Inbox(parts.settings.paths.notify_socket, parts.loop.post)
        stack.callback(inbox.close)
        await inbox.open()
        plane = parts.plane()
        await _open_front(parts, plane, stack)
        control = await _open_control(parts, plane, stack)
        manager.ready()
        _announce(parts.settings)
        _warn_of_sockets(parts)
        _begin_chores(parts, reserve, stack)
        stack.callback(begin(Upkeep(required_files(parts, inbox, hold, control), parts.tell).run()).cancel)
        parts.monitor.open()
        stack.push_async_callback(parts.monitor.close)
        parts.loop.post(ev.Started())
        await parts.loop.run(parts.executor)
        if not parts.state().handover:  # else Prometheus serves on, too
            await parts.monitor.stop()


def _take_socket(edge: Edge, inherited: Inherited) -> None:
    """Serve on the socket that the service manager bound, if it is at the address that is configured.

    Raises ActivationError where that address cannot be had beside it.
    """
    if listener := inherited.at(edge.address):
        edge.take(listener, lasting=True)
    elif other := inherited.in_the_way(edge.address):
        raise ActivationError(
            f"the service manager listens on {other}, which leaves no room for edge.listen, {edge.address}: run"
            " `modelsvc service install` again"
        )


def _warn_of_sockets(parts: Parts) -> None:
    """Clients that come to the others are not answered."""
    listen = parts.edge.address
    for address in parts.settings.inherited.elsewhere(listen):
        parts.tell(
            Warned(
                f"the service manager listens on {address}, but edge.listen is {listen}, where the service is: run"
                " `modelsvc service install` again"
            )
        )


async def _open_hold(parts: Parts, stack: AsyncExitStack) -> UnixServer:
    """Places enough, so that those beyond the limit hear of it."""
    settings = parts.settings
    places = settings.config.edge.hold_limit * 2
    remedy = "set MODELSVC_HOME to a folder of its own"
    server = UnixServer(parts.holder, settings.paths.hold_socket, "hold", remedy, places)
    stack.push_async_callback(server.stop)
    stack.callback(parts.holder.close)
    await server.start()
    return server


async def _open_front(parts: Parts, plane: ControlPlane, stack: AsyncExitStack) -> None:
    """Metrics and the status page; without them the service goes on, and they come when they can."""
    config = parts.settings.config
    hosts = [*config.security.allowed_hosts, split_listen(config.control.metrics_listen)[0]]
    page = Page(config, plane, parts.probe, parts.traffic, parts.state)
    stack.push_async_callback(page.close)
    stack.callback(begin(page.run()).cancel)
    front = FrontServer(build_front(parts.metrics.render, hosts, page.routes()), config.control.metrics_listen)
    stack.push_async_callback(front.stop)
    try:
        await front.start()
    except SupervisorError as error:
        parts.tell(Warned(f"no metrics and no status page: {error.message}; tried again every {RETRY_S:.0f} s"))
        stack.callback(begin(_open_later(front)).cancel)


async def _open_later(front: FrontServer) -> None:
    while True:
        await asyncio.sleep(RETRY_S)
        with suppress(SupervisorError):
            await front.start()
            say("metrics and status page are served now")
            return


async def _open_control(parts: Parts, plane: ControlPlane, stack: AsyncExitStack) -> UnixServer:
    control = ControlServer(build_app(plane), parts.settings.control_socket)
    stack.push_async_callback(control.stop)
    stack.push_async_callback(parts.executor.close)
    await control.start()
    stack.push_async_callback(parts.hooks.close)
    stack.callback(parts.feed.close)  # followers leave before their servers wait for them
    parts.hooks.start()
    for problem in missing_programs(parts.settings.config.hook):
        parts.tell(Warned(problem))
    return control


def _begin_chores(parts: Parts, reserve: Reserve, stack: AsyncExitStack) -> None:
    if path := parts.settings.config.control.textfile:
        textfile = Textfile(Path(path), parts.metrics.render_own, parts.metrics.textfile_failures)
        stack.push_async_callback(textfile.close)
        stack.callback(begin(textfile.run()).cancel)
    chores = (
        rotate_logs(parts.settings.paths.held_logs),
        keep_reserve(reserve),
        parts.watchdog.run(),
        parts.traffic.run(),
        parts.room.watch(),
        *((parts.files.run(),) if parts.files else ()),
    )
    for chore in chores:
        stack.callback(begin(chore).cancel)


def _obey_signals(parts: Parts) -> None:
    """What is asked for while the past is taken up is done after that."""

    def told_to_stop() -> None:
        say("stopping: running answers are finished first")
        parts.loop.post(ev.ShutdownRequested("signal"))

    def told_to_hand_over() -> None:
        say("leaving the service to the next supervisor: what is under way is finished first")
        parts.loop.post(ev.HandoverRequested("signal"))

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, told_to_hand_over)
    signals.deliver()


def _announce(settings: Settings) -> None:
    listen, security = settings.config.edge.listen, settings.config.security
    say(f"edge http://{listen} · page http://{settings.config.control.metrics_listen}")
    say(f"control {settings.control_socket} · state {settings.paths.root}")
    if not ip_address(split_listen(listen)[0]).is_loopback and not security.api_keys_file:
        say(
            f"WARNING: edge.listen is {listen}, beyond this machine, and there are no API keys: whoever reaches it"
            " may ask, and read conversations; set security.api_keys_file, or listen on 127.0.0.1"
        )
