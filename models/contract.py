"""What every model promises, as checks that raise AssertionError with a clear message.

A plug-in author runs them from pytest, on a handful of small points that differ in every
parameter that matters; together they should take seconds:

    import pytest
    from models.contract import CHECKS
    from my_package import MyModel

    POINTS = [MyModel.parameters(size=4), MyModel.parameters(size=5, mass_ratio=2.0)]

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_model_keeps_the_contract(check):
        check(MyModel(), POINTS)

`check_model` runs them all in one call. What they see of a dependency on a parameter comes
from the points alone: a parameter that no two points vary is not tested.
"""

from __future__ import annotations

import json
import pickle
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from pydantic import ValidationError

from models.evaluate import Evaluator, add_tree, content_key, trimmed
from models.protocol import Arrays, Model, Parameters, Part, Stage, Variable

RESERVED = ("status", "attempts", "seconds")
"""Names that a sweep stores beside the variables."""


def check_model(model: Model, points: Sequence[Any]) -> None:
    """Run every check; the points are small and differ in the parameters that matter."""
    _require(len(points) > 1, f"{model.name}: give at least two points that differ.")
    for check in CHECKS:
        check(model, points)


def check_names(model: Model, points: Sequence[Any]) -> None:
    """Check that names are unique, known where they are used, and described."""
    fields = model.parameters.model_fields
    dims, stages = [d.name for d in model.dims], [s.name for s in model.stages]
    variables = [v.name for s in model.stages for v in s.variables]
    for kind, names in (("dim", dims), ("stage", stages), ("variable", variables)):
        twice = sorted({n for n in names if names.count(n) > 1})
        _require(not twice, f"{model.name}: two {kind}s are called {', '.join(twice)}.")
    for name in variables:
        taken = name in fields or name in dims or name in RESERVED
        _require(not taken, f"The variable {name!r} is named like a parameter, a dim or a "
                            f"column of the sweep ({', '.join(RESERVED)}).")  # fmt: skip
    for name in dims:
        _require(name not in fields, f"The dim {name!r} is named like a parameter.")
    for title in ("shape_parameters", "output_depends_on", "unit_parameters", "fixed_only",
                  "settles", "settled_by"):  # fmt: skip
        _known(getattr(model, title), fields, f"`{title}` of {model.name}")
    for r in model.parameters.rules:
        _known(r.names, fields, f"A rule of {model.parameters.__name__}")
    for d in model.dims:
        _known(d.described_by, variables, f"`described_by` of the dim {d.name!r}")
    for i, stage in enumerate(model.stages):
        _known(stage.depends_on, fields, f"`depends_on` of stage {stage.name!r}")
        for name, (other, _) in stage.depends_where.items():
            _known((name, other), fields, f"`depends_where` of stage {stage.name!r}")
        _known(stage.inputs, stages[:i], f"`inputs` of stage {stage.name!r}")
        _known(() if stage.cut is None else (stage.cut,), dims, f"`cut` of stage {stage.name!r}")
        for v in stage.variables:
            _known(v.dims, dims, f"`dims` of the variable {v.name!r}")
            _check_agreement(model, v)
            _check_error(v, stage)


def _check_agreement(model: Model, v: Variable) -> None:
    """Check what a variable says of when two computations agree."""
    _require(v.tolerance >= 0 and v.scale >= 0,
             f"`tolerance` or `scale` of the variable {v.name!r} is below zero.")  # fmt: skip
    if not v.degenerate:
        return
    known = {name: variable for name, (variable, _) in model.variables().items()}
    _known((v.degenerate,), known, f"`degenerate` of the variable {v.name!r}")
    shared = known[v.degenerate].dims
    _require(shared and v.dims[: len(shared)] == shared,
             f"The variable {v.name!r} belongs to the eigenvalues {v.degenerate!r}, so its dims "
             f"begin with theirs, {', '.join(shared)}.")  # fmt: skip


