"""`modelsvc worker`: started by the supervisor. Exit codes: 0 stopped when told, 1 failed, 2 misuse or bad release."""

import signal
import sys
from importlib import import_module
from pathlib import Path

import click

from modelsvc.engine.priority import run_standing_back
from modelsvc.process_exit import exit_now

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog="Example: modelsvc worker --release 0007.toml --color blue --port 8000 --chat-db chat.db")
@click.option("--release", "release_file", type=_FILE, required=True, help="What to run: a release file (TOML).")
@click.option("--color", type=click.Choice(["blue", "green"]), required=True, help="The slot this worker fills.")
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="The port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--chat-db", type=_FILE, required=True, help="Conversations (SQLite, shared by both colours).")
@click.option("--worker-id", default="manual", show_default=True, help="Echoed in notifications and health.")
@click.option("--api-keys", type=_FILE, help="Keys that may ask; without it, everyone may.")
@click.option("--probe-key", type=_FILE, help="The supervisor's own key.")
@click.option("--background", is_flag=True, help="Leave the processors to others until a client asks.")
def worker(
    release_file: Path,
    color: str,
    port: int,
    host: str,
    chat_db: Path,
    worker_id: str,
    api_keys: Path | None,
    probe_key: Path | None,
    background: bool,
) -> None:
    """Serve one release on one port until told to stop (internal: the supervisor starts it)."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop takes over there is nothing to finish
    if background:
        run_standing_back(lambda: import_module("modelsvc.worker.start"))
    from modelsvc.worker.keys import KeyFiles  # late: the command tree must stay quick to import
    from modelsvc.worker.start import start

    keys = KeyFiles(api_keys, probe_key)
    exit_now(start(release_file, color, host, port, chat_db, worker_id, keys, background=background))
