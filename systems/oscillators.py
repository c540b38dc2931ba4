"""Oscillators: one position and its velocity, or a few of them coupled."""

from __future__ import annotations

from itertools import pairwise

from sympy import Add, Integer

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.checks import whole_number
from physode.systems.expressions import symbol
from physode.systems.quantities import Parameter, momentum, position, velocity

__all__ = [
    "coupled_oscillators",
    "damped_oscillator",
    "damped_sinusoids",
    "duffing",
    "harmonic_oscillator",
    "mass_spring",
    "oscillator_chain",
    "van_der_pol",
]

_LANDAU = "L. D. Landau, E. M. Lifshitz: Mechanics, 3rd edition, Butterworth-Heinemann (1976)"
_LANDAU_DOI = "10.1016/C2009-0-25569-3"


def harmonic_oscillator() -> System:
    """Turn without loss: x'' = -omega**2 x, energy per unit mass."""
    return build(
        "harmonic-oscillator",
        title="Harmonic oscillator",
        states=[position("x", "m", "displacement"), velocity("v", "m s-1", "velocity", of="x")],
        equations={"x": "v", "v": "-omega**2*x"},
        parameters=[Parameter("omega", 1.0, "rad s-1", "angular frequency")],
        energy="v**2/2 + omega**2*x**2/2",
        energy_units="m2 s-2",
        time_scale="1/omega",
        initial_state={"x": 1.0, "v": 0.0},
        symmetries="time reversal; rotation of (omega x, v); scaling",
        reference=_LANDAU + ", section 21",
        doi=_LANDAU_DOI,
    )


def damped_oscillator() -> System:
    """Swing down: x'' = -gamma x' - omega**2 x. Its exponents are -gamma/2 twice if gamma < 2 omega."""
    return build(
        "damped-oscillator",
        title="Damped oscillator",
        states=[position("x", "m", "displacement", (-2.5, 2.5)), velocity("v", "m s-1", "velocity", "x", (-2.5, 2.5))],
        equations={"x": "v", "v": "-gamma*v - omega**2*x"},
        parameters=[
            Parameter("gamma", 0.2, "s-1", "damping rate"),
            Parameter("omega", 1.0, "rad s-1", "angular frequency without damping"),
        ],
        energy="v**2/2 + omega**2*x**2/2",
        energy_units="m2 s-2",
        energy_rate="-gamma*v**2",
        time_scale="1/omega",
        initial_state={"x": 1.0, "v": 0.0},
        symmetries="scaling",
        reference=_LANDAU + ", section 25",
        doi=_LANDAU_DOI,
    )


def coupled_oscillators() -> System:
    """Two masses, each on a spring to a wall, and a spring between them."""
    return build(
        "coupled-oscillators",
        title="Two coupled oscillators",
        states=[
            position("x1", "m", "displacement of the first mass"),
            position("x2", "m", "displacement of the second mass"),
            velocity("v1", "m s-1", "velocity of the first mass", "x1"),
            velocity("v2", "m s-1", "velocity of the second mass", "x2"),
        ],
        equations={
            "x1": "v1",
            "x2": "v2",
            "v1": "(-stiffness*x1 + coupling*(x2 - x1))/mass1",
            "v2": "(-stiffness*x2 - coupling*(x2 - x1))/mass2",
        },
        parameters=[
            Parameter("mass1", 1.0, "kg", "first mass"),
            Parameter("mass2", 1.0, "kg", "second mass"),
            Parameter("stiffness", 1.0, "N m-1", "stiffness of the springs to the walls"),
            Parameter("coupling", 0.5, "N m-1", "stiffness of the spring between the masses"),
        ],
        energy="mass1*v1**2/2 + mass2*v2**2/2 + stiffness*(x1**2 + x2**2)/2 + coupling*(x2 - x1)**2/2",
        energy_units="J",
        time_scale="sqrt((mass1 + mass2)/2/stiffness)",
        initial_state={"x1": 1.0, "x2": 0.0, "v1": 0.0, "v2": 0.0},
        symmetries="time reversal; scaling; exchange of the masses if they are equal",
        reference=_LANDAU + ", section 23",
        doi=_LANDAU_DOI,
    )


def damped_sinusoids() -> System:
    """Two independent damped sinusoids, x'' = -2 gamma x' - (gamma**2 + omega**2) x, the interpretability test of SONODE."""
    return build(
        "damped-sinusoids",
        title="Two damped sinusoids",
        states=[
            position("x", "1", "first coordinate", (-5, 5)),
            position("y", "1", "second coordinate", (-5, 5)),
            velocity("vx", "1", "velocity of the first coordinate", "x", (-5, 5)),
            velocity("vy", "1", "velocity of the second coordinate", "y", (-5, 5)),
        ],
        equations={
            "x": "vx",
            "y": "vy",
            "vx": "-2*gamma_x*vx - (gamma_x**2 + omega_x**2)*x",
            "vy": "-2*gamma_y*vy - (gamma_y**2 + omega_y**2)*y",
        },
        parameters=[
            Parameter("gamma_x", 0.1, "1", "decay of the first coordinate"),
            Parameter("omega_x", 1.0, "1", "angular frequency of the first coordinate"),
            Parameter("gamma_y", 0.3, "1", "decay of the second coordinate"),
            Parameter("omega_y", 1.2, "1", "angular frequency of the second coordinate"),
        ],
        time_units="1",
        time_scale="1/omega_x",
        initial_state={"x": 1.0, "y": -5.0, "vx": 2.9, "vy": 3.9},
        symmetries="scaling of each coordinate with its velocity",
        reference="A. Norcliffe et al.: On second order behaviour in augmented neural ODEs, NeurIPS (2020)",
        doi="10.48550/arXiv.2006.07220",
    )


