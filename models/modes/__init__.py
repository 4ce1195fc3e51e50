"""From pair forces to modes: phase sums, real forms of the dynamical matrix, bulk bands."""
