"""List or remove kept results of shared stages."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from sweep.cli import suggestions
from sweep.cli.common import AsJson, Workspace, show_json, show_table
from sweep.layout import DEFAULT_WORKSPACE
from sweep.problems import InputError
from sweep.stage_cache import Kept, Pruned, list_kept, prune
from sweep.values import seconds
from sweep.words import readable_bytes, readable_seconds


def list_command(workspace: Workspace = DEFAULT_WORKSPACE, as_json: AsJson = False) -> None:
    """List kept results by model, revision and stage: how many, their size and age."""
    kept = list_kept(workspace)
    if as_json:
        show_json({"size": sum(k.size for k in kept), "kept": [k.as_dict() for k in kept]})
    elif not kept:
        print(f"No results of shared stages are kept in {workspace}.")
    else:
        _show(kept)
        print(f"total: {_amount(kept)}")


def prune_command(
    workspace: Workspace = DEFAULT_WORKSPACE,
    stale: Annotated[
        bool, typer.Option("--stale", help="Of another revision than the installed model's.")
    ] = False,
    older: Annotated[str | None, typer.Option(help="Written longer ago: 30d, 12h.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Results of this model.", autocompletion=suggestions.models),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove kept results to which all of the given options apply.

    No sweep breaks: what is gone is made again when it is needed. While a sweep of the
    workspace runs, only temporary files are removed that a killed writer left.
    """
    done = prune(
        workspace, stale=stale, older=_seconds(older), model=model, everything=everything,
        dry_run=dry_run,
    )  # fmt: skip
    if as_json:
        show_json(done.as_dict())
    else:
        _tell(done)


COMMANDS = {"ls": list_command, "prune": prune_command}


def _seconds(older: str | None) -> float | None:
    try:
        return None if older is None else seconds(older)
    except ValueError as error:
        msg = f"--older {older!r} {error}."
        raise InputError(msg) from None


def _show(kept: list[Kept]) -> None:
    rows = []
    ordered = sorted(kept, key=lambda k: (k.model, k.revision or 0, k.stage))
    for (model, revision, stage), group in groupby(
        ordered, key=lambda k: (k.model, "-" if k.revision is None else k.revision, k.stage)
    ):
        same = list(group)
        ages = [k.age for k in same]
        youngest, oldest = readable_seconds(min(ages)), readable_seconds(max(ages))
        rows.append(
            (model, revision, stage, len(same), readable_bytes(sum(k.size for k in same)),
             youngest if youngest == oldest else f"{youngest} to {oldest}",
             "stale" if same[0].stale else "", ", ".join(sorted({k.sweep for k in same})))
        )  # fmt: skip
    show_table("", ["model", "revision", "stage", "results", "size", "age", "", "made by"], rows)


def _tell(done: Pruned) -> None:
    if done.running and not done.dry_run:
        print(f"{', '.join(done.running)} running: kept results stay until the end. "
              "Run this again then.")  # fmt: skip
    elif done.removed:
        _show(list(done.removed))
    would = "would be removed" if done.dry_run else "removed"
    print(f"{would}: {_amount(done.removed)}, {done.leftovers} leftovers of killed writers")


def _amount(kept: list[Kept] | tuple[Kept, ...]) -> str:
    return f"{len(kept)} results, {readable_bytes(sum(k.size for k in kept))}"
