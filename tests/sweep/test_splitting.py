"""A sweep file cut into parts: they are joined to what the whole would be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep.documents import to_toml
from sweep.problems import InputError, RefusedError
from sweep.splitting import balanced, split
from tests.commands import run_here
from tests.faults.tools import results

SPECTRA: dict[str, Any] = {
    "modesweep": 1, "name": "spectra", "model": "slab", "outputs": ["dos"],
    "fixed": {"cutoff": 2.0, "k_mesh": 2, "surface": "100", "grid_points": 50,
              "adlayer": "one side"},
    "axes": {"adlayer_mass_ratio": [1.0, 0.2], "layers": [2, 4, 3]},
}  # fmt: skip
CHAINS: dict[str, Any] = {
    "modesweep": 1, "name": "chains", "model": "chain", "fixed": {"atoms": 6},
    "axes": {"mass_ratio": {"linspace": [0.2, 5.0, 7]}, "end_mass_ratio": [0.5, 1.0]},
}  # fmt: skip


def written(document: dict[str, Any], folder: Path) -> Path:
    file = folder / f"{document['name']}.toml"
    file.write_text(to_toml(document))
    return file


@pytest.mark.parametrize(
    ("document", "by", "into"), [(SPECTRA, "layers", 2), (CHAINS, "mass_ratio", 3)]
)
def test_the_union_of_the_parts_has_the_bytes_of_the_whole(
    document: dict[str, Any], by: str, into: int, tmp_path: Path, client: Client
) -> None:
    axes = {n: sorted(v) if isinstance(v, list) else v for n, v in document["axes"].items()}
    file = written({**document, "axes": axes}, tmp_path)
    whole = sweep.run(file, workspace=tmp_path / "one", scheduler=client)

    parts = split(file, by, into)
    ran = [
        sweep.run(p.file, workspace=tmp_path / f"cluster-{i}", scheduler=client).path
        for i, p in enumerate(parts)
    ]
    joined = sweep.union(ran, str(document["name"]), workspace=tmp_path / "joined")

    assert joined.complete
    assert results(joined.path) == results(whole.path)


def test_parts_agree_on_what_is_settled_for_the_whole(tmp_path: Path) -> None:
    file = written(SPECTRA, tmp_path)
    whole = sweep.read(file)

    parts = [sweep.read(p.file) for p in split(file, "adlayer_mass_ratio", 2)]

    # the light adlayer, in one part only, decides where the grid ends
    alone = sweep.read({**SPECTRA, "axes": {**SPECTRA["axes"], "adlayer_mass_ratio": [1.0]}})
    assert alone.fixed["grid_max"] < whole.fixed["grid_max"]
    assert [p.fixed["grid_max"] for p in parts] == [whole.fixed["grid_max"]] * 2
    assert [p.fixed["grid_width"] for p in parts] == [whole.fixed["grid_width"]] * 2
    assert [p.name for p in parts] == ["spectra-1", "spectra-2"]


def test_every_value_is_in_one_part_and_what_is_zipped_stays_together(tmp_path: Path) -> None:
    document = {**CHAINS, "zip": [["mass_ratio", "end_mass_ratio"]],
                "where": "mass_ratio > 0.5",
                "axes": {"mass_ratio": [0.3, 1.0, 2.0, 3.0, 4.0],
                         "end_mass_ratio": [5.0, 1.5, 2.5, 3.5, 4.5]}}  # fmt: skip
    file = written(document, tmp_path)

    parts = split(file, "end_mass_ratio", 2)

    axes = [sweep.read(p.file).dims[0].values for p in parts]
    for name, values in document["axes"].items():
        assert [v for a in axes for v in a[name]] == values
    assert sum(p.points for p in parts) == 4


def test_dear_values_share_a_part_with_few(tmp_path: Path) -> None:
    layers = [11, 12, 13, 14, 15, 16, 60]
    document = {"modesweep": 1, "name": "slabs", "model": "slab", "outputs": ["frequency"],
                "axes": {"layers": layers}}  # fmt: skip

    parts = split(written(document, tmp_path), "layers", 2)

    assert [p.values for p in parts] == [6, 1]


@pytest.mark.parametrize(
    ("costs", "into", "edges"),
    [([1, 1, 1, 1], 2, [0, 2, 4]), ([0, 0, 0], 3, [0, 1, 2, 3]), ([9, 1, 1], 3, [0, 1, 2, 3]),
     ([1, 1, 9], 3, [0, 1, 2, 3]), ([5, 1, 1, 1, 1, 1], 2, [0, 1, 6])],
)  # fmt: skip
def test_no_part_is_empty(costs: list[float], into: int, edges: list[int]) -> None:
    assert balanced(np.array(costs, float), into) == edges


@pytest.mark.parametrize(
    ("by", "into", "words"),
    [("layer", 2, "'layer' is no axis of spectra"), ("surface", 2, "Its axes: adlayer_mass_ratio"),
     ("layers", 4, "into 2 to 3 parts along layers"), ("layers", 1, "1 were asked for"),
     ("layers", -2, "-2 were asked for")],
)  # fmt: skip
def test_what_cannot_be_cut_is_refused_in_words(
    by: str, into: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        split(written(SPECTRA, tmp_path), by, into)

    assert words in str(caught.value)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    file = written(CHAINS, tmp_path)
    (tmp_path / "chains-2.toml").write_text("mine")

    with pytest.raises(RefusedError, match="holds something else"):
        split(file, "mass_ratio", 2)

    assert (tmp_path / "chains-2.toml").read_text() == "mine"
    assert not (tmp_path / "chains-1.toml").exists()
    (tmp_path / "chains-2.toml").unlink()
    assert split(file, "mass_ratio", 2) == split(file, "mass_ratio", 2)


def test_the_command_says_how_to_join_them(tmp_path: Path) -> None:
    written(CHAINS, tmp_path)

    done = run_here("split", "chains.toml", "--by", "mass_ratio", "--into", "2", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "chains-1.toml" in done.stdout
    assert "modesweep union chains-1 chains-2 --name chains" in done.stdout
