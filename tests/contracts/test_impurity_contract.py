"""The contract of models, kept by `impurity`."""

from typing import Any

import pytest

from models import contract
from models.contract import CHECKS
from models.registry import get
from tests import effort

IMPURITY = get("impurity")
FEW: dict[str, Any] = {"k_mesh": 4, "grid_points": 20, "temperatures": (0.0, 1.0)}
RN = {"crystal": "sc", "springs": [{"along": 1.0, "across": 0.25}]}
GROUP = [
    {"cell": (0, 0), "mass_ratio": 0.3},
    {"cell": (1, 0), "layer": 2, "mass_ratio": 2.0, "bond_ratio": 0.7},
]
POINTS = [
    IMPURITY.parameters.model_validate(values)
    for values in (
        {**FEW, "mass_ratio": 0.2, "bond_ratio": 1.5},
        {**FEW, "depth": 0, "mass_ratio": 3.0},
        {"k_mesh": 4, "k_mesh_shift": "gamma", "grid_points": 20, "grid_max": 4.0,
         "grid_width": 0.3, "depth": 3, "mass_ratio": 3.0},
        {**FEW, "host": "fcc-springs", "surface": "111", "mass_ratio": 0.3},
        {**FEW, "host": RN, "defect": "adatom", "mass_ratio": 0.1},
        {**FEW, "defect": "pair", "separation": (1, 0), "mass_ratio": 0.2},
        {**FEW, "defect": "pair", "site": "hollow", "separation": (1, 1), "adatom_bond": True},
        {**FEW, "defect": "group", "sites": GROUP},
        {**FEW, "bond_ratio": 0.0, "mass_ratio": 2.0},
        {**FEW, "k_mesh": 3, "k_mesh_shift": "gamma", "host_layers": 3, "mass_ratio": 0.3},
        {"host": {"model": "slab", "material": "Ar", "cutoff": 1.1}, "surface": "111",
         "mass_ratio": 0.3, "k_mesh": 2, "grid_points": 20, "temperatures": (0.0, 20.0)},
    )
]  # fmt: skip
PAIRWISE = (contract.check_depends_on, contract.check_shape_parameters)
"""Checks that compare every two points."""


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_impurity_keeps_the_contract(check: Any) -> None:
    check(IMPURITY, POINTS if effort.LONG and check not in PAIRWISE else POINTS[::3])


@pytest.mark.long
@pytest.mark.parametrize("check", PAIRWISE, ids=lambda check: check.__name__)
def test_every_two_points_of_the_impurity_keep_the_contract(check: Any) -> None:
    check(IMPURITY, POINTS)
