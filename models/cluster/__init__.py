"""The model `cluster`: a free Lennard-Jones particle at rest."""

from models.cluster.model import Cluster
from models.cluster.parameters import ClusterParameters

__all__ = ["Cluster", "ClusterParameters"]
