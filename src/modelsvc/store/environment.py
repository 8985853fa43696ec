"""What the environment says about the network."""

import os
import ssl
from urllib.parse import urlsplit

from supervisor.errors import InvalidRequest

ENDPOINT = "HF_ENDPOINT"


def hub_endpoint() -> str | None:
    """What is asked instead of huggingface.co; None: nothing is. Raises InvalidRequest for what is no address."""
    named = os.environ.get(ENDPOINT, "").rstrip("/")
    try:
        usable = not named or (urlsplit(named).scheme in ("http", "https") and bool(urlsplit(named).hostname))
    except ValueError:
        usable = False
    if not usable:
        raise InvalidRequest(
            f"{ENDPOINT} is {named!r}, which is no address: write it as https://…", code="bad_endpoint"
        )
    return named or None


def distrust(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Why a server's certificate is not believed, if that is behind the error."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def unusable(error: Exception) -> InvalidRequest:
    """A proxy, certificates or a token, that it names and that no connection can be made with."""
    return InvalidRequest(
        f"the environment's settings for the network cannot be used: {error}; look at HTTPS_PROXY, ALL_PROXY,"
        " SSL_CERT_FILE and HF_TOKEN",
        code="bad_network_settings",
    )
