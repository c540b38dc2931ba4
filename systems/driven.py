"""Oscillators that are driven by an input u(t); the inputs have a default and can be replaced in ``simulate(inputs=...)``."""

from __future__ import annotations

from math import pi

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.quantities import Parameter, position, velocity

__all__ = ["driven_pendulum", "forced_duffing", "forced_oscillator", "forced_van_der_pol"]

_NORCLIFFE = "A. Norcliffe et al.: On second order behaviour in augmented neural ODEs, NeurIPS (2020)"
_NORCLIFFE_DOI = "10.48550/arXiv.2006.07220"


def forced_oscillator() -> System:
    """Drive a damped oscillator: x'' + gamma x' + omega**2 x = force(t)."""
    return build(
        "forced-oscillator",
        title="Forced oscillator",
        states=[position("x", "m", "displacement"), velocity("v", "m s-1", "velocity", of="x")],
        equations={"x": "v", "v": "-gamma*v - omega**2*x + force"},
        inputs={"force": ("amplitude*cos(drive*t)", "m s-2", "force per unit mass")},
        parameters=[
            Parameter("gamma", 0.2, "s-1", "damping rate"),
            Parameter("omega", 1.0, "rad s-1", "angular frequency without damping"),
            Parameter("amplitude", 1.0, "m s-2", "amplitude of the force per unit mass"),
            Parameter("drive", 0.7, "rad s-1", "angular frequency of the force"),
        ],
        energy="v**2/2 + omega**2*x**2/2",
        energy_units="m2 s-2",
        energy_rate="-gamma*v**2 + force*v",
        time_scale="1/omega",
        initial_state={"x": 0.0, "v": 0.0},
        symmetries="superposition of forces",
        reference="L. D. Landau, E. M. Lifshitz: Mechanics, 3rd edition, Butterworth-Heinemann (1976), section 26",
        doi="10.1016/C2009-0-25569-3",
    )


def forced_duffing() -> System:
    """Drive a particle in two wells: x'' + delta x' + alpha x + beta x**3 = force(t), chaotic at the default values."""
    return build(
        "forced-duffing",
        title="Forced Duffing oscillator",
        states=[position("x", "1", "displacement", (-1.5, 1.5)), velocity("v", "1", "velocity", "x")],
        equations={"x": "v", "v": "-delta*v - alpha*x - beta*x**3 + force"},
        inputs={"force": ("gamma*cos(omega*t)", "1", "force")},
        parameters=[
            Parameter("alpha", -1.0, "1", "linear stiffness"),
            Parameter("beta", 1.0, "1", "cubic stiffness"),
            Parameter("delta", 0.3, "1", "damping rate"),
            Parameter("gamma", 0.5, "1", "amplitude of the force"),
            Parameter("omega", 1.2, "1", "angular frequency of the force"),
        ],
        energy="v**2/2 + alpha*x**2/2 + beta*x**4/4",
        energy_rate="-delta*v**2 + force*v",
        time_units="1",
        time_scale="1/omega",
        initial_state={"x": 1.0, "v": 0.0},
        symmetries="(x, v) -> (-x, -v) with the force turned",
        reference="I. Kovacic, M. J. Brennan: The Duffing equation, Wiley (2011)",
        doi="10.1002/9780470977859",
    )


def forced_van_der_pol() -> System:
    """Drive the Van der Pol oscillator, x'' = mu (1 - x**2) x' - x + force(t), at the settings of the SONODE study."""
    return build(
        "forced-van-der-pol",
        title="Forced Van der Pol oscillator",
        states=[position("x", "1", "displacement", (-2, 2)), velocity("v", "1", "velocity", "x", (-2, 2))],
        equations={"x": "v", "v": "mu*(1 - x**2)*v - x + force"},
        inputs={"force": ("amplitude*cos(omega*t)", "1", "force")},
        parameters=[
            Parameter("mu", 8.53, "1", "strength of the nonlinear damping"),
            Parameter("amplitude", 1.4, "1", "amplitude of the force"),
            Parameter("omega", pi / 5, "1", "angular frequency of the force"),
        ],
        time_units="1",
        time_scale="1/mu",
        initial_state={"x": 0.1, "v": 0.0},
        symmetries="(x, v) -> (-x, -v) with the force turned",
        reference=_NORCLIFFE,
        doi=_NORCLIFFE_DOI,
    )


def driven_pendulum() -> System:
    """Push a damped pendulum: theta'' = -(gravity/length) sin(theta) - damping theta' + torque(t), chaotic at the default values."""
    return build(
        "driven-pendulum",
        title="Driven pendulum",
        states=[position("theta", "rad", "angle", (-1.5, 1.5)), velocity("omega", "rad s-1", "angular velocity", "theta", (-1, 1))],
        equations={"theta": "omega", "omega": "-gravity/length*sin(theta) - damping*omega + torque"},
        inputs={"torque": ("amplitude*cos(drive*t)", "rad s-2", "torque over moment of inertia")},
        parameters=[
            Parameter("gravity", 9.81, "m s-2", "gravitational acceleration"),
            Parameter("length", 9.81, "m", "length of the rod"),
            Parameter("damping", 0.5, "s-1", "damping rate"),
            Parameter("amplitude", 1.15, "rad s-2", "amplitude of the torque over moment of inertia"),
            Parameter("drive", 2 / 3, "rad s-1", "angular frequency of the torque"),
        ],
        energy="length**2*omega**2/2 + gravity*length*(1 - cos(theta))",
        energy_units="m2 s-2",
        energy_rate="length**2*omega*(torque - damping*omega)",
        time_scale="sqrt(length/gravity)",
        initial_state={"theta": 0.5, "omega": 0.0},
        symmetries="theta -> theta + 2 pi; theta -> -theta with the torque turned",
        reference="G. L. Baker, J. P. Gollub: Chaotic dynamics, 2nd edition, Cambridge University Press (1996)",
        doi="10.1017/CBO9781139170864",
    )
