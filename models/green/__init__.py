"""Green's functions of semi-infinite crystals."""
