"""Everything that can go wrong in the supervisor, as one tree.

    SupervisorError            type             exit code  transient
    ├── ConfigError            invalid_request  2          -
    ├── InvalidRequest         invalid_request  2          -
    ├── NotFound               not_found        2          -
    ├── Refused                refused          4          -
    │   ├── BadModel
    │   ├── PortTaken
    │   └── AlreadyRunning
    ├── EdgeError              failed           1          yes
    ├── WorkerError            failed           1          yes
    ├── MonitorError           failed           1          -
    ├── ActivationError        failed           1          -
    ├── DownloadError          failed           1          -
    ├── StorageError           failed           1          yes
    │   └── JournalError
    │       └── JournalCorrupt
    └── DeadlineExceeded       timed_out        5          -

`transient` is what a class says unless the one who raises it knows better: the reason may go away without anybody
changing anything, so that trying again later is of use.

A foreign exception is translated once, in the adapter that met it. Every message says what happened, with the value,
and what to do.
"""

import errno
from collections.abc import Mapping

from supervisor.protocol import EXIT_CODES, ErrorBody, ErrorType, ExitCode

# Of a server that is away, or a machine that is short of something.
AWAY = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH)
SHORT = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def is_transient(error: Exception) -> bool:
    """Whether a file that could not be read need not be mended for that."""
    return isinstance(error, OSError) and error.errno in (*AWAY, *SHORT)


class SupervisorError(Exception):
    """Base of all: `type` decides the exit code and HTTP status, `code` names the exact case."""

    type: ErrorType = "failed"
    code = "failed"
    transient = False  # the reason may go away without anybody changing anything

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        evidence: Mapping[str, object] | None = None,
        transient: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = self.transient if transient is None else transient
        self.message = message
        self.code = code or self.code
        self.evidence = evidence or {}  # the figures behind the message, as JSON values

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.type]

    def body(self) -> ErrorBody:
        """The error as it travels on the socket."""
        return ErrorBody(type=self.type, message=self.message, code=self.code)


class ConfigError(SupervisorError):
    """The configuration cannot be used; the message lists every problem with its dotted path."""

    type: ErrorType = "invalid_request"
    code = "bad_config"


class InvalidRequest(SupervisorError):
    """A control request that cannot be meant."""

    type: ErrorType = "invalid_request"
    code = "invalid_request"


class NotFound(SupervisorError):
    """No such deployment, release or log."""

    type: ErrorType = "not_found"
    code = "not_found"


class Refused(SupervisorError):
    """Understood, but not done: nothing was changed."""

    type: ErrorType = "refused"
    code = "refused"


class BadModel(Refused):
    """A file that cannot be served, or is not the one that was asked for."""

    code = "bad_model"


class PortTaken(Refused):
    """A port that should be ours is in use; the message names the holder."""

    code = "port_taken"


class AlreadyRunning(Refused):
    """Another supervisor holds the state folder."""

    code = "already_running"


class EdgeError(SupervisorError):
    """nginx is missing, rejects its configuration, or does not do as told."""

    code = "edge_failed"
    transient = True


class WorkerError(SupervisorError):
    """A worker could not be started or does not answer as it should."""

    code = "worker_failed"
    transient = True


class MonitorError(SupervisorError):
    """Prometheus is missing, does not start, or does not answer."""

    code = "monitor_failed"


class ActivationError(SupervisorError):
    """The service manager does not hand over the sockets it bound for us."""

    code = "activation_failed"


class DownloadError(SupervisorError):
    """A model cannot be brought here: the server fails, lies, or breaks off."""

    code = "download_failed"


class StorageError(SupervisorError):
    """A file that must survive cannot be written."""

    code = "storage_failed"
    transient = True


class JournalError(StorageError):
    """The journal cannot be read or written."""

    code = "journal_failed"


class JournalCorrupt(JournalError):
    """The journal's file is damaged, or is none; the next start sets it aside and begins a new one."""

    code = "journal_corrupt"


class DeadlineExceeded(SupervisorError):
    """Something did not happen in time."""

    type: ErrorType = "timed_out"
    code = "timed_out"
