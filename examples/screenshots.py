"""Pictures of the pages of a service, for README and documentation, from sweeps that really run.

    make screenshots

A service is started on a workspace of its own; two sweeps are run to their end, one of them with
points that fail, and one is shown while it runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import sweep
from dashboards.files import find_browser

HERE = Path(__file__).parent
FOLDER = HERE.parent / "docs" / "pictures"
SIZE = {"width": 1280, "height": 900}
XENON = HERE / "rare_gas_adlayers.toml"
RUNNING: dict[str, Any] = {
    "modesweep": 1, "name": "argon-thicknesses", "model": "slab",
    "fixed": {"material": "Ar", "k_points": 60},
    "axes": {"surface": ["100", "110", "111"], "layers": {"arange": [5, 61, 2]},
             "adlayer_mass_ratio": {"geomspace": [0.2, 5, 9]}, "adlayer": ["both sides"]},
}  # fmt: skip
FAILING: dict[str, Any] = {
    "modesweep": 1, "name": "little-patience", "model": "slab",
    "fixed": {"material": "Xe", "k_points": 40, "solver": "dense", "surface": "100"},
    "axes": {"layers": [5, 11, 21, 151, 201], "cutoff": [2.5, 4.0, 8.03]},
    "run": {"timeout": "0.4s", "retries": 0},
}  # fmt: skip


@contextmanager
def service(workspace: Path) -> Iterator[Any]:
    """Serve a workspace; give the client."""
    command = [str(Path(sys.executable).with_name("modesweep")), "serve", "--port", "0",
               "--workspace", str(workspace), "--workers", "2"]  # fmt: skip
    with (workspace.parent / "service.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        while not (workspace / "service.json").exists():
            if process.poll() is not None:
                raise SystemExit((workspace.parent / "service.log").read_text())
            time.sleep(0.1)
        told = json.loads((workspace / "service.json").read_text())
        yield sweep.connect(told["url"], token=told["token"])
    finally:
        process.terminate()
        process.wait()


def picture(page: Page, address: str, name: str, *, whole: bool = True) -> None:
    """Go to a page, wait until it is drawn, take its picture."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)
    print(f"Picture  docs/pictures/{name}.png")


def pictures(page: Page, base: str) -> None:
    """Take the pictures of what has ended."""
    modes = "?view=dispersion&surface=111&adlayer=none&adlayer_mass_ratio=1&k=30&mode=0"
    picture(page, f"{base}/sweep/rare-gas-adlayers/results{modes}", "page-results")
    picture(page, f"{base}/sweep/little-patience/errors", "page-errors")
    place = "?surface=111&adlayer=both sides&adlayer_mass_ratio=0.2"
    picture(page, f"{base}/sweep/rare-gas-adlayers/point{place}", "page-point")


def main() -> int:
    """Run the sweeps and take the pictures."""
    FOLDER.mkdir(exist_ok=True)
    scratch = Path(tempfile.gettempdir()) / "modesweep"  # a path that pictures may show
    shutil.rmtree(scratch, ignore_errors=True)
    workspace = scratch / "results"
    workspace.mkdir(parents=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport=SIZE, device_scale_factor=1.5).new_page()
        with service(workspace) as client:
            for content in (FAILING, XENON):
                client.submit(content).wait(timeout=600)
            running = client.submit(RUNNING)
            base = client.url
            page.goto(client.login_link())
            page.wait_for_url(f"{base}/")
            while running.status().fraction < 0.3:
                time.sleep(0.5)
            picture(page, f"{base}/sweep/argon-thicknesses", "page-progress")
            picture(page, f"{base}/", "page-sweeps", whole=False)
            pictures(page, base)
            running.cancel()
        browser.close()
    shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
