"""modesweep completion"""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated

import typer

from sweep.cli.main import COMPLETE, complete


class Shell(str, Enum):  # noqa: UP042 - the command line shows its values
    """Shells that there is a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def command(shell: Annotated[Shell, typer.Argument(help="The shell that is to learn it.")]) -> None:
    """Print the script that lets a shell complete commands, options, sweeps, files and models.

    bash, in ~/.bashrc:  eval "$(modesweep completion bash)"

    zsh, in ~/.zshrc after compinit:  eval "$(modesweep completion zsh)"

    fish:  modesweep completion fish > ~/.config/fish/completions/modesweep.fish
    """
    os.environ[COMPLETE] = f"source_{shell.value}"
    raise typer.Exit(complete())
