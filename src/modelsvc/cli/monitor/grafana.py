"""`modelsvc monitor grafana`: how to have a Grafana show this service."""

import http.client
import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from modelsvc.cli import output
from modelsvc.cli.base import Command
from modelsvc.cli.ctl import Target
from modelsvc.cli.edge import web_address
from supervisor.errors import InvalidRequest
from supervisor.protocol import GrafanaFiles

PORT = 3000
DASHBOARD = "/d/modelsvc"
USUAL_FOLDERS = ("/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/share/grafana/bin")
HOMES = ("/usr/share/grafana", "/opt/homebrew/opt/grafana/share/grafana", "/usr/local/opt/grafana/share/grafana")
TIMEOUT_S = 2.0


@click.command(cls=Command)
@click.option("--url", default=f"http://127.0.0.1:{PORT}", show_default=True, help="Where Grafana is, or will be.")
@click.pass_obj
def grafana(target: Target, url: str) -> None:
    """Say how to start Grafana with our datasource and dashboard, or where they are open already.

    Nothing is started: Grafana stays yours.

    \b
    Example:
      modelsvc monitor grafana
    """
    _check(url)
    files = target.client().grafana_files()
    program, health = find_grafana(), ask_health(url)
    command = start_command(program, files, url)
    if output.json_wanted():
        output.emit(
            {
                "program": program,
                "command": command,
                "environment": environment(files),
                "answers": health is not None,
                "version": (health or {}).get("version"),
                "url": f"{url}{DASHBOARD}",
            }
        )
        return
    click.echo("\n".join(lines(program, command, health, url)))


def _check(url: str) -> None:
    """Raise InvalidRequest for what is no address of a server."""
    if web_address(url) is None:
        raise InvalidRequest(f"{url!r} is no address of a Grafana: write it as http://127.0.0.1:{PORT}")


def lines(program: str | None, command: str, health: dict[str, Any] | None, url: str) -> list[str]:
    """For a person: what is there, what to run, what to open."""
    if health is not None:
        version = f" {health['version']}" if health.get("version") else ""
        return [
            f"Grafana{version} answers: open {url}{DASHBOARD}",
            "If it does not know that dashboard, end it, and start it with our files:",
            f"  {command}",
        ]
    missing = ["There is no Grafana here: get it as grafana.com/docs says, or with `brew install grafana`. Then run:"]
    return [
        *(missing if program is None else ["Grafana does not answer. Start it:"]),
        f"  {command}",
        f"and open {url}{DASHBOARD}",
    ]


def find_grafana() -> str | None:
    """The server's program, also where a user's PATH does not reach: newer versions have one for everything."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *USUAL_FOLDERS))
    return shutil.which("grafana", path=path) or shutil.which("grafana-server", path=path)


def environment(files: GrafanaFiles) -> dict[str, str]:
    """What our provisioning files take from there."""
    return {
        "GF_PATHS_PROVISIONING": files.provisioning,
        "MODELSVC_DASHBOARDS": files.dashboards,
        "MODELSVC_PROMETHEUS_URL": files.prometheus_url,
    }


def start_command(program: str | None, files: GrafanaFiles, url: str) -> str:
    """What to type; the data stay in the user's own folder, for the packaged ones belong to Grafana's user."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "modelsvc-grafana"
    address = urlsplit(url)
    settings = environment(files) | {
        "GF_PATHS_DATA": str(state),
        "GF_PATHS_LOGS": str(state / "logs"),
        "GF_PATHS_PLUGINS": str(state / "plugins"),
        "GF_SERVER_HTTP_ADDR": address.hostname or "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(address.port or PORT),
    }
    name = program or "grafana"
    server = [name] if Path(name).name == "grafana-server" else [name, "server"]
    home = next((home for home in HOMES if Path(home).is_dir()), None)
    words = [*(f"{key}={shlex.quote(value)}" for key, value in settings.items()), *map(shlex.quote, server)]
    return " ".join([*words, *(["--homepath", home] if home else [])])


def ask_health(url: str) -> dict[str, Any] | None:
    """Grafana's own report; None when nothing answers there, or something else does."""
    address = urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{address.path.rstrip('/')}/api/health")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) and "database" in found else None
