"""Entry point of `modesweep`: finds the command, turns errors into words and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import typer

import models
import sweep
from sweep.problems import InputError, SweepError, nearest

COMMANDS = {
    "models": "the models, or one model's parameters, variables and stages",
    "plan": "say what a sweep would do and cost; compute nothing but pilots",
    "run": "run a sweep here and now, or go on with it",
    "status": "how far sweeps are",
    "errors": "failed points, grouped by error",
    "query": "find modes and points by a condition",
}
BAD_INPUT = 2
BUG = 70
INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        check_origin()
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        traceback.print_exc()
        print("This is a fault of modesweep. Please report the lines above.", file=sys.stderr)
        code = BUG
    if code == INTERRUPTED:
        print("stopped; the same command goes on where this one ended", file=sys.stderr)
    sys.exit(code)


def dispatch(arguments: list[str]) -> int:
    """Load the module of one command, and only that: `status` need not wait for Dask."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(usage())
        return 0 if arguments else BAD_INPUT
    name, *rest = arguments
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS)
        print(f"error: there is no command {name!r}.{hint}\n\n{usage()}", file=sys.stderr)
        return BAD_INPUT
    module = importlib.import_module(f"sweep.cli.{name}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(module.command)
    try:
        app(rest, prog_name=f"modesweep {name}")
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # click calls that a failure
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else 0
    return 0


def usage() -> str:
    """List the commands."""
    rows = [f"  {name:<8} {what}" for name, what in COMMANDS.items()]
    return (
        "Usage: modesweep COMMAND [ARGS]...\n\n"
        "Sweeps of vibrational modes of surfaces, defects and glasses, on a Dask cluster.\n\n"
        "Commands:\n" + "\n".join(rows) + "\n\n`modesweep COMMAND --help` tells more."
    )


def check_origin() -> None:
    """Refuse to run with a `sweep` or `models` that is not this installation's."""
    ours = Path(__file__).resolve().parents[2]
    for package in (sweep, models):
        found = Path(str(package.__file__)).resolve().parents[1]
        if found != ours:
            msg = (
                f"`{package.__name__}` was loaded from {found}, not from {ours}: a file or folder "
                "of that name hides the installed one. Rename it, or run from another folder."
            )
            raise InputError(msg)
