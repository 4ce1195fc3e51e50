"""Run benchmarks, each in a process of its own, and print their tables.

    python -m benchmarks
    python -m benchmarks scale store_speed --quick

Without names, all of them; what is no name is handed on.
"""

import subprocess
import sys

BENCHMARKS = (
    "slab_modes", "thermal_mesh", "thick_slabs", "decimation", "layer_spectra", "host_green",
    "impurities",
    "cost_picture", "full_mesh", "chain_overhead", "two_workers", "query_index", "scale",
    "service", "store_speed", "plan_truth", "scaling",
)  # fmt: skip


def main() -> int:
    """Run those that are named; give the number that failed."""
    named = [a for a in sys.argv[1:] if a in BENCHMARKS]
    handed_on = [a for a in sys.argv[1:] if a not in BENCHMARKS]
    failed = 0
    for name in named or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *handed_on]
        failed += subprocess.run(command).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
