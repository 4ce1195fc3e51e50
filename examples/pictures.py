"""Run the sweeps of the pictures in docs/pictures and draw them.

    .venv/bin/python examples/pictures.py                 # all
    .venv/bin/python examples/pictures.py displacements   # one

Results go to ./results, pictures to docs/pictures. What is finished is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray
from bokeh.models import LayoutDOM

import sweep
from dashboards import theme
from dashboards.curves import Curve, Drawn, Key, Panel, collect_curve, curves_width, draw_curves
from dashboards.dispersion import collect_dispersion
from dashboards.pages import write_page, write_picture
from dashboards.site_spectra import collect_site_spectra, draw_site_spectra, spectra_width
from dashboards.surface_branches import (
    branches_width,
    collect_branches,
    collect_lowest,
    draw_branches,
)
from sweep.progress import for_terminal

HERE = Path(__file__).parent
WORKSPACE = Path("results")
FOLDER = HERE.parent / "docs" / "pictures"
MARGIN = 24
"""Pixels of a page beside its panels."""

Size = tuple[int, int]

# --- surface specific heats -----------------------------------------------------------------

GASES = ("Ne", "Ar", "Kr", "Xe")
LATTICES = (("static", "solid", "static lattice"), ("zero-point", "dashed", "zero-point lattice"))
ROW = 0.028
"""Distance of the rows of peaks, one for each gas."""


def surface_specific_heats(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw four gases on three faces, each on the static and on the expanded lattice."""
    panels = []
    for surface in ("100", "110", "111"):
        curves = [
            Drawn(
                collect_curve(
                    dataset, "surface_heat_capacity", "temperature", material=gas,
                    surface=surface, nn_distance=lattice, relaxed=False,
                ),
                colour, dash, peak_at=ROW * (4 - i), hollow=lattice != "static",
            )
            for i, (gas, colour) in enumerate(zip(GASES, theme.SERIES, strict=True))
            for lattice, dash, _ in LATTICES
        ]  # fmt: skip
        panels.append(Panel(
            f"({surface})", curves, "temperature", "surface heat capacity per cell",
            x_range=(0, 30),
        ))  # fmt: skip
    keys = [Key(gas, colour) for gas, colour in zip(GASES, theme.SERIES, strict=True)]
    keys += [Key(words, theme.INK, dash) for _, dash, words in LATTICES]
    content = draw_curves(
        panels, keys=keys, heading="Surface heat capacity of rare-gas crystals",
        note="slab of 21 layers, unrelaxed on both lattices; dots: temperatures of the peaks, open "
        "on the zero-point lattice",
        one_scale=True, size=(300, 300),
    )  # fmt: skip
    return content, (curves_width(3, (300, 300), one_scale=True) + MARGIN, 475)


# --- branches of a clean and a covered face ---------------------------------------------------

COVERS = (("clean", 1.0), ("light adlayer, m/M = 0.2", 0.2), ("heavy adlayer, m/M = 5", 5.0))


