"""Solvers of thick slabs as a user gets them: frequencies alone, surface branches alone."""

import tracemalloc

import numpy as np
import pytest
from known import SLAB, slab

from models.contract import _peak_bytes
from models.evaluate import Evaluator, compute
from models.slab import parameters
from models.slab.model import _BANDED

SHORT = {"cutoff": 2.2}
GENERIC, GAMMA = (0.21, 0.37), (0.0, 0.0)
FORMS = {
    "inversion": {"surface": "111", "layers": 24},
    "inversion, odd": {"surface": "111", "layers": 25},
    "split": {"surface": "100", "layers": 24},
    "split, odd": {"surface": "110", "layers": 25},
    "two-fold": {"surface": "100", "layers": 24, "layer_masses": (2.0, 0.5)},
    "complex": {"surface": "111", "layers": 24, "adlayer": "one side", "adlayer_mass_ratio": 3.0},
    "hcp, even": {"crystal": "hcp", "surface": "0001", "layers": 24},
    "hcp, odd": {"crystal": "hcp", "surface": "0001", "layers": 25},
    "bcc springs": {"crystal": "bcc", "surface": "110", "layers": 20, "forces": "springs",
                    "spring_nnn": 0.6},
    "superlattice": {"surface": "111", "layers": 24, "superlattice_period": 2,
                     "superlattice_mass_ratio": 0.4},
    "unstable": {"crystal": "bcc", "surface": "100", "layers": 12, "relaxed": False},
    "loose": {"crystal": "sc", "surface": "100", "layers": 8, "forces": "springs"},
}  # fmt: skip
BRANCH = ("surface_branch surface_branch_top_weight surface_branch_surface_weight "
          "surface_branch_normal_weight surface_branch_depth")  # fmt: skip


# --- frequencies alone ---


@pytest.mark.parametrize("case", FORMS)
def test_banded_frequencies_and_verdicts_are_those_of_all_modes(case):
    point = {"k_list": [GENERIC, GAMMA, (0.5, 0.0)], **SHORT, **FORMS[case]}
    dense, banded = (slab(" ".join(_BANDED), solver=s, **point) for s in ("dense", "banded"))

    squared = [np.sign(x["frequency"]) * x["frequency"] ** 2 for x in (dense, banded)]
    assert squared[1] == pytest.approx(squared[0], abs=1e-11 * np.abs(squared[0]).max())
    for name in ("n_zero", "n_negative"):
        assert banded[name].tolist() == dense[name].tolist()
    for name in ("sum_rule_residual", "asymmetry"):
        assert banded[name].max() < 1e-11
    p = [SLAB.parameters(solver=s, **point) for s in ("dense", "banded")]
    stage = SLAB.stage("modes")
    verdicts = [stage.unstable(Evaluator(SLAB).whole(stage, x)).tolist() for x in p]
    assert verdicts[0] == verdicts[1] == [case == "unstable"]


def test_what_needs_vectors_is_refused_and_missing_where_only_frequencies_are_found():
    p = SLAB.parameters(layers=12, solver="banded", k_mesh=2, temperatures=(1.0,),
                        grid_points=12, grid_max=44.0, grid_width=9.0, **SHORT)  # fmt: skip
    names = ("surface_weight", "mode_kind", "mode_parity", "penetration_depth", "group_velocity",
             "eigenvector", "heat_capacity", "surface_entropy", "dos", "spectral_density",
             "mean_square_displacement")  # fmt: skip
    found = compute(SLAB, names, p)

    for name in names:
        assert f'{name} needs all modes with their vectors, which `solver` = "banded"' in str(
            SLAB.missing(name, p)
        )
        values = found[name]
        kept = values == 255 if values.dtype == np.uint8 else np.isnan(values)
        assert kept.all(), name
    for name in (*_BANDED, "bulk_band", "surface_branch", "layer_shift", "k_vector"):
        assert SLAB.missing(name, p) is None


