"""Fingerprints of a model's numbers, which rounding does not move and anything else does.

A fingerprint of a variable is its sum with fixed signs and weights drawn from a seed, beside
the sum of its magnitudes. Where modes may be degenerate, values are weighted by a smooth
function of their eigenvalue instead of by their place, so that the basis does not count.

    python -m tests.models.fingerprints MODEL

writes the fingerprints that a revision does not have yet: of a new revision, of new variables,
at new points. It never replaces any: a model whose numbers change gets a new revision.
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
    there = json.loads(path.read_text()) if path.exists() else {"points": [], "fingerprints": []}
    points = there["points"] + [p for p in POINTS[model.name] if p not in there["points"]]
    known = there["fingerprints"] + [{}] * (len(points) - len(there["fingerprints"]))
    found = [fingerprints(model, p) | old for p, old in zip(points, known, strict=True)]
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
    "impurity": [
        {"mass_ratio": 0.2, "bond_ratio": 0.8, "depth": 2, "k_mesh": 24, "grid_points": 40,
         "temperatures": [0.0, 0.5]},
        {"mass_ratio": 3.0, "depth": 0, "k_mesh": 24, "grid_points": 40, "temperatures": [1.0]},
        {"host": "fcc-springs", "surface": "111", "defect": "pair", "separation": [1, 0],
         "mass_ratio": 0.3, "grid_points": 20, "k_mesh": 16, "temperatures": [0.3]},
        {"host": {"springs": [{"along": 1.0, "across": 0.3}]}, "defect": "adatom",
         "mass_ratio": 0.1, "grid_points": 20, "k_mesh": 16, "temperatures": [0.3]},
    ],
    "slab": [
        {"layers": 7, "k_points": 9, "material": "Ar", "cutoff": 3.0},
        {"layers": 6, "surface": "100", "k_mesh": 4, "adlayer": "one side",
         "adlayer_mass_ratio": 2.5, "adlayer_bond_ratio": 0.8, "cutoff": 3.0},
        {"layers": 9, "surface": "110", "k_list": [[0.1, 0.2], [0.5, 0.5]], "relaxed": False,
         "forces": "springs", "spring_nnn": 0.2, "surface_bond_ratio": 0.7},
        {"layers": 6, "crystal": "hcp", "surface": "0001", "k_mesh": 4, "material": "Kr",
         "temperatures": [0.0, 30.0], "scattering_vector": [1.0, 0.0, 2.0], "cutoff": 3.0,
         "grid_points": 60},
        {"layers": 8, "surface": "110", "k_mesh": 3, "superlattice_period": 2,
         "superlattice_mass_ratio": 2.0, "temperatures": [1.0], "cutoff": 2.5, "grid_points": 50,
         "line_shape": "linear"},
        {"layers": 7, "k_mesh": 3, "adlayer": "both sides", "adlayer_mass_ratio": 0.5,
         "temperatures": [2.0], "cutoff": 2.5, "grid_points": 50, "line_shape": "lorentzian"},
        {"layers": 5, "nn_distance": {"temperature": 20.0}, "relaxed": False, "material": "Ar",
         "k_list": [[0.1, 0.2]], "cutoff": 3.0, "grid_points": 40},
    ],
}  # fmt: skip
"""Where revisions of a model are taken."""

if __name__ == "__main__":
    main()
