"""The configuration file as frozen values; every problem is reported at once, with its dotted path.

`values` are the kinds of value, `sections` the tables of the file with every key's meaning and unit, `file` the whole,
`reading` gets it from TOML, and `complaints` says what is wrong with it. `config/modelsvc.toml` and
`docs/configuration.md` are written from the code by `make config-docs`, and a test holds them to it.
"""

from supervisor.config.complaints import describe
from supervisor.config.file import Config
from supervisor.config.reading import load, parse, with_settings
from supervisor.config.sections import (
    ControlSection,
    DeploySection,
    EdgeSection,
    GateSection,
    HookSection,
    MemorySection,
    ModelSection,
    MonitorSection,
    SecuritySection,
    WatchSection,
    WorkersSection,
)
from supervisor.config.values import BYTES_PER_GB
from supervisor.listen import split_listen

__all__ = [
    "BYTES_PER_GB",
    "Config",
    "ControlSection",
    "DeploySection",
    "EdgeSection",
    "GateSection",
    "HookSection",
    "MemorySection",
    "ModelSection",
    "MonitorSection",
    "SecuritySection",
    "WatchSection",
    "WorkersSection",
    "describe",
    "load",
    "parse",
    "split_listen",
    "with_settings",
]
