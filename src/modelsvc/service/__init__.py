"""modelsvc under the system's service manager: installed, started, looked at, and taken away again.

`installation` is what is installed, `units` and `plist` write it down (pure), `manager` says what any manager can be
asked, `systemd` and `launchd` are the two, `choice` finds this system's, `operations` is what users ask for, `state`
how it is. `errors` has what can go wrong.
"""

from modelsvc.service.state import ServiceState, look

__all__ = ["ServiceState", "look"]
