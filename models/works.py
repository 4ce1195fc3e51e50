"""Publications that models follow."""

from models.protocol import Work

WALLIS = Work(("R. F. Wallis",), 1973, "Lattice Dynamics of Crystal Surfaces")
GRIMLEY = Work(("T. B. Grimley",), 1962, journal="Proc. Phys. Soc.", volume="79", page="1203")
DICKEY_AND_PASKIN = Work(
    ("J. M. Dickey", "A. Paskin"), 1970, journal="Phys. Rev. B", volume="1", page="851"
)
