"""`ADDRESS:PORT`, as the configuration's keys of that kind have it. Pure, and light enough for every command."""

from ipaddress import ip_address

EDGE_LISTEN = "127.0.0.1:8080"  # the default of edge.listen

# Not looked up: what a hosts file makes of the name could be another machine.
_LOCALHOST, _LOOPBACK = "localhost", "127.0.0.1"


def split_listen(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8080`, `localhost:8080` or `[::1]:8080` as numeric host and port. Raises ValueError on anything else.

    An address is never left out, since `:8080` would mean every one of the machine, and look as if it meant none.
    """
    host, _, port = listen.rpartition(":")
    bare = _LOOPBACK if host == _LOCALHOST else host.removeprefix("[").removesuffix("]")
    if bare in ("", "*") and _is_port(port):
        raise ValueError(
            f"must name an address: 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for all who reach it, not"
            f" {listen!r}"
        )
    try:
        ip_address(bare)
    except ValueError:
        raise ValueError(
            f"must be ADDRESS:PORT with a numeric address or localhost, such as 127.0.0.1:8080, not {listen!r}"
        ) from None
    if not _is_port(port):
        raise ValueError(f"must end in a port from 1 to 65535, not {port!r}")
    return bare, int(port)


def numeric(listen: str) -> str:
    """The same address without a name. Raises ValueError as `split_listen` does."""
    host, port = split_listen(listen)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_port(text: str) -> bool:
    return text.isdecimal() and 1 <= int(text) <= 65535
