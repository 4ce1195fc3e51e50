"""Views of the model cluster."""

from __future__ import annotations

from typing import Any

from dashboards.views.cluster_modes import ParticleModes
from dashboards.views.cluster_particle import ParticleView
from dashboards.views.cluster_spectra import DisplacementsBySite, SiteSpectraView
from dashboards.views.view import View

VIEWS: tuple[View[Any], ...] = (
    SiteSpectraView(), ParticleView(), DisplacementsBySite(), ParticleModes(),
)  # fmt: skip
