"""How stages read each other."""

from typing import ClassVar

import numpy as np

from models.evaluate import Evaluator
from models.protocol import Cost, Dim, Model, Parameters, Stage, Variable


class LadderParameters(Parameters):
    """A ladder of numbers."""

    rungs: int = 10
    """How many."""


class Rungs(Stage):
    """Numbers, cut into grains."""

    name: ClassVar[str] = "rungs"
    depends_on: ClassVar[tuple[str, ...]] = ("rungs",)
    cut: ClassVar[str | None] = "rung"
    variables: ClassVar[tuple[Variable, ...]] = (Variable("height", ("rung",), "1", "height"),)

    def cost(self, parameters, part):
        return Cost(1.0, 1e5)

    def solve(self, p, inputs, part):
        return {"height": part.indices.astype(float)}


class Top(Stage):
    """The highest number: not cut, but it reads a stage that is."""

    name: ClassVar[str] = "top"
    depends_on: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[str, ...]] = ("rungs",)
    variables: ClassVar[tuple[Variable, ...]] = (Variable("top", (), "1", "highest"),)

    def cost(self, parameters, part):
        return Cost(1.0, 1e5)

    def solve(self, p, inputs, part):
        return {"top": inputs["rungs"]["height"].max()}


class Ladder(Model):
    """Two stages that are cut differently."""

    name = "ladder"
    revision = 1
    title = "Ladder"
    source = "made up"
    parameters = LadderParameters
    dims = (Dim("rung", "rung"),)
    stages = (Rungs(), Top())
    shape_parameters = ("rungs",)

    def lengths(self, p):
        return {"rung": p.rungs}

    def grain(self, dim, p):
        return 4


class Single(Ladder):
    """The same in grains of one element."""

    def grain(self, dim, p):
        return 1


def test_a_stage_that_is_not_cut_reads_a_cut_one_whole() -> None:
    model = Ladder()

    top = Evaluator(model).whole(model.stage("top"), LadderParameters(rungs=10))

    assert top["top"].tolist() == [9.0]


def test_grains_of_one_element_are_not_taken_for_the_whole() -> None:
    """The first of them looks like the only part of a stage that is not cut."""
    model = Single()
    p, (rungs, top) = LadderParameters(rungs=3), model.stages
    first = model.parts(rungs, p)[0]
    one, other = Evaluator(model), Evaluator(model)
    one.grain(rungs, [p], first)
    other.whole(top, p)

    assert one.whole(top, p)["top"].tolist() == [2.0]
    assert other.grain(rungs, [p], first)["height"].tolist() == [[0.0]]


def test_the_last_grain_is_padded_and_trimmed() -> None:
    model = Ladder()
    rungs = model.stage("rungs")
    p = LadderParameters(rungs=10)
    parts = model.parts(rungs, p)

    last = Evaluator(model).grain(rungs, [p], parts[-1])
    whole = Evaluator(model).whole(rungs, p)

    assert last["height"].tolist() == [[8.0, 9.0, 9.0, 9.0]]
    assert np.array_equal(whole["height"], [np.arange(10.0)])
