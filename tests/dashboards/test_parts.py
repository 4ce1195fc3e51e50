"""Parts of pages: versions, and what is sent to whoever has an older one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from dashboards.site.parts import MOST_REMEMBERED, Figure, Memory, Part, Rows, Words, digest_of


def picture(values: Any, key: str = "same") -> Figure:
    def draw() -> figure:
        plot = figure()
        plot.line("x", "y", source=ColumnDataSource({"x": [0], "y": [0]}, name="lines"))
        return plot

    return Figure("picture", draw, key, {"lines": {"x": np.arange(len(values)), "y": values}})


def told(before: Part, now: Part) -> dict[str, Any]:
    """What a browser gets that has an earlier state."""
    memory = Memory()
    first = memory.answer(before, None, dark=False)
    assert first is not None
    answer = memory.answer(now, first["version"], dark=False)
    return {} if answer is None else json.loads(json.dumps(answer))


def test_what_has_not_changed_is_not_sent() -> None:
    for part in (Words("w", "<p>a</p>"), Rows("r", {"a": "1"}), picture(np.ones(3))):
        assert told(part, part) == {}


def test_words_are_sent_whole() -> None:
    assert told(Words("w", "a"), Words("w", "b"))["html"] == "b"


def test_rows_that_are_other_are_sent_with_the_order_of_all() -> None:
    answer = told(Rows("r", {"a": "1", "b": "2"}), Rows("r", {"c": "3", "b": "2", "a": "9"}))

    assert answer["order"] == ["c", "b", "a"]
    assert answer["rows"] == {"c": "3", "a": "9"}


def test_few_changes_of_a_picture_are_patches_and_many_are_columns() -> None:
    before = np.arange(10.0)
    few, many = before.copy(), before + 1
    few[[2, 7]] = [20.0, np.nan]

    lines = told(picture(before), picture(few))["changes"]["lines"]
    assert lines == {"columns": {}, "patches": {"y": [[2, 20.0], [7, None]]}}
    lines = told(picture(before), picture(many))["changes"]["lines"]
    assert lines == {"columns": {"y": (before + 1).tolist()}, "patches": {}}


def test_columns_of_another_length_are_sent_together() -> None:
    lines = told(picture(np.ones(3)), picture(np.ones(4)))["changes"]["lines"]

    assert {k: len(v) for k, v in lines["columns"].items()} == {"x": 4, "y": 4}


def test_another_picture_is_sent_whole() -> None:
    assert "figure" in told(picture(np.ones(3)), picture(np.ones(3), key="other"))


def forgets(row: str) -> bool:
    """Say whether a hundred such rows of other tables are too much to know a picture by."""
    memory = Memory()
    first = memory.answer(picture(np.zeros(3)), None, dark=False)
    assert first is not None
    for i in range(100):
        memory.answer(Rows("r", {"a": f"{i} {row}"}), None, dark=False)
    answer = memory.answer(picture(np.ones(3)), first["version"], dark=False)
    assert answer is not None
    return "figure" in answer


def test_versions_are_forgotten_by_how_much_they_hold() -> None:
    assert not forgets("short")
    assert forgets("x" * (MOST_REMEMBERED // 90))


def test_the_same_version_counts_once() -> None:
    memory = Memory()
    first = memory.answer(picture(np.zeros(3)), None, dark=False)
    assert first is not None
    for _ in range(100):
        memory.answer(Rows("r", {"a": "x" * (MOST_REMEMBERED // 90)}), None, dark=False)

    answer = memory.answer(picture(np.ones(3)), first["version"], dark=False)

    assert answer is not None
    assert "changes" in answer


def test_the_digest_of_numbers_tells_them_apart() -> None:
    assert digest_of(np.arange(3)) == digest_of(np.arange(3))
    assert digest_of(np.arange(3)) != digest_of(np.arange(3.0))


def test_nothing_is_remembered_that_it_takes_to_draw() -> None:
    part = picture(np.ones(3))
    kept = part.kept()

    assert isinstance(kept, Figure)
    assert kept.version == part.version
    assert kept.draw is not part.draw
    assert Words("w", "a").kept() is None
    assert Figure("picture", part.draw, "no columns").kept() is None
