"""Thermal averages of harmonic crystals."""
