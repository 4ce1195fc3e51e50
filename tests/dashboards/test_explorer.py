"""Any variable of any model: what can be chosen, and that the numbers are those of the store."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray
from bokeh.embed import json_item

from dashboards.tables import csv_of
from dashboards.views.explorer import Explorer
from dashboards.views.registry import views_of
from dashboards.views.view import Frame, Results, chosen_of
from sweep import InputError

FLAGS = "todo running ok failed unstable lost skipped"


def results(sizes: dict[str, int], own: dict[str, int], **more: Any) -> Results:
    """A store of a model that nobody knows, with numbers that tell their place."""
    dims = {**sizes, **own}
    values = np.arange(float(np.prod(list(dims.values())))).reshape(list(dims.values()))
    status = np.full(list(sizes.values()), 2, dtype=np.uint8)
    data = xarray.Dataset(
        {
            "energy": (list(dims), values, {"units": "THz", "long_name": "energy of it"}),
            "status": (list(sizes), status, {
                "flag_values": list(range(7)), "flag_meanings": FLAGS}),
        },
        coords={d: np.linspace(0, 1, n) for d, n in sizes.items()},
        attrs={"name": "made-up", "model": "unknown"},
    )  # fmt: skip
    return Results(data.assign(**more))


def drawn(r: Results, **asked: str) -> Any:
    view = Explorer()
    chosen = chosen_of(view.controls(r, asked))
    assert {k: v for k, v in asked.items() if chosen[k] != v} == {}
    return view, view.collect(r, chosen)


def size_of(view: Any, collected: Any) -> int:
    return len(json.dumps(json_item(view.draw(collected, Frame()))))


def test_lines_and_heat_maps_have_the_numbers_of_the_store() -> None:
    r = results({"a": 5, "b": 4}, {"mode": 3})
    stored = r.dataset["energy"]

    _, lines = drawn(r, kind="lines", x="a", y="mode", b="0.333333333333")
    assert np.array_equal(lines.values, stored.isel(b=1).transpose("mode", "a").values)
    _, heat = drawn(r, kind="heat", x="b", y="a", mode="2")
    assert np.array_equal(heat.values, stored.isel(mode=2).values)
    assert lines.unit == "THz"


def test_frequencies_come_in_the_unit_that_is_chosen() -> None:
    r = results({"a": 3}, {})

    _, plain = drawn(r, x="a")
    _, other = drawn(r, x="a", unit="cm-1")

    assert np.allclose(other.values, plain.values * 33.35640951981521)


@pytest.mark.parametrize("sizes", [{}, {"a": 1}, {"a": 1000}, dict.fromkeys("abcdef", 3)])
@pytest.mark.parametrize("own", [{}, {"mode": 1}, {"k": 200, "mode": 3000}])
def test_any_shape_is_drawn_and_small(sizes: dict[str, int], own: dict[str, int]) -> None:
    if np.prod([*sizes.values(), *own.values()]) > 5e7:
        own = {"k": 20, "mode": 30}
    r = results(sizes, own)
    long = [d for d, n in {**sizes, **own}.items() if n > 1]
    for kind in ["lines", "heat"] if len(long) > 1 else ["lines"]:
        view, collected = drawn(r, kind=kind)
        assert size_of(view, collected) < 300_000
        assert len(csv_of(view.table(collected)).splitlines()) == collected.values.size + 1


def test_what_is_missing_is_left_out_and_nothing_at_all_is_said_in_words() -> None:
    r = results({"a": 4}, {})
    r.dataset["energy"][1] = np.nan
    view, collected = drawn(r, x="a")
    assert csv_of(view.table(collected)).splitlines()[2].endswith(",")

    r.dataset["energy"][:] = np.nan
    with pytest.raises(InputError, match="There is no energy yet"):
        drawn(r, x="a")


def test_words_on_an_axis_are_named() -> None:
    r = results({"a": 3}, {"mode": 4})
    words = r.dataset.assign_coords(a=np.array(["none", "one side", "both sides"]))

    _, collected = drawn(Results(words), x="a", y="mode")

    assert collected.x_words == ("none", "one side", "both sides")


def test_a_choice_that_is_none_falls_back() -> None:
    r = results({"a": 3}, {"mode": 4})
    view = Explorer()

    chosen = chosen_of(view.controls(r, {"variable": "<script>", "x": "b", "kind": "pie"}))

    assert chosen["variable"] == "energy"
    assert chosen["kind"] == "lines"
    assert chosen["x"] in ("a", "mode")


def test_the_explorer_fits_every_model() -> None:
    assert [v.name for v in views_of(results({"a": 3}, {}))] == ["explorer"]


def test_the_curve_of_an_axis_tells_how_far_it_moved() -> None:
    r = results({"a": 40}, {})
    view, collected = drawn(r, x="a")

    assert view.moved(collected, r, -np.abs(np.arange(40.0) - 20)) == pytest.approx(0, abs=1e-12)
    assert view.moved(collected, r, np.full(40, np.nan)) is None
