"""Numerics processes that outlive what they were started for: each costs a second of imports.

In life a worker begins one afresh for each sweep, since a model's code may have been mended
meanwhile. Here the code stays; what a process remembers of earlier results is forgotten. The
long form does as in life.
"""

from sweep.child import Failure, Request, Unit
from sweep.process import NumericsProcess

FORGET = Request(
    model="chain", stages=(), wanted=(), kept=False, points=(), units=(Unit((), None),),
    stage_folder=None, kept_stages=("none",), memory=2**40,
)  # fmt: skip
"""It has nothing to answer, but takes the place of the model that was asked before."""


def forget(process: NumericsProcess) -> None:
    """Let a process forget its results."""
    if process._pipe is not None:
        (failure,) = process.answers(FORGET, 60.0)
        assert isinstance(failure, Failure)
        assert process._pipe is None or "IndexError" in failure.message


def keep() -> None:
    """Let all processes of this worker live on."""
    NumericsProcess.renew_for = _forget_for


def _forget_for(process: NumericsProcess, what: object) -> None:
    if process._for != what:
        forget(process)
        process._for = what
