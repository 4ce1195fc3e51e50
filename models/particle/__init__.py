"""Free particles: shapes, their symmetry, atoms at rest, vibrations."""