def test_auto_takes_all_modes_of_thin_slabs_and_frequencies_of_thick_ones(monkeypatch):
    monkeypatch.setattr(parameters, "DENSE_MOST", 12)
    point = {"k_list": [GENERIC], "surface": "100", **SHORT}
    for layers, method in ((12, "dense"), (13, "banded")):
        p = SLAB.parameters(layers=layers, **point)
        assert p.method == method
        weight = compute(SLAB, ["surface_weight", "frequency"], p)
        assert np.isfinite(weight["surface_weight"]).all() == (method == "dense")
        same = slab("frequency", layers=layers, solver=method, **point)
        assert weight["frequency"] == pytest.approx(same, rel=1e-14)
        assert (SLAB.missing("surface_weight", p) is None) == (method == "dense")
    assert SLAB.parameters(layers=13, solver="dense", **point).method == "dense"


def test_the_limit_of_auto_is_that_of_the_documents():
    assert SLAB.parameters(layers=500).method == "dense"
    assert SLAB.parameters(layers=501).method == "banded"


# --- surface branches alone ---


@pytest.mark.parametrize(
    "case",
    ["inversion", "split", "complex", "hcp, odd",
     pytest.param("superlattice", marks=pytest.mark.long)],
)  # fmt: skip
def test_the_solver_of_surface_branches_gives_those_of_the_others_and_nothing_else(case):
    """By the same calculation, so to the last byte; frequencies are missing, not wrong."""
    point = {"k_points": 9, **SHORT, **FORMS[case]}
    surface = slab(f"{BRANCH} frequency n_zero n_negative", solver="surface", **point)
    p = SLAB.parameters(solver="surface", **point)

    for solver in ("auto", "dense", "banded"):
        other = slab(BRANCH, solver=solver, **point)
        for name, values in other.items():
            assert values.tobytes() == surface[name].tobytes(), (solver, name)
    assert np.isfinite(surface["surface_branch"]).any()
    assert np.isnan(surface["frequency"]).all()
    assert (surface["n_zero"] == -1).all()
    assert (surface["n_negative"] == -1).all()
    assert 'frequency needs all modes with their vectors, which `solver` = "surface"' in str(
        SLAB.missing("frequency", p)
    )


@pytest.mark.parametrize("case", ["inversion", "split", "complex", "hcp, even", "superlattice"])
def test_branches_are_the_modes_outside_the_bands(case):
    """All of them, each once, with the weights and depths of all modes."""
    point = {"k_list": [(0.31, 0.12), (0.2, 0.05)], **SHORT, **FORMS[case]}
    branches = slab(BRANCH, **point)
    modes = slab("frequency mode_kind surface_weight penetration_depth normal_weight", **point)

    for k in range(2):
        there = np.isfinite(branches["surface_branch"][k])
        order = np.flatnonzero(there)[branches["surface_branch"][k, there].argsort()]
        outside = np.isin(modes["mode_kind"][k], (1, 2, 3))
        assert branches["surface_branch"][k, order] == pytest.approx(
            modes["frequency"][k, outside], abs=1e-9
        )
        for mine, name in (("surface_weight", "surface_weight"), ("normal_weight", "normal_weight"),
                           ("depth", "penetration_depth")):  # fmt: skip
            got, all_ = branches[f"surface_branch_{mine}"][k, order], modes[name][k, outside]
            assert got.sum() == pytest.approx(all_.sum(), rel=1e-6), name


def largest_steps(path, points):
    """Largest second difference of a branch and first difference of its normal weight, both
    within a straight piece of the path."""
    point = {"surface": "111", "k_path": path, "k_points": points}
    found = slab(f"{BRANCH} k_label", layers=40, **point, **SHORT)
    branch, normal = found["surface_branch"], found["surface_branch_normal_weight"]
    corner = np.flatnonzero(found["k_label"] != "")
    bends, turns = [], []
    for b in range(branch.shape[1]):
        on = np.flatnonzero(np.isfinite(branch[:, b]))
        assert (np.diff(on) == 1).all()  # a branch that ends does not come back
        for first, last in zip(corner[:-1], corner[1:], strict=True):
            part = on[(on > first) & (on < last)]
            if len(part) > 8:
                bends.append(np.abs(np.diff(branch[part, b], 2)).max())
                turns.append(np.abs(np.diff(normal[part, b])).max())
    assert len(bends) >= 2
    return max(bends), max(turns)


