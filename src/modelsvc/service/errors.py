"""What can go wrong with a service manager.

SupervisorError
├── Refused
│   ├── NoManager       refused  4  there is no service manager here, or it does not answer this user
│   ├── NotInstalled    refused  4
│   └── InTheWay        refused  4  somebody else holds the state folder or the address
└── ManagerFailed       failed   1  the service manager did not do as it was told
"""

from supervisor.errors import Refused, SupervisorError


class NoManager(Refused):
    """No service manager can be asked here."""

    code = "no_service_manager"


class NotInstalled(Refused):
    """There is nothing to be started, stopped or removed."""

    code = "not_installed"


class InTheWay(Refused):
    """The service could not begin: somebody holds what it needs."""

    code = "in_the_way"


class ManagerFailed(SupervisorError):
    """The service manager did not do as it was told; the message has its own words."""

    code = "service_manager_failed"
