"""From arguments to a running worker: everything that can be refused is refused before anything is loaded."""

import asyncio
import os
import socket
from pathlib import Path

from modelsvc import __version__
from modelsvc.worker import logs
from modelsvc.worker.errors import StartRefused
from modelsvc.worker.history import History
from modelsvc.worker.keys import KeyFiles, Keys
from modelsvc.worker.logs import log
from modelsvc.worker.metrics import Metrics
from modelsvc.worker.notify import Notifier
from modelsvc.worker.process import Life
from modelsvc.worker.release import check_unchanged, read_release
from modelsvc.worker.server import listen
from modelsvc.worker.service import Identity, Service


def start(
    release_file: Path,
    color: str,
    host: str,
    port: int,
    chat_db: Path,
    worker_id: str,
    key_files: KeyFiles,
    *,
    background: bool = False,
) -> int:
    logs.configure(color=color, worker_id=worker_id)
    notifier = Notifier(worker_id)
    try:
        service, listener = _prepare(release_file, color, host, port, chat_db, worker_id, Keys(key_files), background)
    except StartRefused as error:
        notifier.failed(str(error))
        log.error(error.code, reason=str(error))
        return 2
    return asyncio.run(_live(service, listener, notifier))


def _prepare(
    release_file: Path,
    color: str,
    host: str,
    port: int,
    chat_db: Path,
    worker_id: str,
    keys: Keys,
    background: bool,
) -> tuple[Service, socket.socket]:
    release = read_release(release_file)
    check_unchanged(release.model)
    listener = listen(host, port)
    metrics = Metrics(color, release.number, __version__)
    identity = Identity(color, worker_id, release, __version__, background)
    service = Service(identity, History(chat_db), metrics, keys)
    metrics.watch(service.snapshot, lambda: service.engine.model if service.engine else None)
    return service, listener


async def _live(service: Service, listener: socket.socket, notifier: Notifier) -> int:
    told = os.environ.get(logs.LOG_ENV)
    keeping = asyncio.create_task(logs.keep_in_place(Path(told) if told else None))
    try:
        return await Life(service, listener, notifier).run()
    finally:
        keeping.cancel()
