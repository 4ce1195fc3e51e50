"""The model `impurity`: point defects in and on a crystal, by Green's functions."""

from models.impurity.model import Impurity
from models.impurity.parameters import ImpurityParameters

__all__ = ["Impurity", "ImpurityParameters"]
