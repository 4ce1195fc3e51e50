"""Pages as a user sees them, in a real browser."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright", reason="pip install 'modesweep[dev]' brings it")

from playwright.sync_api import Browser, expect  # noqa: E402

import sweep  # noqa: E402
from tests.dashboards.browsing import Visitor, chromium, visitor  # noqa: E402
from tests.service.tools import QUICK_BLOCKS, Served  # noqa: E402

CHAINS = {
    "modesweep": 1, "name": "chains", "model": "chain", "fixed": {"atoms": 6},
    "axes": {"mass_ratio": [1.0, 2.0, 3.0], "end_mass_ratio": {"linspace": [0.2, 2.0, 12]}},
}  # fmt: skip
XENON = {
    "modesweep": 1, "name": "xenon-111", "model": "slab",
    "fixed": {"material": "Xe", "surface": "111", "k_points": 24, "cutoff": 2.5},
    "axes": {"layers": [5, 9]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison",
    "fixed": {"poison": "exception", "at": 3.0}, "axes": {"x": [0.0, 1.0, 2.0, 3.0, 7.0]},
    "run": {"retries": 0},
}  # fmt: skip
GATED = """
modesweep = 1
name = "slow-squares"
model = "poison"
[fixed]
poison = "none"
at = 30.0
gate = "GATE"
[axes]
x = {linspace = [0, 39, 40]}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def service(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = tmp_path_factory.mktemp("browsed") / "results"
    one = Served(workspace, options=("--workers", "1", "--prefix", "/lab"), command=QUICK_BLOCKS)
    one.start()
    for content in (CHAINS, XENON, POISON):
        one.submit(content)
    one.wait_for("chains", "complete")
    one.wait_for("poison", "ended")
    one.wait_for("xenon-111", "complete")
    yield one
    one.stop()


@pytest.fixture
def user(browser: Browser, service: Served) -> Iterator[Visitor]:
    with visitor(browser, service) as one:
        yield one


def test_all_sweeps_are_listed_searched_and_sorted(user: Visitor) -> None:
    page = user.visit("/")
    rows = page.locator("#sweeps tr")

    expect(page.locator('#sweeps tr[data-key="chains"]')).to_contain_text("36 of 36")
    expect(page.locator('#sweeps tr[data-key="poison"]')).to_contain_text("this number is poison")
    page.fill("#q", "slab")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("xenon-111")
    page.fill("#q", "no such thing")
    expect(page.locator("#empty")).to_contain_text("No sweep fits")
    page.fill("#q", "")
    page.click("#sort-name")
    expect(rows.first).to_contain_text("chains")
    page.click("#sort-name")
    expect(rows.last).to_contain_text("chains")
    page.reload()
    expect(rows.last).to_contain_text("chains")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/sweep/chains", "36"), ("/sweep/chains/results", "36 of 36 points"),
        ("/sweep/poison/errors", "this number is poison"), ("/sweep/chains/errors", "No point"),
        ("/sweep/poison/point?x=3", "modesweep point"), ("/cluster", "127.0.0.1"),
        ("/sweep/xenon-111/results", "2 of 2 points"), ("/sweep/poison", "failed"),
    ],
)  # fmt: skip
def test_a_page_says_what_there_is(user: Visitor, path: str, words: str) -> None:
    page = user.visit(path)

    expect(page.locator("main")).to_contain_text(words)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 1280  # nothing hangs out at the side


