"""Run every benchmark, each in a process of its own, and print their tables."""

import subprocess
import sys

BENCHMARKS = ("slab_modes", "full_mesh", "chain_overhead", "two_workers", "query_index")


def main() -> int:
    """Run them all; give the number that failed."""
    failed = 0
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]
        failed += subprocess.run(command).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
