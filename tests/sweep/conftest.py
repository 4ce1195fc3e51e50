"""Finished sweeps that several files of tests look at; one small cluster makes them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep.cluster import connect
from sweep.runner import run

SWEEPS: tuple[dict[str, Any], ...] = (
    {  # gases and adlayers on axes, two axes zipped, points left out
        "modesweep": 1, "name": "gases", "model": "slab",
        "outputs": ["frequency", "surface_weight", "mode_kind", "layer_height", "eigenvector"],
        "where": "adlayer != 'none' or adlayer_mass_ratio == 1",
        "zip": [["layers", "surface_depth"]],
        "fixed": {"cutoff": 2.2, "k_points": 7},
        "axes": {
            "material": ["Xe", "Ar"], "layers": [4, 6], "surface_depth": [1, 2],
            "adlayer": ["none", "one side"], "adlayer_mass_ratio": [1, 0.3, 2],
        },
    },
    {  # one point, reduced units, no axes
        "modesweep": 1, "name": "plain", "model": "slab", "fixed": {"cutoff": 2.2, "layers": 4},
        "outputs": ["frequency", "surface_energy"],
    },
    {  # many cheap points, two kinds of numbers on one axis, thermal variables
        "modesweep": 1, "name": "chains", "model": "chain",
        "fixed": {"temperatures": [0, 0.5]},
        "axes": {
            "atoms": [3, 5], "mass_ratio": {"linspace": [1, 2, 40]}, "end_mass_ratio": [0.5, 1.5],
        },
    },
)  # fmt: skip


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every sweep above, complete."""
    folder = tmp_path_factory.mktemp("results")
    with connect(None, 1, dashboard=False) as client:
        for document in SWEEPS:
            assert run(document, workspace=folder, scheduler=client).complete
    return folder
