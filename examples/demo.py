"""Run the main example, draw the (111) faces, and say what to try next.

    .venv/bin/python examples/demo.py

Safe to stop and to start again: what is finished is kept.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import xarray

import sweep
from dashboards.figures.dispersion import (
    Dispersion,
    collect_dispersion,
    draw_panels,
    panels_width,
)
from dashboards.files import write_page, write_picture
from sweep.progress import for_terminal

FILE = Path(__file__).with_name("rare_gas_adlayers.toml")
WORKSPACE = Path("results")
PANELS = (
    ("clean", "none", 1.0),
    ("light adlayers, m/M = 0.2", "both sides", 0.2),
    ("heavy adlayers, m/M = 5", "both sides", 5.0),
)
"""Title, adlayer, mass ratio."""
PICTURE_SIZE = (panels_width(len(PANELS)) + 36, 470)
"""Window of the browser in pixels; the picture has twice as many."""


def main() -> int:
    """Run, draw, point to the results; give the exit code."""
    began = time.monotonic()
    try:
        result = sweep.run(
            FILE, workspace=WORKSPACE, progress=for_terminal(interactive=sys.stdout.isatty())
        )
        if not result.complete:
            print(f"{result}\nTo see why: {command()} errors {result.path}")
            return 1
        drawn = draw(result.open(), result.path)
    except sweep.SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the same command goes on where this one ended", file=sys.stderr)
        return 130
    print(f"\nDone in {time.monotonic() - began:.0f} s.\n")
    print(f"Results  {result.path}/data.zarr")
    for path in drawn:
        print(f"Picture  {path}")
    print(NEXT.format(command=command(), sweep=result.path, python=relative(sys.executable)))
    return 0


def panels(dataset: xarray.Dataset) -> list[Dispersion]:
    """Collect the three slabs of the picture."""
    return [
        replace(
            collect_dispersion(dataset, surface="111", adlayer=adlayer, adlayer_mass_ratio=ratio),
            title=title,
        )
        for title, adlayer, ratio in PANELS
    ]


def draw(dataset: xarray.Dataset, folder: Path) -> list[Path]:
    """Write the page, and the picture where there is a Chromium."""
    title = "Solid xenon, (111) slab of 21 layers"
    note = "size of a dot: share of the mode in the outer three layers of each side"
    content = draw_panels(panels(dataset), heading=title, note=note)
    page = write_page(content, folder / "dispersion-111.html", title)
    picture = folder / "dispersion-111.png"
    try:
        return [page, picture] if write_picture(page, picture, PICTURE_SIZE) else [page]
    except sweep.MachineError as error:
        print(f"no picture: {error}", file=sys.stderr)
        return [page]


def command() -> str:
    """Give `modesweep` as it can be typed here."""
    return relative(str(Path(sys.executable).with_name("modesweep")))


def relative(path: str) -> str:
    """Shorten a path below the present folder."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


NEXT = """
Try next:

  How far it is, what it holds:
    {command} status

  Modes that a light adlayer lifts above the bulk, at M of (111):
    {command} query {sweep} 'mode_kind == "above" and k_label == "M"' \\
        --select surface=111 --select adlayer='both sides' --vars frequency,surface_weight

  Clean faces: surface modes in the gaps at the named points of the zone, in wavenumbers:
    {command} query {sweep} 'mode_kind == "gap" and k_label != "" and surface_weight > 0.95' \\
        --select adlayer=none --select adlayer_mass_ratio=1 --vars frequency,k_label --unit cm-1

  How far the outer three spacings open on each clean face, relative, with xarray:
    {python} -c "import sweep; \\
        print(sweep.open('{sweep}').spacing_change.sel(adlayer='none')[:, :3].values)"

  Another gas: copy examples/rare_gas_adlayers.toml, change `name` and `material`, then
    {command} run YOUR_FILE.toml"""


if __name__ == "__main__":
    sys.exit(main())
