"""`python service_with_fake.py --config FILE`: a real supervisor whose workers are tests/fake_worker.py."""

import argparse
import asyncio
import sys
from pathlib import Path

from supervisor import config as configuration
from supervisor import lock, logs, startup
from supervisor.core import bake
from supervisor.manager.activation import inherit
from supervisor.manager.notifier import Notifier
from supervisor.paths import control_socket, state_paths
from supervisor.service import serve
from supervisor.settings import Settings
from supervisor.workers import probe

PROBE_TIMEOUT_S = 2.0  # a fake is never busy
STALL_S = 0.7
FAKE_WORKER = Path(__file__).parent.parent / "fake_worker.py"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    config_path = parser.parse_args().config
    probe.PROBE_TIMEOUT_S, bake.STALL_S = PROBE_TIMEOUT_S, STALL_S
    inherited, manager = inherit(), Notifier.take()
    paths = state_paths()
    startup.lay_out(paths)
    with lock.take(paths.lock) as held:
        logs.configure(paths.logs / "supervisor.log")
        program = (sys.executable, str(FAKE_WORKER))
        config = configuration.load(config_path)
        settings = Settings(config, config_path, paths, control_socket(config_path), program, inherited, manager, held)
        asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
