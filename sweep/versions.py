"""Which versions compute: those that decide results and formats."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

DECIDING = ("modesweep", "numpy", "scipy", "zarr", "dask", "distributed", "pydantic")


def versions(more: Sequence[str] = ()) -> dict[str, str]:
    """Give the versions that decide results and formats, and of what else is named."""
    found = {"python": platform.python_version()}
    for name in (*DECIDING, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def differing(theirs: dict[str, str]) -> list[str]:
    """Name the versions that differ from those here."""
    own = versions()
    return [f"{k} {v} (here {own.get(k)})" for k, v in theirs.items() if own.get(k) != v]
