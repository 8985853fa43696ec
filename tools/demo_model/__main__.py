"""Train the demo model and write it as GGUF."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.demo_model.corpus import write_merges
from tools.demo_model.export import export
from tools.demo_model.train import Plan, load, train

EXAMPLE = "example: python -m tools.demo_model --work build/demo --out src/modelsvc/models/demo.gguf"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train unless told to export what an earlier training has left, then export."""
    options = _parser().parse_args(arguments)
    plan = Plan(seed=options.seed, steps=options.steps, threads=options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint = options.work / f"seed-{plan.seed}.pt"
    if options.new_merges:
        write_merges()
    if not options.export_only:
        train(plan, checkpoint, options.done)
    export(load(checkpoint), plan.seed, options.out)
    print(f"{options.out}: {options.out.stat().st_size} bytes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.demo_model", description=__doc__, epilog=EXAMPLE)
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    parser.add_argument("--work", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--threads", type=int, default=Plan.threads)
    parser.add_argument("--done", type=int, default=0, metavar="STEPS", help="go on from the checkpoint of that step")
    parser.add_argument("--new-merges", action="store_true", help="learn the tokenizer anew before training")
    parser.add_argument("--export-only", action="store_true", help="export the checkpoint that is there")
    return parser


if __name__ == "__main__":
    main()
