"""The contract of models: kept by every model of the house, and able to catch a broken one."""

import itertools
from typing import Annotated, ClassVar

import numpy as np
import pytest
from pydantic import Field

from models import contract
from models.contract import CHECKS
from models.evaluate import Evaluator, add_tree, content_key
from models.protocol import WHOLE, Cost, Dim, Model, Parameters, Stage, Variable
from models.registry import get


class FineSlab(type(get("slab"))):
    """The slab in grains of four wavevectors: more of them, and less time spent on padding."""

    def grain(self, dim, p):
        return min(4, super().grain(dim, p))


CHAIN, SLAB, CLUSTER = get("chain"), FineSlab(), get("cluster")
C, S, K = CHAIN.parameters, SLAB.parameters, CLUSTER.parameters
HOT = (0.0, 1.0)
SHORT = {"cutoff": 2.2}

CHAIN_POINTS = [
    C(atoms=2),
    C(atoms=7, mass_ratio=2.0, end_mass_ratio=0.5, temperatures=HOT),
    C(atoms=7, mass_ratio=0.5, end_spring_ratio=2.0, temperatures=HOT),
    C(atoms=7, mass_ratio=3.0, temperatures=HOT),
    C(atoms=7, end_mass_ratio=3.0),
    C(atoms=40, mass_ratio=3.0, temperatures=(2.0,)),
]
COARSE = {"grid_points": 7, "grid_max": 40.0, "grid_width": 9.0}
SLAB_POINTS = [
    S(layers=5, k_points=9, **SHORT, **COARSE),  # inversion
    S(layers=5, k_points=9, adlayer="one side", adlayer_mass_ratio=2.0, adlayer_bond_ratio=1.2,
      **SHORT, **COARSE),  # complex
    S(layers=6, surface="100", k_mesh=3, relaxed=False, material="Ar", temperatures=(0.0, 20.0),
      scattering_vector=(1.0, 0.0, 2.0), **SHORT, **COARSE),  # split, even
    S(layers=5, surface="100", k_mesh=3, k_mesh_shift="gamma", surface_depth=1,
      line_shape="linear", **SHORT, **COARSE),  # odd
    S(layers=4, surface="100", k_mesh=3, layer_masses=(2.0, 1.0), errors=False,
      line_shape="lorentzian", temperatures=(1.0,), **SHORT, **COARSE),  # two-fold
    S(layers=4, surface="110", k_mesh=2, adlayer="one side", adlayer_mass_ratio=2.0,
      temperatures=(1.0,), superlattice_period=1, superlattice_mass_ratio=3.0, **SHORT, **COARSE),
    S(layers=2, surface="110", k_list=[(0.1, 0.2), (0.0, 0.0)], surface_bond_ratio=1.3, **COARSE),
    S(layers=1, k_list=[(0.0, 0.0)], forces="springs", spring_nn=2.0, spring_nnn=0.3, **COARSE),
    S(layers=3, crystal="hcp", surface="0001", adlayer="both sides", adlayer_mass_ratio=0.5,
      forces="springs", k_points=9, **COARSE),
    S(layers=4, nn_distance=1.1, relaxed=False, k_list=[(0.1, 0.2)], **SHORT, **COARSE,
      material={"epsilon_K": 100.0, "sigma_angstrom": 3.0, "mass_u": 20.0}),
    S(layers=3, nn_distance="zero-point", relaxed=False, k_list=[(0.1, 0.2)], material="Kr",
      **SHORT, **COARSE),
    S(layers="infinite", k_mesh=2, surface_depth=1, temperatures=(0.0, 20.0), material="Ar",
      **SHORT, **COARSE),  # decimation
    S(layers="infinite", surface="100", k_list=[(0.2, 0.1), (0.0, 0.0)], surface_depth=2,
      adlayer="one side", adlayer_mass_ratio=0.3, forces="springs", errors=False,
      temperatures=(1.0,), accuracy=0.5, **COARSE),  # a slab
    S(layers=8, surface="100", k_mesh=2, solver="banded", adlayer="one side",
      adlayer_mass_ratio=2.0, temperatures=(1.0,), **SHORT, **COARSE),
    S(layers=64, k_list=[(0.2, 0.1)], solver="surface", surface_depth=1, **SHORT, **COARSE),
]  # fmt: skip

