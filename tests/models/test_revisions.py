"""A model whose numbers change gets a new revision, or results of two kinds would be mixed."""

import json
from typing import Any

import numpy as np
import pytest

from models.registry import BUILT_IN, get
from models.slab import Slab
from tests.models.fingerprints import FOLDER, file_of, fingerprints

ROUNDING = 1e-9
"""Far above what another BLAS moves, far below what any change of a formula does."""


def stored(model: str, revision: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    content = json.loads(file_of(model, revision).read_text())
    return content["points"], content["fingerprints"]


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Name the variables that differ by more than rounding, or have no fingerprint."""
    return [n for n in {**before, **now} if not same(before.get(n), now.get(n))]


def same(a: Any, b: Any) -> bool:
    if not isinstance(a, list) or not isinstance(b, list):
        return bool(a == b)
    if not all(isinstance(x, float) for x in (*a, *b)):
        return a == b
    return bool(np.allclose(a, b, rtol=0, atol=ROUNDING * max(abs(a[1]), 1e-3)))


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_numbers_are_those_of_the_revision(name: str) -> None:
    model = get(name)
    points, before = stored(model.name, model.revision)

    now = [fingerprints(model, p) for p in points]

    differ = {n for a, b in zip(before, now, strict=True) for n in changed(a, b)}
    assert not differ, (
        f"{sorted(differ)} of {model.name} have changed. Raise its `revision`, say so in the "
        f"changelog, and run `python -m tests.models.fingerprints {model.name}`."
    )


def test_a_small_change_of_a_formula_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    points, before = stored("slab", Slab.revision)
    present = Slab.present
    monkeypatch.setattr(
        Slab, "present", lambda self, n, v, p: present(self, n, v, p) * (1 + 1e-7)
        if n in ("frequency", "surface_weight") else present(self, n, v, p),
    )  # fmt: skip

    now = fingerprints(get("slab"), points[0])

    assert changed(before[0], now) == ["frequency", "surface_weight"]


def test_no_revision_was_left_out() -> None:
    for model in map(get, BUILT_IN):
        there = {p.name for p in FOLDER.glob(f"{model.name}-*.json")}
        assert there == {f"{model.name}-{r}.json" for r in range(1, model.revision + 1)}
