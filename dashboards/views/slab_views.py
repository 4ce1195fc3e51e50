"""Views of slabs: dispersion, surface branches, spectra, thermal functions, displacements."""

from __future__ import annotations

from typing import Any

from dashboards.views.slab_adlayer import AdlayerView
from dashboards.views.slab_branches import BranchesView
from dashboards.views.slab_dispersion import DispersionView
from dashboards.views.slab_spectra import SpectraView
from dashboards.views.slab_thermal import DisplacementsView, ThermalView
from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = (
    DispersionView(), BranchesView(), SpectraView(), ThermalView(), DisplacementsView(),
    AdlayerView(),
)  # fmt: skip
"""In the order in which they are offered."""
