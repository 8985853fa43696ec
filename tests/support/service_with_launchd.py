"""`python service_with_launchd.py --config FILE`: a real supervisor that takes its socket from a library of the test.

What it takes it by is the code for launchd, whose function the library has.
"""

import socket
import sys
from collections.abc import MutableMapping

from supervisor import __main__ as program
from supervisor.manager import activation
from supervisor.manager.launchd import launchd_sockets

LIBRARY_ENV = "MODELSVC_TEST_LAUNCHD"


def sockets_of_launchd(environ: MutableMapping[str, str]) -> list[socket.socket]:
    return launchd_sockets(activation.EDGE_SOCKET, environ[LIBRARY_ENV])


if __name__ == "__main__":
    activation.systemd_sockets = sockets_of_launchd  # type: ignore[assignment]  # in place of systemd's
    sys.exit(program.main())
