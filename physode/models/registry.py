"""Models by name."""

from __future__ import annotations

from typing import Any

from physode.errors import unknown_name
from physode.models.anode import AugmentedNeuralODE
from physode.models.base import AbstractModel
from physode.models.hnn import HamiltonianNeuralODE
from physode.models.node import NeuralODE
from physode.models.phnn import PortHamiltonianNeuralODE
from physode.models.sonode import SecondOrderNeuralODE

__all__ = ["MODELS", "get"]

MODELS: dict[str, type[AbstractModel]] = {
    model.registry_name: model
    for model in (NeuralODE, AugmentedNeuralODE, SecondOrderNeuralODE, HamiltonianNeuralODE, PortHamiltonianNeuralODE)
}


def get(name: str, **hyperparameters: Any) -> AbstractModel:
    """Make a model by its registry name.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the error lists those that exist.

    Examples
    --------
    >>> get("sonode", hidden=(16,)).hidden
    (16,)
    """
    if name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name](**hyperparameters)
