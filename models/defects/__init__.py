"""Point defects in and near surfaces, by Green's functions of the host."""