def test_a_sweep_is_submitted_followed_and_cancelled(user: Visitor, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    page = user.visit("/")
    page.fill("#text", GATED.replace("40]", "0]"))
    page.click("#check")
    expect(page.locator("#plan .bad")).to_contain_text("axes.x")
    expect(page.locator("#start")).to_be_disabled()
    page.fill("#text", GATED.replace("GATE", str(gate)))
    page.click("#check")
    expect(page.locator("#plan .facts")).to_contain_text("40")
    page.click("#start")
    page.wait_for_url("**/lab/sweep/slow-squares")

    main = page.locator("main")
    expect(main.locator(".state").first).to_have_text("running")
    bar = main.locator(".bar").first
    expect(bar).to_have_attribute("aria-label", re.compile(r"^[12]\d ok"))
    gate.touch()
    expect(main.locator(".state").first).to_have_text("complete")  # without a reload
    expect(bar).to_have_attribute("aria-label", "39 ok, 1 unstable")


def test_what_changes_something_asks_first(user: Visitor) -> None:
    page = user.visit("/")
    page.locator('#sweeps tr[data-key="poison"] button', has_text="Retry").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("poison")
    dialog.get_by_role("button", name="No").click()
    expect(dialog).to_have_count(0)
    page.locator('#sweeps tr[data-key="poison"] button', has_text="Retry").click()
    with page.expect_response(lambda r: r.url.endswith("/sweeps/poison/retry")) as asked:
        dialog.get_by_role("button", name="Yes").click()
    assert asked.value.status == 200
    user.service.wait_for("poison", "ended")


def test_controls_change_the_address_and_the_address_brings_everything_back(user: Visitor) -> None:
    page = user.visit("/sweep/chains/results?view=explorer")
    user.drawn("picture")
    page.select_option("select[name=variable]", "end_weight")
    page.wait_for_url("**variable=end_weight*")
    page.select_option("select[name=kind]", "heat")
    page.wait_for_url("**kind=heat*")
    before = user.state()
    assert {"view": "explorer", "variable": "end_weight", "kind": "heat"}.items() <= before.items()

    page.reload()
    user.drawn("picture")
    expect(page.locator("select[name=variable]")).to_have_value("end_weight")
    assert user.state() == before
    page.go_back()
    expect(page.locator("select[name=kind]")).to_have_value("lines")


def test_the_numbers_that_are_downloaded_are_those_of_the_store(user: Visitor) -> None:
    page = user.visit("/sweep/chains/results?view=explorer&variable=frequency_squared&x=mode"
                      "&y=mass_ratio&end_mass_ratio=2")  # fmt: skip
    user.drawn("picture")
    with page.expect_download() as caught:
        page.click("text=CSV")
    rows = list(csv.reader(Path(caught.value.path()).read_text().splitlines()))[1:]

    stored = sweep.open(user.service.workspace / "chains").frequency_squared
    expected = stored.sel(end_mass_ratio=2.0).values.ravel()
    assert np.array_equal([float(r[-1]) for r in rows], expected)


def test_the_numbers_are_shown_to_whoever_wants_them(user: Visitor) -> None:
    page = user.visit("/sweep/chains/results?view=explorer&variable=frequency_squared&x=mode"
                      "&y=mass_ratio&end_mass_ratio=2")  # fmt: skip
    page.click("#numbers-shown")

    expect(page.locator("#numbers tbody tr")).to_have_count(18)
    stored = sweep.open(user.service.workspace / "chains").frequency_squared
    highest = f"{float(stored.sel(end_mass_ratio=2.0, mass_ratio=3.0)[-1]):.6g}"
    expect(page.locator("#numbers tbody tr").last).to_contain_text(highest)
    page.click("#numbers-shown")
    expect(page.locator("#numbers")).to_be_empty()


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_picture_is_downloaded(user: Visitor, kind: str) -> None:
    page = user.visit("/sweep/chains/results?view=explorer")
    user.drawn("picture")
    with page.expect_download() as caught:
        page.click(f"button[data-save={kind}]")
    content = Path(caught.value.path()).read_bytes()
    assert content.startswith(b"\x89PNG" if kind == "png" else b"<svg")
    assert caught.value.suggested_filename == f"chains-explorer.{kind}"


def test_a_cell_of_the_map_leads_to_its_point(user: Visitor) -> None:
    page = user.visit("/sweep/poison")
    map_ = user.drawn("map")
    box = map_.bounding_box()
    assert box is not None
    for share in (0.72, 0.65, 0.6, 0.55, 0.5):  # the cells lie somewhere in the frame
        page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(300)
        if "/point" in page.url:
            break
    page.wait_for_url("**/sweep/poison/point?*")
    expect(page.locator("main")).to_contain_text("modesweep point")


def test_modes_are_found_and_shown_layer_by_layer(user: Visitor) -> None:
    page = user.visit("/sweep/xenon-111/results?view=dispersion&layers=9&k=8&mode=0")

    user.drawn("picture")
    user.drawn("detail")
    assert user.state()["mode"] == "0"
    expect(page.locator("#detail-words")).to_be_empty()


def test_the_keyboard_reaches_everything(user: Visitor) -> None:
    page = user.visit("/sweep/chains/results?view=explorer")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(
            "document.activeElement.name || document.activeElement.textContent.trim().slice(0, 20)"
        ))  # fmt: skip

    assert {"Skip to the content", "Sweeps", "Errors", "view", "variable", "CSV", "SVG"} <= reached


