"""Messages of a daemon that serves blue and deploys to green."""

from supervisor.protocol import (
    Accepted,
    Color,
    DeploymentKind,
    DeploymentStatus,
    EdgeStatus,
    Finished,
    LastExit,
    MemoryStatus,
    Outcome,
    Progress,
    ReleaseStatus,
    Status,
    StepChanged,
    StepReport,
    StepState,
    StreamEvent,
    WorkerStatus,
    encode,
)

MB = 10**6
TITLES = (
    "the active worker answers",
    "the edge routes to it",
    "disk and memory suffice",
    "start the standby",
    "wait until it is ready",
    "warm up",
    "write the upstream",
    "test the configuration",
    "reload",
    "verify through the edge",
    "drain the old colour",
    "bake",
    "record",
)


def step(
    number: int, state: StepState = StepState.PENDING, seconds: float | None = None, detail: str = ""
) -> StepReport:
    title = TITLES[number - 1]
    return StepReport(number=number, name=f"step{number}", title=title, state=state, seconds=seconds, detail=detail)


def changed(number: int, state: StepState, seconds: float | None = None, detail: str = "") -> StepChanged:
    return StepChanged(deployment=4, step=step(number, state, seconds, detail))


ACCEPTED = Accepted(
    deployment=4,
    kind=DeploymentKind.DEPLOY,
    from_color=Color.BLUE,
    to_color=Color.GREEN,
    steps=[step(number) for number in range(1, 14)],
)
LOADING = Progress(deployment=4, number=5, text="loading 42 %")
SUCCEEDED = Finished(
    outcome=Outcome.SUCCEEDED,
    deployment=4,
    release=7,
    seconds=3.2,
    active=Color.GREEN,
    steps=[step(number, StepState.DONE, 0.2) for number in range(1, 14)],
)
ROLLED_BACK = Finished(
    outcome=Outcome.ROLLED_BACK,
    reason="it said 41 where 42 was expected",
    deployment=4,
    release=7,
    seconds=2.0,
    active=Color.BLUE,
)
REFUSED = Finished(outcome=Outcome.REFUSED, reason="needs 900 MB, 200 MB are left", deployment=4, active=Color.BLUE)
FAILED = Finished(outcome=Outcome.FAILED, reason="green does not start", active=Color.BLUE)
STARTED = Finished(outcome=Outcome.SUCCEEDED, seconds=1.25, active=Color.BLUE)


def walk(last: int) -> list[StreamEvent]:
    """The steps from the first to `last`, each begun and done."""
    events: list[StreamEvent] = []
    for number in range(1, last + 1):
        events += [changed(number, StepState.RUNNING), changed(number, StepState.DONE, 0.2)]
    return events


DEPLOYED: list[StreamEvent] = [ACCEPTED, *walk(13), SUCCEEDED]
SPOILT: list[StreamEvent] = [
    ACCEPTED,
    *walk(5),
    changed(6, StepState.RUNNING),
    changed(6, StepState.FAILED, 0.9, "gate prompt 2"),
    changed(4, StepState.UNDONE),
    ROLLED_BACK,
]

PAST = DeploymentStatus(
    deployment=3,
    kind=DeploymentKind.ROLLBACK,
    release=5,
    from_color=Color.GREEN,
    to_color=Color.BLUE,
    started_at="2031-05-04T10:00:00Z",
    finished_at="2031-05-04T10:00:04Z",
    outcome=Outcome.SUCCEEDED,
    seconds=4.0,
    steps=[step(1, StepState.SKIPPED), step(2, StepState.DONE, 0.1, "nginx answers")],
)
CURRENT = DeploymentStatus(
    deployment=4,
    kind=DeploymentKind.DEPLOY,
    release=7,
    from_color=Color.BLUE,
    to_color=Color.GREEN,
    started_at="2031-05-04T11:00:00Z",
    steps=[step(4, StepState.DONE, 0.1), step(5, StepState.RUNNING, detail="loading 42 %"), step(6)],
)
STATUS = Status(
    version="0.1.0",
    pid=4242,
    uptime_s=7980.0,
    state_dir="/state",
    config=None,
    active=Color.BLUE,
    release=ReleaseStatus(
        number=6,
        model_path="/models/a.gguf",
        model_sha256="0" * 64,
        model_size_bytes=5 * MB,
        settings={"model.slots": 4},
        package_version="0.1.0",
    ),
    workers={
        Color.BLUE: WorkerStatus(
            state="ready",
            wanted=True,
            port=8000,
            pid=4300,
            worker_id="blue-1",
            release=6,
            progress="ready",
            in_flight=2,
            rss_bytes=812 * MB,
            private_bytes=120 * MB,
        ),
        Color.GREEN: WorkerStatus(
            state="backoff",
            wanted=True,
            port=8001,
            restarts=3,
            last_exit=LastExit(at="2031-05-04T10:59:00Z", code=None, signal="SIGSEGV"),
        ),
    },
    edge=EdgeStatus(
        state="running",
        listen="127.0.0.1:8080",
        pid=4250,
        nginx_version="1.22.1",
        swap="retire_then_reload",
        routes_to=Color.BLUE,
    ),
    memory=MemoryStatus(budget_bytes=8000 * MB, used_bytes=900 * MB, shared_bytes=700 * MB),
    deployment=CURRENT,
)

STATUS_JSON = encode(STATUS)
