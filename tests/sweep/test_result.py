"""A result shows itself in a notebook."""

import re
from pathlib import Path

from distributed import Client

import sweep


def test_a_notebook_shows_counts_axes_and_variables_with_units(
    tmp_path: Path, client: Client
) -> None:
    document = {
        "modesweep": 1, "name": "a-b", "model": "slab", "outputs": ["frequency"],
        "fixed": {"k_points": 4, "cutoff": 2.0, "material": "Ar"},
        "axes": {"layers": [3, 4, 5, 6, 7, 8, 9], "surface": ["100", "111"]},
    }  # fmt: skip

    shown = sweep.run(document, workspace=tmp_path, scheduler=client)._repr_html_()

    text = re.sub(r"<[^>]+>", "|", shown)
    assert "|points||14 ok|" in text
    assert "|axis layers||7 values: 3, 4, 5, ..., 8, 9|" in text
    assert "|axis surface||2 values: 100, 111|" in text
    assert re.search(r"\|frequency\|\|[^|]*\(layers 7, surface 2, k 4, mode 27\) in THz\|", text)
    assert shown.count("<tr>") == shown.count("</tr>") > 5
