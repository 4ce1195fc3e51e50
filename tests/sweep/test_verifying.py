"""Verify finds damaged files and deviating values, and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import Client

import sweep
from models.protocol import Arrays
from sweep.child import Failure
from sweep.comparison import recomputing, verifying
from sweep.ledger import Ledger
from tests.commands import SCRIPT, run_here

pytestmark = pytest.mark.usefixtures("plugin")

SLAB = {
    "modesweep": 1, "name": "slab", "model": "slab",
    "outputs": ["frequency", "surface_weight", "mode_kind", "eigenvector", "k_label"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 2",
    "fixed": {"cutoff": 2.0, "k_points": 8, "surface": "100"},
    "axes": {"layers": [5, 3], "material": ["Xe", "Ar"], "adlayer": ["none", "one side"],
             "adlayer_mass_ratio": [0.3, 2.0]},
}  # fmt: skip
VECTORS = {
    "modesweep": 1, "name": "vectors", "model": "slab", "outputs": ["eigenvector"],
    "fixed": {"cutoff": 2.0, "k_points": 8, "layers": 3},
}  # fmt: skip
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "axes": {"atoms": [3, 5], "end_mass_ratio": [0.2, 0.5, 1.0]},
}  # fmt: skip
SUM = {
    "modesweep": 1, "name": "sum", "model": "lattice-sum", "fixed": {"slow": True, "sites": 7050},
    "axes": {"exponent": [2.0, 3.0]},
}  # fmt: skip
HOST = {
    "modesweep": 1, "name": "host", "model": "shared-host", "fixed": {"host": 2},
    "axes": {"defect": [0.0, 0.5, 1.0]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison", "fixed": {"poison": "exception", "at": 3},
    "axes": {"x": [1, 3, 7]},
}  # fmt: skip
NONE = {
    "modesweep": 1, "name": "none", "model": "poison", "fixed": {"poison": "exception"},
    "axes": {"x": [1, 3]},
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a workspace with one sweep of each kind."""
    workspace = tmp_path_factory.mktemp("verified")
    for content in (SLAB, VECTORS, CHAIN, SUM, HOST, POISON, NONE):
        sweep.run(content, workspace=workspace, scheduler=client)
    return workspace


@pytest.fixture
def copy(stores: Path, tmp_path: Path) -> Path:
    """Give a workspace that a test may spoil."""
    shutil.copytree(stores, tmp_path / "results")
    return tmp_path / "results"


