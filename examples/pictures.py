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
from dashboards.figures.curves import (
    Curve,
    Drawn,
    Key,
    Panel,
    collect_curve,
    curves_width,
    draw_curves,
)
from dashboards.figures.dispersion import collect_dispersion
from dashboards.figures.impurities import (
    MapPanel,
    collect_attraction,
    collect_map,
    draw_maps,
    maps_width,
)
from dashboards.figures.site_spectra import collect_site_spectra, draw_site_spectra, spectra_width
from dashboards.figures.surface_branches import (
    branches_width,
    collect_branches,
    collect_lowest,
    draw_branches,
)
from dashboards.files import write_page, write_picture
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


# --- light impurities -------------------------------------------------------------------------

POLARIZATIONS = (("perpendicular", "along the normal"), ("parallel", "in the plane"))
PLACES = ((3, "layer 3"), (2, "layer 2"), (1, "layer 1"), (0, "bulk"))
PLACE_COLOURS = dict(zip((1, 2, 3, 0), (*theme.SERIES[1::-1], theme.SERIES[2], theme.INK)))  # noqa: B905
BAND_TOP = 12.0
"""Of Ashkin's crystal, spring/mass."""


def light_impurity(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the localised modes of Ashkin's crystal over the mass, and nearer to the band."""
    whole = {"x_range": (0.1, 0.7), "y_range": (0.8, 5.2),
             "x_ticks": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)}  # fmt: skip
    near = {"x_range": (0.25, 0.7), "y_range": (0.96, 1.44), "x_ticks": (0.3, 0.4, 0.5, 0.6, 0.7)}
    panels = []
    for limits, more in ((whole, ""), (near, ", near the band")):
        for polarization, words in POLARIZATIONS:
            curves = [level(1.0, (0.1, 0.7), "")]
            for depth, _ in PLACES:
                at = {"depth": depth, "polarization": polarization}
                colour = PLACE_COLOURS[depth]
                mode, series, critical = (
                    impurity_curve(dataset, name, **at)
                    for name in ("local_mode_squared", "local_mode_expansion",
                                 "critical_mass_ratio")
                )  # fmt: skip
                if depth < 3:  # from there on it is that of the bulk
                    curves.append(Drawn(over_top(series), colour, "dotted", 1.2))
                dash = "solid" if depth else "dashed"
                curves.append(Drawn(over_top(mode), colour, dash, 2.4))
                curves.append(mark(critical, 1.0, colour))
            panels.append(Panel(
                words + more, curves, "mass of the impurity / mass of the host",
                "squared frequency / band top", **limits,
            ))  # fmt: skip
    keys = [
        Key(words, PLACE_COLOURS[depth], "solid" if depth else "dashed", 2.4)
        for depth, words in PLACES[::-1]
    ]
    keys += [Key("expansion, three terms", theme.INK, "dotted", 1.2),
             Key("critical mass", theme.INK, width=0, dot=8)]  # fmt: skip
    content = draw_curves(
        panels, keys=keys, heading="Localised mode of a light atom in Ashkin\u2019s cubic crystal",
        note="(100) face; atoms heavier than the critical mass have no localised mode",
        columns=2, size=(330, 260),
    )  # fmt: skip
    return content, (curves_width(2, (330, 260)) + MARGIN, 790)


def impurity_curve(dataset: xarray.Dataset, variable: str, **selection: object) -> Curve:
    """Take a variable over the mass ratio."""
    return collect_curve(dataset, variable, "mass_ratio", model="impurity", **selection)


def over_top(curve: Curve) -> Curve:
    """Give squared frequencies over that of the band top."""
    return replace(curve, y=curve.y / BAND_TOP, error=curve.error / BAND_TOP, y_unit="")


def level(y: float, ends: tuple[float, float], unit: str) -> Drawn:
    """Draw a level to compare with."""
    line = Curve(np.array(ends), np.full(2, y), np.full(2, np.nan), "", unit)
    return Drawn(line, theme.RULE, width=1)


def mark(critical: Curve, y: float, colour: str) -> Drawn:
    """Draw a dot at a critical mass ratio, which is the same at all masses."""
    dot = Curve(critical.y[:1], np.full(1, y), critical.error[:1], "", "")
    return Drawn(dot, colour, width=0, dot=8)


# --- heavy impurities -------------------------------------------------------------------------

DENSITIES = (0.02, 5.0)
"""Ends of the scale of colours."""


