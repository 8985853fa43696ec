"""Hugging Face: where a file is, and which SHA-256 it must have.

Only the hub's own part is left to its library: addresses, tokens, and errors that tell a missing repository from a
gated one. Since version 2 its download keeps nothing when the process dies; the bytes come by `web`, which does.
The library is imported when it is used: it takes longer than most commands.
"""

import os
import re
import time
from typing import TYPE_CHECKING

from modelsvc import __version__
from modelsvc.store import addresses, environment
from modelsvc.store.answers import number
from modelsvc.store.events import Retrying, Tell
from modelsvc.store.patience import Patience
from modelsvc.store.remote import Remote
from modelsvc.store.source import HubFile
from supervisor.errors import DownloadError, InvalidRequest, NotFound, Refused, SupervisorError

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

_SHA256 = re.compile(r"[0-9a-f]{64}")


def resolve(file: HubFile, patience: Patience, tell: Tell, pinned: bool) -> Remote:
    """Ask the hub for the file; `pinned`: the caller knows its sum. Where others could read along, it gets no token.

    Raises InvalidRequest, NotFound, Refused, or DownloadError when it does not answer.
    """
    endpoint = environment.hub_endpoint()  # first: the library cannot even be imported with a wrong one
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # else it asks the hub which programs it might be run by
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # re-exported, but not `as`

    try:
        url = hf_hub_url(file.repo, file.file, revision=file.revision, endpoint=endpoint)
    except ValueError as error:
        raise InvalidRequest(f"{file.shown} cannot be a repository's file: {error}", code="bad_source") from error
    addresses.check(url, url, pinned)
    token = None if addresses.is_confidential(url) else False  # None: the user's
    found = _ask(file, url, token, patience, tell)
    of_commit = hf_hub_url(file.repo, file.file, revision=found.commit_hash or file.revision, endpoint=endpoint)
    is_lfs = _SHA256.fullmatch(found.etag or "")
    return Remote(
        of_commit,
        build_hf_headers(token=token, library_name="modelsvc", library_version=__version__),
        is_lfs.group() if is_lfs else "",
        found.size,
        found.commit_hash or "",
    )


def _ask(file: HubFile, url: str, token: bool | None, patience: Patience, tell: Tell) -> "HfFileMetadata":
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]  # its library's

    failed = 0
    while True:
        try:
            return get_hf_file_metadata(
                url, token=token, timeout=patience.stall_s, library_name="modelsvc", library_version=__version__
            )
        except (HTTPError, OfflineModeIsEnabled) as error:
            translated, transient = _translated(file, url, error)
            failed += 1
            pause_s = patience.pause_s(failed, _asked_s(error)) if transient else None
            if pause_s is None:
                raise translated from error
        except (ValueError, ImportError, OSError) as error:
            raise environment.unusable(error) from error
        tell(Retrying(reason=translated.message, wait_s=pause_s))
        time.sleep(pause_s)


def _translated(file: HubFile, url: str, error: Exception) -> tuple[SupervisorError, bool]:
    """The error as the user is told it, and whether it may pass by itself."""
    from huggingface_hub import errors as hub

    page = addresses.public(url).partition("/resolve/")[0]
    match error:
        case hub.GatedRepoError():
            return _gated(file, page), False
        case hub.RepositoryNotFoundError() | hub.DisabledRepoError():
            return _no_repository(file, page), False
        case hub.RevisionNotFoundError():
            missing = f"{file.repo} has no revision {file.revision!r}: look at {page}/commits/main"
            return NotFound(missing, code="no_revision"), False
        case hub.RemoteEntryNotFoundError():
            missing = f"{file.repo} has no file {file.file!r}: look at {page}/tree/{file.revision or 'main'}"
            return NotFound(missing, code="no_file"), False
        case hub.OfflineModeIsEnabled():
            offline = (
                f"{file.shown} is not asked for, since HF_HUB_OFFLINE is set: unset it, or pull a file of this disk"
            )
            return Refused(offline, code="offline"), False
        case hub.HfHubHTTPError():
            return _by_status(file, error.response.status_code)
        case _:
            reason = str(error) or type(error).__name__
            remedy = f"check the network, or set {environment.ENDPOINT}"
            silent = f"{page} cannot be asked for {file.file}: {reason}; {remedy}"
            return DownloadError(silent, code="hub_unreachable"), True


def _by_status(file: HubFile, status: int) -> tuple[SupervisorError, bool]:
    if status in (401, 403):
        denied = f"the hub does not give {file.shown} to you ({status}): check your token in HF_TOKEN"
        return Refused(denied, code="access_denied"), False
    if status == 404:
        return NotFound(f"the hub has no {file.shown} (404): check the name", code="no_file"), False
    return DownloadError(f"the hub answered {status} when asked for {file.shown}: try again later"), status >= 429


def _gated(file: HubFile, page: str) -> Refused:
    return Refused(
        f"{file.repo} is given only to those who accepted its conditions: accept them at {page}, and put a token of"
        " yours into HF_TOKEN",
        code="gated",
    )


def _no_repository(file: HubFile, page: str) -> NotFound:
    return NotFound(
        f"there is no repository {file.repo} at {page}, or it is private: check the name, or put a token that may read"
        " it into HF_TOKEN",
        code="no_repository",
    )


def _asked_s(error: Exception) -> float | None:
    response = getattr(error, "response", None)
    return None if response is None else number(response.headers.get("retry-after"))
