"""Pair forces: Lennard-Jones and central springs, static sums and relaxation."""
