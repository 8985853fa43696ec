"""Which addresses may be asked for a model. Pure."""

from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from supervisor.errors import Refused


def check(first: str, url: str, pinned: bool) -> None:
    """Raise Refused for an address, of a redirect too, where others may change what is pulled, or see what is sent.

    `first` is the source's own address. Plain http is for this machine, or for a file whose sum is known (`pinned`);
    what began with https never goes on with less.
    """
    secure, scheme = urlsplit(first).scheme == "https", urlsplit(url).scheme
    if scheme == "https" or (scheme == "http" and not secure and (pinned or _is_local(url))):
        return
    if secure:
        raise Refused(
            f"{public(first)} redirects to {public(url)}, which is not https: give another source",
            code="unsafe_redirect",
        )
    raise Refused(
        f"{public(url)} is not https, so that anyone between could change the file: use https, or say with --sha256"
        " what it must be",
        code="unsafe_source",
    )


def public(url: str) -> str:
    """Without what may be secret: user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_confidential(url: str) -> bool:
    """Whether nobody between sees what is sent there."""
    return urlsplit(url).scheme == "https" or _is_local(url)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
