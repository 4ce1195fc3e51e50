"""Views of the model impurity."""

from __future__ import annotations

from typing import Any

from dashboards.views.impurity_energies import DefectEnergies
from dashboards.views.impurity_localised import LocalisedModes
from dashboards.views.impurity_resonances import ResonanceMap
from dashboards.views.impurity_spectra import DefectSpectraView
from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = (
    LocalisedModes(), ResonanceMap(), DefectSpectraView(), DefectEnergies(),
)  # fmt: skip
