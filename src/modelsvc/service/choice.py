"""Which service manager this system has."""

import sys

from modelsvc.service import programs
from modelsvc.service.errors import NoManager
from modelsvc.service.launchd import Launchd
from modelsvc.service.manager import Manager
from modelsvc.service.systemd import Systemd


def choose(name: str) -> Manager:
    """This system's, for the service of that name. Raises NoManager when there is none."""
    if sys.platform == "darwin":
        return Launchd(name)
    if programs.exists("systemctl"):
        return Systemd(name)
    raise NoManager("there is no service manager here (neither launchd nor systemd): run `modelsvc up` instead")
