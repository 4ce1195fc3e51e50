"""Fingerprints of a model's numbers, which rounding does not move and anything else does.

A fingerprint of a variable is its sum with fixed signs and weights drawn from a seed, beside
the sum of its magnitudes. Where modes may be degenerate, values are weighted by a smooth
function of their eigenvalue instead of by their place, so that the basis does not count.

    python -m tests.models.fingerprints MODEL

writes the fingerprints of a revision that has none yet, at the points of the last one. It
never replaces any: a model whose numbers change gets a new revision.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluate import compute
from models.protocol import Model, Variable
from models.registry import get

FOLDER = Path(__file__).parents[1] / "references" / "revisions"


def file_of(model: str, revision: int) -> Path:
    return FOLDER / f"{model}-{revision}.json"


def fingerprints(model: Model, values: dict[str, Any]) -> dict[str, Any]:
    """Take the fingerprints of every variable of one point."""
    point = model.parameters(**values)
    known = model.variables()
    results = compute(model, known, point)
    return {n: fingerprint(known[n][0], results, known) for n in sorted(known)}


def fingerprint(variable: Variable, results: dict[str, Any], known: dict[str, Any]) -> Any:
    array = np.asarray(results[variable.name])
    if variable.dtype not in ("float64", "complex128"):
        if variable.degenerate:  # what a mode of a group is called hangs on the basis
            return sorted(np.unique(array).tolist())
        return hashlib.sha256(repr(array.tolist()).encode()).hexdigest()[:16]
    x = np.abs(array) ** 2 if variable.within_group == "projector" else np.asarray(array, float)
    x = np.nan_to_num(np.sign(x) * x**2 if variable.root else x)
    weights = np.random.default_rng(1973).uniform(-1, 1, x.shape)
    if variable.degenerate:
        weights = weights_of_groups(weights, results[variable.degenerate], x.ndim)
    return [float((weights * x).sum()), float(np.abs(x).sum())]


def weights_of_groups(
    weights: NDArray[np.float64], eigenvalues: NDArray[np.float64], ndim: int
) -> NDArray[np.float64]:
    """Let equal eigenvalues have equal weights: along the modes, only their value counts."""
    modes = eigenvalues.ndim - 1
    along = np.cos(3 * eigenvalues / np.abs(eigenvalues).max())
    first = np.take(weights, [0], axis=modes)
    return first * along.reshape(*eigenvalues.shape, *[1] * (ndim - eigenvalues.ndim))


def main() -> None:
    model = get(sys.argv[1])
    path = file_of(model.name, model.revision)
    if path.exists():
        sys.exit(f"{path.name} is there: numbers that change need a new revision")
    before = sorted(FOLDER.glob(f"{model.name}-*.json"))
    points = json.loads(before[-1].read_text())["points"] if before else POINTS[model.name]
    found = [fingerprints(model, p) for p in points]
    path.write_text(json.dumps({"points": points, "fingerprints": found}, indent=1) + "\n")


POINTS: dict[str, list[dict[str, Any]]] = {
    "chain": [
        {"atoms": 9, "mass_ratio": 2.0, "end_mass_ratio": 0.4, "end_spring_ratio": 1.5,
         "temperatures": [0.0, 1.0]},
        {"atoms": 6, "end_mass_ratio": 3.0, "temperatures": [0.5]},
    ],
    "cluster": [
        {"shells": 3, "impurity_mass_ratio": 0.4, "temperatures": [0.0, 5.0]},
        {"shape": "cuboctahedron", "shells": 2, "grid_max": 30.0, "temperatures": [1.0]},
        {"shape": "cube", "shells": 3, "grid_points": 60, "grid_max": 28.0, "grid_width": 0.7},
        {"shells": 4, "solver": "chebyshev", "start_vectors": 100, "moments": 512,
         "temperatures": [5.0]},
    ],
    "slab": [
        {"layers": 7, "k_points": 9, "material": "Ar", "cutoff": 3.0},
        {"layers": 6, "surface": "100", "k_mesh": 4, "adlayer": "one side",
         "adlayer_mass_ratio": 2.5, "adlayer_bond_ratio": 0.8, "cutoff": 3.0},
        {"layers": 9, "surface": "110", "k_list": [[0.1, 0.2], [0.5, 0.5]], "relaxed": False,
         "forces": "springs", "spring_nnn": 0.2, "surface_bond_ratio": 0.7},
    ],
}  # fmt: skip
"""Where the first revision of a model is taken."""

if __name__ == "__main__":
    main()
