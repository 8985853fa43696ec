"""The model that comes with modelsvc, so that everything can be tried without a download."""

from __future__ import annotations

from pathlib import Path


def demo_model_path() -> Path:
    """The built-in demo model, a GGUF file of about 2 MB."""
    return Path(__file__).with_name("demo.gguf")
