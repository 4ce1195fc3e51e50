"""Pages that stand alone, and pictures of them."""

from __future__ import annotations

import html
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from bokeh.embed import file_html
from bokeh.models import UIElement
from bokeh.resources import INLINE

from dashboards.theme import FONT, INK
from sweep import MachineError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCALE = 2
"""Dots of a picture for each pixel of a page."""
DRAWING_MILLISECONDS = 10_000
"""Time that a page is given to draw itself, in the browser's own fast-forward clock."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
    "--disable-background-networking", "--no-first-run",
    f"--force-device-scale-factor={SCALE}", f"--virtual-time-budget={DRAWING_MILLISECONDS}",
)  # fmt: skip
_TEMPLATE = """
{% block postamble %}
<style>
  html { background: BACKGROUND; }
  body { margin: 12px; height: auto; font-family: FONT; color: INK; }
</style>
{% endblock %}
""".replace("FONT", FONT).replace("INK", INK)


_EXPORT = """
{% block postamble %}
<script>
  addEventListener("load", async () => {
    while (!(window.Bokeh?.index?.roots?.length > 0)) await new Promise((go) => setTimeout(go, 20))
    await new Promise((go) => setTimeout(go, 500))  // fonts and layout settle
    const blob = await Bokeh.index.roots[0].export("svg", false).to_blob()
    const text = document.createElement("textarea")
    text.id = "exported"
    text.textContent = await blob.text()
    document.body.replaceChildren(text)
  })
</script>
{% endblock %}
"""
"""Has a page put itself in the place of its picture, as text."""
_EXPORTED = re.compile(r'<textarea id="exported">(.*?)</textarea>', re.DOTALL)


def write_page(
    content: UIElement, path: str | Path, title: str, *, background: str = "white"
) -> Path:
    """Write a figure or a layout as one HTML file that needs no network.

    Raises
    ------
    MachineError : the file cannot be written
    """
    path = Path(path)
    template = _TEMPLATE.replace("BACKGROUND", background)
    write_text(path, file_html(content, resources=INLINE, title=title, template=template))
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    MachineError : it cannot be written
    """
    fresh = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}. Give a place where you may write."
        raise MachineError(msg) from error


def find_browser() -> str | None:
    """Find a Chromium on this machine."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_picture(
    html_path: str | Path,
    png_path: str | Path,
    size: tuple[int, int],
    *,
    timeout_seconds: float = 60.0,
) -> bool:
    """Take a picture of a page with a headless Chromium.

    Parameters
    ----------
    size : width and height of the window in pixels of the page; the picture has twice as many

    Returns
    -------
    False if this machine has no Chromium, and then nothing is written

    Raises
    ------
    MachineError : the browser gave no picture
    """
    browser = find_browser()
    if browser is None:
        return False
    with tempfile.TemporaryDirectory(prefix="modesweep-picture-") as scratch:
        fresh = Path(scratch) / "picture.png"
        command = [
            browser, *FLAGS, f"--user-data-dir={scratch}/profile",
            f"--window-size={size[0]},{size[1]}", f"--screenshot={fresh}",
            Path(html_path).resolve().as_uri(),
        ]  # fmt: skip
        said = _run(command, timeout_seconds)
        if not fresh.exists():
            msg = (
                f"{browser} gave no picture of {html_path}: {said}. "
                "The page itself is whole; open it in a browser."
            )
            raise MachineError(msg)
        Path(png_path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, png_path)
    return True


def write_svg(
    content: UIElement, path: str | Path, title: str, *, timeout_seconds: float = 60.0
) -> Path:
    """Write the figures of a layout as SVG, which a headless Chromium draws.

    Raises
    ------
    MachineError : this machine has no Chromium, it gave no picture, or the file cannot be written
    """
    browser, path = find_browser(), Path(path)
    if browser is None:
        msg = f"{path} needs a Chromium, which this machine lacks. Give a file .html instead."
        raise MachineError(msg)
    with tempfile.TemporaryDirectory(prefix="modesweep-picture-") as scratch:
        page = Path(scratch) / "page.html"
        page.write_text(file_html(content, resources=INLINE, title=title, template=_EXPORT))
        command = [
            browser, *FLAGS, f"--user-data-dir={scratch}/profile", "--dump-dom", page.as_uri()
        ]  # fmt: skip
        document, said = _output(command, timeout_seconds)
    found = _EXPORTED.search(document)
    if found is None:
        msg = f"{browser} gave no picture for {path}: {said}. Give a file .html instead."
        raise MachineError(msg)
    write_text(path, html.unescape(found[1]))
    return path


def _run(command: list[str], timeout_seconds: float) -> str:
    """Run a browser; give its last words."""
    return _output(command, timeout_seconds)[1]


def _output(command: list[str], timeout_seconds: float) -> tuple[str, str]:
    """Run a browser in a session of its own, so that its helpers end with it.

    Gives what it wrote, and its last words.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        written, words = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "", f"not ready after {timeout_seconds:g} s"
    said = words.strip().rpartition("\n")[2] or f"it ended with code {process.returncode}"
    return written, said
