"""Parameter sweeps of vibrational modes: plan, run, open, query.

    import sweep

    plan = sweep.plan("xenon.toml")
    result = sweep.run("xenon.toml", workspace="results")
    dataset = sweep.open("results/xenon-adlayer")
    table = sweep.query("results/xenon-adlayer", "frequency > 12")

Names are loaded when they are first used, so that looking at a sweep does not wait for
what only running one needs.
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "plan": ("sweep.summary", "plan"),
    "run": ("sweep.runner", "run"),
    "retry": ("sweep.runner", "retry"),
    "extend": ("sweep.runner", "extend"),
    "connect": ("sweep.client.handles", "connect"),
    "explain": ("sweep.explaining", "explain"),
    "union": ("sweep.joining", "union"),
    "open": ("sweep.queries.querying", "open_dataset"),
    "query": ("sweep.queries.querying", "query"),
    "export": ("sweep.exports.exporting", "export"),
    "publish": ("sweep.publishing.publishing", "publish"),
    "status": ("sweep.overview", "status"),
    "statuses": ("sweep.overview", "statuses"),
    "history": ("sweep.block_history", "history"),
    "failures": ("sweep.reading", "failures"),
    "stored_bytes": ("sweep.reading", "stored_bytes"),
    "document": ("sweep.reading", "document"),
    "failed_alike": ("sweep.close_ups", "failed_alike"),
    "failures_at": ("sweep.close_ups", "failures_at"),
    "log_lines": ("sweep.close_ups", "log_lines"),
    "parameters_at": ("sweep.close_ups", "parameters_at"),
    "PointParameter": ("sweep.close_ups", "PointParameter"),
    "LogLine": ("sweep.close_ups", "LogLine"),
    "command_line": ("sweep.pointing", "command_line"),
    "installed_versions": ("sweep.versions", "versions"),
    "errors": ("sweep.reading", "errors"),
    "verify": ("sweep.comparison.verifying", "verify"),
    "diff": ("sweep.comparison.differing", "diff"),
    "read": ("sweep.sweep_file", "read"),
    "point": ("sweep.pointing", "point"),
    "doctor": ("sweep.checkup", "doctor"),
    "Result": ("sweep.result", "Result"),
    "History": ("sweep.block_history", "History"),
    "FailureGroup": ("sweep.reading", "FailureGroup"),
    "Explanation": ("sweep.explaining", "Explanation"),
    "Status": ("sweep.overview", "Status"),
    "FailedPoint": ("sweep.reading", "FailedPoint"),
    "Verification": ("sweep.comparison.verifying", "Verification"),
    "Published": ("sweep.publishing.publishing", "Published"),
    "Difference": ("sweep.comparison.differing", "Difference"),
    "Comparison": ("sweep.comparison.values", "Comparison"),
    "FREQUENCY_UNITS": ("models.units", "FREQUENCY_UNITS"),
    "SweepError": ("sweep.problems", "SweepError"),
    "InputError": ("sweep.problems", "InputError"),
    "RefusedError": ("sweep.problems", "RefusedError"),
    "StoreError": ("sweep.problems", "StoreError"),
    "NoSweepError": ("sweep.problems", "NoSweepError"),
    "DeviationError": ("sweep.problems", "DeviationError"),
    "UnreachableError": ("sweep.problems", "UnreachableError"),
    "MachineError": ("sweep.problems", "MachineError"),
}

__all__ = list(_WHERE)  # noqa: PLE0605 - the table above is the list


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        msg = f"module 'sweep' has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
