"""The decoding thread: obeys its inbox, asks the scheduler for a step, computes it, hands out the tokens.

It alone owns the scheduler, the sequences and the llama context. Everyone else sends commands and reads `pulse`.
What a step brings to its requests is handed out in one go, when the next step can begin.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from modelsvc.engine.context import Context
from modelsvc.engine.errors import DeadlineExceeded, DecodeFailed, EngineError, EngineStopped, GrammarTooSlow
from modelsvc.engine.messages import (
    Cancel,
    Command,
    Embedded,
    Failed,
    HandOver,
    Letters,
    News,
    Started,
    Stop,
    Submit,
    UseThreads,
)
from modelsvc.engine.model import Model
from modelsvc.engine.sampling import Choice
from modelsvc.engine.scheduler import Scheduler
from modelsvc.engine.steps import Piece, Step, Work
from modelsvc.engine.types import Finished, FinishReason, StepTaken, Timings, Usage


@dataclass(frozen=True, slots=True)
class Pulse:
    """The loop's sign of life, replaced before and after each step."""

    cached_tokens: int
    prefilling: bool  # the step under way, or else the next one, has prompt tokens to compute
    last_step_at: float
    failed_steps: int = 0  # in a row, the latest among them


@dataclass(slots=True)
class _Sequence:
    """A request while the loop knows it."""

    order: Submit
    completion: int = 0
    cached: int = 0
    started_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None