def heavy_impurity(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the density of states of a heavy surface atom over its mass, and its resonance."""
    panels = []
    for polarization, words in POLARIZATIONS:
        at = {"polarization": polarization}
        line, width = (
            impurity_curve(dataset, name, **at)
            for name in ("resonance_frequency", "resonance_width")
        )
        sharp = replace(line, y=np.where(np.isfinite(width.y), line.y, np.nan))
        curves = [Drawn(line, "white", "dotted", 1.6), Drawn(sharp, "white", "solid", 2.4)]
        panels.append(MapPanel(words, collect_map(dataset, "impurity_dos", "mass_ratio", **at),
                               curves))  # fmt: skip
    keys = [Key("resonance", theme.RULE, "solid", 2.4),
            Key("wider than 0.3 of its frequency", theme.RULE, "dotted", 1.6)]  # fmt: skip
    content = draw_maps(
        panels, x="mass of the impurity / mass of the host", density="states of a component",
        limits=DENSITIES, ticks=(0.02, 0.1, 0.5, 2, 5), x_ticks=(1, 2, 3, 5, 10), keys=keys,
        heading="Resonances of a heavy atom in the surface of Ashkin\u2019s cubic crystal",
        note="white: where the real part of the determinant falls through zero",
    )  # fmt: skip
    return content, (maps_width(2) + MARGIN, 510)


# --- two adatoms ------------------------------------------------------------------------------

HOSTS = (
    ("crystal of Rosenstock and Newell",
     '{"springs":[{"along":1.0,"across":0.5}],"crystal":"sc"}', 2e-4),
    ("Ashkin\u2019s crystal", "sc-isotropic", 2e-2),
)  # fmt: skip
"""Title, host as it is stored, height of the line to compare with at distance 1."""
ROWS = (((1, 0), 1.0, "solid"), ((1, 1), np.sqrt(2), "dashed"))
WARM = tuple(zip((0.1, 0.3, 1.0), theme.DEPTHS[2::-1], strict=True))


def adatom_pairs(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw the attraction of two adatoms over their distance, at rest and warm."""
    panels = []
    for title, host, at_one in HOSTS:
        distance = np.array([1.0, 10.0])
        power = Curve(distance, at_one * distance**-7, np.full(2, np.nan), "", "")
        curves = [Drawn(power, theme.RULE, width=1)]
        for along, step, dash in ROWS:
            cold = collect_attraction(dataset, "interaction_energy", along, step, host=host)
            curves.append(Drawn(cold, theme.INK, dash, 2.2, dot=7))
            for t, colour in WARM:
                warm = collect_attraction(
                    dataset, "interaction_free_energy", along, step, host=host, temperature=t,
                )  # fmt: skip
                curves.append(Drawn(warm, colour, dash, 1.6, dot=5))
        panels.append(Panel(
            title, curves[::-1], "distance / distance of neighbours", "attraction", x_log=True,
            y_log=True, x_range=(0.9, 9.0), x_ticks=(1, 2, 3, 4, 6, 8), y_range=(1e-12, 3e-2),
        ))  # fmt: skip
    keys = [Key("T = 0", theme.INK, width=2.2, dot=7)]
    keys += [Key(f"T = {t:g}", colour, width=1.6, dot=5) for t, colour in WARM]
    keys.append(Key("distance to the power \u22127", theme.RULE, width=1))
    content = draw_curves(
        panels, keys=keys, heading="Attraction of two adatoms of half the mass of the host",
        note="solid: along a row, dashed: along the diagonal; T in units of "
        "\u0127\u221a(k/m)/kB; values with an error under a tenth", one_scale=True,
        size=(370, 360),
    )  # fmt: skip
    return content, (curves_width(2, (370, 360), one_scale=True) + MARGIN, 545)


# --- argon ------------------------------------------------------------------------------------

GUESTS = tuple(zip((0.1, 0.505, 1.0), ("helium", "neon", "argon"), theme.DEPTHS))  # noqa: B905
ARGON_TOP = 1.9586
"""Top of the bands with this cutoff, THz."""


def argon_impurity(dataset: xarray.Dataset) -> tuple[LayoutDOM, Size]:
    """Draw localised modes of light atoms in argon, and how far they move."""
    modes = [level(ARGON_TOP, (0.1, 0.8), "THz")]
    for depth, _ in PLACES[1:]:
        for polarization, dash in (("perpendicular", "solid"), ("parallel", "dashed")):
            squared, critical = (
                impurity_curve(dataset, name, depth=depth, polarization=polarization)
                for name in ("local_mode_squared", "critical_mass_ratio")
            )
            colour = PLACE_COLOURS[depth]
            modes.append(Drawn(root(squared), colour, dash, 2.2))
            modes.append(mark(critical, ARGON_TOP, colour))
    moved = [
        Drawn(collect_curve(
            dataset, "impurity_mean_square_displacement", "temperature", model="impurity",
            depth=depth, mass_ratio=ratio, polarization="perpendicular",
        ), colour, dash, 2.2)
        for ratio, _, colour in GUESTS
        for depth, dash in ((1, "solid"), (0, "dotted"))
    ]  # fmt: skip
    panels = [
        Panel("localised modes", modes, "mass of the impurity / mass of argon", "frequency",
              x_range=(0.1, 0.8), y_range=(1.7, 4.6), x_ticks=(0.1, 0.2, 0.4, 0.6, 0.8)),
        Panel("motion along the normal", moved, "temperature", "mean square displacement",
              x_range=(0, 60)),
    ]  # fmt: skip
    keys = [Key(words, PLACE_COLOURS[depth], width=2.2) for depth, words in PLACES[:0:-1]]
    keys += [Key(f"{words}, {ratio:g}", colour, width=2.2) for ratio, words, colour in GUESTS]
    content = draw_curves(
        panels, keys=keys, heading="A light atom in the (111) surface of argon",
        note="left: solid along the normal, dashed in the plane, dots: critical masses; "
        "right: solid in layer 1, dotted in the bulk", size=(350, 340),
    )  # fmt: skip
    return content, (curves_width(2, (350, 340)) + MARGIN, 525)


def root(curve: Curve) -> Curve:
    """Give frequencies for squared ones."""
    y = np.sqrt(curve.y)
    return replace(curve, y=y, error=curve.error / (2 * y), y_unit="THz")


PICTURES: dict[str, Callable[[xarray.Dataset], tuple[LayoutDOM, Size]]] = {
    "surface_specific_heats": surface_specific_heats,
    "surface_branches": surface_branches,
    "thick_slabs": thick_slabs,
    "displacements": displacements,
    "particles_by_site": particles_by_site,
    "light_impurity": light_impurity,
    "heavy_impurity": heavy_impurity,
    "adatom_pairs": adatom_pairs,
    "argon_impurity": argon_impurity,
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
