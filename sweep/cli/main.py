"""Entry point of `modesweep`: finds the command, turns errors into words and exit codes."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

import models
import sweep
from sweep.problems import InputError, SweepError, nearest

COMMANDS = {
    "models": "the models, or one model's parameters, variables and stages",
    "plan": "say what a sweep would do and cost; compute nothing but pilots",
    "run": "run a sweep here and now, or go on with it",
    "serve": "serve a workspace: run what is submitted, answer over HTTP",
    "submit": "submit a sweep to a service, and return at once",
    "ls": "the sweeps, with their place in the queue",
    "watch": "follow a sweep until it ends",
    "pause": "let what a sweep has begun finish, and begin nothing more",
    "resume": "go on with a sweep",
    "cancel": "stop a sweep at once; what is finished is kept",
    "priority": "give a sweep another share of the cluster",
    "remove": "cancel a sweep and move it to the trash",
    "login": "print a link that opens the pages of a service",
    "retry": "compute failed and lost points again",
    "extend": "add values to an axis, and compute the new points",
    "split": "cut a sweep file into parts, for several clusters",
    "union": "join sweeps of one model into one",
    "status": "how far sweeps are",
    "errors": "failed points, grouped by error",
    "explain": "why a point is as it is: computed, reused, shared, skipped, failed",
    "query": "find modes and points by a condition",
    "export": "write results for other programs: netCDF, CSV, phonopy",
    "publish": "write a finished sweep as a bundle that can be cited and checked",
    "plot": "draw a view of the results: PNG, SVG, HTML",
    "report": "write all pictures of a sweep as one HTML file",
    "point": "compute one point in this process, for a debugger",
    "doctor": "look at this machine and a workspace, and say what to mend",
    "cache": "list or remove kept results of shared stages",
    "completion": "print the script that lets a shell complete commands",
    "verify": "check the files of a sweep, and compute a random sample again",
    "diff": "compare two sweeps of one model",
}
GROUPS = {
    "Look": ("models", "plan", "status", "errors", "explain", "query", "diff"),
    "Run": ("run", "retry", "verify", "point"),
    "Serve": ("serve", "submit", "ls", "watch", "pause", "resume", "cancel", "priority", "remove",
              "login"),
    "Change and hand on": ("extend", "split", "union", "export", "plot", "report",
                           "publish"),
    "Machine and workspace": ("doctor", "cache", "completion"),
}  # fmt: skip
"""The order of the commands in the help."""
COMPLETE = "_MODESWEEP_COMPLETE"
"""Set by a shell that wants to know how a command line may go on."""
BAD_INPUT = 2
BUG = 70
INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    if COMPLETE in os.environ:
        sys.exit(complete())
    try:
        check_origin()
        code = dispatch(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
        leave_quietly()
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


def leave_quietly() -> None:
    """Have the last word: what zarr had under way would end with complaints of its own."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda _: None


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
    return _ended(lambda: app_of(name)(rest, prog_name=f"modesweep {name}"))


def app_of(name: str) -> typer.Typer:
    """Load one command: a module with a function `command`, or with several as `COMMANDS`."""
    module = importlib.import_module(f"sweep.cli.{name}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if not hasattr(module, "COMMANDS"):
        app.command()(module.command)
        return app
    app.callback(help=module.__doc__)(lambda: None)
    for inner, function in module.COMMANDS.items():
        app.command(inner)(function)
    return app


def _ended(run: Callable[[], object]) -> int:
    """Run something that ends as commands do, and give its exit code."""
    try:
        run()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # click calls that a failure
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else 0
    return 0


class _Commands(TyperGroup):
    """All commands as a shell completes them: one is loaded when its own words are wanted."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> TyperCommand | None:
        return TyperCommand(name, help=COMMANDS[name]) if name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, *rest = args
        known = name in COMMANDS
        return name, typer.main.get_command(app_of(name)) if known else TyperCommand(name), rest


def complete() -> int:
    """Answer a shell that asks how a line may go on, or for its script."""
    app = typer.Typer(cls=_Commands, rich_markup_mode=None)
    app.callback()(lambda: None)
    root = typer.main.get_command(app)
    root.params.clear()  # options that would write into the files of a shell
    try:
        return _ended(lambda: root(prog_name="modesweep"))
    except Exception:
        return BUG  # the command itself tells why; a traceback amid a typed line helps nobody


def usage() -> str:
    """List the commands."""
    rows = []
    for title, names in GROUPS.items():
        listed = [f"  {name:<10} {COMMANDS[name]}" for name in names if name in COMMANDS]
        rows += [f"{title}:", *listed] if listed else []
    return (
        "Usage: modesweep COMMAND [ARGS]...\n\n"
        "Sweeps of vibrational modes of surfaces, defects and glasses, on a Dask cluster.\n\n"
        + "\n".join(rows) + "\n\n`modesweep COMMAND --help` tells more."
    )  # fmt: skip


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
