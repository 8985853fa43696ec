"""modelsvc: one local language model, replaced under traffic without a failed request."""


def __getattr__(name: str) -> str:
    """`__version__` is looked up when it is asked for: that costs more than all else `modelsvc ctl` imports."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("modelsvc")
