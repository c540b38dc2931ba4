"""What is learned: vector fields as torch modules, in scaled coordinates."""

from physode.fields.base import AbstractField
from physode.fields.first_order import FirstOrderField
from physode.fields.hamiltonian import HamiltonianField
from physode.fields.logarithmic import LogarithmicField
from physode.fields.members import get_theta, set_theta, stack
from physode.fields.mlp import ACTIVATIONS, LinearPlusMLP
from physode.fields.port_hamiltonian import PortHamiltonianField
from physode.fields.second_order import SecondOrderField

__all__ = [
    "ACTIVATIONS",
    "AbstractField",
    "FirstOrderField",
    "HamiltonianField",
    "LinearPlusMLP",
    "LogarithmicField",
    "PortHamiltonianField",
    "SecondOrderField",
    "get_theta",
    "set_theta",
    "stack",
]
