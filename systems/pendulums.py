"""Pendulums: angles are measured from the lowest point."""

from __future__ import annotations

from math import pi

from physode.systems.base import System
from physode.systems.build import build
from physode.systems.derivation import hamilton_equations
from physode.systems.expressions import parse
from physode.systems.quantities import Parameter, momentum, position, velocity

__all__ = ["damped_pendulum", "double_pendulum", "double_pendulum_velocity", "elastic_pendulum", "pendulum", "pendulum_canonical"]

_BELENDEZ = "A. Belendez et al.: Exact solution for the nonlinear pendulum, Revista Brasileira de Ensino de Fisica 29, 645-648 (2007)"
_BELENDEZ_DOI = "10.1590/S1806-11172007000400024"
_GRAVITY = Parameter("gravity", 9.81, "m s-2", "gravitational acceleration")
_LENGTH = Parameter("length", 1.0, "m", "length of the rod")
_MASS = Parameter("mass", 1.0, "kg", "mass of the bob")
_ANGLE = position("theta", "rad", "angle", (-1.5, 1.5))
_RATE = velocity("omega", "rad s-1", "angular velocity", "theta", (-2.0, 2.0))


def pendulum() -> System:
    """Swing under gravity: theta'' = -(gravity/length) sin(theta), energy per unit mass."""
    return build(
        "pendulum",
        title="Pendulum",
        states=[_ANGLE, _RATE],
        equations={"theta": "omega", "omega": "-gravity/length*sin(theta)"},
        parameters=[_GRAVITY, _LENGTH],
        energy="length**2*omega**2/2 + gravity*length*(1 - cos(theta))",
        energy_units="m2 s-2",
        partners=[momentum("p", "m2 s-1", "angular momentum per unit mass", "theta")],
        time_scale="sqrt(length/gravity)",
        initial_state={"theta": 1.0, "omega": 0.0},
        symmetries="time reversal; theta -> -theta; theta -> theta + 2 pi",
        reference=_BELENDEZ,
        doi=_BELENDEZ_DOI,
    )


def damped_pendulum() -> System:
    """Swing and lose energy: theta'' = -(gravity/length) sin(theta) - damping theta', energy per unit mass."""
    return build(
        "damped-pendulum",
        title="Damped pendulum",
        states=[_ANGLE, _RATE],
        equations={"theta": "omega", "omega": "-gravity/length*sin(theta) - damping*omega"},
        parameters=[_GRAVITY, _LENGTH, Parameter("damping", 0.2, "s-1", "damping rate")],
        energy="length**2*omega**2/2 + gravity*length*(1 - cos(theta))",
        energy_units="m2 s-2",
        energy_rate="-damping*length**2*omega**2",
        partners=[momentum("p", "m2 s-1", "angular momentum per unit mass", "theta")],
        time_scale="sqrt(length/gravity)",
        initial_state={"theta": 1.0, "omega": 0.0},
        symmetries="theta -> -theta; theta -> theta + 2 pi",
        reference=_BELENDEZ,
        doi=_BELENDEZ_DOI,
    )


def pendulum_canonical() -> System:
    """Describe the pendulum in angle and angular momentum p = mass length**2 theta'."""
    return build(
        "pendulum-canonical",
        title="Pendulum, canonical",
        states=[_ANGLE, momentum("p", "kg m2 s-1", "angular momentum", "theta", (-2.0, 2.0))],
        equations={"theta": "p/(mass*length**2)", "p": "-mass*gravity*length*sin(theta)"},
        parameters=[_GRAVITY, _LENGTH, _MASS],
        energy="p**2/(2*mass*length**2) + mass*gravity*length*(1 - cos(theta))",
        energy_units="J",
        hamiltonian=True,
        partners=[_RATE],
        time_scale="sqrt(length/gravity)",
        initial_state={"theta": 1.0, "p": 0.0},
        symmetries="time reversal with p -> -p; (theta, p) -> (-theta, -p); theta -> theta + 2 pi",
        reference=_BELENDEZ,
        doi=_BELENDEZ_DOI,
    )


_SHINBROT = "T. Shinbrot et al.: Chaos in a double pendulum, American Journal of Physics 60, 491-499 (1992)"
_SHINBROT_DOI = "10.1119/1.16860"
_DOUBLE_HAMILTONIAN = (
    "(mass2*length2**2*p1**2 + (mass1 + mass2)*length1**2*p2**2 - 2*mass2*length1*length2*p1*p2*cos(theta1 - theta2))"
    "/(2*mass2*length1**2*length2**2*(mass1 + mass2*sin(theta1 - theta2)**2))"
    " - (mass1 + mass2)*gravity*length1*cos(theta1) - mass2*gravity*length2*cos(theta2)"
)
_DOUBLE_PARAMETERS = (
    _GRAVITY,
    Parameter("length1", 1.0, "m", "length of the upper rod"),
    Parameter("length2", 1.0, "m", "length of the lower rod"),
    Parameter("mass1", 1.0, "kg", "mass of the upper bob"),
    Parameter("mass2", 1.0, "kg", "mass of the lower bob"),
)


