"""modesweep doctor"""

from __future__ import annotations

from sweep.checkup import OK, Report, doctor
from sweep.cli.common import AsJson, Workspace, show_json, show_table
from sweep.layout import DEFAULT_WORKSPACE


def command(workspace: Workspace = DEFAULT_WORKSPACE, as_json: AsJson = False) -> None:
    """Look at the installation, this machine and a workspace, and say what to mend.

    Exit code 0 whatever it finds; --json has the verdict.
    """
    report = doctor(workspace)
    if as_json:
        show_json(report.as_dict())
    else:
        _show(report)


def _show(report: Report) -> None:
    show_table("", ["", "what", "found"], [(f.verdict, f.what, f.value) for f in report.findings])
    wrong = [f for f in report.findings if f.verdict != OK]
    if not wrong:
        print("\nNothing to mend.")
        return
    print("\nWhat to do:")
    for finding in wrong:
        print(f"  {finding.what}: {finding.remedy}")
