"""A particle in space: its atoms as shaded balls, coloured by how far they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from dashboards import theme
from dashboards.figures.site_spectra import SITES
from dashboards.views.impurity_lines import (
    Along,
    at_text,
    nothing,
    place_in,
    short,
    taken,
    thin,
    value_at,
)
from dashboards.views.view import (
    Asked,
    Control,
    FloatArray,
    Frame,
    Results,
    Table,
    View,
    axis_control,
    point_controls,
)

POSITION, NUMBER, MOTION = "position", "coordination_number", "mean_square_displacement"
OWN = ("atom", "direction", "site_class", "temperature")
FULL = 12
"""Neighbours of an atom in the core."""
NEIGHBOURS = 1.25
"""Distance of atoms that touch, over the shortest one, at most."""
AWAY = 5.0
"""Distance of the eye from the middle, in radii of the particle."""
WHOLE, HALF = "whole", "half"
BALLS, STICKS = "balls", "sticks"
SIZES = {BALLS: 0.5, STICKS: 0.27}
"""Radius of a ball over the distance of neighbours."""
MOST_ATOMS = 2200
"""That are drawn: beyond, those in front and nearest to the eye."""
MOST_BALLS = 4500
"""Discs of all atoms together, from which the shading is made."""
MOST_BONDS = 1500
SHADES = ((1.0, "#0a0c12", 1.0, 0.0), (0.94, "", 1.0, 0.0), (0.66, "#fffffe", 0.16, 0.17),
          (0.32, "#fffffe", 0.45, 0.3))  # fmt: skip
"""Discs of a ball: radius over that of the ball, colour if it is not that of the atom, opacity,
shift towards the light over the radius. On a dark page, light stays light."""
FLAT = ((1.0, "", 1.0, 0.0),)
"""The same without shading."""
BAR = 130
"""Pixels of the colour bar."""


@dataclass(frozen=True, slots=True)
class Particle:
    """Atoms of one particle and how it is looked at."""

    position: FloatArray
    """(atoms, 3)."""
    number: NDArray[np.int64]
    """(atoms,) coordination numbers."""
    motion: FloatArray
    """(atoms,) mean square displacements of their classes; NaN where not known."""
    names: tuple[str, ...]
    """(atoms,) words of the sites."""
    length_unit: str
    motion_unit: str
    turn: float
    """Degrees about the upright axis."""
    tilt: float
    """Degrees towards the eye."""
    style: str
    half: bool
    """The front half is taken away."""
    title: str


class ParticleView(View[Particle]):
    """One particle in space."""

    name = "particle"
    title = "the particle in space"

    def fits(self, results: Results) -> bool:
        """Fit a store with positions."""
        return results.has(POSITION) and results.dataset[POSITION].dims[-2:] == OWN[:2]

    def controls(self, results: Results, asked: Asked) -> list[Control]:
        """Offer the point, the temperature, the direction of the view, the style."""
        found = point_controls(results, _stored(results), OWN, asked)
        data = results.dataset
        if MOTION in data and data.sizes.get("temperature", 1) > 1:
            found.append(axis_control(data, "temperature", asked))
        turns = [(str(a), f"{a}°") for a in range(0, 360, 15)]
        tilts = [(str(a), f"{a}°") for a in range(-90, 91, 15)]
        return [
            *found,
            Control.of("turn", "turn", turns, asked, "15", "slider"),
            Control.of("tilt", "tilt", tilts, asked, "15", "slider"),
            Control.of("style", "atoms", [(BALLS, "touching"), (STICKS, "small, with bonds")],
                       asked),
            Control.of("part", "shown", [(WHOLE, "whole"), (HALF, "front half taken away")],
                       asked),
        ]  # fmt: skip

    def collect(self, results: Results, chosen: Asked) -> Particle:
        """Take the atoms of a particle out of the store."""
        data, stored = results.dataset, _stored(results)
        dims = dict.fromkeys(str(d) for n in stored for d in data[n].dims)
        place = {d: i for d in dims if d not in OWN[:3]
                 and (i := place_in(data, d, chosen.get(d))) is not None}  # fmt: skip
        atoms = _counted(data.sizes["atom"], "atom")
        position = taken(data[POSITION], (atoms, _counted(3, "direction")), place)
        there = np.isfinite(position).all(axis=1)
        if not there.any():
            raise nothing(results, "particle", {d: i for d, i in place.items()
                                                if d != "temperature"})  # fmt: skip
        position = position[there]
        number = np.bincount(neighbours(position).ravel(), minlength=len(position))
        if NUMBER in data:
            number = taken(data[NUMBER], (atoms,), place)[there].astype(np.int64)
        known = SITES.get(value_at(results, "shape", place, "icosahedron"), {})
        where = at_text(data, place).replace(" at ", ": ", 1)
        return Particle(
            position, number, _motion(results, number, place),
            tuple(known.get(int(n), "site") for n in number), unit_in(data, POSITION),
            unit_in(data, MOTION), float(chosen["turn"]), float(chosen["tilt"]), chosen["style"],
            chosen["part"] == HALF, f"{len(position)} atoms{where}",
        )  # fmt: skip

    def draw(self, collected: Particle, frame: Frame) -> LayoutDOM:
        """Draw the balls from the farthest to the nearest, and the colour bar."""
        return _draw(collected, frame)

    def table(self, collected: Particle) -> Table:
        """Give a row for each atom."""
        p = collected
        columns: dict[str, NDArray[np.generic]] = {
            "x": p.position[:, 0], "y": p.position[:, 1], "z": p.position[:, 2],
            "site": np.array(p.names), NUMBER: p.number,
        }  # fmt: skip
        if np.isfinite(p.motion).any():
            columns[MOTION] = p.motion
        return Table(columns, dict.fromkeys("xyz", p.length_unit) | {MOTION: p.motion_unit})


def _stored(results: Results) -> list[str]:
    return [n for n in (POSITION, NUMBER, MOTION) if results.has(n)]


def unit_in(data: xarray.Dataset, name: str) -> str:
    """Give the unit of a variable for a reader; empty if it is not stored."""
    return theme.unit_text(str(data[name].attrs.get("units", "1"))) if name in data else ""


def _counted(count: int, name: str) -> Along:
    places = np.arange(count)
    return Along(name, name, places.astype(np.float64), (), places)


def _motion(results: Results, number: NDArray[np.int64], place: dict[str, int]) -> FloatArray:
    """Give each atom the mean square displacement of its class."""
    data = results.dataset
    if MOTION not in data or "site_class" not in data.coords:
        return np.full(len(number), np.nan)
    classes = np.asarray(data["site_class"].values, dtype=np.float64)
    values = taken(data[MOTION], (_counted(len(classes), "site_class"),), place)
    same = number[:, None] == classes[None, :]
    return np.where(same.any(axis=1), values[same.argmax(axis=1)], np.nan)


def neighbours(position: FloatArray) -> NDArray[np.int64]:
    """Give (pairs, 2) atoms that touch; each pair once."""
    if len(position) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    found, shortest = [], np.inf
    for start in range(0, len(position), 500):  # some rows at a time: all are gigabytes
        rows = np.linalg.norm(position[start : start + 500, None] - position[None], axis=2)
        rows[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        shortest = min(shortest, float(rows.min()))
        i, j = np.nonzero(rows <= NEIGHBOURS * shortest)
        keep = i + start < j
        found.append(np.column_stack([i[keep] + start, j[keep], rows[i[keep], j[keep]]]))
    pairs = np.concatenate(found)
    return pairs[pairs[:, 2] <= NEIGHBOURS * shortest, :2].astype(np.int64)


# --- projection ---------------------------------------------------------------------------


def turned(position: FloatArray, turn: float, tilt: float) -> FloatArray:
    """Turn atoms about the upright axis, then towards the eye: x right, y up, z to the eye."""
    a, b = np.radians([turn, tilt])
    x, y, z = position.T
    right, deep = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    up, near = z * np.cos(b) + deep * np.sin(b), z * np.sin(b) - deep * np.cos(b)
    return np.column_stack([right, up, near])


@dataclass(frozen=True, slots=True)
class Seen:
    """Atoms as they are drawn, from the farthest to the nearest."""

    atom: NDArray[np.intp]
    """(n,) places in the particle."""
    flat: FloatArray
    """(n, 2)."""
    radius: FloatArray
    """(n,)."""
    bonds: FloatArray
    """(bonds, 4) x0, y0, x1, y1."""


def seen(p: Particle) -> Seen:
    """Project the atoms that can be seen."""
    place = turned(p.position - p.position.mean(axis=0), p.turn, p.tilt)
    reach = max(float(np.linalg.norm(place, axis=1).max()), 1e-9)
    pairs = neighbours(p.position)
    distance = (
        float(np.linalg.norm(place[pairs[:, 0]] - place[pairs[:, 1]], axis=1).min())
        if len(pairs) else 1.0
    )  # fmt: skip
    there = place[:, 2] <= 0.1 * distance if p.half else np.ones(len(place), dtype=bool)
    if p.style == BALLS:
        # balls that touch hide what lies more than two layers behind the cut or the surface
        outer = p.number < FULL
        second = np.isin(np.arange(len(place)), pairs[outer[pairs].any(axis=1)])
        cut = (place[:, 2] >= -1.7 * distance) & p.half
        there &= outer | second | cut
    atoms = np.flatnonzero(there)
    atoms = atoms[np.argsort(place[atoms, 2], kind="stable")][-MOST_ATOMS:]
    size = AWAY * reach / (AWAY * reach - place[:, 2])
    flat = place[:, :2] * size[:, None]
    bonds = pairs[np.isin(pairs, atoms).all(axis=1)] if p.style == STICKS else pairs[:0]
    ends = flat[bonds[-MOST_BONDS:]].reshape(-1, 4)
    return Seen(atoms, flat[atoms], SIZES[p.style] * distance * size[atoms], ends)


# --- drawing ------------------------------------------------------------------------------


def _draw(p: Particle, frame: Frame) -> LayoutDOM:
    """Draw one particle."""
    view = seen(p)
    moving = bool(np.isfinite(p.motion).any())
    values = p.motion if moving else p.number.astype(np.float64)
    mapper = _colours(values)
    plot = _open(p, view, (frame.width - BAR, frame.height - 40))
    if len(view.bonds):
        x0, y0, x1, y1 = (thin(v) for v in view.bonds.T)
        plot.segment(x0, y0, x1, y1, color=theme.RULE, line_width=1.2, name="bonds")
    _add_balls(plot, view, _colours_of(values[view.atom], mapper))
    _add_hover(plot, p, view)
    words = "mean square displacement" if moving else "coordination number"
    title = theme.with_unit(words, p.motion_unit if moving else "")
    plot.add_layout(theme.new_colour_bar(mapper, title), "right")
    return plot


def _open(p: Particle, view: Seen, size: tuple[int, int]) -> figure:
    """Open a figure without axes, the same length along both sides of the frame."""
    reach = float((np.abs(view.flat) + view.radius[:, None]).max()) * 1.04
    wide = reach * size[0] / size[1]
    plot = theme.new_figure(
        title=short(p.title, max(size[0] // 8, 20)), frame_width=size[0], frame_height=size[1],
        x_range=Range1d(-wide, wide), y_range=Range1d(-reach, reach), match_aspect=True,
    )  # fmt: skip
    plot.axis.visible = False
    plot.outline_line_color = None
    return plot


def _colours(values: FloatArray) -> LinearColorMapper:
    """Give a scale of colours over all atoms, seen or not."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    return LinearColorMapper(palette=list(theme.WEIGHTS), low=low, high=high, nan_color=theme.RULE)


