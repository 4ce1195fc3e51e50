"""Benchmarks: each a script, `python -m benchmarks.<name>`, add `--quick` for a short look."""
