"""Thermal functions of slabs, and profiles of displacements and relaxation by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from bokeh.models import LayoutDOM

from dashboards.views.slab_lines import (
    Family,
    along_control,
    draw_family,
    family,
    family_moved,
    family_table,
    line_control,
    place_controls,
)
from dashboards.views.slab_parts import is_geometric, words
from dashboards.views.view import Asked, Control, FloatArray, Frame, Results, Table, View

_SUMS = ("heat_capacity", "internal_energy", "free_energy", "entropy")
THERMAL = (
    *(f"surface_{n}" for n in _SUMS), *_SUMS, *(f"adlayer_{n}_change" for n in _SUMS),
)  # fmt: skip
"""Surface excess first: that is what a slab is computed for."""
PROFILES = (
    "mean_square_displacement", "mean_square_velocity", "debye_temperature",
    "debye_waller_exponent", "spacing_change", "layer_shift",
)  # fmt: skip
RELAXATION = ("spacing_change", "layer_shift")


class _Curves(View[Family]):
    """Curves of one of some variables along a dim."""

    variables: Sequence[str]
    dim: str
    preferred: Sequence[str] = ()

    def fits(self, results: Results) -> bool:
        """Fit if one of the variables is stored."""
        return results.model == "slab" and any(results.has(n) for n in self.variables)

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer a variable, what runs along x, a line for each of something, the other places."""
        stored = [n for n in self.variables if results.has(n)]
        shown = Control.of("shown", "shown", [(n, words(n)) for n in stored], asked)
        along = along_control(results, shown.value, self.dim, asked)
        lines = line_control(results, shown.value, along.value, asked, self.preferred)
        drawn = (along.value, lines.value)
        return [shown, along, lines, *place_controls(results, shown.value, drawn, asked)]

    def draw(self, collected: Family, frame: Frame) -> LayoutDOM:
        """Draw lines with their errors."""
        return draw_family(collected, frame)

    def table(self, collected: Family) -> Table:
        """Give a row for each number."""
        return family_table(collected)

    def moved(self, collected: Family, results: Results, finished: FloatArray) -> float | None:
        """Look at curves along an axis of the sweep."""
        return family_moved(collected, results, finished)


class ThermalView(_Curves):
    """Thermal functions against temperature."""

    name = "thermal"
    title = "thermal functions"
    variables = THERMAL
    dim = "temperature"

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer logarithmic axes, too, in which powers of the temperature are straight lines."""
        options = [("linear", "linear"), ("log", "logarithmic")]
        return [
            *super().controls(results, asked), Control.of("scales", "axes", options, asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Family:
        """Take a thermal function out of the store."""
        found = family(results, chosen, chosen["shown"], chosen["x"], chosen["line"])
        if chosen.get("scales") == "log":
            keep = found.x > 0
            log = "xy" if (found.values[:, keep] > 0).any() else "x"
            return replace(
                found, x=found.x[keep], values=found.values[:, keep], log=log,
                errors=found.errors[:, keep],
            )  # fmt: skip
        return replace(found, log="x" if _over_decades(found) else "")


class DisplacementsView(_Curves):
    """Profiles by layer."""

    name = "displacements"
    title = "displacements and relaxation by layer"
    variables = PROFILES
    dim = "layer"
    preferred = ("direction",)

    def collect(self, results: Results, chosen: Asked) -> Family:
        """Take a profile out of the store; relaxation in percent."""
        shown = chosen["shown"]
        part = 100.0 if shown in RELAXATION else 1.0
        found = family(
            results, chosen, shown, chosen["x"], chosen["line"], scale=part
        )  # fmt: skip
        if shown in RELAXATION:
            found = replace(found, unit="% of the ideal spacing")
        if found.x_dim == "layer":
            return replace(found, x_label="layer, counted from the top face")
        return replace(found, log="x" if _over_decades(found) else "")


def _over_decades(f: Family) -> bool:
    return f.x_dim != "temperature" and bool(np.all(f.x > 0)) and is_geometric(f.x)