def van_der_pol() -> System:
    """Feed small swings, damp large ones: x'' = mu (1 - x**2) x' - x: a limit cycle that becomes a relaxation oscillation as mu grows."""
    return build(
        "van-der-pol",
        title="Van der Pol oscillator",
        states=[position("x", "1", "displacement", (-3, 3)), velocity("v", "1", "velocity", "x", (-3, 3))],
        equations={"x": "v", "v": "mu*(1 - x**2)*v - x"},
        parameters=[Parameter("mu", 1.0, "1", "strength of the nonlinear damping")],
        time_units="1",
        time_scale="1",
        initial_state={"x": 2.0, "v": 0.0},
        symmetries="(x, v) -> (-x, -v)",
        reference="B. van der Pol: On relaxation-oscillations, Philosophical Magazine 2, 978-992 (1926)",
        doi="10.1080/14786442608564127",
    )


def duffing() -> System:
    """Swing on a stiffening spring without friction: x'' = -alpha x - beta x**3."""
    return build(
        "duffing",
        title="Duffing oscillator",
        states=[position("x", "1", "displacement", (-2, 2)), velocity("v", "1", "velocity", "x", (-2, 2))],
        equations={"x": "v", "v": "-alpha*x - beta*x**3"},
        parameters=[Parameter("alpha", 1.0, "1", "linear stiffness"), Parameter("beta", 1.0, "1", "cubic stiffness")],
        energy="v**2/2 + alpha*x**2/2 + beta*x**4/4",
        time_units="1",
        time_scale="1/sqrt(alpha + beta)",
        initial_state={"x": 1.0, "v": 0.0},
        symmetries="time reversal; (x, v) -> (-x, -v)",
        reference="I. Kovacic, M. J. Brennan: The Duffing equation, Wiley (2011)",
        doi="10.1002/9780470977859",
    )


def mass_spring() -> System:
    """Describe a mass on a spring in canonical coordinates; at the default values H = p**2 + q**2, as in the HNN study."""
    return build(
        "mass-spring",
        title="Mass on a spring, canonical",
        states=[position("q", "m", "displacement"), momentum("p", "kg m s-1", "momentum", "q")],
        equations={"q": "p/mass", "p": "-stiffness*q"},
        parameters=[Parameter("mass", 0.5, "kg", "mass"), Parameter("stiffness", 2.0, "N m-1", "stiffness of the spring")],
        energy="p**2/(2*mass) + stiffness*q**2/2",
        energy_units="J",
        hamiltonian=True,
        partners=[velocity("v", "m s-1", "velocity", "q")],
        time_scale="sqrt(mass/stiffness)",
        initial_state={"q": 1.0, "p": 0.0},
        symmetries="time reversal with p -> -p; rotation of (q, p) in units of their scales; scaling",
        reference="S. Greydanus, M. Dzamba, J. Yosinski: Hamiltonian neural networks, NeurIPS (2019)",
        doi="10.48550/arXiv.1906.01563",
    )


def oscillator_chain(masses: int = 6) -> System:
    """Couple equal masses in a row by equal springs, with walls at both ends.

    Parameters
    ----------
    masses : int, default 6
        How many.
    """
    masses = whole_number("oscillator-chain: masses", masses, 1)
    x = ["0", *(f"x{i}" for i in range(1, masses + 1)), "0"]
    inner = range(1, masses + 1)
    equations = {f"x{i}": f"v{i}" for i in inner}
    equations |= {f"v{i}": f"stiffness/mass*({x[i + 1]} - 2*{x[i]} + {x[i - 1]})" for i in inner}
    ends = [Integer(0), *(symbol(f"x{i}") for i in inner), Integer(0)]
    kinetic, potential = Add(*(symbol(f"v{i}") ** 2 for i in inner)), Add(*((right - left) ** 2 for left, right in pairwise(ends)))
    return build(
        "oscillator-chain",
        title="Chain of coupled oscillators",
        states=[
            *(position(f"x{i}", "m", f"displacement of mass {i}") for i in inner),
            *(velocity(f"v{i}", "m s-1", f"velocity of mass {i}", f"x{i}") for i in inner),
        ],
        equations=equations,
        parameters=[Parameter("mass", 1.0, "kg", "each mass"), Parameter("stiffness", 1.0, "N m-1", "stiffness of each spring")],
        energy=(symbol("mass") * kinetic + symbol("stiffness") * potential) / 2,
        energy_units="J",
        time_scale="sqrt(mass/stiffness)",
        initial_state={name: float(name == "x1") for name in equations},
        symmetries="time reversal; scaling; reversal of the chain",
        reference=_LANDAU + ", section 23",
        doi=_LANDAU_DOI,
    )