def _check_error(v: Variable, stage: Stage) -> None:
    """Check that an error stands beside what it is the error of."""
    if not v.error_of:
        return
    beside = {x.name: x for x in stage.variables}
    of = beside.get(v.name.removesuffix("_error"))
    good = v.name.endswith("_error") and of is not None and of.dims == v.dims
    _require(good, f"The variable {v.name!r} is an error, so it is called <variable>_error and "
                   "has the dims of a variable of the same stage.")  # fmt: skip


def check_descriptions(model: Model, points: Sequence[Any]) -> None:
    """Check that every parameter, dim and variable says what it is, and in which unit."""
    for name, field in model.parameters.model_fields.items():
        _require(field.description, f"The parameter {name!r} has no docstring below it.")
    for d in model.dims:
        _require(d.long_name.strip(), f"The dim {d.name!r} has no long_name.")
    for stage in model.stages:
        for v in stage.variables:
            _require(v.long_name.strip(), f"The variable {v.name!r} has no long_name.")
            for p in points:
                unit = model.unit_of(v.unit, p)
                _require(isinstance(unit, str) and unit.strip(),
                         f"`unit_of` gives no unit for the variable {v.name!r}.")  # fmt: skip


def check_declared(model: Model, points: Sequence[Any]) -> None:
    """Check that dims, dtypes and coordinates are what the declarations say."""
    for p in points:
        lengths = model.lengths(p)
        _require(set(lengths) == {d.name for d in model.dims},
                 f"`lengths` gives {sorted(lengths)}, but the dims are "
                 f"{sorted(d.name for d in model.dims)}.")  # fmt: skip
        for d in model.dims:
            if d.coordinate is not None:
                found = len(d.coordinate(p))
                _require(found == lengths[d.name],
                         f"The coordinate of the dim {d.name!r} has {found} values for a "
                         f"length of {lengths[d.name]}.")  # fmt: skip
        evaluator = Evaluator(model)
        for stage in _felt(model, p):
            if stage.cut is not None and not stage.sums:
                _check_cut(stage, evaluator, p, model.parts(stage, p)[0])
            _check_result(model, stage, p, evaluator.whole(stage, p))


def _check_cut(stage: Stage, evaluator: Evaluator, p: Any, part: Part) -> None:
    grain = evaluator.grain(stage, [p], part)
    wrong = {n for n, a in grain.items() if a.ndim < 2 or a.shape[1] != part.size}
    wrong |= {v.name for v in stage.variables if v.dims[:1] != (stage.cut,)}
    _require(not wrong,
             f"Stage {stage.name!r} is cut along {stage.cut!r}, so every array of a grain "
             f"begins with its {part.size} entries; {', '.join(sorted(wrong))} not.")  # fmt: skip


def _check_result(model: Model, stage: Stage, p: Any, result: Arrays) -> None:
    lengths = model.lengths(p)
    for v in stage.variables:
        _require(v.name in result, f"Stage {stage.name!r} does not give its {v.name!r}.")
        array = result[v.name]
        want = (1, *(lengths[d] for d in v.dims))
        _require(array.shape == want,
                 f"{v.name!r} has shape {array.shape}, but its dims {v.dims} say {want} "
                 "(a point first).")  # fmt: skip
        true = array.dtype.kind == "U" if v.dtype == "str" else array.dtype == np.dtype(v.dtype)
        _require(true, f"{v.name!r} has dtype {array.dtype}, declared is {v.dtype}.")
        if v.flags:
            good = v.dtype == "uint8" and np.isin(array, [*range(len(v.flags)), 255]).all()
            _require(good, f"{v.name!r} has values beyond its {len(v.flags)} flags.")
        before = array.copy()
        shown = model.present(v.name, array[0], p)
        _require(shown.shape == want[1:], f"`present` changes the shape of {v.name!r}.")
        _require(_same(before, array), f"`present` changes the array of {v.name!r} in place.")
    verdict = stage.unstable(result)
    _require(verdict.shape == (1,) and verdict.dtype == bool,
             f"`unstable` of stage {stage.name!r} gives no bool for each point.")  # fmt: skip


