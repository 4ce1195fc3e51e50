"""What a model is: parameters, variables, and a short chain of stages.

A model file declares

* `Parameters`: one point of a sweep, each field with its unit, range and meaning;
* `Dim`: the own dims of its variables (k, mode, layer, ...), with their coordinates;
* `Stage`: one step of the calculation, with the parameters that it depends on, the
  stages whose results it reads, and the `Variable`s that it gives.

Stages are pure functions of their parameters and inputs. They know nothing of sweeps,
files or clusters. Whoever runs them may cut the work anywhere between grains and points,
and must get the same bytes: every call of `run` therefore sees arrays of one fixed shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ComplexArray: TypeAlias = NDArray[np.complex128]
Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Named arrays. What a stage gives has the points of the batch on its first axis."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks the unit of a parameter: `Annotated[float, Unit("host mass")]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that ties several parameters together."""

    names: tuple[str, ...]
    check: Callable[[Any], str | None]


def rule(*names: str) -> Callable[[Callable[[Any], str | None]], Any]:
    """Declare a condition between parameters, inside a `Parameters` class.

    The function gets an object that carries just the named parameters, and returns None
    or a sentence that says what is wrong and what to do. Naming them lets a sweep of a
    million points check the condition on the few values that matter.
    """

    def mark(check: Callable[[Any], str | None]) -> Any:
        marked = staticmethod(check)
        marked.__dict__["rule_names"] = names
        return marked

    return mark


class Parameters(BaseModel):
    """One point of a sweep. Equal parameters give equal results."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True,
        allow_inf_nan=False, validate_default=False,
    )  # fmt: skip
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        own = [
            Rule(f.__dict__["rule_names"], f.__func__)
            for f in vars(cls).values()
            if isinstance(f, staticmethod) and "rule_names" in f.__dict__
        ]
        cls.rules = (*cls.rules, *own)

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [
            text
            for r in self.rules
            if (text := r.check(SimpleNamespace(**{n: getattr(self, n) for n in r.names})))
        ]
        if broken:
            msg = " ".join(broken)
            raise ValueError(msg)
        return self

    def canonical(self) -> Self:
        """Return parameters that give the same results, the same for all that do.

        A model overrides this where a parameter may be without effect (the mass of an
        adlayer that is not there), so that such points are computed once.
        """
        return self


@dataclass(frozen=True, slots=True)
class Dim:
    """An own dim of variables: what its index counts and, where it has one, its coordinate."""

    name: str
    long_name: str
    unit: str = "1"
    coordinate: Callable[[Any], Sequence[float] | Sequence[str]] | None = None
    """From the parameters to the values along the dim; None: the index itself."""
    described_by: tuple[str, ...] = ()
    """Variables that are stored beside every variable that has this dim."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A result that can be stored."""

    name: str
    dims: tuple[str, ...]
    unit: str
    """A unit, or a quantity (such as "frequency") that `Model.unit_of` turns into one."""
    long_name: str
    source: str = ""
    dtype: str = "float64"
    flags: tuple[str, ...] = ()
    """Meanings of 0, 1, 2, ... for a dtype of "uint8"; 255 says: not there."""
    standard: bool = True
    """Stored when a sweep names no outputs."""
    always: bool = False
    """Stored whenever its stage is: a verdict, or what is needed to read the others."""
    tolerance: float = 1e-9
    """Two computations agree if they differ by no more than this share of the largest
    magnitude that the variable has at the point. Counts, flags and words agree if equal."""
    scale: float = 0.0
    """Magnitude, in the stored unit, that stands for the largest one where that is smaller:
    1 for a residual, whose values are rounding."""
    root: bool = False
    """The signed square root of an eigenvalue. Rounding moves all eigenvalues of a matrix
    alike, so that it is the squares that are compared, and a zero mode may move far."""
    degenerate: str = ""
    """The variable of eigenvalues, ascending along its last dim, that this one belongs to.
    Eigenvectors of equal eigenvalues are an arbitrary basis: two computations agree if they
    do as `within_group` says. The dims of the eigenvalues come first in this one's."""
    within_group: Literal["sum", "projector"] = "sum"
    """What does not depend on the basis of a group: the sum over it, or (eigenvectors, all
    dims after the shared ones) the space that it spans. Flags may differ inside a group."""
    error_of: str = ""
    """The setting that is not physics (a mesh, a width) whose influence this one measures: it
    is called `<variable>_error` and holds |value at the setting - value at half of it|."""