def command(*arguments: object, cwd: Path, code: int = 0) -> str:
    """Run the command, which must end with an exit code."""
    done = run_here("verify", *arguments, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


# --- all is well ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slab", "vectors", "chain", "sum", "host", "poison"])
def test_an_untouched_sweep_agrees_byte_for_byte(stores: Path, name: str) -> None:
    found = sweep.verify(name, sample="100%", workers=2, workspace=stores)

    assert found.ok
    assert found.sampled == found.points
    for v in found.variables:
        assert v.points == v.identical > 0
        assert v.values > 0 or name == "chain"
    assert found.revisions == (1, 1)
    assert found.kernels[0] == (found.kernels[1],)
    assert all(a == b for a, b in found.versions.values())


def test_points_without_a_result_are_not_drawn(stores: Path) -> None:
    assert sweep.verify("poison", sample="100%", workspace=stores).points == 2
    assert sweep.verify("slab", sample=1, workspace=stores).points == 12


def test_calculations_that_points_share_are_made_once(stores: Path) -> None:
    found = sweep.verify("slab", sample="100%", workspace=stores)

    points = {v.variable.name: v.points for v in found.variables}
    assert points["frequency"] == 12
    assert points["n_modes"] == 4  # layers and material
    assert points["k_label"] == 2  # material, which scales all that a stage gives


def test_equal_seeds_draw_equal_points(stores: Path) -> None:
    def drawn(seed: int) -> list[Any]:
        found = sweep.verify("chain", sample=2, seed=seed, workspace=stores)
        return [(v.variable.name, v.points, v.values) for v in found.variables]

    first = drawn(3)
    assert drawn(3) == first
    assert any(drawn(seed) != first for seed in range(3))


@pytest.mark.parametrize(
    ("sample", "points"), [("1%", 1), (4, 4), ("4", 4), (99, 6), ("50%", 3), ("34 %", 3)]
)
def test_a_sample_is_a_share_or_a_number(sample: str | int, points: int) -> None:
    places = verifying._drawn(np.ones((2, 3), bool), sample, 0)

    assert places.shape == (points, 2)
    assert len(np.unique(places, axis=0)) == points


def test_only_points_with_a_result_are_drawn() -> None:
    has = np.zeros((3, 4), bool)
    has[1, 2] = has[2, 0] = True

    assert verifying._drawn(has, "100%", 0).tolist() == [[1, 2], [2, 0]]
    assert verifying._drawn(np.zeros((3, 4), bool), "1%", 0).shape == (0, 2)
    assert verifying._drawn(np.array(True), 1, 0).shape == (1, 0)


@pytest.mark.parametrize("sample", ["0%", 0, "-1", "101%", "some", "1.5", "nan%", ""])
def test_a_sample_that_is_none_is_refused(stores: Path, sample: str | int) -> None:
    with pytest.raises(sweep.InputError, match="draws nothing"):
        sweep.verify("chain", sample=sample, workspace=stores)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused(stores: Path, tolerance: float) -> None:
    with pytest.raises(sweep.InputError, match="compares nothing"):
        sweep.verify("chain", tolerance=tolerance, workspace=stores)


def test_kept_results_are_not_read(copy: Path) -> None:
    """Otherwise a damaged one would agree with what was made of it."""
    kept = list((copy / ".stages").rglob("*.npz"))
    assert kept
    for path in kept:
        path.write_bytes(b"torn")

    found = sweep.verify("host", sample="100%", workspace=copy)

    assert not found.deviating
    assert {d.region for d in found.check.damaged} == {"host"}
    assert found.not_compared == ()


def test_kept_results_that_were_pruned_are_no_damage(copy: Path) -> None:
    shutil.rmtree(copy / ".stages")

    found = sweep.verify("host", sample="100%", workspace=copy)

    assert found.ok
    assert found.check.pruned > 0


# --- damage ---------------------------------------------------------------------------------


def chunk(folder: Path, variable: str) -> Path:
    """Find the first chunk of a variable."""
    return next(p for p in sorted((folder / "data.zarr" / variable / "c").rglob("*"))
                if p.is_file())  # fmt: skip


def test_a_missing_a_short_and_a_changed_file_are_found(copy: Path) -> None:
    folder = copy / "slab"
    missing, short, changed = (
        chunk(folder, n) for n in ("frequency", "surface_weight", "mode_kind")
    )
    missing.unlink()
    content = short.read_bytes()
    size = len(content)
    short.write_bytes(content[:-1])
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    found = sweep.verify("slab", sample="100%", workspace=copy)

    told = {d.name: d.what for d in found.check.damaged}
    assert told == {
        os.path.relpath(missing, folder): "missing",
        os.path.relpath(short, folder): f"{size - 1:,} bytes instead of {size:,}",
        os.path.relpath(changed, folder): "other bytes than were written",
    }
    assert not found.ok
    assert found.damaged == (("modes", found.check.damaged[0].cell),)
    assert 0 < found.check.damaged[0].points <= 12


def test_sampled_points_in_damaged_blocks_are_named_and_not_compared(copy: Path) -> None:
    chunk(copy / "chain", "frequency_squared").write_bytes(b"not a chunk")

    found = sweep.verify("chain", sample="100%", workspace=copy)

    left_out = [n for n in found.not_compared if n.kind == "damaged"]
    assert left_out
    assert "modes" in left_out[0].stages
    assert set(left_out[0].at) == {"atoms", "end_mass_ratio"}
    assert found.deviating == ()
    assert {v.variable.name: v.points for v in found.variables}["end_mode_squared"] == 3


def test_a_chunk_that_no_longer_decodes_is_told_in_words(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files were good when they were checked."""
    chunk(copy / "chain", "frequency_squared").write_bytes(b"not a chunk")
    monkeypatch.setattr("sweep.comparison.files._fault", lambda *_: "")

    found = sweep.verify("chain", sample="100%", workspace=copy)

    assert found.check.damaged == ()
    assert {n.kind for n in found.not_compared} == {"unreadable"}
    assert "cannot be read" in found.not_compared[0].message
    assert not found.ok


def forget_checksums(folder: Path) -> None:
    """Let the ledger believe in the files as they are now."""
    ledger = Ledger(folder, writable=True)
    for row in list(ledger.blocks()):
        files = {}
        for name in row.files:
            content = (folder / name).read_bytes()
            files[name] = (len(content), zlib.crc32(content))
        ledger.record([replace(row, files=files)])
    ledger.close()


def test_a_value_changed_in_the_store_deviates(copy: Path) -> None:
    folder = copy / "slab"
    array = zarr.open_group(folder / "data.zarr", mode="r+")["frequency"]
    before = float(array[0, 1, 1, 0, 3, 7])
    array[0, 1, 1, 0, 3, 7] = before * (1 + 1e-6)
    assert sweep.verify("slab", sample=1, workspace=copy).check.damaged
    forget_checksums(folder)

    found = sweep.verify("slab", sample="100%", workspace=copy)

    assert not found.check.damaged
    (deviating,) = found.deviating
    assert deviating.variable.name == "frequency"
    assert (deviating.disagreeing, deviating.differing) == (1, 1)
    assert deviating.absolute == pytest.approx(before * 1e-6, rel=1e-6)
    assert deviating.at == {
        "layers": 5, "material": "Ar", "adlayer": "one side", "adlayer_mass_ratio": 0.3,
        "k": 3, "mode": 7,
    }  # fmt: skip
    assert not found.ok


# --- the model gives other numbers ------------------------------------------------------------


def recomputed_as(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the numerics give changed values."""
    real = recomputing._compute

    def changed(plan: Any, instance: Any, process: Any) -> Any:
        again = real(plan, instance, process)
        return replace(again, values=change(dict(again.values)))

    monkeypatch.setattr(recomputing, "_compute", changed)


def test_other_numbers_deviate_and_rounding_does_not(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(values: Arrays) -> Arrays:
        for name in ("frequency", "surface_weight"):
            if name in values:
                values[name] = values[name] * (1 + (1e-14 if name == "frequency" else 1e-3))
        return values

    recomputed_as(monkeypatch, change)

    found = sweep.verify("slab", sample="100%", workspace=stores)

    assert [v.variable.name for v in found.deviating] == ["surface_weight"]
    frequency = next(v for v in found.variables if v.variable.name == "frequency")
    assert frequency.identical == 0
    assert 0 < frequency.relative < 1e-13
    assert found.deviating[0].disagreeing == 12
    assert not sweep.verify("slab", sample=1, tolerance=1e-15, workspace=stores).ok
    assert sweep.verify("slab", sample=1, tolerance=0.1, workspace=stores).ok


def mixed(values: Arrays, k: int, modes: slice) -> Arrays:
    """Turn the vectors of some modes into one another."""
    n = modes.stop - modes.start
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(n, n)))
    e = values["eigenvector"].copy()
    e[k, modes] = np.tensordot(q, e[k, modes], axes=1)
    return values | {"eigenvector": e}


@pytest.mark.parametrize(
    ("modes", "ok"), [(slice(0, 3), True), (slice(2, 4), False)], ids=["degenerate", "apart"]
)
def test_another_basis_of_degenerate_modes_is_no_deviation(
    stores: Path, monkeypatch: pytest.MonkeyPatch, modes: slice, ok: bool
) -> None:
    """The three zero modes at Gamma; the eigenvalues are not stored and made again, too."""
    recomputed_as(monkeypatch, lambda values: mixed(values, 0, modes)
                  if "eigenvector" in values else values)  # fmt: skip

    found = sweep.verify("vectors", workspace=stores)

    assert "frequency" not in {v.variable.name for v in found.variables}
    assert found.ok == ok
    vectors = next(v for v in found.variables if v.variable.name == "eigenvector")
    assert vectors.identical == 0
    if not ok:
        assert vectors.at["k"] == 0


def test_a_point_that_fails_now_is_told(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        recomputing, "_answered", lambda *_: Failure(0, "timeout", "took longer than 1 s", "")
    )

    found = sweep.verify("chain", sample=1, workspace=stores)

    assert {(n.kind, n.message) for n in found.not_compared} == {
        ("timeout", "took longer than 1 s")
    }
    assert not found.ok


def test_a_variable_of_another_shape_is_told(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recomputed_as(monkeypatch, lambda values: {n: np.append(a, a) for n, a in values.items()})

    found = sweep.verify("chain", sample=1, workspace=stores)

    assert "the model has changed" in found.not_compared[0].message


def test_progress_is_told(stores: Path) -> None:
    told: list[tuple[int, int]] = []

    found = verifying.verify(
        "chain", sample=2, workspace=stores, told=lambda done, total: told.append((done, total))
    )

    assert told == [(i + 1, found.instances) for i in range(found.instances)]


# --- the command ----------------------------------------------------------------------------


def test_the_command_prints_a_table_and_a_verdict(stores: Path) -> None:
    text = command("slab", "--workspace", stores, "--sample", "50%", cwd=stores)

    assert "12 points of slab with a result, 6 drawn (seed 0), " in text
    assert "all as they were written" in text
    assert re.search(r"^frequency +THz +0 of 6 +0 of \d+ +same bytes +1e-11", text, re.MULTILINE)
    assert text.rstrip().endswith("agree byte for byte")


def test_a_sweep_without_a_result_is_no_fault(stores: Path) -> None:
    text = command("none", "--workspace", stores, cwd=stores)

    assert "0 points of poison with a result, 0 drawn" in text
    assert "no point has a result yet" in text


def test_the_command_ends_with_1_and_json_on_damage(copy: Path) -> None:
    chunk(copy / "chain", "end_weight").unlink()

    text = command("chain", "--workspace", copy, cwd=copy, code=1)
    plain = json.loads(
        command("chain", "--json", "--sample", "100%", "--workspace", copy, cwd=copy, code=1)
    )

    assert "1 DAMAGED, in 1 block\n" in text
    assert "missing" in text
    assert "NOT ok: 1 damaged file" in text
    assert plain["ok"] is False
    assert plain["damaged"][0]["what"] == "missing"
    assert plain["damaged"][0]["region"] == "modes"
    assert plain["not_compared"]
    assert plain["kernels"]["stored"] == [plain["kernels"]["now"]]
    assert {v["variable"] for v in plain["variables"]} >= {"frequency_squared", "end_weight"}


def test_the_command_explains_bad_input(stores: Path) -> None:
    command("chain", "--sample", "none", "--workspace", stores, cwd=stores, code=2)
    command("nothing", "--workspace", stores, cwd=stores, code=2)


@pytest.mark.long
def test_another_blas_kernel_agrees_within_the_tolerances(stores: Path) -> None:
    env = os.environ | {"OPENBLAS_CORETYPE": "Nehalem"}
    done = subprocess.run(
        [SCRIPT, "verify", "slab", "--sample", "100%", "--json", "--workspace", str(stores)],
        text=True, capture_output=True, env=env, timeout=120,
    )  # fmt: skip
    plain = json.loads(done.stdout)

    # a BLAS without a kernel of that name computes as it did before
    other_kernel = plain["kernels"]["stored"] != [plain["kernels"]["now"]]
    assert plain["ok"], [v for v in plain["variables"] if v["disagreeing"]]
    assert any(not v["identical"] for v in plain["variables"]) == other_kernel
