"""What Prometheus and Grafana are given: the files in this package, and the configuration made from ours.

`config/` of the repository shows the same: its rules and Grafana files are links to these, its prometheus.yml is what
the defaults make (a test holds it to that).
"""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from supervisor.config import Config, split_listen
from supervisor.core.state import Color
from supervisor.files import publish, read_text
from supervisor.ports import WILDCARDS, Address

HERE = Path(__file__).parent
RULES = HERE / "rules"
GRAFANA = HERE / "grafana"
CONFIG_NAME = "prometheus.yml"
SCRAPE_INTERVAL = "10s"

_TEMPLATES = Environment(
    loader=PackageLoader("supervisor", "monitor"),
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(config: Config, scrape_interval: str = SCRAPE_INTERVAL) -> str:
    """prometheus.yml for the ports of `config`."""
    return _TEMPLATES.get_template(f"{CONFIG_NAME}.j2").render(
        scrape_interval=scrape_interval,
        retention=config.monitor.retention,
        listen=config.monitor.listen,
        workers=[(str(color), f"127.0.0.1:{config.port(color)}") for color in Color],
        supervisor=reachable(config.control.metrics_listen),
    )


def reachable(listen: str) -> str:
    """Where this machine finds a server that listens there."""
    host, port = split_listen(listen)
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return str(Address(loopback[host] if host in WILDCARDS else host, port))


def write(folder: Path, prometheus_yml: str) -> bool:
    """Lay out `folder` for Prometheus; whether anything is new. Raises StorageError, OSError."""
    rules = folder / "rules"
    rules.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = {folder / CONFIG_NAME: prometheus_yml}
    wanted |= {rules / path.name: path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yml"))}
    changed = {path: text for path, text in wanted.items() if read_text(path) != text}
    for path, text in changed.items():
        publish(path, text)
    outdated = [path for path in rules.glob("*.yml") if path not in wanted]
    for path in outdated:
        path.unlink()
    return bool(changed or outdated)