def surface_branches(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the branches of the half space over the modes of a slab."""
    panels = []
    for title, ratio in COVERS:
        slab = collect_dispersion(dataset, layers=21, adlayer_mass_ratio=ratio)
        branches = collect_branches(dataset, layers="infinite", adlayer_mass_ratio=ratio)
        panels.append((replace(slab, title=title), branches))
    content = draw_branches(
        panels, heading="Surface modes of the Lennard-Jones crystal, (111)",
        note="colour: share of a branch in the outer three layers; slab of 21 layers, both faces "
        "alike; each panel has its own scale",
    )  # fmt: skip
    return content, (branches_width(len(panels)) + MARGIN, 545)


# --- thick slabs ------------------------------------------------------------------------------

THICKNESSES = (21, 101, 1001, 5001)
ROUNDING = 1e-14
"""Relative differences below this are drawn as this."""


def thick_slabs(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the lowest branch, its distance from that of the half space, and its phase speed."""
    infinite = collect_lowest(dataset, layers="infinite")
    slabs = [collect_lowest(dataset, layers=n) for n in THICKNESSES]
    every = [*zip(slabs, theme.DEPTHS, strict=True)]
    wavevector, first, last = "wavevector along Γ–M", infinite.x[0] / 1.2, infinite.x[-1] * 1.1
    shown = {"x": wavevector, "x_log": True, "x_range": (first, last)}
    panels = [
        Panel(
            "lowest branch", [Drawn(c, colour, dot=4) for c, colour in every]
            + [Drawn(infinite, theme.INK, "dashed")], y="frequency", y_log=True, **shown,
        ),
        Panel(
            "distance from the semi-infinite crystal",
            [Drawn(apart(c, infinite), colour, dot=4) for c, colour in every],
            y="relative distance", y_log=True, y_range=(ROUNDING / 2, 3), **shown,
        ),
        Panel(
            "speed: bending at long waves",
            [Drawn(speed(c), colour, dot=4) for c, colour in every]
            + [Drawn(speed(infinite), theme.INK, "dashed")], y="frequency / wavevector", **shown,
        ),
    ]  # fmt: skip
    keys = [Key(f"{n} layers", colour, dot=4) for n, (_, colour) in zip(THICKNESSES, every)]  # noqa: B905
    keys.append(Key("semi-infinite", theme.INK, "dashed"))
    content = draw_curves(
        panels, keys=keys, heading="Rayleigh wave of (111) in slabs of 21 to 5001 layers",
        note="a slab thinner than the wave is long bends: its speed falls with the wavevector",
    )  # fmt: skip
    return content, (curves_width(3) + MARGIN, 455)


def apart(curve: Curve, limit: Curve) -> Curve:
    """Give the relative distance of two curves where both are known."""
    here = np.isin(curve.x, limit.x)
    there = np.isin(limit.x, curve.x)
    y = np.abs(curve.y[here] / limit.y[there] - 1)
    y = np.maximum(y, ROUNDING)
    return Curve(curve.x[here], y, curve.error[here], curve.x_unit, "")


def speed(curve: Curve) -> Curve:
    """Give the phase speed."""
    return replace(curve, y=curve.y / curve.x, y_unit="√(ε/m)")


# --- displacements ----------------------------------------------------------------------------

SLABS = (11, 21, 41, 81)
MESHES = (4, 8, 16, 32)
ASIDE = 1.035
"""Factor between the places of neighbouring slabs, so that their bars stand side by side."""


def displacements(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the displacement of the surface layer over the mesh, slabs beside the half space."""
    panels = []
    for surface in ("100", "111"):
        for direction, words in (("x", "in the plane"), ("z", "along the normal")):
            curves = []
            for i, (layers, colour) in enumerate(
                [*zip(SLABS, theme.DEPTHS, strict=True), ("infinite", theme.INK)]
            ):
                c = collect_curve(
                    dataset, "mean_square_displacement", "k_mesh", surface=surface,
                    layers=layers, layer=0, direction=direction,
                )  # fmt: skip
                c = replace(c, x=c.x * ASIDE ** (i - 2))
                dash = "dashed" if layers == "infinite" else "solid"
                curves.append(Drawn(c, colour, dash, width=1.4, dot=5, bars=True))
            panels.append(Panel(
                f"({surface}), {words}", curves, "mesh, points along each side",
                "mean square displacement", x_log=True, x_ticks=MESHES,
                from_zero=False,
            ))  # fmt: skip
    keys = [Key(f"{n} layers", c, dot=5) for n, c in zip(SLABS, theme.DEPTHS, strict=True)]
    keys.append(Key("semi-infinite", theme.INK, "dashed", dot=5))
    content = draw_curves(
        panels, keys=keys, heading="Surface layer of solid argon at 60 K",
        note="bars: change when the mesh is half as fine", columns=2, size=(330, 230),
    )  # fmt: skip
    return content, (curves_width(2, (330, 230)) + MARGIN, 720)


# --- particles --------------------------------------------------------------------------------

SHAPES = (("icosahedron", 5), ("cuboctahedron", 5), ("cube", 5))
"""Shape and shells."""


def particles_by_site(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the spectra of vertices, edges, faces and core of three particles."""
    particles = [collect_site_spectra(dataset, shape=s, shells=n) for s, n in SHAPES]
    content = draw_site_spectra(
        particles, heading="Vibrations of Lennard-Jones particles by site",
        note="rows: modes of an atom per frequency, area 3, with its coordination number; all on "
        "one scale",
    )  # fmt: skip
    return content, (spectra_width(len(particles)) + MARGIN, 505)


PICTURES: dict[str, Callable[[xarray.Dataset], tuple[LayoutDOM, Size]]] = {
    "surface_specific_heats": surface_specific_heats,
    "surface_branches": surface_branches,
    "thick_slabs": thick_slabs,
    "displacements": displacements,
    "particles_by_site": particles_by_site,
}
"""From the name of a sweep file to what draws it."""


def main(names: list[str]) -> int:
    """Make the pictures that are asked for; give the exit code."""
    unknown = [n for n in names if n not in PICTURES]
    if unknown:
        print(f"no picture {', '.join(unknown)}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    for name in names or PICTURES:
        result = sweep.run(
            HERE / f"{name}.toml", workspace=WORKSPACE,
            progress=for_terminal(interactive=sys.stdout.isatty()),
        )  # fmt: skip
        if not result.complete:
            print(f"{result}", file=sys.stderr)
            return 1
        content, size = PICTURES[name](result.open())
        file = name.replace("_", "-")
        page = write_page(content, result.path / f"{file}.html", file)
        picture = FOLDER / f"{file}.png"
        drawn = write_picture(page, picture, size)
        print(f"Picture  {picture}" if drawn else f"Page     {page} (no Chromium for a picture)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
