"""Numerics processes that outlive what they were started for: each costs a second of imports.

In life a worker begins one afresh for each sweep, since a model's code may have been mended
meanwhile, and so does every comparison. Here the code stays; what a process remembers of
earlier results is forgotten. The long form does as in life.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sweep.child import Answer, Failure, Request, Unit
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


class Lent(NumericsProcess):
    """A process that is given back when it is closed, unless it is at work."""

    idle: list["Lent"] = []  # noqa: RUF012
    busy = False

    def answers(self, *args: object, **kwargs: object) -> Iterator[Answer | Failure]:
        self.busy = True
        yield from super().answers(*args, **kwargs)
        self.busy = False

    def close(self) -> None:
        if self.busy or self._pipe is None:
            super().close()
            self.busy = False
        elif self not in self.idle:
            self.idle.append(self)


def lend() -> Lent:
    """Give a process that remembers nothing, an old one if there is one."""
    process = Lent.idle.pop() if Lent.idle else Lent()
    try:
        forget(process)
    except (EOFError, OSError):  # it died with the thread that had started it
        NumericsProcess.close(process)
    process._started()  # by the thread that lives on
    return process


@contextmanager
def lent() -> Iterator[None]:
    """Let comparisons of this process use the same numerics processes."""
    from sweep.comparison import recomputing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recomputing, "NumericsProcess", lend)
        yield
    while Lent.idle:
        NumericsProcess.close(Lent.idle.pop())
