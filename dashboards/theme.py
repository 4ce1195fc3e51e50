"""How every figure looks: fonts, colours, words for units and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.core.property.vectorization import Value
from bokeh.models import (
    ColorBar,
    ColorMapper,
    ColumnDataSource,
    CustomJSTickFormatter,
    Legend,
    LegendItem,
    Plot,
    Range1d,
    UIElement,
)
from bokeh.palettes import Plasma256
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
SERIES = ("#0072b2", "#d55e00", "#00825f", "#a8459a")
"""Things without an order, in the same colours."""
DEPTHS = ("#f0a202", "#d1495b", "#7b3e8f", "#1b3a7a")
"""Things in an order, from few to many: lighter to darker, apart in hue and in grey."""
LETTER = 7
"""Pixels of a letter of a headline, about."""
WEIGHTS = tuple(Plasma256[230:10:-1])
"""Shares from 0 to 1, from orange to dark blue: apart in lightness, dark enough on white."""
NOTHING = "#eceff4"
"""Where there is no value."""
DARK = {
    INK: "#e4e8ef", RULE: "#707b8d", BAND: "#2a3341", THIN: "#586579", NOTHING: "#242b36",
    "white": "#14181f", "#ffffff": "#14181f", "black": "#e4e8ef", "#444444": "#c3cad5",
    "#0072b2": "#56a8e0", "#d55e00": "#ff8f3f", "#00825f": "#3cc79c", "#a8459a": "#dd86d2",
    "#1b3a7a": "#7da2ef",
}  # fmt: skip
"""What stands for each colour on a dark page."""
DARK |= dict(zip(WEIGHTS, (Plasma256[round(70 + 185 * i / len(WEIGHTS))] for i, _ in enumerate(
    WEIGHTS)), strict=True))  # fmt: skip
"""Shares on a dark page: the larger, the lighter."""
_KIND_WORDS = {
    "below": "below the bulk",
    "gap": "in a gap",
    "above": "above the bulk",
    "resonance": "resonance",
}

_SYMBOLS = (
    ("hbar*sqrt", "ħ√"),
    ("sqrt", "√"),
    ("1/angstrom", "Å⁻¹"),
    ("angstrom^2", "Å²"),
    ("1/sigma", "σ⁻¹"),
    ("angstrom", "Å"),
    ("epsilon", "ε"),
    ("sigma", "σ"),
    ("k_B", "kB"),
    ("hbar", "ħ"),
    ("omega_0", "ω₀"),
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


def in_order(count: int) -> tuple[str, ...]:
    """Give colours of things in an order."""
    return tuple(WEIGHTS[round(i * (len(WEIGHTS) - 1) / max(count - 1, 1))] for i in range(count))


def new_colour_bar(mapper: ColorMapper, title: str) -> ColorBar:
    """Open a colour bar beside a plot."""
    return ColorBar(
        color_mapper=mapper, title=title, width=14, padding=6, border_line_color=None,
        background_fill_alpha=0, title_text_font=FONT, title_text_font_style="normal",
        title_text_font_size="13px", major_label_text_font=FONT, major_label_text_font_size="12px",
        title_text_color=INK, major_label_text_color=INK, major_tick_line_color=INK,
    )  # fmt: skip


def dark(content: UIElement) -> UIElement:
    """Give a picture the colours of a dark page."""
    for model in content.references():
        for name, value in model.properties_with_values().items():
            if name == "palette":
                setattr(model, name, [DARK.get(colour, colour) for colour in value])
            elif isinstance(value, str) and value in DARK:
                setattr(model, name, DARK[value])
            elif isinstance(value, Value) and isinstance(value.value, str) and value.value in DARK:
                setattr(model, name, Value(DARK[value.value]))
        if isinstance(model, Plot):
            model.background_fill_color = model.border_fill_color = DARK["white"]
        if isinstance(model, ColumnDataSource):
            model.data = {k: _darkened(column) for k, column in model.data.items()}
        if isinstance(model, UIElement) and isinstance(model.styles, dict):
            model.styles = {k: DARK.get(v, v) for k, v in model.styles.items()}
    return content


def _darkened(column: Any) -> Any:
    """Give colours in a column those of a dark page."""
    words = isinstance(column, list) or getattr(column, "dtype", np.dtype(float)).kind == "O"
    return [DARK.get(v, v) if isinstance(v, str) else v for v in column] if words else column


def headline(heading: str, note: str, width: int) -> list[figure]:
    """Write what stands above panels, in large and in small letters; nothing if there is none.

    It is a figure, as all that pages of the service and exported pictures hold.
    """
    return [
        _line_of_words(words, width, size, height, style)
        for words, size, height, style in (
            (heading, "16px", 30, "bold"), (note, "13px", 26, "normal"),
        )
        if words
    ]  # fmt: skip


def _line_of_words(words: str, width: int, size: str, height: int, style: str) -> figure:
    strip = legend_strip(width)
    strip.height = height
    strip.scatter([math.nan], [math.nan])  # Bokeh warns of figures without anything
    strip.title.text, strip.title.align = _short(words, width), "center"
    strip.title.text_font, strip.title.text_font_size = FONT, size
    strip.title.text_font_style, strip.title.text_color = style, INK
    return strip


def _short(words: str, width: int) -> str:
    """Cut words that would not fit."""
    most = max(width // LETTER, 8)
    return words if len(words) <= most else f"{words[: most - 1]}…"


def new_legend(items: list[LegendItem]) -> Legend:
    """Open a legend in one line."""
    return Legend(
        items=items, orientation="horizontal", location="center", border_line_color=None,
        label_text_font=FONT, label_text_font_size="12px", label_text_color=INK,
        spacing=14, padding=0, margin=4, glyph_width=16, label_standoff=4, click_policy="hide",
    )  # fmt: skip


def box_legend(plot: figure, location: str) -> None:
    """Put the legend into a box in a corner, over the grid."""
    plot.legend.location = location
    plot.legend.label_text_font = FONT
    plot.legend.label_text_font_size = "13px"
    plot.legend.label_text_color = INK
    plot.legend.border_line_color = RULE
    plot.legend.background_fill_alpha = 0.9


def legend_strip(width: int) -> figure:
    """Open an empty strip for a legend that stands alone."""
    strip = figure(
        width=width, height=40, toolbar_location=None, outline_line_color=None,
        x_range=Range1d(0, 1), y_range=Range1d(0, 1), min_border=0,
    )  # fmt: skip
    strip.axis.visible = strip.grid.visible = False
    return strip


def key(
    strip: figure, label: str, colour: str, *, patch: bool = False, line: float = 0,
    dash: str = "solid", dot: float = 0,
) -> LegendItem:  # fmt: skip
    """Make one item of a legend that stands alone, its samples drawn out of sight.

    Parameters
    ----------
    line, dot : width of a line and diameter of a dot in pixels, 0 for none
    """
    sample = []
    if patch:
        sample.append(strip.patches([[2, 3, 3]], [[2, 2, 3]], color=colour))
    if line:
        sample.append(strip.line([2, 3], [2, 2], color=colour, line_width=line, line_dash=dash))
    if dot:
        sample.append(strip.scatter([2], [2], size=dot, fill_color=colour, line_color=None))
    return LegendItem(label=label, renderers=sample)