_DOUBLE_ANGLES = (
    position("theta1", "rad", "upper angle", (-pi / 2, pi / 2)),
    position("theta2", "rad", "lower angle", (-pi / 2, pi / 2)),
)
_DOUBLE_MOMENTA = (
    momentum("p1", "kg m2 s-1", "momentum of the upper angle", "theta1", (-0.5, 0.5)),
    momentum("p2", "kg m2 s-1", "momentum of the lower angle", "theta2", (-0.5, 0.5)),
)
_DOUBLE_RATES = (
    velocity("omega1", "rad s-1", "upper angular velocity", "theta1", (-1.0, 1.0)),
    velocity("omega2", "rad s-1", "lower angular velocity", "theta2", (-1.0, 1.0)),
)


def double_pendulum() -> System:
    """Describe the double pendulum in its angles, both from the vertical, and their conjugate momenta: chaotic at large angles."""
    names = ["theta1", "theta2", "p1", "p2"]
    hamiltonian = parse(_DOUBLE_HAMILTONIAN, [*names, *(c.name for c in _DOUBLE_PARAMETERS)])
    return build(
        "double-pendulum",
        title="Double pendulum",
        states=[*_DOUBLE_ANGLES, *_DOUBLE_MOMENTA],
        equations=hamilton_equations(hamiltonian, names[:2], names[2:]),
        parameters=_DOUBLE_PARAMETERS,
        energy=hamiltonian,
        energy_units="J",
        hamiltonian=True,
        partners=_DOUBLE_RATES,
        time_scale="sqrt((length1 + length2)/2/gravity)",
        initial_state={"theta1": pi / 2, "theta2": pi / 2, "p1": 0.0, "p2": 0.0},
        symmetries="time reversal with p -> -p; all signs turned; each angle by 2 pi",
        reference=_SHINBROT,
        doi=_SHINBROT_DOI,
    )


def double_pendulum_velocity() -> System:
    """Describe the double pendulum in its angles and angular velocities."""
    turn = "theta1 - theta2"
    load = f"(2*mass1 + mass2 - mass2*cos(2*({turn})))"
    both = "(mass1 + mass2)"
    upper = (
        f"(-gravity*(2*mass1 + mass2)*sin(theta1) - mass2*gravity*sin(theta1 - 2*theta2) - 2*sin({turn})*mass2"
        f"*(omega2**2*length2 + omega1**2*length1*cos({turn})))/(length1*{load})"
    )
    lower = f"2*sin({turn})*(omega1**2*length1*{both} + gravity*{both}*cos(theta1) + omega2**2*length2*mass2*cos({turn}))/(length2*{load})"
    return build(
        "double-pendulum-velocity",
        title="Double pendulum, with velocities",
        states=[*_DOUBLE_ANGLES, *_DOUBLE_RATES],
        equations={"theta1": "omega1", "theta2": "omega2", "omega1": upper, "omega2": lower},
        parameters=_DOUBLE_PARAMETERS,
        energy=f"{both}*length1**2*omega1**2/2 + mass2*length2**2*omega2**2/2 + mass2*length1*length2*omega1*omega2*cos({turn})"
        f" - {both}*gravity*length1*cos(theta1) - mass2*gravity*length2*cos(theta2)",
        energy_units="J",
        partners=_DOUBLE_MOMENTA,
        time_scale="sqrt((length1 + length2)/2/gravity)",
        initial_state={"theta1": pi / 2, "theta2": pi / 2, "omega1": 0.0, "omega2": 0.0},
        symmetries="time reversal; all signs turned; each angle by 2 pi",
        reference=_SHINBROT,
        doi=_SHINBROT_DOI,
    )


def elastic_pendulum() -> System:
    """Hang a bob on a spring: its length and its angle exchange energy, chaotically at large amplitudes."""
    return build(
        "elastic-pendulum",
        title="Elastic pendulum",
        states=[
            position("r", "m", "length of the spring", (1.1, 1.6)),
            position("theta", "rad", "angle", (-0.8, 0.8)),
            velocity("v", "m s-1", "rate of the spring's length", "r", (-0.5, 0.5)),
            velocity("omega", "rad s-1", "angular velocity", "theta", (-0.5, 0.5)),
        ],
        equations={
            "r": "v",
            "theta": "omega",
            "v": "r*omega**2 + gravity*cos(theta) - stiffness/mass*(r - length)",
            "omega": "-(gravity*sin(theta) + 2*v*omega)/r",
        },
        parameters=[
            _GRAVITY,
            Parameter("length", 1.0, "m", "length of the spring at rest"),
            _MASS,
            Parameter("stiffness", 40.0, "N m-1", "stiffness of the spring"),
        ],
        energy="mass*(v**2 + r**2*omega**2)/2 - mass*gravity*r*cos(theta) + stiffness*(r - length)**2/2",
        energy_units="J",
        partners=[
            momentum("p_r", "kg m s-1", "radial momentum", "r", (-0.5, 0.5)),
            momentum("p_theta", "kg m2 s-1", "angular momentum", "theta", (-0.5, 0.5)),
        ],
        time_scale="sqrt(mass/stiffness)",
        initial_state={"r": 1.3, "theta": 0.6, "v": 0.0, "omega": 0.0},
        symmetries="time reversal; theta -> -theta; theta -> theta + 2 pi",
        reference="R. Cuerno, A. F. Ranada, J. J. Ruiz-Lorenzo: Deterministic chaos in the elastic pendulum, Am. J. Phys. 60, 73-79 (1992)",
        doi="10.1119/1.17047",
    )
