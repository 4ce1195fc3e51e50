"""Small models of another package: they misbehave, sum, share, and can be mended."""

import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.protocol import Cost, Dim, Model, Parameters, Stage, Variable


class PoisonParameters(Parameters):
    """A number, and what happens at it."""

    x: Annotated[float, Field(ge=0)] = 0.0
    """Any number."""
    poison: Literal["none", "exception", "hang", "segfault", "memory", "exit", "worker"] = "none"
    """What goes wrong."""
    at: float = -1.0
    """Where `poison` strikes; everywhere if below zero."""
    slow: Annotated[float, Field(ge=0)] = 0.0
    """Seconds that each point takes."""
    diary: str = ""
    """A file that gets a line for each computed point."""
    gate: str = ""
    """A file that the point `at` waits for: what is to happen meanwhile happens in time."""


class PoisonStage(Stage):
    """The square of a number, unless something goes wrong."""

    name = "square"
    depends_on = ("x", "poison", "at", "slow", "diary", "gate")
    variables = (
        Variable("square", (), "1", "square of the number"),
        Variable("powers", ("power",), "1", "its first powers"),
    )

    def cost(self, parameters, part):
        """Guess."""
        return Cost(1e6 + 1e10 * parameters.slow, 1e6)

    def solve(self, p, inputs, part):
        """Misbehave or compute."""
        if p.diary:
            with Path(p.diary).open("a") as diary:
                diary.write(f"{p.x}\n")
        if p.at < 0 or p.at == p.x:
            misbehave(f"wait:{p.gate}" if p.gate else p.poison)
        time.sleep(p.slow)
        return {"square": np.array(p.x**2), "powers": p.x ** np.arange(4.0)}

    def unstable(self, result):
        """Call a square of 49 unstable."""
        return result["square"] == 49


def misbehave(poison):
    """Do what the poison says."""
    if poison == "exception":
        msg = "this number is poison"
        raise RuntimeError(msg)
    if poison == "hang":
        time.sleep(3600)
    if poison == "segfault":
        ctypes.string_at(0)
    if poison == "memory":
        np.ones(2**37).sum()
    if poison == "exit":
        os._exit(3)
    if poison == "worker":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    if poison.startswith("wait:"):
        while not Path(poison[5:]).exists():
            time.sleep(0.02)


class Poison(Model):
    """Misbehaves on demand."""

    name = "poison"
    revision = 1
    title = "Squares of numbers, with accidents"
    source = "made up"
    parameters = PoisonParameters
    dims = (Dim("power", "power"),)
    stages = (PoisonStage(),)
    shape_parameters = ("slow",)

    def lengths(self, p):
        """Four powers."""
        return {"power": 4}


class BatchStage(PoisonStage):
    """The same, four points a call: one that kills its worker puts three others under suspicion."""

    batch = 4


class BatchedPoison(Poison):
    """Misbehaves on demand, in company."""

    name = "batched-poison"
    title = "Squares of numbers, four at a time"
    stages = (BatchStage(),)


class LatticeSumParameters(Parameters):
    """A sum over many sites."""

    exponent: Annotated[float, Field(gt=1)] = 2.0
    """Power of the distance."""
    sites: Annotated[int, Field(ge=1)] = 10_000
    """How many sites are summed."""
    slow: bool = False
    """Claim to be expensive, so that the sum is cut into part tasks."""


class LatticeSumStage(Stage):
    """sum over n of n**-exponent, grain by grain."""

    name = "sum"
    depends_on = ("exponent", "sites", "slow")
    cut = "site"
    sums = True
    variables = (Variable("total", (), "1", "the sum"), Variable("mean", (), "1", "its mean term"))

    def cost(self, parameters, part):
        """Claim what is asked for."""
        return Cost(1e9 if parameters.slow else 1e5, 1e6)

    def solve(self, p, inputs, part):
        """Sum one grain; the padding of the last one counts nothing."""
        n = np.arange(part.start, part.start + part.size) + 1.0
        return {"total": np.where(n <= part.stop, n**-p.exponent, 0.0).sum()}

    def gather(self, p, total):
        """Add the mean."""
        return {"total": total["total"], "mean": total["total"] / p.sites}


