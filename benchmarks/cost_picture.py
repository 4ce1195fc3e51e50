"""What each question about a slab costs, against its layers, as a picture.

    python -m benchmarks.cost_picture
    python -m benchmarks.cost_picture --picture docs/pictures/cost-against-layers.png

Ideal Lennard-Jones fcc (111) slab, cutoff 6, one generic wavevector, one thread, CPU time:
all modes from the dense matrix; all frequencies from the band form; the surface modes below,
between and above the bulk bands; the spectrum of the first layer at 400 energies, from the
modes of a slab and by decimation of the half space, which has no number of layers. Phase sums
are ready. The picture is drawn where there is a Chromium.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.models import FixedTicker

from benchmarks.half_spaces import Crystal
from benchmarks.layer_spectra import ENERGIES, modes_density
from benchmarks.thick_slabs import make_case
from benchmarks.timing import interleaved, machine, print_table, settle
from dashboards.files import write_page, write_picture
from dashboards.theme import DEPTHS, INK, box_legend, new_figure
from models.green.surface_spectra import layer_green
from models.modes.matrix_forms import choose_form
from models.modes.slab_modes import Lines, solve_grain
from models.protocol import Arrays, FloatArray

LAYERS = (11, 21, 51, 101, 201, 501, 1001, 3001, 10001)
DENSE, BANDED = "all modes, dense", "all frequencies, banded"
SURFACE, SPECTRUM = "surface modes, counted", "layer spectrum from modes"
DECIMATION = "layer spectrum, decimation"
MOST = {DENSE: 501, SPECTRUM: 501, BANDED: 1001, SURFACE: 10001}
"""Thickest slab of each way: a point takes some seconds at most."""
RESOLUTION = 200
"""Highest squared frequency over the width of the lines in a spectrum."""
ZERO = 1e-11
SIZE = (720, 520)
"""Pixels of the figure; the picture has twice as many."""


def ways_at(layers: int) -> dict[str, Callable[[], Any]]:
    """Give every way that a slab of so many layers is asked in."""
    case = make_case(layers)
    if layers <= MOST[DENSE]:
        form = choose_form(case.couplings, case.masses, two_fold=False, symmetric=True)

        def modes() -> Arrays:
            return solve_grain(form, case.sums, Lines.none(1), 3, ZERO)

        def spectrum() -> FloatArray:
            matrix = form.matrices(case.sums, form.blocks[0])[0]
            return modes_density(matrix, energies(form.least * 2))

        dense: dict[str, Callable[[], Any]] = {DENSE: modes, SPECTRUM: spectrum}
    else:
        dense = {}
    ways: dict[str, Callable[[], Any]] = {
        **dense,
        BANDED: case.squared,
        SURFACE: lambda: case.surface("below", "gap", "above", counted=True),
    }
    return {name: run for name, run in ways.items() if layers <= MOST[name]}


def energies(top: float) -> Any:
    """Give the complex squared frequencies of a spectrum."""
    return np.linspace(0.02, 1.02, ENERGIES) * top + 1j * top / RESOLUTION


def measure(sizes: tuple[int, ...]) -> tuple[dict[str, list[tuple[int, float]]], float]:
    """Time all ways: (layers, ms) of each; and decimation, which has no layers, in ms."""
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in MOST}
    for layers in sizes:
        ways = ways_at(layers)
        for name, time in interleaved(ways, 12 if layers <= 201 else 3).items():
            found[name].append((layers, 1e3 * time.cpu))
    crystal = Crystal("111", relaxed=False)
    half = crystal.half_space()
    z = energies(float(np.linalg.eigvalsh(crystal.matrix(61, both_faces=True))[-1]))
    one = interleaved({DECIMATION: lambda: layer_green(half, 0, z, 1)}, 5)
    return found, 1e3 * one[DECIMATION].cpu


def draw(found: dict[str, list[tuple[int, float]]], decimation: float) -> Any:
    """Draw milliseconds against layers, both logarithmic, each line with its name on it."""
    plot = new_figure(
        title="Cost of one wavevector of a (111) slab", width=SIZE[0], height=SIZE[1],
        x_axis_type="log", y_axis_type="log", x_range=(9, 14000),
    )  # fmt: skip
    plot.xaxis.axis_label = "layers"
    plot.yaxis.axis_label = "CPU time (ms)"
    ends = [layers for layers in LAYERS if layers != 201]
    plot.xaxis.ticker = FixedTicker(ticks=ends)
    plot.xaxis.major_label_overrides = {layers: f"{layers:,}" for layers in ends}
    decades = [10.0**i for i in range(-2, 6)]
    plot.yaxis.ticker = FixedTicker(ticks=decades)
    plot.ygrid.visible = plot.xgrid.visible = True
    plot.grid.grid_line_color = "#e4e7ec"
    colours = dict(zip((DENSE, SPECTRUM, BANDED, SURFACE), DEPTHS[::-1], strict=True))
    dashes = {SPECTRUM: "dashed"}
    for name, points in found.items():
        x, y = zip(*points, strict=True)
        look = {"color": colours[name], "legend_label": name}
        plot.line(x, y, line_width=2, line_dash=dashes.get(name, "solid"), **look)
        plot.scatter(x, y, size=7, **look)
    plot.line([9, 14000], [decimation] * 2, color=INK, line_width=2, line_dash="dotted",
              legend_label=f"{DECIMATION} (half space)")  # fmt: skip
    box_legend(plot, "bottom_right")
    return plot


def main() -> int:
    settle()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    parser.add_argument("--quick", action="store_true", help="up to 101 layers")
    options = parser.parse_args()
    print(machine())
    make_case(21).squared()  # loads the band solvers' library
    found, decimation = measure(LAYERS[:4] if options.quick else LAYERS)
    by_layers = {name: dict(points) for name, points in found.items()}
    sizes = sorted({layers for points in by_layers.values() for layers in points})
    rows = [(str(n), *(of.get(n, "-") for of in by_layers.values())) for n in sizes]
    print_table(("layers, CPU ms", *by_layers), rows)
    print(f"{DECIMATION}: {decimation:.3g}")
    if options.picture is not None:
        with tempfile.TemporaryDirectory() as folder:
            page = write_page(draw(found, decimation), Path(folder) / "page.html", "Cost")
            if not write_picture(page, options.picture, (SIZE[0] + 24, SIZE[1] + 24)):
                print("no Chromium on this machine: no picture")
    return 0


if __name__ == "__main__":
    sys.exit(main())
