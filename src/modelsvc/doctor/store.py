"""The model store: every file whole, unwritable, and where its content says."""

import stat
from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.shapes import shape_of
from modelsvc.doctor.situation import Situation
from modelsvc.store.entry import Entry, repair_command
from modelsvc.store.entry_folder import damage
from modelsvc.store.store import Store, strangers
from modelsvc.store.unfinished import Unfinished, unfinished
from supervisor.core.ledger import mb
from supervisor.errors import Refused, StorageError

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def check(situation: Situation) -> Iterator[Finding]:
    """Without `deep` a file is measured against its own header, with it against its SHA-256."""
    store = Store(situation.paths.models)
    try:
        entries, left = store.entries(), unfinished(store)
        troubles = [
            *(_broken(str(folder)) for folder in store.broken()),
            *(finding for entry in entries for finding in _entry(entry, situation.deep)),
            *(_partial(each) for each in left if not each.running),
        ]
    except StorageError as error:
        yield found("store_damaged", error.message, f"`ls -l {situation.paths.models}` tells whose it is")
        return
    yield from troubles
    if not troubles:
        how = "by its SHA-256" if situation.deep else "by its header (--deep: by its SHA-256)"
        size = mb(sum(entry.size_bytes for entry in entries))
        yield found("store_ok", f"{situation.paths.models}: {len(entries)} model(s), {size}, each whole {how}")


def _entry(entry: Entry, deep: bool) -> Iterator[Finding]:
    if problem := damage(entry) if deep else _by_header(entry):
        mend = f"`{repair_command(entry)}` replaces it; deploy it anew if it is served"
        yield found("store_damaged", f"{entry.name} in {entry.path.parent} is damaged: {problem}", mend)
    mode = stat.S_IMODE(entry.path.stat().st_mode)
    if mode & WRITABLE:
        seen = f"{entry.path} has mode {mode:04o}: a file that workers map must not be written"
        yield found("store_writable", seen, f"`chmod a-w {entry.path}`")
    if beside := strangers(entry):
        seen = f"{entry.path.parent} also has {', '.join(beside)}, which the store did not put there"
        yield found("store_strangers", seen, "move it away; no command of the store removes it")


def _by_header(entry: Entry) -> str:
    try:
        shape_of(entry.path)
    except Refused as error:
        return error.message
    return ""


def _broken(folder: str) -> Finding:
    seen = f"{folder} holds no model that is on record there: somebody was at work there"
    return found("store_damaged", seen, "pull the model again, which leaves what is there alone")


def _partial(left: Unfinished) -> Finding:
    of = f" of {mb(left.size_bytes)}" if left.size_bytes else ""
    return found(
        "store_partial",
        f"{left.folder} has {mb(left.have_bytes)}{of} from {left.source or 'a source that is not known any more'}",
        "pull it again to go on, or `modelsvc model remove --partial`",
    )
