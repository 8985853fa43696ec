"""Training on the processor: one-cycle AdamW, a checkpoint every so many steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tools.demo_model.corpus import Row, build_tokenizer, rows
from tools.demo_model.model import DemoModel, Shape
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Plan:
    """How long and how to train. ``length`` is in tokens; a checkpoint is written every ``save_every`` steps."""

    seed: int = 20
    steps: int = 1800
    batch: int = 16
    length: int = 320
    rate: float = 3e-3
    threads: int = 2
    save_every: int = 100


def train(plan: Plan, checkpoint: Path, done: int = 0) -> None:
    """Train from nothing, or go on after ``done`` steps from the weights in ``checkpoint``, which is kept up to date.

    Going on takes up data and schedule where they were; only Adam's moments begin anew.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    model = load(checkpoint) if done else DemoModel(Shape())
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.rate, total_steps=plan.steps, pct_start=0.1)
    for _ in range(done):
        schedule.step()
    started = time.monotonic()
    for step, batch in enumerate(islice(_batches(plan), done, plan.steps), start=done + 1):
        loss = _step(model, optimizer, batch)
        schedule.step()
        if step % 20 == 0:
            print(f"step {step}/{plan.steps} loss {loss:.4f} seconds {time.monotonic() - started:.0f}", flush=True)
        if step % plan.save_every == 0 or step == plan.steps:
            _save(model, checkpoint)


def load(checkpoint: Path) -> DemoModel:
    """The model of a checkpoint."""
    model = DemoModel(Shape())
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model


def mask_of(owners: Tensor) -> Tensor:
    """May look at: itself, and what came before in the same conversation; (rows, 1, tokens, tokens)."""
    same = owners[:, :, None] == owners[:, None, :]
    return torch.tril(same)[:, None]


def _batches(plan: Plan) -> Iterator[list[Tensor]]:
    endless = rows(build_tokenizer(), plan.length, plan.seed)
    while True:
        yield _tensors(list(islice(endless, plan.batch)))


def _tensors(batch: list[Row]) -> list[Tensor]:
    return [torch.tensor(column) for column in zip(*batch, strict=True)]


def _step(model: DemoModel, optimizer: torch.optim.Optimizer, batch: list[Tensor]) -> float:
    """One update; the loss counts only tokens that the assistant has to say."""
    ids, positions, owners, learned = batch
    wanted = learned.roll(-1, dims=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(ids, positions, mask_of(owners), wanted)
    loss = F.cross_entropy(logits.float(), ids[learned])
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.item())


def _save(model: DemoModel, checkpoint: Path) -> None:
    beside = checkpoint.with_suffix(".part")
    torch.save(model.state_dict(), beside)
    beside.replace(checkpoint)
