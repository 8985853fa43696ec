"""Log lines: JSON to stderr, one object a line. Contents of messages are never logged."""

import asyncio
import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import structlog

LOG_ENV = "MODELSVC_WORKER_LOG"
POLL_S = 1.0
OUTPUT, ERRORS = 1, 2


class Patient:
    """A file for logs: what a full disk refuses is lost, and no request fails for it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def configure(**context: object) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(Patient(sys.stderr)),  # type: ignore[arg-type]  # file enough
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**context)
    threading.excepthook = _thread_died


async def keep_in_place(path: Path | None) -> None:
    """Open the file that our output goes to anew where it was removed, or moved away. Until cancelled.

    None: nobody said which it is.
    """
    while path:
        await asyncio.sleep(POLL_S)
        with suppress(OSError):
            if not _is_output(path):
                _redirect(path)
                log.warning("log_was_removed", lost="what was written to it since")


def _is_output(path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(ERRORS))
    return False


def _redirect(path: Path) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.dup2(opened, OUTPUT)
        os.dup2(opened, ERRORS)
    finally:
        os.close(opened)


def _thread_died(died: threading.ExceptHookArgs) -> None:
    error = died.exc_value or died.exc_type()
    log.critical("thread_died", thread=died.thread.name if died.thread else None, exc_info=error)


log: Any = structlog.get_logger()


class Forward(logging.Handler):
    """Takes what libraries log through the standard library into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
