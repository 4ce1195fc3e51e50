"""Sweeps of odd shapes in a real browser: narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="pip install 'modesweep[dev]' brings it")

from playwright.sync_api import Browser, expect  # noqa: E402

from tests.dashboards.browsing import chromium, visitor  # noqa: E402
from tests.faults.tools import wait  # noqa: E402
from tests.service.tools import QUICK_BLOCKS, Served  # noqa: E402

pytestmark = pytest.mark.long
LONG = "a-name-that-somebody-has-made-as-long-as-names-may-be-with-all-that-was-varied-0123456789"


def file(name: str, model: str, **more: Any) -> dict[str, Any]:
    return {"modesweep": 1, "name": name, "model": model, "run": {"retries": 0}, **more}


SWEEPS = {
    "one-point": file("one-point", "chain"),
    "six-axes": file("six-axes", "slab", fixed={"k_points": 4, "cutoff": 1.1}, axes={
        "surface": ["100", "111"], "material": ["Ar", "Xe"], "layers": [3, 5],
        "adlayer": ["one side", "both sides"], "adlayer_mass_ratio": [0.5, 2.0],
        "adlayer_bond_ratio": [0.9, 1.1]}),
    LONG: file(LONG, "chain", axes={"mass_ratio": [1.0, 2.0]}),
    "missing-values": file("missing-values", "chain", axes={
        "end_mass_ratio": {"geomspace": [0.1, 10, 70]}, "mass_ratio": {"linspace": [1, 3, 70]}}),
    "all-failed": file("all-failed", "poison", fixed={"poison": "exception"},
                       axes={"x": {"linspace": [0, 99, 100]}}),
    "squares": file("squares", "poison", axes={"x": [0.0, 1.0, 7.0]}),
    "left-out": file("left-out", "chain", axes={"mass_ratio": [1.0, 2.0]},
                     where="mass_ratio > 5"),
}  # fmt: skip
PAGES = ("", "/results", "/results?view=explorer&kind=heat", "/errors", "/point")
LOOKS = (((1280, 900), "light"), ((1920, 1080), "dark"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def service(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workspace = tmp_path_factory.mktemp("matrix") / "results"
    one = Served(workspace, command=QUICK_BLOCKS).start()
    for content in SWEEPS.values():
        one.submit(content)
    for name in SWEEPS:
        one.wait_for(name, "complete", "ended")
        wait((workspace / name / "plan.json").exists, f"the folder of {name}")
    yield one
    one.stop()


@pytest.mark.parametrize("name", SWEEPS, ids=lambda name: name[:20])
@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=["narrow-light", "wide-dark"])
def test_every_page_is_drawn_without_a_complaint(
    browser: Browser, service: Served, name: str, size: tuple[int, int], scheme: str
) -> None:
    window = {"width": size[0], "height": size[1]}
    with visitor(browser, service, viewport=window, color_scheme=scheme) as user:
        for path in PAGES:
            page = user.visit(f"/sweep/{name}{path}")
            page.wait_for_load_state("networkidle")
            expect(page.locator("main")).not_to_be_empty()
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size[0], f"{path or '/'} hangs out at the side"
            assert page.locator("#connection").inner_text() == ""


def test_a_workspace_without_sweeps_says_how_to_submit(browser: Browser, tmp_path: Path) -> None:
    empty = Served(tmp_path / "results").start()
    with visitor(browser, empty) as user:
        page = user.visit("/")
        expect(page.locator("#empty")).to_contain_text("modesweep submit")
        expect(page.locator("#submit-form")).to_be_visible()
        user.visit("/cluster")
    empty.stop()
