"""The journal: whether it can be read, and what is in it."""

from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import JournalCorrupt, JournalError
from supervisor.journal.peek import peek
from supervisor.own_processes import supervisor_pid


def check(situation: Situation) -> Iterator[Finding]:
    """Its size, or what is wrong with it."""
    path = situation.paths.journal
    try:
        with peek(path) as past:
            deployments, route = past.last_deployment(), past.route()
            serves = f"release {route.release} serves on {route.active}" if route.active else "nothing serves"
    except JournalCorrupt as error:
        mend = "`modelsvc up` sets it aside and takes up what runs; the history is lost"
        yield found("journal_corrupt", error.message, mend)
    except JournalError as error:
        yield _unread(error, supervisor_pid(situation.paths))
    else:
        yield found("journal_ok", f"{path} is sound: {deployments} deployment(s), by it {serves}")


def _unread(error: JournalError, supervisor: int | None) -> Finding:
    if error.code == "no_journal" and supervisor:
        seen = f"{error.message}, though the supervisor, pid {supervisor}, runs: somebody removed it"
        return found("journal_removed", seen, "look again in a moment: it is made anew; if not, `modelsvc ctl logs`")
    if error.code == "no_journal":
        return found("journal_absent", f"{error.message} yet; the first `modelsvc up` makes it")
    return found("journal_unreadable", error.message, "as the message says; `ls -l` tells whose the file is")
