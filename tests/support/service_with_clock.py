"""`python service_with_clock.py --config FILE`: service_with_fake.py, on a machine whose clock is set by a file.

What is set is the time of day as Python tells it, and with it the time of the boot, which Linux computes from that. The
file is beside the configuration and holds seconds; it is read at every look at the clock.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil
from tests.support import service_with_fake

AHEAD = "ahead_s.txt"
CONFIG_ENV = "MODELSVC_CONFIG"


def main() -> None:
    path, now = Path(os.environ[CONFIG_ENV]).with_name(AHEAD), time.time

    def ahead_s() -> float:
        with suppress(FileNotFoundError):
            return float(path.read_text())
        return 0.0

    time.time = lambda: now() + ahead_s()
    if psutil.LINUX:
        system, booted = psutil._psplatform, psutil._psplatform.boot_time  # type: ignore[attr-defined]
        system.boot_time = lambda: booted() + ahead_s()
    service_with_fake.main()


if __name__ == "__main__":
    main()
