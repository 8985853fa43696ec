"""Who may ask: the file of API keys, and addresses beyond this machine."""

from collections.abc import Iterator
from ipaddress import ip_address

from modelsvc import keyfile
from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.config import Config, split_listen


def check(situation: Situation) -> Iterator[Finding]:
    """The keys, then every address that others reach."""
    if situation.keys_file is None:
        yield from _without_keys(situation.config)
        return
    try:
        keys = keyfile.read(situation.keys_file)
    except keyfile.BadKeys as error:
        yield found("keys_unusable", f"security.api_keys_file: {error}", _mend(situation))
        return
    names = ", ".join(sorted(keys))
    if keys:
        yield found("keys_ok", f"{situation.keys_file} has {len(keys)} key(s), open to their owner only: {names}")
    else:
        yield found("keys_empty", f"{situation.keys_file} has no key, so nobody may ask", _mend(situation))


def beyond_loopback(config: Config) -> list[str]:
    """The addresses of `config` that other machines reach."""
    listens = {"edge.listen": config.edge.listen, "control.metrics_listen": config.control.metrics_listen}
    return [
        f"{key} = {listen}" for key, listen in listens.items() if not ip_address(split_listen(listen)[0]).is_loopback
    ]


def _without_keys(config: Config) -> Iterator[Finding]:
    if not (addresses := beyond_loopback(config)):
        yield found("keys_not_needed", "no API keys; everything listens on this machine alone")
    for address in addresses:
        yield found(
            "listens_to_all",
            f"{address} is beyond this machine, and there are no API keys: whoever reaches it may ask",
            "set security.api_keys_file to a path, make a key (`modelsvc keys add NAME`), and start the service again;"
            " or listen on 127.0.0.1",
        )


def _mend(situation: Situation) -> str:
    return f"`modelsvc keys --file {situation.keys_file} add NAME` makes one; `chmod 600 {situation.keys_file}`"