@dataclass(frozen=True, slots=True)
class Part:
    """The piece of a cut dim that one call works on: one grain, of fixed `size`."""

    start: int
    stop: int
    size: int

    @property
    def indices(self) -> IntArray:
        """The elements of the grain, shape (size,); the last grain repeats its last one."""
        return np.minimum(np.arange(self.start, self.start + self.size), self.stop - 1)


WHOLE = Part(0, 1, 1)
"""The only part of a stage that is not cut."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call of `run` takes, for one point."""

    flops: float
    """Equivalent floating-point operations, 1e10 of them a second on a common core."""
    peak_bytes: float
    """Bound on the memory in use at once beside the interpreter."""
    result_bytes: float = 0.0


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms at rest in a cell that is periodic in three directions."""

    lattice: FloatArray
    """(3, 3), rows are the cell vectors, in `length_unit`."""
    positions: FloatArray
    """(atoms, 3), Cartesian, in `length_unit`, in the order of the eigenvectors' atoms."""
    masses: FloatArray
    """(atoms,), in `mass_unit`."""
    symbols: tuple[str, ...]
    """(atoms,), chemical symbols; "X" for a substance without one."""
    length_unit: str
    mass_unit: str
    mesh: tuple[int, int, int] | None = None
    """Steps of the mesh of wavevectors along the reciprocal vectors; None: no mesh."""


