"""`modelsvc model`: the store of models."""

from dataclasses import dataclass
from pathlib import Path

import click

from modelsvc.cli.base import LazyGroup
from modelsvc.store import Store
from supervisor.paths import StatePaths, find_config, state_paths


@dataclass(frozen=True)
class Target:
    """Which configuration holds. Resolved only when asked, so that `--help` works under a broken one."""

    config: Path | None = None

    @property
    def config_file(self) -> Path | None:
        return find_config(self.config)

    @property
    def paths(self) -> StatePaths:
        return state_paths()

    @property
    def store(self) -> Store:
        return Store(self.paths.models)


_HERE = "modelsvc.cli.model"


@click.group(
    cls=LazyGroup,
    lazy={
        "pull": f"{_HERE}.pull:pull",
        "list": f"{_HERE}.listing:list_models",
        "inspect": f"{_HERE}.inspect:inspect",
        "verify": f"{_HERE}.verify:verify",
        "remove": f"{_HERE}.remove:remove",
    },
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file that holds.")
@click.pass_context
def model(ctx: click.Context, config: Path | None) -> None:
    """Bring models here, and look after them.

    Models are kept by their content, read-only, in the folder `models` of the state folder ($MODELSVC_HOME).

    \b
    Example:
      modelsvc model pull smollm2
      modelsvc model list
    """
    ctx.obj = Target(config)
