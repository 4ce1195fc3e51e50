"""Crystal faces, their pairs of atoms, and the wavevectors of their surface zones."""
