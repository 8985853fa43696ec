"""modelsvc: one local language model, replaced under traffic without a failed request."""

from importlib.metadata import version

__version__ = version("modelsvc")
