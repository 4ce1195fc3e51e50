"""Commands as a user types them, in this process: one of its own costs seconds of imports.

What only a process of its own can show stays one: the installed script, pipes, signals,
whatever hides or changes modules, and what embedded workers do.
"""

import contextlib
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.cli.main import main

SCRIPT = Path(sys.executable).with_name("modesweep")


def run_here(
    *arguments: object, cwd: Path | None = None, says: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with `says` on its standard input."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    words = list(map(str, arguments))
    with (
        pytest.MonkeyPatch.context() as patch,
        _as_it_was(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(cwd or Path.cwd())
        patch.setattr(sys, "argv", ["modesweep", *words])
        patch.setattr(sys, "stdin", io.StringIO(says))
        with pytest.raises(SystemExit) as end:
            main()
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(words, end.value.code, *said)


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo what a command changes for the last moments of its process."""
    log, hook = logging.getLogger("asyncio"), sys.unraisablehook
    level = log.level
    yield
    log.setLevel(level)
    sys.unraisablehook = hook
