"""What a user names: neural ODEs as estimators."""

from physode.models.anode import AugmentedNeuralODE
from physode.models.base import AbstractModel
from physode.models.ensemble import Ensemble
from physode.models.hnn import HamiltonianNeuralODE
from physode.models.members import fit_seeds
from physode.models.node import NeuralODE
from physode.models.phnn import PortHamiltonianNeuralODE
from physode.models.registry import MODELS, get
from physode.models.sonode import SecondOrderNeuralODE
from physode.models.storage import load

__all__ = [
    "MODELS",
    "AbstractModel",
    "AugmentedNeuralODE",
    "Ensemble",
    "HamiltonianNeuralODE",
    "NeuralODE",
    "PortHamiltonianNeuralODE",
    "SecondOrderNeuralODE",
    "fit_seeds",
    "get",
    "load",
]
