"""modesweep errors"""

from __future__ import annotations

from sweep.cli.common import AsJson, SweepName, Workspace, show_json
from sweep.layout import DEFAULT_WORKSPACE
from sweep.messages import grouped
from sweep.reading import FailedPoint, errors

MOST_POINTS = 10


def command(
    sweep: SweepName, workspace: Workspace = DEFAULT_WORKSPACE, as_json: AsJson = False
) -> None:
    """Show the points that failed, grouped by error, with a traceback of each group."""
    found = errors(sweep, workspace)
    if as_json:
        show_json([p.as_dict() for p in found])
    elif not found:
        print("No point has failed.")
    else:
        for (kind, message), points in grouped(found).items():
            _show(kind, message, points)


def _show(kind: str, message: str, points: list[FailedPoint]) -> None:
    needed_by = sum(p.points for p in points)
    shared = "" if needed_by == len(points) else f" that {needed_by:,} points need"
    what = "point" if not shared else "calculation"
    count = f"{len(points):,} {what}{'' if len(points) == 1 else 's'}{shared}"
    print(f"{count}, {kind} in stage {points[0].stage}: {message}")
    for p in points[:MOST_POINTS]:
        at = " ".join(f"{axis}={value}" for axis, value in p.point.items()) or "the only point"
        print(f"  {at}  (attempts: {p.attempts})")
    if len(points) > MOST_POINTS:
        print(f"  and {len(points) - MOST_POINTS} more (--json lists all)")
    print(f"  repeat it: {points[0].command}")
    if points[0].traceback:
        print("  " + points[0].traceback.rstrip().replace("\n", "\n  "))
    print()
