"""From the name of a model to the model.

Built-in models are listed here; a model of another installed package is found through
the entry point group "modesweep.models", which names a subclass of `models.protocol.Model`.
"""

from functools import cache
from importlib.metadata import entry_points

from models.chain import Chain
from models.cluster import Cluster
from models.errors import ModelInputError
from models.protocol import Model
from models.slab import Slab

ENTRY_POINT_GROUP = "modesweep.models"
BUILT_IN: tuple[type[Model], ...] = (Chain, Cluster, Slab)


@cache
def _found() -> dict[str, Model]:
    """Make every model once: they have no state, and equal sweeps have the same one."""
    known = {model.name: model() for model in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        if entry.name in known:
            msg = (
                f"The model name {entry.name!r} is taken: {entry.value} cannot use it. "
                f"Names of models are unique. Rename the entry point of that package."
            )
            raise ModelInputError(msg)
        known[entry.name] = entry.load()()
    return known


def names() -> list[str]:
    """Give the names of all models that can be swept, sorted."""
    return sorted(_found())


def get(name: str) -> Model:
    """Find a model by its name.

    Raises
    ------
    ModelInputError : there is no such model
    """
    found = _found()
    if name not in found:
        msg = f"There is no model {name!r}. Known models: {', '.join(sorted(found))}."
        raise ModelInputError(msg)
    return found[name]