class DecodeLoop:
    """`deliver` gets the news of a step, and `observe` what it took; both are called on the decoding thread."""

    def __init__(
        self,
        model: Model,
        context: Context,
        scheduler: Scheduler,
        deliver: Callable[[Letters], None],
        observe: Callable[[StepTaken], None],
    ) -> None:
        self.inbox: SimpleQueue[Command] = SimpleQueue()
        self.pulse = Pulse(0, False, time.monotonic())
        self._model = model
        self._context = context
        self._scheduler = scheduler
        self._deliver = deliver
        self._observe = observe
        self._sequences: dict[int, _Sequence] = {}
        self._letters: Letters = []
        self._gaps: list[float] = []
        self._failed_steps = 0
        self._stopping = False
        self._handing_over = False

    def run(self) -> None:
        """Until `HandOver`; or `Stop`, or a defect: then whoever still waits is told.

        A thread that died makes the worker unready.
        """
        self._handing_over = False
        try:
            while not self._stopping:
                self._obey_all()
                if self._handing_over and not self._stopping:
                    return
                self._step()
        finally:
            if not self._handing_over or self._stopping:
                self._fail_all()
            self._post()

    @property
    def handed_over(self) -> bool:
        """Whether `run` returned to be called again."""
        return self._handing_over

    def _fail_all(self) -> None:
        with suppress(Empty):
            while True:  # who submitted while it ended
                command = self.inbox.get_nowait()
                if isinstance(command, Submit):
                    self._obey(command)
        for request_id in list(self._sequences):
            self._fail(request_id, EngineStopped("the engine was stopped"))

    def _obey_all(self) -> None:
        try:
            if self._scheduler.idle:
                self._obey(self.inbox.get())
            while not self._handing_over:
                self._obey(self.inbox.get_nowait())
        except Empty:
            return

    def _obey(self, command: Command) -> None:
        match command:
            case Submit():
                self._scheduler.enqueue(Work(command.id, command.task.tokens, command.task.max_tokens))
                self._sequences[command.id] = _Sequence(command)
            case Cancel():
                if command.id in self._sequences:
                    self._finish(self._sequences[command.id], "cancelled")
            case Stop():
                self._stopping = True
            case HandOver():
                self._handing_over = True
            case UseThreads():
                self._context.use_threads(command.count)

    def _step(self) -> None:
        self._expire()
        step = self._scheduler.next_step()
        self._context.edit(step.edits)  # there may be some where there is nothing to compute
        if step.pieces:
            # Not the scheduler's word: it counts the step as done, and so a prompt's last chunk as no prefill.
            self._publish(step.answers < len(step.pieces))
            self._announce(step.pieces)
            self._post()  # a step may take seconds
            self._compute(step)
        self._post()
        self._publish(self._scheduler.prefilling)

    def _expire(self) -> None:
        now = time.monotonic()
        for sequence in [each for each in self._sequences.values() if each.order.deadline <= now]:
            if sequence.completion:
                self._finish(sequence, "length")
            else:
                self._fail(sequence.order.id, DeadlineExceeded(now - sequence.order.submitted_at))

    def _publish(self, prefilling: bool) -> None:
        self.pulse = Pulse(self._scheduler.cached, prefilling, time.monotonic(), self._failed_steps)

    def _announce(self, pieces: tuple[Piece, ...]) -> None:
        for piece in pieces:
            sequence = self._sequences[piece.id]
            if sequence.started_at is None:
                sequence.started_at = time.monotonic()
                sequence.cached = self._scheduler.cached_tokens(piece.id)
                self._tell(sequence, Started())

    def _compute(self, step: Step) -> None:
        began = time.monotonic()
        try:
            outputs = self._context.decode(step.pieces)
        except DecodeFailed as error:
            self._failed_steps += 1
            for piece in step.pieces:
                self._fail(piece.id, error)
            self._scheduler.distrust()
            return
        self._failed_steps = 0
        seconds = time.monotonic() - began
        self._scheduler.pace.took(step.tokens, step.answers, seconds)
        due = [piece for piece in step.pieces if piece.samples]
        for piece, index in zip(due, outputs, strict=True):
            self._draw(self._sequences[piece.id], index)
        for piece in due:  # after all logits of the step have been used
            self._embed(piece)
        gaps, self._gaps = tuple(self._gaps), []
        self._observe(StepTaken(seconds, step.tokens, step.answers, gaps))

    def _tell(self, sequence: _Sequence, news: News) -> None:
        self._letters.append((sequence.order.receive, news))

    def _post(self) -> None:
        letters, self._letters = self._letters, []
        if letters:
            self._deliver(letters)

    def _draw(self, sequence: _Sequence, index: int) -> None:
        sampler = sequence.order.task.sampler
        if sampler is None:
            return
        try:
            choice = sampler.draw(self._context, index)
        except GrammarTooSlow as error:
            self._fail(sequence.order.id, error)
        else:
            self._take(sequence, choice)

    def _embed(self, piece: Piece) -> None:
        sequence = self._sequences.get(piece.id)
        if sequence is None or sequence.order.task.sampler:
            return
        try:
            vector = self._context.embed(piece)
        except DecodeFailed as error:
            self._fail(piece.id, error)
            self._scheduler.distrust()
        else:
            self._tell(sequence, Embedded(vector))
            self._finish(sequence, "stop")

    def _take(self, sequence: _Sequence, choice: Choice | None) -> None:
        now = time.monotonic()
        if sequence.last_token_at is None:
            sequence.first_token_at = now
        else:
            self._gaps.append(now - sequence.last_token_at)
        sequence.last_token_at = now
        if choice is None or self._model.is_end(choice.token):
            self._finish(sequence, "stop")
            return
        sequence.completion += 1
        output = sequence.order.task.output
        if piece := output.push(self._model.piece(choice.token), choice.drawn):
            self._tell(sequence, piece)
        if output.stopped:
            self._finish(sequence, "stop")
        elif sequence.completion == sequence.order.task.max_tokens:
            self._finish(sequence, "length")
        else:
            self._scheduler.drawn(sequence.order.id, choice.token)

    def _finish(self, sequence: _Sequence, reason: FinishReason) -> None:
        if rest := sequence.order.task.output.end():
            self._tell(sequence, rest)
        self._release(sequence)
        usage = Usage(len(sequence.order.task.tokens), sequence.completion, sequence.cached)
        self._tell(sequence, Finished(reason, usage, _timings(sequence, time.monotonic())))

    def _fail(self, request_id: int, error: EngineError) -> None:
        sequence = self._sequences[request_id]
        self._release(sequence, keep=not isinstance(error, DecodeFailed))
        self._tell(sequence, Failed(error))

    def _release(self, sequence: _Sequence, *, keep: bool = True) -> None:
        self._scheduler.remove(sequence.order.id, keep=keep)
        del self._sequences[sequence.order.id]
        if sequence.order.task.sampler:
            sequence.order.task.sampler.close()


def _timings(sequence: _Sequence, now: float) -> Timings:
    submitted = sequence.order.submitted_at
    started = sequence.started_at or now
    first = sequence.first_token_at or now
    decode = now - first
    later_tokens = max(sequence.completion - 1, 0)
    return Timings(
        queue_seconds=round(started - submitted, 6),
        prefill_seconds=round(first - started, 6),
        first_token_seconds=round(first - submitted, 6),
        decode_seconds=round(decode, 6),
        tokens_per_second=round(later_tokens / decode, 3) if decode > 0 else 0.0,
    )
