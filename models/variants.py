"""A stage of a model at changed parameters: a coarser mesh, a clean surface.

What depends on a setting is computed at two settings by the same code; what is compared with
a reference system, in that system too. A variant is the stage itself, with its inputs
exchanged for their variants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from models.protocol import Arrays, Cost, Part, Stage


@dataclass(frozen=True)
class Change:
    """What a family of variants has in common."""

    suffix: str
    """Added to the names of stages."""
    to: Callable[[Any], Any]
    """From the parameters of a point to the changed ones."""
    wanted: Callable[[Any], bool]
    """Whether a point needs the variant at all; else its stages give nothing."""
    drops: tuple[str, ...] = ()
    """Parameters that the changed ones do not depend on."""
    needs: tuple[str, ...] = ()
    """Parameters that `wanted` and `to` read beyond those of the stages."""
    dims: Mapping[str, str] = field(default_factory=dict)
    """Cut dims that have another length, and their names here."""

    def of(self, *stages: Stage) -> tuple[Stage, ...]:
        """Give the variants of stages, each reading those of the others."""
        names = {s.name for s in stages}
        return tuple(self._variant(s, names) for s in stages)

    def _variant(self, stage: Stage, names: set[str]) -> Stage:
        kept = [n for n in stage.depends_on if n not in self.drops]
        inputs = {n: f"{n}_{self.suffix}" if n in names else n for n in stage.inputs}
        attributes = {
            "name": f"{stage.name}_{self.suffix}",
            "depends_on": (*kept, *(n for n in self.needs if n not in kept)),
            "depends_where": stage.depends_where,
            "inputs": tuple(inputs.values()),
            "cut": self.dims.get(stage.cut, stage.cut) if stage.cut else None,
            "sums": stage.sums,
            "bulky": stage.bulky,
            "__doc__": f"{(stage.__doc__ or '').rstrip('.')}, changed ({self.suffix}).",
            "stage": stage, "change": self, "renamed": inputs,
        }  # fmt: skip
        variant: Stage = type(
            f"{type(stage).__name__}{self.suffix.title()}", (Variant,), attributes
        )()
        return variant


class Variant(Stage):
    """A stage at changed parameters; it stores nothing."""

    stage: ClassVar[Stage]
    change: ClassVar[Change]
    renamed: ClassVar[dict[str, str]]

    def reads(self, p: Any) -> tuple[str, ...]:
        """Read what the stage reads at the changed parameters, if it is wanted at all."""
        if not self.change.wanted(p):
            return ()
        return tuple(self.renamed[name] for name in self.stage.reads(self.change.to(p)))

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Cost of the stage, where it is wanted."""
        if not self.change.wanted(parameters):
            return Cost(1e4, 1e5)
        return self.stage.cost(self.change.to(parameters), part)

    def solve(self, p: Any, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Solve the stage, where it is wanted."""
        if not self.change.wanted(p):
            return {}
        own = {name: inputs[r] for name, r in self.renamed.items() if r in inputs}
        return self.stage.solve(self.change.to(p), own, part)

    def gather(self, p: Any, total: Arrays) -> Arrays:
        """Turn the sum over all grains into the result."""
        return self.stage.gather(self.change.to(p), total) if total else {}