def check_parameters(model: Model, points: Sequence[Any]) -> None:
    """Check that points survive JSON and pickle, and that `canonical` is a fixed point."""
    _require(_pickled(model).name == model.name, "Pickle changes the model.")
    for p in points:
        _require(_pickled(p) == p, f"Pickle changes {p!r}.")
        try:
            again = model.parameters.model_validate(json.loads(json.dumps(p.model_dump())))
        except (ValidationError, TypeError) as error:
            msg = f"{p!r} does not survive JSON: {error}"
            raise AssertionError(msg) from error
        _require(again == p, f"JSON changes {p!r} into {again!r}.")
        clean = p.canonical()
        _require(clean.canonical() == clean, f"`canonical` twice is not `canonical` of {p!r}.")
        _require(model.parameters.model_validate(clean.model_dump()) == clean,
                 f"`canonical` of {p!r} breaks a rule or a range: {clean!r}.")  # fmt: skip
        for stage in model.stages:
            key = content_key(model, stage, p)
            for other in (again, clean):
                _require(content_key(model, stage, other) == key,
                         f"{p!r} and its equal {other!r} have different keys.")  # fmt: skip


def _pickled(thing: Any) -> Any:
    try:
        return pickle.loads(pickle.dumps(thing))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        msg = f"{thing!r} does not pickle: {error}. Workers get models and points by pickle."
        raise AssertionError(msg) from error


def check_canonical(model: Model, points: Sequence[Any]) -> None:
    """Check that a point and its canonical form give the same bytes."""
    for p in points:
        clean = p.canonical()
        if clean == p:
            continue
        _require(model.lengths(clean) == model.lengths(p), f"`canonical` reshapes {p!r}.")
        one, other = Evaluator(model), Evaluator(model)
        for stage in _felt(model, p):
            _equal(one.whole(stage, p), other.whole(stage, clean),
                   f"Stage {stage.name!r} tells {p!r} from its canonical form")  # fmt: skip


def check_pure(model: Model, points: Sequence[Any]) -> None:
    """Check that a stage gives the same bytes twice and leaves its inputs alone."""
    for stage, p, part, inputs in _grains(model, points):
        before = {name: {k: a.copy() for k, a in arrays.items()} for name, arrays in inputs.items()}
        first = stage.run([p] * stage.batch_of(p), inputs, part)
        kept = {name: array.copy() for name, array in first.items()}
        for name, arrays in inputs.items():
            _equal(before[name], arrays, f"Stage {stage.name!r} changes its input {name!r}")
        second = stage.run([p] * stage.batch_of(p), inputs, part)
        _equal(kept, second, f"Stage {stage.name!r} is not pure: run twice, it differs")
        _equal(kept, first, f"Stage {stage.name!r} changes what it gave before")


def check_grains(model: Model, points: Sequence[Any]) -> None:
    """Check that grains give the same bytes in any order, and join to the whole."""
    for p in points:
        forwards, backwards = Evaluator(model), Evaluator(model)
        for stage in _felt(model, p):
            parts = model.parts(stage, p)
            alone = {part: forwards.grain(stage, [p], part) for part in parts}
            for part in parts[::-2] + parts[-2::-2]:
                _equal(alone[part], backwards.grain(stage, [p], part),
                       f"Stage {stage.name!r} gives other bytes in another order")  # fmt: skip
            whole = backwards.whole(stage, p)
            if stage.sums:
                _check_runs(model, stage, p, [alone[part] for part in parts], whole)
            elif stage.cut is not None:
                pieces = [trimmed(alone[part], part) for part in parts]
                joined = {n: np.concatenate([x[n] for x in pieces], axis=1) for n in pieces[0]}
                _equal(joined, whole, f"The grains of stage {stage.name!r} do not join")


