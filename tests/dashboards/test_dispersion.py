"""The dispersion page on a slab made by hand: what is collected, drawn and written."""

import dataclasses
import re
import stat
from pathlib import Path

import numpy as np
import pytest
import xarray
from bokeh.models import HoverTool, Legend, Plot
from bokeh.plotting import figure

from dashboards import files
from dashboards.figures.dispersion import (
    LARGEST,
    SMALLEST,
    Dispersion,
    bulk_outlines,
    collect_dispersion,
    draw_dispersion,
    draw_panels,
    frequency_range,
)
from dashboards.files import find_browser, write_page, write_picture
from sweep import InputError, MachineError

KINDS = "bulk below gap above resonance"
STATUS = "todo running ok failed unstable lost skipped"
NAN = np.nan


def slab(**changes: object) -> xarray.Dataset:
    """Two faces of five k and four modes; the second face was skipped.

    A gap opens at k = 1 and closes at k = 3; the path breaks between k = 3 and k = 4.
    """
    frequency = np.full((2, 5, 4), NAN)
    frequency[0] = np.array([1.0, 2.0, 3.0, 4.0]) + 0.1 * np.arange(5)[:, None]
    frequency[0, 4, 3] = NAN
    kind = np.full((2, 5, 4), 255, np.uint8)
    kind[0] = [1, 0, 2, 3]
    kind[0, :2, 1] = 4
    kind[0, 4, 3] = 255
    band = np.full((2, 5, 2, 2), NAN)
    band[0, :, 0] = [2.0, 4.0]
    band[0, 1:3, 0], band[0, 1:3, 1] = [2.0, 2.5], [3.5, 4.0]
    axes = ("surface", "k", "mode")
    arrays = {
        "frequency": (axes, frequency, {"units": "sqrt(epsilon/m)/sigma"}),
        "mode_kind": (axes, kind, {"flag_values": list(range(5)), "flag_meanings": KINDS}),
        "surface_weight": (axes, np.linspace(0, 1, 40).reshape(2, 5, 4), {}),
        "bulk_band": (("surface", "k", "band", "edge"), band, {}),
        "k_distance": (("k",), np.array([0.0, 1.0, 2.0, 3.0, 3.0]), {"units": "1/sigma"}),
        "k_label": (("k",), np.array(["G", "", "", "M", "K"]), {}),
        "status": (("surface",), np.array([2, 6], np.uint8),
                   {"flag_values": list(range(7)), "flag_meanings": STATUS}),
    }  # fmt: skip
    coords = {"surface": ["100", "111"], "k": range(5), "mode": range(4), "edge": ["low", "high"]}
    attrs = {"sweep": '{"fixed": {"layers": 21, "adlayer": "none"}}'}
    dataset = xarray.Dataset(arrays, coords, attrs)
    return dataset.assign(changes)  # type: ignore[arg-type]


@pytest.fixture
def dispersion() -> Dispersion:
    return collect_dispersion(slab(), surface="100")


def drawn(plot: figure, name: str) -> dict[str, np.ndarray]:
    (renderer,) = [r for r in plot.renderers if r.name == name]
    return renderer.data_source.data


def area(x: list[float], y: list[float]) -> float:
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


# --- collecting ---------------------------------------------------------------------------


def test_the_selected_point_is_collected(dispersion: Dispersion) -> None:
    point = slab().sel(surface="100")

    np.testing.assert_array_equal(dispersion.frequency, point.frequency)
    np.testing.assert_array_equal(dispersion.bulk_band, point.bulk_band)
    np.testing.assert_array_equal(dispersion.surface_weight, point.surface_weight)
    np.testing.assert_array_equal(dispersion.distance, [0, 1, 2, 3, 3])


def test_kinds_are_words_and_what_is_not_there_is_empty(dispersion: Dispersion) -> None:
    assert dispersion.mode_kind[0].tolist() == ["below", "resonance", "gap", "above"]
    assert dispersion.mode_kind[4].tolist() == ["below", "bulk", "gap", ""]


def test_labels_at_a_break_share_a_place_and_g_is_gamma(dispersion: Dispersion) -> None:
    assert dispersion.labels == ((0.0, "Γ"), (3.0, "M|K"))


def test_title_and_units_are_words_for_a_reader(dispersion: Dispersion) -> None:
    assert dispersion.title == "fcc (100), 21 layers, clean"
    assert (dispersion.unit, dispersion.distance_unit) == ("√(ε/m)/σ", "σ⁻¹")


def test_the_path_breaks_where_it_does_not_advance(dispersion: Dispersion) -> None:
    assert dispersion.pieces == [slice(0, 4), slice(4, 5)]


def test_numbers_on_axes_match_up_to_rounding() -> None:
    dataset = slab().assign_coords(surface=[0.3, 1.0])

    np.testing.assert_array_equal(
        collect_dispersion(dataset, surface=0.1 + 0.2).frequency, dataset.frequency[0]
    )


