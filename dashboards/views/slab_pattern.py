"""How the layers of a slab move in one mode: amplitudes by layer, and a view that moves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

import sweep
from dashboards import theme
from dashboards.figures.selecting import words_of
from dashboards.views.slab_parts import frequency_unit, single, spread, words_at
from dashboards.views.view import Asked, FloatArray, Results
from sweep import InputError

MOST_LAYERS = 400
"""Thickest slab whose modes are computed for a look; an eigenproblem of order 1200."""
SHOWN_LAYERS = 9
"""Layers of the moving view."""
ACROSS = 0.5
"""Share of the motion across k and the normal from which the view is from above."""
LENGTH, DEPTH = 7.0, 4.2
"""Window of the moving view along k and, from above, across it, in neighbour distances."""
SWING = 0.3
"""Largest displacement that is drawn, in neighbour distances."""
WIDE, HIGH = 480, 340
"""Most room for the frame of the moving view, in pixels."""
PROFILE = (360, 340)
COMPONENTS = ("along k", "across k", "along the normal")
_WAVEVECTORS = ("k_path", "k_points", "k_mesh", "k_mesh_shift", "k_list", "line_shape", "solver")
"""Parameters that give way when one wavevector is looked at."""
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Crystal:
    """A slab at rest."""

    vectors: FloatArray
    """(2, 2), rows are the cell vectors in the face."""
    positions: FloatArray
    """(layer, 3), from the top face; heights from the middle."""
    masses: FloatArray
    """(layer,)."""
    unit: str

    @property
    def neighbour(self) -> float:
        """Length of the shorter cell vector."""
        return float(np.linalg.norm(self.vectors, axis=1).min())


@dataclass(frozen=True, slots=True)
class Pattern:
    """One mode."""

    heading: str
    note: str
    crystal: Crystal
    fraction: FloatArray
    """(2,), wavevector in reciprocal vectors."""
    along: FloatArray
    """(2,), unit vector along k in the face."""
    displacement: Complexes
    """(layer, 3) along k, across it and along the normal; the largest layer moves by 1."""

    @property
    def amplitude(self) -> FloatArray:
        """(layer, 3)."""
        return np.abs(self.displacement)


@dataclass(frozen=True, slots=True)
class Atoms:
    """Atoms of the moving view: x = x0 + ax cos t + bx sin t, and y likewise."""

    columns: Mapping[str, FloatArray]
    """x0, y0, ax, ay, bx, by and layer, (atoms,) each."""
    seen: str
    labels: tuple[str, str]
    """What runs along x and along y."""


# --- collecting -----------------------------------------------------------------------------


def pattern_of(results: Results, place: Mapping[str, int], chosen: Asked) -> Pattern:
    """Give the motion of the mode that was picked, from the store or computed anew.

    Raises
    ------
    InputError : there is no such mode, or it would take too long to compute
    """
    data = results.dataset
    k, mode = (_number(chosen, n, data.sizes[n]) for n in ("k", "mode"))
    point = data.isel({d: i for d, i in place.items()} | {"k": k, "mode": mode})
    if not np.isfinite(float(point["frequency"])):
        at = words_at(data, place)
        msg = f"There is no mode {mode} at wavevector {k}{' at ' if at else ''}{at}."
        raise InputError(msg)
    document = str(data.attrs["sweep"])
    spec = sweep.read(json.loads(document))
    index = tuple(place.get(d.name, 0) for d in spec.dims)
    fraction = point["k_fraction"].values.astype(np.float64)
    if "eigenvector" in data:
        vector = point["eigenvector"].transpose("layer", "direction").values
        vector = vector[np.isfinite(vector).all(axis=1)]
    else:
        vector = _vectors(document, index, *map(float, fraction))[mode]
    crystal = _crystal(document, index)
    along = point["k_vector"].values.astype(np.float64)
    length = float(np.linalg.norm(along))
    along = along / length if length > 0 else np.array([1.0, 0.0])
    moved = _turned(vector[: len(crystal.masses)], along) / np.sqrt(crystal.masses)[:, None]
    moved = moved / np.linalg.norm(moved, axis=1).max()
    heading, note = _told(results, place, chosen, k, mode)
    return Pattern(heading, note, crystal, fraction, along, moved)


def _number(chosen: Asked, name: str, count: int) -> int:
    text = str(chosen.get(name, ""))
    if not text.isdecimal() or int(text) >= count:
        msg = f"There is no {name} {text!r}: choose one from 0 to {count - 1}."
        raise InputError(msg)
    return int(text)


def _told(
    results: Results, place: Mapping[str, int], chosen: Asked, k: int, mode: int
) -> tuple[str, str]:
    data = results.dataset
    point = data.isel(dict(place) | {"k": k})
    scale, unit = frequency_unit(results, "frequency", chosen)
    label = str(point["k_label"].values) if "k_label" in point else ""
    at = f" ({theme.point_text(label)})" if label else ""
    frequency = scale * float(point["frequency"].isel(mode=mode))
    heading = f"mode {mode} at wavevector {k}{at}: {frequency:.4f} {unit}".rstrip()
    told = [words_at(data, place)]
    if "mode_kind" in point:
        told.append(str(words_of(point["mode_kind"].isel(mode=mode))))
    if "surface_weight" in point:
        told.append(f"surface weight {float(point['surface_weight'].isel(mode=mode)):.3f}")
    return heading, ", ".join(t for t in told if t)


@lru_cache(maxsize=8)
def _crystal(document: str, index: tuple[int, ...]) -> Crystal:
    """Put the atoms of a point at rest."""
    spec = sweep.read(json.loads(document))
    whole = spec.model.structure(spec.point(index))
    positions = whole.positions.copy()
    positions[:, 2] -= (positions[:, 2].max() + positions[:, 2].min()) / 2
    return Crystal(whole.lattice[:2, :2], positions, whole.masses, theme.unit_text(
        whole.length_unit))  # fmt: skip


@lru_cache(maxsize=4)
def _vectors(document: str, index: tuple[int, ...], f1: float, f2: float) -> Complexes:
    """Compute all modes at one wavevector, (mode, layer, direction)."""
    spec = sweep.read(json.loads(document))
    values: dict[str, Any] = {
        axis: along[i] for dim, i in zip(spec.dims, index, strict=True)
        for axis, along in dim.values.items() if axis not in _WAVEVECTORS
    }  # fmt: skip
    layers = values.get("layers", spec.fixed.get("layers"))
    if not isinstance(layers, int) or layers > MOST_LAYERS:
        msg = (
            f"The modes of {layers} layers are not computed for a look; the most are "
            f"{MOST_LAYERS}. Run the sweep with `eigenvector` among the outputs."
        )
        raise InputError(msg)
    fixed = {n: v for n, v in spec.document.get("fixed", {}).items() if n not in _WAVEVECTORS}
    one = {n: spec.document[n] for n in ("modesweep", "name", "model")} | {"fixed": fixed}
    found = sweep.point(
        one, values | {"k_list": [[f1, f2]], "solver": "dense"}, variables=["eigenvector"]
    )
    return np.asarray(found["eigenvector"][0], dtype=np.complex128)


def _turned(vector: Complexes, along: FloatArray) -> Complexes:
    """Give components along k, across it and along the normal instead of x, y, z."""
    turn = np.array([[along[0], along[1], 0], [-along[1], along[0], 0], [0, 0, 1]])
    return vector @ turn.T


# --- what moves -----------------------------------------------------------------------------


def atoms_of(p: Pattern) -> Atoms:
    """Choose atoms in a window, with the phase of each from its true place."""
    share = (p.amplitude**2).sum(axis=0)
    weight = (p.amplitude**2).sum(axis=1)
    if share[1] > ACROSS * share.sum():
        top = weight[: len(weight) // 2 + 1].sum() >= weight[len(weight) // 2 :].sum()
        outermost = int(weight.argmax())
        inner = outermost + (1 if top else -1)
        layers = [i for i in (inner, outermost) if 0 <= i < len(weight)]
        across = ("along k", "across k")
        return Atoms(_placed(p, layers, (0, 1)), f"from above, layers {sorted(layers)}", across)
    count = len(weight)
    layers = list(range(min(count, SHOWN_LAYERS)))
    if weight[count // 2 :].sum() > 1.001 * weight[: count - count // 2].sum():
        layers = list(range(max(count - SHOWN_LAYERS, 0), count))
    told = "" if len(layers) == count else f", layers {layers[0]} to {layers[-1]} of {count}"
    return Atoms(_placed(p, layers, (0, 2)), f"from the side{told}", ("along k", "height"))


def _placed(p: Pattern, layers: list[int], seen: tuple[int, int]) -> dict[str, FloatArray]:
    """Place atoms of layers in the window; `seen`: components that run along x and y."""
    a = p.crystal.neighbour
    across = np.array([-p.along[1], p.along[0]])
    reach = int(np.ceil(2 * LENGTH))
    cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2), axis=-1).reshape(-1, 2)
    width = DEPTH / 2 if seen[1] == 1 else 0.5
    found: dict[str, list[FloatArray]] = {n: [] for n in _COLUMNS}
    for layer in layers:
        rest = p.crystal.positions[layer]
        fraction = rest[:2] @ np.linalg.inv(p.crystal.vectors) + cells
        place = fraction @ p.crystal.vectors
        s, t = place @ p.along / a, place @ across / a
        inside = (np.abs(s) <= LENGTH / 2) & (t > -width - 1e-6) & (t <= width - 1e-6)
        phase = np.exp(2j * np.pi * fraction[inside] @ p.fraction)
        u = SWING * p.displacement[layer] * phase[:, None]
        y = t[inside] if seen[1] == 1 else np.full(inside.sum(), rest[2] / a)
        parts = (s[inside], y, u[:, seen[0]].real, u[:, seen[1]].real, u[:, seen[0]].imag,
                 u[:, seen[1]].imag, np.full(len(y), float(layer)))  # fmt: skip
        for name, part in zip(_COLUMNS, parts, strict=True):
            found[name].append(part)
    return {n: np.concatenate(parts) for n, parts in found.items()}


_COLUMNS = ("x0", "y0", "ax", "ay", "bx", "by", "layer")


# --- drawing ------------------------------------------------------------------------------


def draw_pattern(p: Pattern) -> LayoutDOM:
    """Draw amplitudes by layer, and atoms that a page lets move."""
    width = PROFILE[0] + WIDE + 150
    return column(*theme.headline(p.heading, p.note, width), row(
        _draw_profile(p), _draw_atoms(atoms_of(p)), spacing=24))  # fmt: skip


def _draw_profile(p: Pattern) -> figure:
    heights = p.crystal.positions[:, 2]
    plot = theme.new_figure(
        title="amplitude by layer", frame_width=PROFILE[0], frame_height=PROFILE[1],
        x_range=Range1d(-0.03, 1.06),
    )  # fmt: skip
    plot.xaxis.axis_label = "displacement, relative to the largest"
    plot.yaxis.axis_label = theme.with_unit("height above the middle", p.crystal.unit)
    layers = spread(len(heights), MOST_LAYERS)
    dots = []
    for i, (name, colour) in enumerate(zip(COMPONENTS, theme.SERIES, strict=False)):
        source = ColumnDataSource({
            "x": single(p.amplitude[layers, i]), "y": single(heights[layers]), "layer": layers,
        })  # fmt: skip
        plot.line("x", "y", source=source, color=colour, line_width=1.6, legend_label=name)
        dots.append(plot.scatter(
            "x", "y", source=source, color=colour, size=6 if len(layers) < 60 else 3, name=name,
            legend_label=name,
        ))  # fmt: skip
    plot.add_tools(HoverTool(renderers=dots, tooltips=[
        ("layer", "@layer"), ("$name", "@x{0.0000}"),
    ]))  # fmt: skip
    _place_legend(plot)
    return plot


def _place_legend(plot: figure) -> None:
    """Put the legend below the frame, in the looks of all legends."""
    legend = plot.legend[0]
    fresh = theme.new_legend(list(legend.items))
    legend.items = []
    legend.visible = False
    plot.add_layout(fresh, "below")


def _draw_atoms(atoms: Atoms) -> figure:
    c = atoms.columns
    half = LENGTH / 2 + SWING + 0.2
    low, high = float(c["y0"].min()) - 0.6, float(c["y0"].max()) + 0.6
    scale = min(WIDE / (2 * half), HIGH / (high - low))
    plot = theme.new_figure(
        title=f"seen {atoms.seen}", frame_width=round(scale * 2 * half),
        frame_height=round(scale * (high - low)), x_range=Range1d(-half, half),
        y_range=Range1d(low, high),
    )  # fmt: skip
    plot.xaxis.axis_label, plot.yaxis.axis_label = (
        f"{n} (neighbour distances)" for n in atoms.labels
    )
    plot.scatter(c["x0"], c["y0"], name="rest", size=5, fill_color=None, line_color=theme.RULE)
    front = c["layer"] == c["layer"][-1]  # from above, what lies below comes first
    above = atoms.labels[1] != "height"
    colours = [theme.THIN if above and not f else theme.SERIES[0] for f in front]
    columns = {n: single(v) for n, v in c.items()}
    columns |= {"x": columns["x0"] + columns["ax"], "y": columns["y0"] + columns["ay"]}
    source = ColumnDataSource(columns | {"colour": colours}, name="animation atoms")
    plot.scatter("x", "y", source=source, name="atoms", size=max(0.42 * scale, 7),
                 fill_color="colour", line_color=theme.INK, line_width=0.6)  # fmt: skip
    return plot