def test_it_is_dark_for_whoever_wants_it_dark(browser: Browser, service: Served) -> None:
    with visitor(browser, service, color_scheme="dark") as user:
        page = user.visit("/sweep/chains/results?view=explorer")
        user.drawn("picture")
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == "rgb(20, 24, 31)"
        page.click("#theme")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"


PICTURES = {
    "map": "/sweep/chains/results?view=explorer&variable=end_weight&kind=heat&x=mode"
    "&y=end_mass_ratio&mass_ratio=2",
    "dispersion": "/sweep/xenon-111/results?view=dispersion&layers=9&colour=kind",
    "motion": "/sweep/xenon-111/results?view=dispersion&layers=9&k=8&mode=0",
    "failures": "/sweep/poison/errors",
    "submit": "/?q=no-such-sweep",
}
"""Pages without times and dates, which look the same each time."""
KEPT = Path(__file__).parents[1] / "references" / "pictures"
TILE, MOST_AWAY, MOST_TILES = 16, 24.0, 0.02
"""Pixels of a tile, how far its mean colour may be away (of 255), and the share that may be.

Labels of axes stand some pixels elsewhere from one Bokeh to the next: up to 1.1 % of the tiles.
"""


@pytest.mark.parametrize("name", PICTURES)
def test_main_pages_look_as_they_did(user: Visitor, name: str, tmp_path: Path) -> None:
    page = user.visit(PICTURES[name])
    if name not in ("submit", "failures"):
        user.drawn("picture")
    page.wait_for_timeout(1000)
    page.evaluate("document.fonts.ready")
    taken, kept = tmp_path / f"{name}.png", KEPT / f"{name}.png"
    page.screenshot(path=taken)

    assert kept.exists(), f"look at the page {name}, then: cp {taken} {kept}"
    away = far_tiles(taken, kept)
    assert away <= MOST_TILES, (
        f"{100 * away:.1f} % of the page {name} look other. If that is meant: cp {taken} {kept}"
    )


def test_pages_that_look_other_are_noticed() -> None:
    assert far_tiles(KEPT / "map.png", KEPT / "dispersion.png") > 5 * MOST_TILES


def far_tiles(one: Path, other: Path) -> float:
    """Give the share of tiles whose mean colours are far from each other."""
    tiles = []
    for path in (one, other):
        with Image.open(path) as image:
            size = (image.width // TILE, image.height // TILE)
            small = image.convert("RGB").resize(size, Image.Resampling.BOX)
            tiles.append(np.asarray(small, dtype=float))
    if tiles[0].shape != tiles[1].shape:
        return 1.0
    return float((np.abs(tiles[0] - tiles[1]).max(axis=2) > MOST_AWAY).mean())


def test_without_a_session_nothing_is_shown(browser: Browser, service: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(service.told["url"] + "/sweep/chains")
    assert answer is not None
    assert answer.status == 401
    expect(page.locator("main")).to_contain_text("modesweep login")
    context.close()


@pytest.mark.long
def test_a_service_that_is_lost_and_comes_back_needs_no_reload(
    browser: Browser, plugin: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "results"
    first = Served(workspace).start()
    first.submit(CHAINS)
    first.wait_for("chains", "complete")
    port = first.told["url"].rsplit(":", 1)[1]
    with visitor(browser, first) as user:
        page = user.visit("/")
        expect(page.locator("#sweeps tr")).to_have_count(1)
        page.evaluate("window.same = true")
        first.kill()
        expect(page.locator("#connection")).to_contain_text("does not answer")
        second = Served(workspace, options=("--workers", "1", "--port", port)).start()
        second.submit({**CHAINS, "name": "more-chains"})
        expect(page.locator("#sweeps tr")).to_have_count(2)
        expect(page.locator("#connection")).to_be_empty()
        assert page.evaluate("window.same")
        second.stop()