def test_a_whole_number_selects_a_face_named_by_its_digits() -> None:
    assert collect_dispersion(slab(), surface=100).title.startswith("fcc (100)")


def test_an_axis_of_one_value_need_not_be_selected() -> None:
    assert collect_dispersion(slab().isel(surface=[0])).frequency.shape == (5, 4)


def test_frequencies_alone_are_enough() -> None:
    bare = slab().drop_vars(["mode_kind", "surface_weight", "bulk_band", "k_label"])
    d = collect_dispersion(bare, surface="100")

    assert d.labels == ()
    assert bulk_outlines(d) == []
    assert set(np.unique(d.mode_kind)) == {""}
    assert draw_dispersion(d).xaxis.axis_label == "length along the path (σ⁻¹)"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({}, r"shows one point. Choose one value of: surface \(100, 111\)"),
        ({"surfaces": "100"}, r"no axis 'surfaces' to choose from. Axes: surface\."),
        ({"k": 1}, r"no axis 'k' to choose from"),
        ({"surface": "110"}, r"surface has no value '110'. Values: 100, 111\."),
        ({"surface": "111"}, r"surface = 111 has no frequencies: its status is skipped"),
    ],
)
def test_a_wrong_selection_is_refused_in_words(selection: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        collect_dispersion(slab(), **selection)


def test_a_mesh_is_refused() -> None:
    with pytest.raises(ValueError, match="lie on no path .* Run the sweep with `k_path`"):
        collect_dispersion(slab(k_distance=("k", np.full(5, NAN))), surface="100")


def test_a_store_without_frequencies_is_refused() -> None:
    with pytest.raises(InputError, match="needs frequency, which the store does not have"):
        collect_dispersion(slab().drop_vars("frequency"))


# --- bulk bands ---------------------------------------------------------------------------


def test_bands_cover_what_lies_between_their_edges(dispersion: Dispersion) -> None:
    """Full height 2 over three steps, less a gap of 1 that opens and closes like a wedge."""
    covered = sum(area(x, y) for x, y in bulk_outlines(dispersion))

    assert covered == pytest.approx(2 * 3 - (0.5 + 1 + 0.5))


def test_a_gap_that_lasts_divides_its_bands_in_one_outline_each(dispersion: Dispersion) -> None:
    band = np.full((5, 2, 2), [[1.0, 2.0], [3.0, 4.0]])
    patches = bulk_outlines(dataclasses.replace(dispersion, bulk_band=band))

    assert sorted((min(y), max(y)) for _, y in patches) == [(1.0, 2.0), (3.0, 4.0)]
    assert all((min(x), max(x)) == (0.0, 3.0) for x, _ in patches)


def test_no_band_crosses_a_break(dispersion: Dispersion) -> None:
    distance = np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    band = np.array([[[1.0, 2.0]]] * 2 + [[[5.0, 6.0]]] * 3)
    d = dataclasses.replace(dispersion, distance=distance, bulk_band=band)

    assert [set(y) for _, y in bulk_outlines(d)] == [{1.0, 2.0}, {5.0, 6.0}]


def test_one_gap_that_closes_where_another_opens_is_not_taken_for_it(
    dispersion: Dispersion,
) -> None:
    band = np.array([[[0.0, 2.0], [3.0, 10.0]], [[0.0, 7.0], [8.0, 10.0]]])
    d = dataclasses.replace(dispersion, distance=np.array([0.0, 1.0]), bulk_band=band)
    covered = sum(area(x, y) for x, y in bulk_outlines(d))

    assert len(bulk_outlines(d)) == 3
    assert covered == pytest.approx(10 - 0.5 - 0.5)


def test_a_narrow_gap_is_followed_up_a_steep_band(dispersion: Dispersion) -> None:
    low = np.linspace(4.0, 5.0, 5)
    band = np.stack([np.stack([0 * low, low], 1), np.stack([low + 0.05, 0 * low + 10], 1)], 1)
    d = dataclasses.replace(dispersion, distance=np.arange(5.0), bulk_band=band)

    assert len(bulk_outlines(d)) == 2


def test_an_unfinished_k_leaves_a_hole_in_the_bands(dispersion: Dispersion) -> None:
    band = np.full((5, 1, 2), [1.0, 2.0])
    band[1] = NAN
    patches = bulk_outlines(dataclasses.replace(dispersion, bulk_band=band))

    assert [(min(x), max(x)) for x, _ in patches] == [(2.0, 3.0)]


# --- drawing ------------------------------------------------------------------------------


def test_each_kind_has_its_modes_as_dots(dispersion: Dispersion) -> None:
    plot = draw_dispersion(dispersion)

    assert drawn(plot, "below")["frequency"].tolist() == dispersion.frequency[:, 0].tolist()
    assert drawn(plot, "resonance")["k"].tolist() == [0, 1]
    assert drawn(plot, "bulk")["mode"].tolist() == [1, 1, 1]
    assert len(drawn(plot, "above")["frequency"]) == 4  # the fifth is not there


def test_dots_grow_with_the_surface_weight(dispersion: Dispersion) -> None:
    dots = drawn(draw_dispersion(dispersion), "gap")

    expected = SMALLEST + (LARGEST - SMALLEST) * dots["surface_weight"]
    np.testing.assert_allclose(dots["size"], expected)


def test_lines_of_modes_stop_at_a_break(dispersion: Dispersion) -> None:
    lines = drawn(draw_dispersion(dispersion), "modes")

    assert sorted(len(x) for x in lines["x"]) == [1] * 4 + [4] * 4


def test_ticks_name_the_points_and_axes_their_units(dispersion: Dispersion) -> None:
    plot = draw_dispersion(dispersion)

    assert plot.xaxis.ticker.ticks == [0.0, 3.0]
    assert plot.xaxis.major_label_overrides == {0.0: "Γ", 3.0: "M|K"}
    assert plot.yaxis.axis_label == "frequency (√(ε/m)/σ)"
    assert [r.glyph.x for r in plot.renderers if r.name == "labels"]


def test_the_mouse_reads_mode_frequency_weight_and_kind(dispersion: Dispersion) -> None:
    (hover,) = draw_dispersion(dispersion).select(HoverTool)

    assert [name for name, _ in hover.tooltips] == ["mode", "frequency", "surface weight", "kind"]
    assert {r.name for r in hover.renderers} == {"bulk", "below", "gap", "above", "resonance"}


def test_the_legend_lies_below_the_frame(dispersion: Dispersion) -> None:
    plot = draw_dispersion(dispersion)

    assert [x for x in plot.below if isinstance(x, Legend)]
    assert not [x for x in plot.center if isinstance(x, Legend)]


def test_unstable_modes_lie_below_a_line_at_zero(dispersion: Dispersion) -> None:
    frequency = dispersion.frequency.copy()
    frequency[1, 0] = -0.5
    plot = draw_dispersion(dataclasses.replace(dispersion, frequency=frequency))

    assert plot.y_range.start < -0.5
    assert plot.yaxis.axis_label.endswith("imaginary ones negative")
    assert [r for r in plot.renderers if r.name == "zero"]


def test_zero_modes_with_rounding_are_not_unstable(dispersion: Dispersion) -> None:
    frequency = dispersion.frequency.copy()
    frequency[0, 0] = -1e-6

    assert frequency_range([dataclasses.replace(dispersion, frequency=frequency)])[0] == 0


def test_panels_share_one_scale_and_one_legend(dispersion: Dispersion) -> None:
    higher = dataclasses.replace(dispersion, frequency=3 * dispersion.frequency)
    layout = draw_panels([dispersion, higher], heading="<two>", note="slabs")
    framed = [p for p in layout.select({"type": Plot}) if p.frame_height]

    assert len({p.y_range.id for p in framed}) == 1
    assert framed[0].y_range.end > np.nanmax(higher.frequency)
    assert len(list(layout.select({"type": Legend}))) == 1
    assert "<two>" in layout.children[0].title.text


# --- pages --------------------------------------------------------------------------------


def test_a_page_stands_alone(dispersion: Dispersion, tmp_path: Path) -> None:
    page = write_page(draw_dispersion(dispersion), tmp_path / "new" / "d.html", "a <b> & c")
    text = page.read_text()
    loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=", text)

    assert not loaded
    assert len(text) > 500_000  # the library itself is inside
    assert "<title>a &lt;b&gt; &amp; c</title>" in text
    assert [p.name for p in page.parent.iterdir()] == ["d.html"]


def test_a_page_where_nothing_may_be_written_is_refused(
    dispersion: Dispersion, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot be written: .* Give a place"):
        write_page(draw_dispersion(dispersion), tmp_path / "file" / "d.html", "d")


def test_no_browser_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not write_picture(tmp_path / "d.html", tmp_path / "d.png", (300, 200))
    assert not (tmp_path / "d.png").exists()


@pytest.mark.parametrize(
    ("script", "words"),
    [("exec /bin/sleep 60", "not ready after 0.2 s"), ("echo out of luck >&2", "out of luck")],
)
def test_a_browser_that_fails_is_named_with_its_words(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "chromium"
    browser.write_text(f"#!/bin/sh\n{script}\n")
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(files, "find_browser", lambda: str(browser))
    with pytest.raises(MachineError, match=f"{words}. The page itself is whole"):
        write_picture(tmp_path / "d.html", tmp_path / "d.png", (300, 200), timeout_seconds=0.2)


@pytest.mark.skipif(find_browser() is None, reason="needs a Chromium")
def test_a_picture_has_twice_the_pixels_of_its_window(
    dispersion: Dispersion, tmp_path: Path
) -> None:
    page = write_page(draw_dispersion(dispersion), tmp_path / "d.html", "d")

    assert write_picture(page, tmp_path / "d.png", (700, 600))
    content = (tmp_path / "d.png").read_bytes()
    header = content[:24]
    assert len(content) > 20_000  # an empty page has six
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) == (1400, 1200)