def _colours_of(values: FloatArray, mapper: LinearColorMapper) -> list[str]:
    """Give the colour of each value, as it stands on the colour bar."""
    share = (values - mapper.low) / (mapper.high - mapper.low)
    every = [*theme.WEIGHTS, theme.RULE]
    place = np.nan_to_num(share * (len(theme.WEIGHTS) - 1), nan=len(theme.WEIGHTS))
    return [every[i] for i in place.round().astype(int)]


def _add_balls(plot: figure, view: Seen, colours: list[str]) -> None:
    """Draw each ball as discs, from its dark rim to the light spot; near ones over far ones."""
    steps = min(len(SHADES), MOST_BALLS // len(view.atom))
    size, tint, alpha, shift = zip(*(SHADES[:steps] if steps > 1 else FLAT), strict=True)
    radius = view.radius[:, None] * np.array(size)
    away = view.radius[:, None] * np.array(shift)
    plot.circle("x", "y", radius="radius", source=ColumnDataSource({
        "x": thin((view.flat[:, [0]] - away).ravel()),
        "y": thin((view.flat[:, [1]] + away).ravel()), "radius": thin(radius.ravel()),
        "colour": [t or colour for colour in colours for t in tint],
        "alpha": thin(np.tile(alpha, len(colours))),
    }), fill_color="colour", fill_alpha="alpha", line_color=None, name="balls")  # fmt: skip


def _add_hover(plot: figure, p: Particle, view: Seen) -> None:
    """Lay balls that are not seen over the others, the nearest first, which alone is told of."""
    front = slice(None, None, -1)
    atom = view.atom[front]
    source = ColumnDataSource({
        "x": thin(view.flat[front, 0]), "y": thin(view.flat[front, 1]),
        "radius": thin(view.radius[front]), "motion": thin(p.motion[atom]),
        "number": p.number[atom].astype(np.int32),
        "site": [p.names[a] for a in atom],
    })  # fmt: skip
    drawn = plot.circle("x", "y", radius="radius", source=source, fill_alpha=0, line_color=None,
                        name="atoms")  # fmt: skip
    tips = [("site", "@site"), ("coordination", "@number")]
    if np.isfinite(p.motion).any():
        tips.append(("mean square displacement", f"@motion{{0.000000}} {p.motion_unit}"))
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips, limit=1))
