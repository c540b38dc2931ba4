"""Oscillators: one position and its velocity, or a few of them coupled."""

from __future__ import annotations

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, position, velocity

__all__ = ["coupled_oscillators", "damped_oscillator", "damped_sinusoids", "harmonic_oscillator", "van_der_pol"]

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
