"""From the name of a model to the model, which is loaded when it is asked for.

Built-in models are listed here; a model of another installed package is found through
the entry point group "modesweep.models", which names a subclass of `models.protocol.Model`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from models.errors import ModelInputError

if TYPE_CHECKING:  # names are known without numpy and pydantic
    from models.protocol import Model

ENTRY_POINT_GROUP = "modesweep.models"
BUILT_IN = {
    "chain": "models.chain:Chain",
    "cluster": "models.cluster:Cluster",
    "impurity": "models.impurity:Impurity",
    "slab": "models.slab:Slab",
}


@cache
def _entries() -> dict[str, EntryPoint]:
    """Find where every model is, and load none."""
    known = {n: EntryPoint(n, where, ENTRY_POINT_GROUP) for n, where in BUILT_IN.items()}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in known:
            msg = (
                f"The model name {entry.name!r} is taken: {entry.value} cannot use it. "
                f"Names of models are unique. Rename the entry point of that package."
            )
            raise ModelInputError(msg)
        known[entry.name] = entry
    return known


@cache
def _made(name: str) -> Model:
    """Make a model once: models have no state, and equal sweeps have the same one."""
    model: Model = _entries()[name].load()()
    return model


def names() -> list[str]:
    """Give the names of all models that can be swept, sorted."""
    return sorted(_entries())


def get(name: str) -> Model:
    """Find a model by its name.

    Raises
    ------
    ModelInputError : there is no such model
    """
    if name not in _entries():
        msg = f"There is no model {name!r}. Known models: {', '.join(names())}."
        raise ModelInputError(msg)
    return _made(name)


def forget() -> None:
    """Look for installed models anew."""
    _entries.cache_clear()
    _made.cache_clear()
