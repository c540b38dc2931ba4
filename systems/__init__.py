"""Ground truth: every system of the field, defined in sympy, simulated, checked against itself."""

if __name__ != "physode.systems":
    raise ImportError(f"this package is imported as physode.systems, not as {__name__!r}")

from physode.systems.base import System
from physode.systems.define import define
from physode.systems.expressions import ExpressionError
from physode.systems.iterated import IteratedMap, iterated_map, iterated_map_names
from physode.systems.maps import draw_map, map_names
from physode.systems.mechanics import from_hamiltonian, from_lagrangian
from physode.systems.quantities import Input, Parameter, State
from physode.systems.registry import get, names
from physode.systems.simulation import SimulationWarning
from physode.systems.verification import verify

__all__ = [
    "ExpressionError",
    "Input",
    "IteratedMap",
    "Parameter",
    "SimulationWarning",
    "State",
    "System",
    "define",
    "draw_map",
    "from_hamiltonian",
    "from_lagrangian",
    "get",
    "iterated_map",
    "iterated_map_names",
    "map_names",
    "names",
    "verify",
]
