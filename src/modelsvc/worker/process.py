"""A worker's life: listen, load, serve, stop.

Stopping is a protocol. SIGTERM or SIGINT: announce it, close the listener, let every chat request finish (streams
included, however long; repeating the signal changes nothing), then give idle connections `SOCKETS_S` seconds, then exit
with 0. Who wants it faster sends SIGKILL.
"""

import asyncio
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import LoadFailed
from modelsvc.engine.priority import stand_back
from modelsvc.worker.app import build_app
from modelsvc.worker.logs import log
from modelsvc.worker.notify import Notifier
from modelsvc.worker.options import engine_options
from modelsvc.worker.server import EmbeddedServer
from modelsvc.worker.service import Service
from modelsvc.worker.state import Phase

SOCKETS_S = 5.0


class Life:
    def __init__(self, service: Service, listener: socket.socket, notifier: Notifier) -> None:
        self._service = service
        self._notifier = notifier
        self._server = EmbeddedServer(build_app(service), listener)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """The exit code."""
        self._catch_signals()
        serving = asyncio.create_task(self._server.serve())
        try:
            await self._load()
        except LoadFailed as error:
            return await self._fail(serving, error)
        await self._until_told(serving)
        died = serving.done()
        await self._shut_down(serving)
        log.info("stopped", server_died=died)
        return int(died)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signal_number, self._told_to_stop)

    def _told_to_stop(self) -> None:
        self._service.phase = Phase.STOPPING
        self._stop.set()

    async def _load(self) -> None:
        """Raises LoadFailed, unless that is only because we were told to stop."""
        try:
            engine = await asyncio.get_running_loop().run_in_executor(self._loader(), self._load_engine)
        except LoadFailed:
            if self._stop.is_set():
                return
            raise
        engine.observe = self._service.metrics.stepped
        self._service.engine = engine
        self._service.metrics.loaded(engine.model.load_seconds)
        if engine.model.repacked or not (engine.model.mapped_bytes or engine.model.device_bytes):
            log.warning("weights_not_shared", copied_bytes=engine.model.copied_bytes)
        if not self._stop.is_set():
            self._service.phase = Phase.READY
            await asyncio.to_thread(self._notifier.ready)
            log.info("ready", load_seconds=engine.model.load_seconds, mapped_bytes=engine.model.mapped_bytes)

    def _loader(self) -> ThreadPoolExecutor:
        """A thread for this alone: one that stood back is of no use to others."""
        initializer = stand_back if self._service.identity.background else None
        return ThreadPoolExecutor(1, thread_name_prefix="load", initializer=initializer)

    def _load_engine(self) -> Engine:
        identity = self._service.identity
        model, settings = identity.release.model, identity.release.settings
        options = engine_options(settings, model.size_bytes, background=identity.background)
        return Engine.load(model.path, options, self._progress)

    def _progress(self, fraction: float) -> bool:
        """In the loading thread. False gives up."""
        self._notifier.progress(f"loading {int(fraction * 100)} %")
        return not self._stop.is_set()

    async def _until_told(self, serving: asyncio.Task[None]) -> None:
        told = asyncio.create_task(self._stop.wait())
        await asyncio.wait({told, serving}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()

    async def _fail(self, serving: asyncio.Task[None], error: LoadFailed) -> int:
        self._service.phase = Phase.FAILED
        await asyncio.to_thread(self._notifier.failed, str(error))
        await self._close(serving)
        log.error("load_failed", reason=str(error))
        return 1

    async def _shut_down(self, serving: asyncio.Task[None]) -> None:
        log.info("stopping", in_flight=self._service.tally.in_flight)
        await asyncio.gather(asyncio.to_thread(self._notifier.stopping), self._close(serving))

    async def _close(self, serving: asyncio.Task[None]) -> None:
        self._server.stop()  # type: ignore[no-untyped-call]
        await self._service.tally.idle.wait()
        await asyncio.wait({serving}, timeout=SOCKETS_S)
        if self._service.engine:
            await self._service.engine.close()
        await self._service.history.close()