class LatticeSum(Model):
    """A sum that is cut and gathered."""

    name = "lattice-sum"
    revision = 1
    title = "Sum over sites"
    source = "Riemann"
    parameters = LatticeSumParameters
    dims = (Dim("site", "site"),)
    stages = (LatticeSumStage(),)
    shape_parameters = ("sites", "slow")

    def lengths(self, p):
        """As many as are asked for."""
        return {"site": p.sites}

    def grain(self, dim, p):
        """A hundred sites a call."""
        return 100


class SharedHostParameters(Parameters):
    """A costly host that many cheap defects read."""

    host: Annotated[int, Field(ge=0)] = 1
    """Which host; 13 fails."""
    defect: float = 0.0
    """Which defect."""
    diary: str = ""
    """A file that gets a line for each computed host."""


class HostStage(Stage):
    """The costly part."""

    name = "host"
    depends_on = ("host", "diary")
    variables = (Variable("host_value", (), "1", "value of the host", standard=False),)

    def cost(self, parameters, part):
        """Claim to be heavy."""
        return Cost(2e10, 1e6)

    def solve(self, p, inputs, part):
        """Compute, and leave a trace."""
        if p.host == 13:
            msg = "this host cannot be computed"
            raise ArithmeticError(msg)
        if p.diary:
            with Path(p.diary).open("a") as diary:
                diary.write(f"{p.host}\n")
        return {"host_value": np.array(p.host / 3), "matrix": np.full((4, 4), p.host / 7)}


class DefectStage(Stage):
    """The cheap part."""

    name = "defect"
    depends_on = ("defect",)
    inputs = ("host",)
    variables = (Variable("level", (), "1", "level of the defect"),)

    def cost(self, parameters, part):
        """Claim enough for several blocks."""
        return Cost(2e9, 1e6)

    def solve(self, p, inputs, part):
        """Read the host."""
        return {"level": inputs["host"]["matrix"].sum() + p.defect}


class SharedHost(Model):
    """One host computation serves every defect."""

    name = "shared-host"
    revision = 1
    title = "Defects of a host"
    source = "made up"
    parameters = SharedHostParameters
    dims = ()
    stages = (HostStage(), DefectStage())
    shape_parameters = ()

    def lengths(self, p):
        """No own dims."""
        return {}


class MendableParameters(Parameters):
    """Numbers, and code that may be wrong about them."""

    source: Annotated[int, Field(ge=0)] = 0
    """What the shared stage computes."""
    x: Annotated[float, Field(ge=0)] = 0.0
    """Any number."""
    code: str = ""
    """A file that stands for the code: each line names a stage, a value and what goes wrong."""
    diary: str = ""
    """A file that gets a line for each computed stage."""


def follow(code, diary, stage, value):
    """Do what the code says of a value."""
    if diary:
        with Path(diary).open("a") as file:
            file.write(f"{stage} {value:g}\n")
    for line in Path(code).read_text().splitlines():
        if line.split()[:2] == [stage, f"{value:g}"]:
            misbehave(line.split()[2])


class SourceStage(Stage):
    """The shared part."""

    name = "source"
    depends_on = ("source", "code", "diary")
    variables = (Variable("root", (), "1", "root of the source", standard=False),)

    def cost(self, parameters, part):
        """Claim to be heavy, so that results are kept."""
        return Cost(2e10, 1e6)

    def solve(self, p, inputs, part):
        """Compute, as well as the code can."""
        follow(p.code, p.diary, "source", p.source)
        return {"root": np.sqrt(p.source), "row": np.arange(8.0) + p.source}


class TargetStage(Stage):
    """What is made of it."""

    name = "target"
    depends_on = ("x", "code", "diary")
    inputs = ("source",)
    variables = (Variable("height", (), "1", "height over the source"),)

    def cost(self, parameters, part):
        """Claim enough for several blocks."""
        return Cost(5e8, 1e6)

    def solve(self, p, inputs, part):
        """Read the source, as well as the code can."""
        follow(p.code, p.diary, "target", p.x)
        return {"height": inputs["source"]["row"].sum() + p.x / 3}


class Mendable(Model):
    """Fails where its code is wrong, until that is mended."""

    name = "mendable"
    revision = 1
    title = "Heights over a source"
    source = "made up"
    parameters = MendableParameters
    dims = ()
    stages = (SourceStage(), TargetStage())
    shape_parameters = ()

    def lengths(self, p):
        """No own dims."""
        return {}
