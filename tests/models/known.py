"""Reference values of an independent implementation, and a short way to compute points."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluate import compute
from models.registry import get

FOLDER = Path(__file__).parents[1] / "references"
SLAB = get("slab")
SURFACES = ("100", "110", "111")


def known(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def slab(outputs: str, **parameters: Any) -> Any:
    """Compute variables of a slab: one array for one name, else a dict."""
    names = outputs.split()
    result = compute(SLAB, names, SLAB.parameters(**parameters))
    return result[names[0]] if len(names) == 1 else result


def squared(frequency: np.ndarray) -> np.ndarray:
    return np.sign(frequency) * frequency**2
