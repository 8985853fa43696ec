"""Log lines: JSON to stderr, one object a line. Contents of messages are never logged."""

import logging
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

import structlog


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


def _thread_died(died: threading.ExceptHookArgs) -> None:
    error = died.exc_value or died.exc_type()
    log.critical("thread_died", thread=died.thread.name if died.thread else None, exc_info=error)


log: Any = structlog.get_logger()


class Forward(logging.Handler):
    """Takes what libraries log through the standard library into our log."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)