CLUSTER_POINTS = [
    K(shells=1, temperatures=HOT),
    K(shells=2, impurity_mass_ratio=0.5, temperatures=HOT, errors=False),
    K(shells=2, impurity_mass_ratio=3.0, temperatures=HOT, grid_max=50.0, solver="dense"),
    K(shells=2, grid_points=40, grid_max=30.0, grid_width=1.0, temperatures=HOT),
    K(shells=3, solver="chebyshev", start_vectors=4, accuracy=1e-2, temperatures=HOT),
    K(shells=3, solver="chebyshev", start_vectors=4, moments=70, temperatures=(0.3,)),
    K(shape="cuboctahedron", shells=2, temperatures=HOT),  # a saddle
    K(shape="cuboctahedron", shells=3, impurity_mass_ratio=0.3),
    K(shape="cube", shells=1, temperatures=HOT),  # no core
    K(shape="cube", shells=3, temperatures=HOT, moments=100),  # no centre
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_chain_keeps_the_contract(check):
    check(CHAIN, CHAIN_POINTS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_slab_keeps_the_contract(check):
    pairs = check is contract.check_depends_on  # compares every two points: here some of them
    check(SLAB, SLAB_POINTS[::3] if pairs else SLAB_POINTS)


@pytest.mark.long
def test_no_stage_of_the_slab_feels_what_it_does_not_declare():
    contract.check_depends_on(SLAB, SLAB_POINTS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_cluster_keeps_the_contract(check):
    check(CLUSTER, CLUSTER_POINTS)


# --- a small model that uses everything: a cut batch, a sum over grains, a gather ---


class LatticeSumParameters(Parameters):
    """One sum over sites 1, 2, 3, ... of a line."""

    sites: Annotated[int, Field(ge=1)] = 75
    """Number of sites."""
    exponent: float = 2.0
    """Power of the inverse distance."""
    strength: float = 1.0
    """Factor on the sum."""
    sign: float = 1.0
    """Sign of the sum."""

    def canonical(self):
        """A sum of no strength has no sign."""
        return self if self.strength else self.model_copy(update={"sign": 1.0})


class Terms(Stage):
    """The terms, in batches."""

    name: ClassVar[str] = "terms"
    depends_on: ClassVar[tuple[str, ...]] = ("sites", "exponent")
    cut = "site"
    batch = 4
    variables = (Variable("term", ("site",), "energy", "term of the sum"),)

    def cost(self, parameters, part):
        return Cost(1e3, 1e5)

    def run(self, points, inputs, part):
        power = np.array([[p.exponent] for p in points])
        return {"term": (part.indices + 1.0) ** -power}


class Total(Stage):
    """Partial sums of the grains and their total."""

    name = "total"
    depends_on = ("strength", "sign")
    inputs = ("terms",)
    cut = "site"
    sums = True
    batch = 4
    variables = (
        Variable("total", (), "energy", "sum of all terms"),
        Variable("larger", ("side",), "1", "which side is larger", dtype="uint8",
                 flags=("no", "yes")),
    )  # fmt: skip

    def cost(self, parameters, part):
        return Cost(1e3, 1e5)

    def run(self, points, inputs, part):
        real = np.arange(part.size) < part.stop - part.start  # the last grain repeats a site
        factor = np.array([p.strength * p.sign for p in points]) + 0.0  # never -0.0
        return {"sum": factor * (inputs["terms"]["term"] * real).sum(axis=1)}

    def gather(self, p, total):
        positive = total["sum"] > 0
        return {"total": total["sum"], "larger": np.array([~positive, positive], dtype=np.uint8)}


class Report(Stage):
    """What is left over, with a name."""

    name = "report"
    depends_on = ()
    inputs = ("total", "terms")
    cut = "site"
    batch = 4
    variables = (
        Variable("share", ("site",), "1", "share of a term in the total"),
        Variable("rank", ("site",), "1", "rank in words", dtype="str"),
    )

    def cost(self, parameters, part):
        return Cost(1e3, 1e5)

    def run(self, points, inputs, part):
        share = inputs["terms"]["term"] / np.where(inputs["total"]["total"] == 0, 1,
                                                   inputs["total"]["total"])[:, None]  # fmt: skip
        return {"share": share, "rank": np.where(share > 0.5, "major", "minor")}


class LatticeSum(Model):
    """Sum over a line."""

    name = "lattice sum"
    revision = 1
    title = source = "a test"
    parameters = LatticeSumParameters
    dims = (
        Dim("site", "site of the line"),
        Dim("side", "sign of the sum", coordinate=lambda p: ("below zero", "above zero")),
    )
    stages = (Terms(), Total(), Report())
    shape_parameters = ("sites",)

    def lengths(self, p):
        return {"site": p.sites, "side": 2}

    def grain(self, dim, p):
        return 8


P = LatticeSumParameters
SUM_POINTS = [
    P(),
    P(exponent=1.5),
    P(exponent=3.0, strength=-2.0),
    P(sign=-1.0, strength=0.5),
    P(strength=0.0, exponent=5.0, sign=-1.0),
    P(sites=1),
    P(sites=16, exponent=6.0),
    P(sites=17),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_model_with_sums_over_grains_keeps_the_contract(check):
    check(LatticeSum(), SUM_POINTS)


def test_the_sum_over_grains_is_the_sum_over_sites():
    model = LatticeSum()
    total = Evaluator(model).whole(model.stage("total"), P(exponent=3.0, strength=2.0))

    expected = 2 * sum(n**-3.0 for n in range(1, 76))
    assert total["total"] == pytest.approx([expected], rel=1e-14)
    assert total["larger"].tolist() == [[0, 1]]


def test_a_consumer_of_a_sum_reads_the_total_of_every_point_of_its_batch():
    model, points = LatticeSum(), [P(), P(strength=2.0), P(exponent=3.0)]
    stage = model.stage("report")
    part = model.parts(stage, points[0])[2]
    got = Evaluator(model).grain(stage, points, part)["share"]

    for row, p in zip(got, points, strict=True):
        sites = np.arange(1.0, 76)
        total = p.strength * (sites**-p.exponent).sum()
        assert row == pytest.approx((part.indices + 1.0) ** -p.exponent / total, rel=1e-13)


def test_every_call_sees_a_full_batch():
    """Also where a batched stage is the input of one that is not."""
    seen = []

    class Watched(Terms):
        def run(self, points, inputs, part):
            seen.append(len(points))
            return super().run(points, inputs, part)

    class Alone(Report):
        batch = 1

    model = variant(stages=(Watched(), Total(), Alone()))
    Evaluator(model).whole(model.stage("report"), P())

    assert set(seen) == {4}


def test_a_stage_that_is_not_cut_sees_one_whole_part():
    """Also as the input of a batch that is cut, whose grains are none of its business."""
    seen = []

    class Uncut(Stage):
        name = "uncut"
        depends_on = ("strength",)
        batch = 4

        def run(self, points, inputs, part):
            seen.append(part)
            return {"x": np.array([p.strength for p in points])}

    class Reader(Terms):
        inputs = ("uncut",)

    model = variant(stages=(Uncut(), Reader()))
    Evaluator(model).whole(model.stage("terms"), P())

    assert set(seen) == {WHOLE}


def test_a_kept_total_is_not_added_up_again():
    model = LatticeSum()
    stage, p = model.stage("total"), P()
    whole = Evaluator(model).whole(stage, p)
    key = content_key(model, stage, p)
    again = Evaluator(model, lambda s, k: whole if (s.name, k) == ("total", key) else None)

    assert again.whole(stage, p)["total"] == whole["total"]
    report = model.stage("report")
    assert (again.whole(report, p)["share"] == Evaluator(model).whole(report, p)["share"]).all()


def test_a_grain_of_a_kept_sum_is_still_a_grain():
    model = with_stage(Total, batch=1)
    stage, p = model.stage("total"), P()
    whole = Evaluator(model).whole(stage, p)
    again = Evaluator(model, lambda s, k: whole if s.name == "total" else None)

    for part in model.parts(stage, p)[:2]:
        expected = Evaluator(model).partial(stage, p, part)["sum"]
        assert again.partial(stage, p, part)["sum"] == expected


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
def test_aligned_runs_of_grains_add_up_to_the_same_bytes(count):
    rng = np.random.default_rng(5)
    partials = [{"x": rng.normal(size=3) * 10.0 ** rng.integers(-8, 8)} for _ in range(count)]
    whole = add_tree(partials)["x"]

    for size in (1, 2, 4, 8):
        runs = [add_tree(partials[i : i + size]) for i in range(0, count, size)]
        assert add_tree(runs)["x"].tobytes() == whole.tobytes()


# --- broken models: each check must catch its own kind of break ---


def variant(**attributes):
    """A changed model; pickle finds the class by its name, which the changed one has not."""
    stand_in = {"__reduce__": lambda self: (LatticeSum, ())}
    return type("LatticeSum", (LatticeSum,), stand_in | attributes)()


def with_stage(base, **attributes):
    broken = type(base.__name__, (base,), attributes)()
    return variant(stages=tuple(broken if type(s) is base else s for s in LatticeSum.stages))


def with_variable(**changes):
    values = {"name": "term", "dims": ("site",), "unit": "energy", "long_name": "term"} | changes
    return with_stage(Terms, variables=(Variable(**values),))


counter = itertools.count()


def counted(self, points, inputs, part):
    return {"term": Terms.run(self, points, inputs, part)["term"] + next(counter)}


def of_the_mean(self, points, inputs, part):
    term = Terms.run(self, points, inputs, part)["term"]
    return {"term": term - term.mean(axis=0)}


def after_the_last_one(self, points, inputs, part):
    """Remembers where it was."""
    last = self.__dict__.get("last", 0)
    self.__dict__["last"] = part.start
    return {"term": Terms.run(self, points, inputs, part)["term"] + last}


def in_place(self, points, inputs, part):
    inputs["terms"]["term"][...] = 0
    return Total.run(self, points, inputs, part)


def hungry(self, points, inputs, part):
    np.zeros(1_000_000)
    return Terms.run(self, points, inputs, part)


def feels_the_sign(self, points, inputs, part):
    sign = np.array([[p.sign] for p in points])
    return {"term": sign * Terms.run(self, points, inputs, part)["term"]}


def drifting_sum(self, p, total):
    return {**Total.gather(self, p, total), "total": total["sum"] + next(counter)}


def single_precision(self, points, inputs, part):
    return {"term": Terms.run(self, points, inputs, part)["term"].astype(np.float32)}


class Undocumented(P):
    hidden: float = 1.0


class WrongCanonical(P):
    def canonical(self):
        return self.model_copy(update={"strength": 1.0})


class RestlessCanonical(P):
    def canonical(self):
        return self.model_copy(update={"exponent": self.exponent + 1})


class NoJson(P):
    power: complex = 1j
    """A number that JSON does not have."""


class Unpicklable(LatticeSum):
    def __init__(self):
        self.hook = lambda: None


class Ravenous(LatticeSum):
    def present(self, variable, values, p):
        values *= 2 if variable == "term" else 1
        return values


BROKEN = {
    "dims": (
        contract.check_declared,
        with_variable(dims=("site", "side")),
        "'term' has shape .* but its dims",
    ),
    "unknown dim": (
        contract.check_names,
        with_variable(dims=("atom",)),
        "names atom, which does not exist",
    ),
    "dtype": (
        contract.check_declared,
        with_stage(Terms, run=single_precision),
        "dtype float32, declared is float64",
    ),
    "text": (contract.check_declared, with_variable(dtype="str"), "dtype float64, declared is str"),
    "missing": (contract.check_declared, with_variable(name="terms"), "does not give its 'terms'"),
    "cut dim": (
        contract.check_declared,
        with_stage(Total, cut="site", sums=False),
        "so every array of a grain begins with its 8 entries; larger, sum, total",
    ),
    "lengths": (
        contract.check_declared,
        variant(lengths=lambda self, p: {"site": p.sites}),
        "but the dims are",
    ),
    "coordinate": (
        contract.check_declared,
        variant(dims=(LatticeSum.dims[0], Dim("side", "sign", coordinate=lambda p: (1.0,)))),
        "coordinate of the dim 'side' has 1 values for a length of 2",
    ),
    "flags": (
        contract.check_declared,
        with_stage(
            Total,
            variables=(Variable("larger", ("side",), "1", "x", dtype="uint8", flags=("no",)),),
        ),
        "values beyond its 1 flags",
    ),
    "reserved": (
        contract.check_names,
        with_variable(name="seconds"),
        "'seconds' is named like a parameter",
    ),
    "named like a parameter": (
        contract.check_names,
        with_variable(name="strength"),
        "'strength' is named like",
    ),
    "named like a dim": (contract.check_names, with_variable(name="side"), "'side' is named like"),
    "two of a name": (
        contract.check_names,
        with_variable(name="total"),
        "two variables are called total",
    ),
    "unknown eigenvalues": (
        contract.check_names,
        with_variable(degenerate="nothing"),
        "`degenerate` of the variable 'term' names nothing",
    ),
    "eigenvalues of other dims": (
        contract.check_names,
        with_variable(degenerate="larger"),
        "its dims begin with theirs, side",
    ),
    "negative tolerance": (
        contract.check_names,
        with_variable(tolerance=-1.0),
        "is below zero",
    ),
    "input order": (
        contract.check_names,
        with_stage(Terms, inputs=("total",)),
        "`inputs` of stage 'terms' names total",
    ),
    "unknown parameter": (
        contract.check_names,
        with_stage(Terms, depends_on=("sites", "power")),
        "`depends_on` .* names power",
    ),
    "no unit": (
        contract.check_descriptions,
        with_variable(unit=""),
        "gives no unit for the variable 'term'",
    ),
    "no long name": (
        contract.check_descriptions,
        with_variable(long_name=" "),
        "'term' has no long_name",
    ),
    "undocumented": (
        contract.check_descriptions,
        variant(parameters=Undocumented),
        "'hidden' has no docstring",
    ),
    "impure": (
        contract.check_pure,
        with_stage(Terms, run=counted),
        "is not pure: run twice, it differs",
    ),
    "impure gather": (
        contract.check_grains,
        with_stage(Total, gather=drifting_sum),
        "summed in runs",
    ),
    "writes into its input": (
        contract.check_pure,
        with_stage(Total, run=in_place),
        "changes its input 'terms'",
    ),
    "depends on the order": (
        contract.check_grains,
        with_stage(Terms, run=after_the_last_one),
        "in another order",
    ),
    "depends on its batch": (
        contract.check_batches,
        with_stage(Terms, run=of_the_mean),
        "in a batch of",
    ),
    "peak bytes": (
        contract.check_peak_bytes,
        with_stage(Terms, run=hungry),
        "took 8.* bytes, its cost says at most 100000",
    ),
    "free of cost": (
        contract.check_peak_bytes,
        with_stage(Terms, cost=lambda s, p, part: Cost(0, 1e5)),
        "not positive",
    ),
    "depends on more": (
        contract.check_depends_on,
        with_stage(Terms, run=feels_the_sign),
        "depends on one of .*sign",
    ),
    "forgets a dependency": (
        contract.check_depends_on,
        with_stage(Terms, depends_on=("sites",)),
        "depends on one of .*exponent",
    ),
    "shape": (
        contract.check_shape_parameters,
        variant(shape_parameters=()),
        "their lengths do not",
    ),
    "grains": (
        contract.check_shape_parameters,
        variant(grain=lambda self, dim, p: 8 + int(p.sign)),
        "the grains .* do not",
    ),
    "canonical bytes": (
        contract.check_canonical,
        variant(parameters=WrongCanonical),
        "from its canonical form",
    ),
    "canonical": (
        contract.check_parameters,
        variant(parameters=RestlessCanonical),
        "`canonical` twice is not",
    ),
    "pickle": (contract.check_parameters, Unpicklable(), "does not pickle: .*Workers get models"),
    "JSON": (contract.check_parameters, variant(parameters=NoJson), "does not survive JSON"),
    "present": (contract.check_declared, Ravenous(), "changes the array of 'term' in place"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_suite_catches_a_broken_model(kind):
    check, model, match = BROKEN[kind]
    points = [model.parameters(**p.model_dump()) for p in SUM_POINTS]

    with pytest.raises(AssertionError, match=match):
        check(model, points)


def test_every_check_catches_something():
    assert {check for check, _, _ in BROKEN.values()} == set(contract.CHECKS)


def test_the_whole_suite_stops_at_the_first_break():
    with pytest.raises(AssertionError, match="'seconds' is named like a parameter"):
        contract.check_model(with_variable(name="seconds"), SUM_POINTS)


def test_one_point_is_not_enough():
    with pytest.raises(AssertionError, match="at least two points that differ"):
        contract.check_model(LatticeSum(), SUM_POINTS[:1])
