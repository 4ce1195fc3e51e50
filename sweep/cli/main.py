"""Entry point of `modesweep`: finds the command, turns errors into words and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import click
import typer

import models
import sweep
from sweep.problems import SweepError

COMMANDS = {
    "models": "The models, or one model's parameters, variables and stages",
    "plan": "Say what a sweep would do and cost; compute nothing but pilots",
    "run": "Run a sweep here and now, or go on with it",
    "status": "How far sweeps are",
    "errors": "Failed points, grouped by error",
    "query": "Find modes and points by a condition",
}
BUG = 70
INTERRUPTED = 130


class Commands(typer.core.TyperGroup):
    """Loads a command's module only when it is called: `status` need not wait for Dask."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"sweep.cli.{cmd_name}")
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        one.command(name=cmd_name, help=module.command.__doc__)(module.command)
        return typer.main.get_command(one)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None, add_completion=False)


@app.callback()
def modesweep() -> None:
    """Sweeps of vibrational modes of surfaces, defects and glasses, on a Dask cluster."""


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
            raise SystemExit(msg)


def main() -> None:
    """Run the command line and leave with its exit code."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    check_origin()
    try:
        code = typer.main.get_command(app)(standalone_mode=False, prog_name="modesweep")
    except (KeyboardInterrupt, click.exceptions.Abort):
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SweepError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        traceback.print_exc()
        print("This is a fault of modesweep. Please report the lines above.", file=sys.stderr)
        code = BUG
    if code == INTERRUPTED:
        print("stopped; the same command goes on where this one ended", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