def _check_runs(model: Model, stage: Stage, p: Any, partials: list[Arrays], whole: Arrays) -> None:
    size = 1
    while size <= len(partials):
        runs = [add_tree(partials[i : i + size]) for i in range(0, len(partials), size)]
        what = f"Stage {stage.name!r}, summed in runs of {size} grains, gives other bytes"
        _equal(Evaluator(model).finish(stage, p, add_tree(runs)), whole, what)
        size *= 2


def check_batches(model: Model, points: Sequence[Any]) -> None:
    """Check that a point gives the same bytes whoever shares its batch."""

    def shape(p: Any) -> str:
        return json.dumps(p.model_dump(include=set(model.shape_parameters)), sort_keys=True)

    for stage in model.stages:
        for _, group in groupby(sorted(points, key=shape), key=shape):
            alike = list(group)
            if stage.batch_of(alike[0]) == 1 or stage not in _felt(model, alike[0]):
                continue
            for part in model.parts(stage, alike[0]):
                alone = [Evaluator(model).grain(stage, [p], part) for p in alike]
                full = stage.batch_of(alike[0])
                for size in sorted({1, 2, 3, full - 1, full, len(alike)}):
                    if not 0 < size <= full:
                        continue
                    which = [(3 * i + size) % len(alike) for i in range(size)]
                    batch = Evaluator(model).grain(stage, [alike[i] for i in which], part)
                    for row, i in enumerate(which):
                        _equal({n: a[row : row + 1] for n, a in batch.items()}, alone[i],
                               f"Stage {stage.name!r}, in a batch of {size}, gives other "
                               "bytes than alone")  # fmt: skip


def check_peak_bytes(model: Model, points: Sequence[Any]) -> None:
    """Check that no call takes more memory than its cost says."""
    for stage, p, part, inputs in _grains(model, points):
        stage.run([p] * stage.batch_of(p), inputs, part)  # what the first call imports is no cost
        cost = stage.cost(p, part)
        _require(cost.flops > 0 and cost.peak_bytes > 0 and cost.result_bytes >= 0,
                 f"Stage {stage.name!r} has a cost that is not positive: {cost}.")  # fmt: skip
        call = partial(stage.run, [p] * stage.batch_of(p), inputs, part)
        peak = _peak_bytes(call)
        if peak > cost.peak_bytes:  # other threads may have taken some meanwhile
            peak = min(peak, _peak_bytes(call), _peak_bytes(call))
        _require(peak <= cost.peak_bytes,
                 f"Stage {stage.name!r} took {peak} bytes, its cost says at most "
                 f"{cost.peak_bytes:.0f}, for {p!r}.")  # fmt: skip


