"""The model `slab`: a crystal slab with two free surfaces, or a semi-infinite crystal."""

from models.slab.model import Slab
from models.slab.parameters import SlabParameters

__all__ = ["Slab", "SlabParameters"]