class Stage:
    """One step of a model's calculation; subclass it and set the class attributes.

    A stage overrides `solve` (one point a call) or `run` (a batch of points of equal
    shape as arrays, for points that cost little).
    """

    name: ClassVar[str]
    depends_on: ClassVar[tuple[str, ...]]
    """Parameters that the stage reads itself; those of its inputs count by themselves."""
    depends_where: ClassVar[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {}
    """Parameters that are read only where another one has certain values:
    {"mass": ("motion", lambda motion: motion == "quantum")}."""
    inputs: ClassVar[tuple[str, ...]] = ()
    variables: ClassVar[tuple[Variable, ...]] = ()
    cut: ClassVar[str | None] = None
    """The dim that parts cut. Every array of the result then begins with it."""
    sums: ClassVar[bool] = False
    """Grains give partial sums, added in a fixed tree and finished by `gather`. Arrays that a
    grain names for itself stay apart, and `gather` joins them: so long results are shared out."""
    batch: ClassVar[int] = 1
    """Most points that one call sees."""
    bulky: ClassVar[bool] = False
    """The result is large and read grain by grain (eigenvectors): it is made again in every
    block that reads it, and never leaves one."""

    def reads(self, p: Any) -> tuple[str, ...]:
        """Give the inputs that a point needs: all of `inputs`, or some of them.

        The model's shape parameters alone decide: a plan asks once for each shape.
        """
        return self.inputs

    def batch_of(self, p: Any) -> int:
        """Give how many points of this shape one call sees; a batch is filled by repeats."""
        return self.batch

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Say what one point takes for one part, as one of a full batch."""
        raise NotImplementedError

    def solve(self, p: Any, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compute one point: arrays without a point axis."""
        raise NotImplementedError

    def run(self, points: Sequence[Any], inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Compute a batch of points of equal shape: arrays with the points first."""
        rows = [
            self.solve(p, {n: {k: a[i] for k, a in v.items()} for n, v in inputs.items()}, part)
            for i, p in enumerate(points)
        ]
        if len(rows) == 1:
            return {name: np.asarray(array)[None] for name, array in rows[0].items()}
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    def gather(self, p: Any, total: Arrays) -> Arrays:
        """Turn the sum over all grains into the result of one point (no point axis)."""
        return total

    def unstable(self, result: Arrays) -> NDArray[np.bool_]:
        """Say which points of a result belong to an unstable crystal, shape (points,)."""
        first: Any = next(iter(result.values()), (None,))
        return np.zeros(len(first), dtype=bool)


@dataclass(frozen=True, slots=True)
class Work:
    """A publication that a model follows, as a bibliography has it."""

    authors: tuple[str, ...]
    """As in "R. F. Wallis"."""
    year: int
    title: str = ""
    journal: str = ""
    volume: str = ""
    page: str = ""


class Model:
    """A physical system that can be swept; subclass it and set the class attributes."""

    name: ClassVar[str]
    revision: ClassVar[int]
    """Raised when the numbers change: results of another revision are not reused."""
    title: ClassVar[str]
    source: ClassVar[str]
    """Where its formulas stand, in short."""
    works: ClassVar[tuple[Work, ...]] = ()
    """The publications of `source` in full, for those who cite them."""
    parameters: ClassVar[type[Parameters]]
    dims: ClassVar[tuple[Dim, ...]]
    stages: ClassVar[tuple[Stage, ...]]
    """In an order in which each stage stands after its inputs."""
    shape_parameters: ClassVar[tuple[str, ...]]
    """Parameters that decide the lengths of dims and the cost. Equal shape: these are equal."""
    output_depends_on: ClassVar[tuple[str, ...]] = ()
    """Parameters that only scale or rename what the stages give (see `present`)."""
    unit_parameters: ClassVar[tuple[str, ...]] = ()
    """Parameters that decide the units; one sweep has one unit per variable."""
    fixed_only: ClassVar[tuple[str, ...]] = ()
    """Parameters that name an inner dim, and so cannot be an axis."""
    settles: ClassVar[tuple[str, ...]] = ()
    """Parameters that `settle` makes numbers of where they are "auto"; none can be an axis. The
    first is a bound on the results: who extends a sweep beyond it is told so."""
    settled_by: ClassVar[tuple[str, ...]] = ()
    """Parameters that decide what `settle` gives."""

    def lengths(self, p: Any) -> dict[str, int]:
        """Give the length of every own dim, from the parameters alone."""
        raise NotImplementedError

    def grain(self, dim: str, p: Any) -> int:
        """Give how many elements of a cut dim one call of `run` sees."""
        raise NotImplementedError

    def unit_of(self, quantity: str, p: Any) -> str:
        """Turn the quantity that a variable names into a unit."""
        return quantity

    def present(self, variable: str, values: NDArray[Any], p: Any) -> NDArray[Any]:
        """Bring what a stage gave into the unit that is stored."""
        return values

    def settle(self, points: Sequence[Any]) -> dict[str, Any]:
        """Give numbers for parameters that are left at "auto", from all points that differ.

        A sweep calls it once, when it is planned, and keeps the numbers; so the frequency grid
        of all its spectra is one.
        """
        return {}

    def missing(self, variable: str, p: Any) -> str | None:
        """Say why a point cannot have a variable, and what to do; None: it has it.

        Such a variable is refused when no point of the sweep can have it, and else missing.
        """
        return None

    def structure(self, p: Any) -> Structure | None:
        """Give the cell and atoms of a point, for files of other programs.

        None: the system is not periodic, or is no crystal. A model that gives one stores
        `frequency` (k, mode) with k_fraction, k_distance, k_label and k_weight beside it.
        """
        return None

    def remarks(self, p: Any) -> tuple[str, ...]:
        """Say what of a point was saved by symmetry or is worth knowing, in words."""
        return ()

    def stage(self, name: str) -> Stage:
        """Find a stage by its name."""
        return next(s for s in self.stages if s.name == name)

    def dim(self, name: str) -> Dim:
        """Find an own dim by its name."""
        return next(d for d in self.dims if d.name == name)

    def variables(self) -> dict[str, tuple[Variable, Stage]]:
        """Give every variable with the stage that it comes from, by name."""
        return {v.name: (v, s) for s in self.stages for v in s.variables}

    def depends_on(
        self, stage: Stage, values: Callable[[str], Iterable[Any]] | None = None
    ) -> tuple[str, ...]:
        """Give all parameters that a stage depends on, directly or through its inputs.

        `values` gives what a parameter may be, at a point or in a sweep; without it,
        parameters that are read only where another has certain values are named too.
        """
        names = set(stage.depends_on)
        for name, (other, reads) in stage.depends_where.items():
            names.add(other)
            if values is None or any(reads(v) for v in values(other)):
                names.add(name)
        for name in stage.inputs:
            names.update(self.depends_on(self.stage(name), values))
        return tuple(n for n in self.parameters.model_fields if n in names)

    def depends_at(self, stage: Stage, p: Any) -> tuple[str, ...]:
        """Give all parameters that a stage depends on at a point."""
        return self.depends_on(stage, lambda name: (getattr(p, name),))

    def parts(self, stage: Stage, p: Any) -> list[Part]:
        """Cut a stage of one point into grains."""
        if stage.cut is None:
            return [WHOLE]
        length, size = self.lengths(p)[stage.cut], self.grain(stage.cut, p)
        return [Part(i, min(i + size, length), size) for i in range(0, length, size)]
