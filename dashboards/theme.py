"""How every figure looks: fonts, colours, words for units and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import CustomJSTickFormatter
from bokeh.plotting import figure

FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
INK = "#1d2330"
"""Text and frames."""
RULE = "#8d96a5"
"""Lines that guide the eye."""
BAND = "#e4e9f1"
"""Projected bulk bands."""
THIN = "#b1bccd"
"""Modes that are like those of the bulk."""
KIND_COLOURS = {
    "below": "#0072b2",
    "gap": "#d55e00",
    "above": "#00825f",
    "resonance": "#a8459a",
}
"""Surface modes, in colours that stay apart for colour-blind readers (after Okabe and Ito)."""
_KIND_WORDS = {
    "below": "below the bulk",
    "gap": "in a gap",
    "above": "above the bulk",
    "resonance": "resonance",
}

_SYMBOLS = (
    ("sqrt", "√"),
    ("1/angstrom", "Å⁻¹"),
    ("1/sigma", "σ⁻¹"),
    ("angstrom", "Å"),
    ("epsilon", "ε"),
    ("sigma", "σ"),
    ("cm-1", "cm⁻¹"),
)
_EQUAL_DECIMALS = """
const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1
return tick.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
"""
"""0.0, 0.5, 1.0 in place of 0, 0.5, 1."""
_POINTS = {"G": "Γ", "Gamma": "Γ"}


def unit_text(unit: str) -> str:
    """Write a unit of the store for a reader: "sqrt(epsilon/m)/sigma" is "√(ε/m)/σ"."""
    for plain, symbol in _SYMBOLS:
        unit = unit.replace(plain, symbol)
    return "" if unit == "1" else unit


def with_unit(quantity: str, unit: str) -> str:
    """Write the label of an axis."""
    return f"{quantity} ({unit})" if unit else quantity


def point_text(label: str) -> str:
    """Write the name of a point in the surface zone: G is Γ."""
    return _POINTS.get(label, label)


def kind_words(kinds: Sequence[str]) -> dict[str, str]:
    """Name kinds of surface modes for a legend; the first says what they are kinds of."""
    words = {kind: _KIND_WORDS[kind] for kind in kinds}
    if kinds and kinds[0] != "resonance":
        words[kinds[0]] = f"surface mode {words[kinds[0]]}"
    return words


def new_figure(*, title: str, **options: Any) -> figure:
    """Open an empty figure: a thin frame, no grid, tools that show up under the mouse."""
    plot = figure(
        tools="pan,box_zoom,wheel_zoom,reset,save",
        toolbar_location="above", toolbar_inner=True, min_border=4, **options,
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.title.text = title
    plot.title.text_font = FONT
    plot.title.text_font_size = "14px"
    plot.title.text_color = INK
    plot.title.align = "center"
    plot.grid.visible = False
    plot.outline_line_color = INK
    plot.outline_line_width = 1
    plot.yaxis.formatter = CustomJSTickFormatter(code=_EQUAL_DECIMALS)
    for axis in plot.axis:
        axis.axis_label_standoff = 3
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "14px"
        axis.major_label_text_font_size = "13px"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = INK
        axis.major_tick_in, axis.major_tick_out = 6, 0
        axis.minor_tick_in, axis.minor_tick_out = 3, 0
    return plot