def _peak_bytes(call: Callable[[], object]) -> int:
    """Bytes that a call holds at once, at most, beyond what was held before."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        peak = tracemalloc.get_traced_memory()[1] - before
        del result
    finally:
        if not running:
            tracemalloc.stop()
    return peak


def check_shape_parameters(model: Model, points: Sequence[Any]) -> None:
    """Check that points of equal shape parameters have equal lengths, grains and costs."""
    for p in points:
        for q in _changed(model, p, points, model.shape_parameters):
            agree = f"`shape_parameters` of {p!r} and {q!r} agree,"
            _require(model.lengths(p) == model.lengths(q), f"{agree} their lengths do not.")
            for stage in model.stages:
                parts = model.parts(stage, p)
                _require(parts == model.parts(stage, q),
                         f"{agree} the grains of stage {stage.name!r} do not.")  # fmt: skip
                _require(stage.cost(p, parts[-1]) == stage.cost(q, parts[-1]),
                         f"{agree} the costs of stage {stage.name!r} do not.")  # fmt: skip
                _require(stage.reads(p) == stage.reads(q),
                         f"{agree} what stage {stage.name!r} reads does not.")  # fmt: skip


def check_depends_on(model: Model, points: Sequence[Any]) -> None:
    """Check that a stage does not feel parameters outside its declared ones."""
    evaluators: dict[str, Evaluator] = {}  # one a point: keys that are wrong must not be shared

    def whole(stage: Stage, p: Any) -> Arrays:
        return evaluators.setdefault(repr(p), Evaluator(model)).whole(stage, p)

    for stage in model.stages:
        for p in points:
            for q in _changed(model, p, points, model.depends_at(stage, p)):
                if not all(stage in _felt(model, at) for at in (p, q)):
                    continue
                changed = [n for n in type(p).model_fields if getattr(p, n) != getattr(q, n)]
                _equal(whole(stage, q), whole(stage, p),
                       f"Stage {stage.name!r} depends on one of {', '.join(changed)}, which "
                       "neither it nor its inputs declare")  # fmt: skip


CHECKS: tuple[Callable[[Model, Sequence[Any]], None], ...] = (
    check_names, check_descriptions, check_declared, check_parameters, check_canonical,
    check_pure, check_grains, check_batches, check_peak_bytes, check_shape_parameters,
    check_depends_on,
)  # fmt: skip
"""All checks, in the order in which `check_model` runs them."""


def _require(condition: object, message: str) -> None:
    """Hold a promise, under `python -O` too."""
    if not condition:
        raise AssertionError(message)


def _known(names: Sequence[str], known: Any, where: str) -> None:
    strange = [n for n in names if n not in known]
    _require(not strange, f"{where} names {', '.join(strange)}, which does not exist there.")


def _same(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _equal(a: Arrays, b: Arrays, what: str) -> None:
    """Compare named arrays byte for byte."""
    _require(set(a) == set(b), f"{what}: it gives {sorted(a)} and {sorted(b)}.")
    for name in a:
        _require(_same(a[name], b[name]), f"{what} ({name!r}).")


def _felt(model: Model, p: Any) -> list[Stage]:
    """Give the stages that a point can want: those of variables and what they read there."""
    felt: set[str] = set()
    for stage in reversed(model.stages):
        if stage.variables or stage.name in felt:
            felt |= {stage.name, *stage.reads(p)}
    return [s for s in model.stages if s.name in felt]


def _grains(
    model: Model, points: Sequence[Any]
) -> Iterator[tuple[Stage, Any, Part, dict[str, Arrays]]]:
    """First and last grain of every stage of every point, with the inputs of one call."""
    for p in points:
        evaluator = Evaluator(model)
        for stage in _felt(model, p):
            parts = model.parts(stage, p)
            for part in dict.fromkeys((parts[0], parts[-1])):
                yield stage, p, part, _inputs(evaluator, stage, p, part)


def _inputs(evaluator: Evaluator, stage: Stage, p: Any, part: Part) -> dict[str, Arrays]:
    """Compute the inputs of one call, its batch filled with one point."""
    count = stage.batch_of(p)
    inputs: dict[str, Arrays] = {}
    for name in stage.reads(p):
        source = evaluator.model.stage(name)
        along = source.cut is not None and source.cut == stage.cut and not source.sums
        row = evaluator.grain(source, [p], part) if along else evaluator.whole(source, p)
        inputs[name] = {k: np.repeat(a, count, axis=0) for k, a in row.items()}
    return inputs


def _changed(
    model: Model, p: Parameters, points: Sequence[Any], fixed: Sequence[str]
) -> Iterator[Any]:
    """Give points that differ from p, as the other points do, but not in the fixed names.

    Parameters that would break a rule beside those of p stay as they are.
    """
    seen = [p]
    for other in points:
        values = p.model_dump()
        for name in type(p).model_fields:
            if name in fixed or getattr(p, name) == getattr(other, name):
                continue
            trial = values | {name: other.model_dump()[name]}
            try:
                model.parameters.model_validate(trial)
            except ValidationError:
                continue
            values = trial
        q = model.parameters.model_validate(values)
        if q not in seen:
            seen.append(q)
            yield q
