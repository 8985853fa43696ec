"""The control API from the asking side: the client, its exchanges with the daemon, and the events that it follows."""

from supervisor.client.client import ABSENT, ControlClient
from supervisor.client.exchange import Events, Unreachable
from supervisor.client.following import Following

__all__ = ["ABSENT", "ControlClient", "Events", "Following", "Unreachable"]
