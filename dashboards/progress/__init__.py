"""How far a sweep is, in pictures: maps of its points, rates, times."""
