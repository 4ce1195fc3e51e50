"""Spectra of particles by site, and how far the atoms of each site move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import LayoutDOM

from dashboards import theme
from dashboards.figures.site_spectra import (
    AXIS,
    NEEDED,
    SITES,
    SPACING,
    SiteSpectra,
    collect_site_spectra,
    draw_site_spectra,
)
from dashboards.views.impurity_energies import draw_lines, lines_table
from dashboards.views.impurity_lines import (
    NONE,
    Along,
    Lines,
    along,
    collect_lines,
    lines_moved,
    nothing,
    numbers,
    place_in,
    scan_controls,
    value_at,
    words,
)
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    dims_beside,
    point_controls,
)
from sweep import InputError

OWN = ("site_class", "grid")
MOTION = "mean_square_displacement"
MOST_PANELS = 4
MOST_NUMBERS = 20_000
"""Of all curves together."""
WIDEST = 520
"""Pixels of the frame of one panel."""
ABOVE = 130
"""Pixels of all that is not the frame of a panel."""


@dataclass(frozen=True, slots=True)
class Spectra:
    """Particles side by side."""

    particles: tuple[SiteSpectra, ...]
    beside: str
    """What tells one from the others; empty if there is one."""
    which: tuple[str, ...]
    """Its value for each."""
    density_unit: str


class SiteSpectraView(View[Spectra]):
    """Spectra of the sites of a particle or of several."""

    name = "site-spectra"
    title = "spectra by site"

    def fits(self, results: Results) -> bool:
        """Fit a store with spectra by site."""
        return results.has(*NEEDED, *OWN)

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer what stands side by side, and the values of all other dims."""
        dims = dims_beside(results, NEEDED, OWN)
        options = [(NONE, "nothing"), *((d, d.replace("_", " ")) for d in dims)]
        words_first = sorted(dims, key=lambda d: numbers(results.dataset, d))
        beside = Control.of("beside", "side by side", options, asked,
                            words_first[0] if words_first else NONE)  # fmt: skip
        found = [beside] if dims else []
        return [*found, *point_controls(results, NEEDED, [*OWN, beside.value], asked)]

    def collect(self, results: Results, chosen: Asked) -> Spectra:
        """Take the particles out of the store that have spectra."""
        data, beside = results.dataset, chosen.get("beside", NONE)
        dims = dict.fromkeys(str(d) for n in NEEDED for d in data[n].dims if d not in OWN)
        place = {d: place_in(data, d, chosen.get(d)) or 0 for d in dims if d != beside}
        told = {d: i for d, i in place.items() if d in chosen}
        several = beside in dims
        found = {}
        for i in along(data, beside).order if several else [0]:
            here = place | ({beside: int(i)} if several else {})
            particle = _particle(results, here)
            if particle is not None:
                found[words(data, beside, int(i)) if several else ""] = particle
        if not found:
            raise nothing(results, "spectrum of a particle", told)
        unit = str(data["site_dos"].attrs.get("units", "1"))
        return Spectra(
            tuple(found.values()), beside.replace("_", " ") if several else "", tuple(found),
            theme.unit_text(unit),
        )  # fmt: skip

    def draw(self, collected: Spectra, frame: Frame) -> LayoutDOM:
        """Draw the particles side by side; of many, some that are evenly spread."""
        count = len(collected.particles)
        chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_PANELS)).round().astype(int))
        shown = [collected.particles[i] for i in chosen]
        rows = sum(len(p.names) for p in shown)
        shown = [_thinned(p, max(MOST_NUMBERS // (3 * rows), 50)) for p in shown]
        wide = min(frame.width // len(shown) - AXIS - SPACING, WIDEST)
        left_out = f"; {len(shown)} of {count} particles" if len(shown) < count else ""
        note = f"states of one atom, with its coordination number{left_out}"
        drawn = draw_site_spectra(shown, size=(wide, frame.height - ABOVE))
        return column(*theme.headline("", note, frame.width), drawn)

    def table(self, collected: Spectra) -> Table:
        """Give a row for each particle, site and frequency."""
        beside = [collected.beside] if collected.beside else []
        names = ("particle", *beside, "site", "coordination number", "frequency", "site_dos")
        columns: dict[str, list[Any]] = {n: [] for n in names}
        for p, which in zip(collected.particles, collected.which, strict=True):
            for name, number, spectrum in zip(p.names, p.coordination, p.spectrum, strict=True):
                same = [p.title, *([which] if beside else []), name, number]
                parts = [[value] * len(p.grid) for value in same]
                for found, part in zip(columns.values(), (*parts, p.grid, spectrum), strict=True):
                    found.extend(part)
        units = {"frequency": collected.particles[0].unit, "site_dos": collected.density_unit}
        return Table({n: np.array(c) for n, c in columns.items()}, units)


def _particle(results: Results, place: Mapping[str, int]) -> SiteSpectra | None:
    """Take one particle out; None if it has no spectra."""
    point = results.dataset.isel(dict(place))
    shape = value_at(results, "shape", place, "icosahedron")
    try:
        found = collect_site_spectra(point.assign_coords(shape=shape))
    except InputError:
        return None
    return found


def _thinned(p: SiteSpectra, most: int) -> SiteSpectra:
    """Average neighbouring frequencies until they are few enough."""
    step = -(-len(p.grid) // most)
    starts = np.arange(0, len(p.grid), step)
    count = np.diff([*starts, len(p.grid)])
    return replace(
        p, grid=np.add.reduceat(p.grid, starts) / count,
        spectrum=np.add.reduceat(p.spectrum, starts, axis=1) / count,
    )  # fmt: skip


class DisplacementsBySite(View[Lines]):
    """Mean square displacements of the sites of a particle."""

    name = "displacements-by-site"
    title = "displacements by site"

    def fits(self, results: Results) -> bool:
        """Fit a store with mean square displacements by site."""
        return results.has(MOTION) and "site_class" in results.dataset[MOTION].dims

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer what runs along x, what has a line for each value, and the rest."""
        asked = {"line": "site_class", **asked}
        return scan_controls(results, [MOTION], [], asked, first=["temperature"])

    def collect(self, results: Results, chosen: Asked) -> Lines:
        """Take displacements out of the store; sites that the particles do not have are left."""
        lines = collect_lines(results, MOTION, chosen)
        if not lines.finite():
            raise nothing(results, "mean square displacement", lines.place)
        lines = replace(lines, quantity="mean square displacement")
        return _named(_without_empty(lines), value_at(results, "shape", lines.place, ""))

    def draw(self, collected: Lines, frame: Frame) -> LayoutDOM:
        """Draw a line for each site."""
        return draw_lines(collected, frame)

    def table(self, collected: Lines) -> Table:
        """Give a row for each value."""
        return lines_table(collected)

    def moved(self, collected: Lines, results: Results, finished: FloatArray) -> float | None:
        """Look at the lines along an axis of numbers."""
        return lines_moved(collected, results, finished)


def _without_empty(lines: Lines) -> Lines:
    """Leave out lines without a number."""
    there = np.flatnonzero(np.isfinite(lines.y).any(axis=(1, 2)))
    texts = tuple(lines.line.words[i] for i in there) if lines.line.words else ()
    line = Along(lines.line.name, lines.line.label, lines.line.values[there], texts,
                 lines.line.order[there])  # fmt: skip
    return replace(lines, y=lines.y[there], error=lines.error[there], line=line)


def _named(lines: Lines, shape: str) -> Lines:
    """Name the sites by their places, if the shape of all lines is known."""
    if lines.line.name != "site_class" or lines.x.name == "shape":
        return lines
    known = SITES.get(shape, {})
    texts = tuple(f"{known.get(int(v), 'site')}, {int(v)}" for v in lines.line.values)
    line = replace(lines.line, label="site, coordination", words=texts)
    return replace(lines, line=line)
