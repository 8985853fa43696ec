"""The demo model in PyTorch: llama blocks with the parameter layout that GGUF's ``llama`` architecture expects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """The model's dimensions; ``head`` is the width of one attention head."""

    vocabulary: int = 768
    embedding: int = 192
    blocks: int = 4
    heads: int = 6
    kv_heads: int = 2
    head: int = 32
    feed_forward: int = 512
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5


def rotation(shape: Shape, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines for neighbouring pairs, as (rows, 1, tokens, head / 2)."""
    pairs = torch.arange(0, shape.head, 2, dtype=torch.float32)
    angles = positions[:, None, :, None].float() * shape.rope_base ** (-pairs / shape.head)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (0,1), (2,3), … — GGUF's layout for llama, so that export needs no permutation."""
    cos, sin = turn
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2).to(x.dtype)


class Block(nn.Module):  # type: ignore[misc]  # torch is not part of the project's environment
    """Attention over the tokens that ``mask`` allows, then the gated feed-forward."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
        self.attn_norm = nn.RMSNorm(shape.embedding, shape.norm_epsilon)
        self.attn_qkv = nn.Linear(shape.embedding, queries + 2 * keys, bias=False)
        self.attn_output = nn.Linear(queries, shape.embedding, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.embedding, shape.norm_epsilon)
        self.ffn_gate_up = nn.Linear(shape.embedding, 2 * shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.embedding, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self._attend(self.attn_norm(x), turn, mask)
        gate, up = self.ffn_gate_up(self.ffn_norm(x)).chunk(2, dim=-1)
        fed: Tensor = self.ffn_down(F.silu(gate) * up)
        return x + fed

    def _attend(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        heads, kv = self.shape.heads, self.shape.kv_heads
        all_heads = self.attn_qkv(x).unflatten(-1, (heads + 2 * kv, self.shape.head)).transpose(1, 2)
        turned = rotate(all_heads[:, : heads + kv], turn)
        keys = turned[:, heads:].repeat_interleave(heads // kv, dim=1)
        values = all_heads[:, heads + kv :].repeat_interleave(heads // kv, dim=1)
        mixed = F.scaled_dot_product_attention(turned[:, :heads], keys, values, attn_mask=mask)
        out: Tensor = self.attn_output(mixed.transpose(1, 2).flatten(-2))
        return out


class DemoModel(nn.Module):  # type: ignore[misc]  # as above
    """Token ids in, logits of the wanted places out; input and output embeddings are one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.embedding)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.output_norm = nn.RMSNorm(shape.embedding, shape.norm_epsilon)
        self.apply(_initialise)
        for block in self.blk:
            for last in (block.attn_output, block.ffn_down):
                nn.init.normal_(last.weight, std=0.05 / (2 * shape.blocks) ** 0.5)

    def forward(self, ids: Tensor, positions: Tensor, mask: Tensor, wanted: Tensor) -> Tensor:
        """Logits, one line for each true place of ``wanted``; all arguments are (rows, tokens) but the mask."""
        turn = rotation(self.shape, positions)
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, turn, mask)
        return F.linear(self.output_norm(x[wanted]), self.token_embd.weight)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.05)