def test_branches_run_on_without_jumps_along_the_usual_path():
    """Neither frequencies nor motions jump, as they would where branches are mixed up."""
    bend, turn = largest_steps("G-M-K-G", 121)

    assert bend < 0.1
    assert turn < 0.15


def test_what_bends_on_a_path_bends_less_with_shorter_steps():
    """A curve has a ninth of the second difference with a third of the step, a kink a third."""
    assert largest_steps("M-K", 76)[0] < 0.28 * largest_steps("M-K", 26)[0]


def test_the_pair_of_faces_is_two_branches_that_never_part():
    branch = slab("surface_branch", surface="111", layers=40, k_path="M-K", k_points=41, **SHORT)

    assert np.isfinite(branch[:, :2]).all()
    assert branch[:, 1] == pytest.approx(branch[:, 0], abs=1e-3)


def test_a_comma_begins_the_branches_anew():
    whole = {"surface": "100", "layers": 24, **SHORT}
    both = slab("surface_branch k_label", k_path="G-X,M-X", k_points=22, **whole)
    starts = int(np.flatnonzero(both["k_label"] == "M")[0])

    first, second = both["surface_branch"][:starts], both["surface_branch"][starts:]
    there = [set(np.flatnonzero(np.isfinite(x).any(axis=0))) for x in (first, second)]
    assert there[0]
    assert there[1]
    assert not there[0] & there[1]
    assert max(there[0]) < min(there[1])


def test_on_a_mesh_modes_stand_in_ascending_order():
    branch = slab("surface_branch", surface="100", layers=24, k_mesh=4, **SHORT)

    for row in branch:
        count = int(np.isfinite(row).sum())
        assert np.isfinite(row[:count]).all()
        assert (np.diff(row[:count]) >= 0).all()
    assert np.isfinite(branch).any(axis=1).all()


def test_branches_of_both_faces_of_a_thousand_layers_are_the_pole():
    point = {"surface": "111", "k_list": [(0.31, 0.12)], "solver": "surface"}
    thick = slab(BRANCH, layers=1001, **point)
    pole = slab("surface_branch", layers="infinite", **point)[0, 0]

    assert thick["surface_branch"][0, :2] == pytest.approx([pole] * 2, rel=1e-9)
    assert thick["surface_branch_top_weight"][0, :2].sum() == pytest.approx(
        slab("surface_branch_top_weight", layers="infinite", **point)[0, 0], abs=1e-6
    )


@pytest.mark.parametrize("solver", ["dense", "banded"])
def test_a_half_space_has_no_solver_of_slabs(solver):
    with pytest.raises(ValueError, match="which has no list of modes"):
        SLAB.parameters(layers="infinite", solver=solver)


# --- memory ---


@pytest.mark.long
@pytest.mark.parametrize(
    "case",
    [
        {"surface": "111"},
        {"surface": "110", "adlayer": "one side", "adlayer_mass_ratio": 2.0},
        {"surface": "111", "solver": "surface"},
    ],
    ids=lambda case: " ".join(map(str, case.values())),
)
def test_the_stages_of_2001_layers_stay_within_their_bounds(case):
    """Two hundred times less than the matrix of all of them would take."""
    p = SLAB.parameters(layers=2001, k_list=[GENERIC], **case)
    evaluator = Evaluator(SLAB)
    for name in ("structure", "couplings", "modes", "surface_modes", "branches"):
        stage = SLAB.stage(name)
        part = SLAB.parts(stage, p)[0]
        inputs = {n: evaluator.whole(SLAB.stage(n), p) for n in stage.reads(p)}
        peak = _peak_bytes(lambda s=stage, i=inputs, q=part: s.run([p], i, q))
        assert peak <= stage.cost(p, part).peak_bytes, name
        assert peak < (3 * 2001) ** 2 * 8 / 2
    assert not tracemalloc.is_tracing()
