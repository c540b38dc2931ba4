"""Systems from a Lagrangian or a Hamiltonian, and records between velocities and momenta."""

from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import sympy
from sympy.physics.mechanics import dynamicsymbols

import physode.trajectories as trajectories
from physode import systems
from physode.errors import DataError, PhysodeError, UnknownNameError

TIME = np.linspace(0, 3, 31)


def double():
    return systems.from_lagrangian(
        "(m1 + m2)*l1**2*w1**2/2 + m2*l2**2*w2**2/2 + m2*l1*l2*w1*w2*cos(a - b)",
        "-(m1 + m2)*g*l1*cos(a) - m2*g*l2*cos(b)",
        {"a": "w1", "b": "w2"},
        name="double",
        parameters={"m1": 1.0, "m2": 2.0, "l1": 1.0, "l2": 0.5, "g": 9.81},
        units={"a": "rad", "b": "rad", "energy": "J"},
        initial_state={"a": 1.0, "b": 0.5, "w1": 0.0, "w2": 0.0},
        momenta={"a": "p1", "b": "p2"},
    )


def test_a_lagrangian_gives_the_known_double_pendulum():
    mine = double()
    errors = systems.verify(mine)
    assert max(errors.values()) < 1e-7 and mine.conserves_energy
    assert [mine.role(s) for s in mine.states] == ["position", "position", "velocity", "velocity"]
    assert mine.units["w1"] == "rad s-1"
    canonical = mine.counterpart()
    assert canonical.hamiltonian and canonical.states == ("a", "b", "p1", "p2") and canonical.name == "double-canonical"
    known = systems.get("double-pendulum", mass1=1.0, mass2=2.0, length1=1.0, length2=0.5)
    z = known.sample_states(6, seed=1)
    np.testing.assert_allclose(canonical.rhs(0.0, z), known.rhs(0.0, z), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(canonical.energy(z), known.energy(z), rtol=1e-12)


def test_dynamicsymbols_are_understood():
    x = dynamicsymbols("x")
    m, k = sympy.symbols("m k")
    t = dynamicsymbols._t
    mine = systems.from_lagrangian(m * x.diff(t) ** 2 / 2, k * x**2 / 2, {"x": "v"}, parameters={"m": 2.0, "k": 8.0})
    np.testing.assert_allclose(mine.rhs(0.0, [[1.0, 3.0]]), [[3.0, -4.0]])


def test_friction_and_forces():
    mine = systems.from_lagrangian(
        "m*v**2/2",
        "k*x**2/2",
        {"x": "v"},
        dissipation="c*v**2/2",
        forces={"x": "u - d*v*abs(v)"},
        parameters={"m": 2.0, "k": 8.0, "c": 0.5, "d": 0.1},
        inputs={"u": "sin(t)"},
    )
    np.testing.assert_allclose(mine.rhs([0.7], [[1.0, -2.0]]), [[-2.0, (-8 + 1 + 0.4 + np.sin(0.7)) / 2]])
    np.testing.assert_allclose(mine.energy_rate([0.7], [[1.0, -2.0]]), [-0.5 * 4 - 0.1 * 8 - 2 * np.sin(0.7)])
    assert max(systems.verify(mine).values()) < 1e-7
    other = mine.counterpart()
    assert not other.hamiltonian and other.states == ("x", "x_momentum")
    np.testing.assert_allclose(other.rhs([0.7], [[1.0, -4.0]]), [[-2.0, -8 + 1 + 0.4 + np.sin(0.7)]])
    assert max(systems.verify(other).values()) < 1e-7


def test_a_moving_frame_conserves_jacobi_s_integral():
    bead = systems.from_lagrangian("m*(v**2 + r**2*w**2)/2", "k*r**4/4", {"r": "v"}, parameters={"m": 1.0, "k": 1.0, "w": 1.0})
    np.testing.assert_allclose(bead.energy([[2.0, 1.0]]), [0.5 - 2.0 + 4.0])
    assert bead.conserves_energy and max(systems.verify(bead).values()) < 1e-7


def test_the_momentum_of_a_charge_holds_the_magnetic_field():
    charge = systems.from_lagrangian(
        "m*(vx**2 + vy**2)/2 + b*(x*vy - y*vx)/2",
        "k*(x**2 + y**2)/2 + x**4/4",
        {"x": "vx", "y": "vy"},
        parameters={"m": 2.0, "b": 0.7, "k": 1.3},
        initial_state={"x": 1.0, "y": 0.2, "vx": 0.1, "vy": 0.4},
    )
    assert "x_momentum = -b*y/2 + m*vx" in str(charge.equations())
    canonical = charge.counterpart()
    assert canonical.hamiltonian and max(systems.verify(canonical).values()) < 1e-7
    record = charge.simulate(TIME, parameters={"b": [0.7, 3.0]}, seed=1)
    converted = charge.convert(record, to="canonical")
    np.testing.assert_allclose(converted.y_momentum, 2 * record.vy + record.b.values[:, None] * record.x / 2)
    again = canonical.simulate(TIME, {s: converted[s][:, 0] for s in canonical.states}, parameters={"b": [0.7, 3.0]})
    np.testing.assert_allclose(again.x_momentum, converted.x_momentum, atol=1e-8)
    back = canonical.counterpart()
    z = charge.sample_states(4)
    np.testing.assert_allclose(back.rhs(0.0, z), charge.rhs(0.0, z), rtol=1e-12)
    np.testing.assert_allclose(back.energy(z), charge.energy(z), rtol=1e-12)
    np.testing.assert_allclose(canonical.convert(converted, to="velocity").vx, record.vx, rtol=1e-10, atol=1e-12)


def test_an_energy_that_is_not_quadratic_has_no_known_momentum():
    fast = systems.define("fast", {"x": "v", "v": "-x/(3*v**2 + 1)"}, energy="3*v**4/4 + v**2/2 + x**2/2")
    with pytest.raises(PhysodeError, match="fast: its energy is not quadratic in v"):
        fast.convert(fast.simulate(TIME), to="canonical")


def test_a_hamiltonian_with_friction():
    spring = systems.from_hamiltonian(
        "p**2/(2*m) + k*q**2/2",
        ["q"],
        ["p"],
        "c*q_velocity**2/2",
        parameters={"m": 2.0, "k": 1.0, "c": 0.5},
        units={"q": "m", "energy": "J"},
    )
    np.testing.assert_allclose(spring.rhs(0.0, [[1.0, 4.0]]), [[2.0, -2.0]])
    np.testing.assert_allclose(spring.energy_rate(0.0, [[1.0, 4.0]]), [-2.0])
    assert spring.role("p") == "momentum" and spring.quantity("p").conjugate_to == "q" and not spring.hamiltonian
    assert spring.units["p"] == "(J) s/(m)"
    free = systems.from_hamiltonian("p**2/2 - cos(q)", ["q"], ["p"])
    assert free.hamiltonian and max(systems.verify(free).values()) < 1e-7


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: systems.from_lagrangian("v**4", "x", {"x": "v"}), PhysodeError, "not quadratic in the velocities"),
        (lambda: systems.from_lagrangian("v**2", "x + v", {"x": "v"}), PhysodeError, "potential energy, column 5: 'v' is not declared"),
        (lambda: systems.from_lagrangian("(v + w)**2", "x", {"x": "v", "y": "w"}), PhysodeError, "singular mass matrix"),
        (lambda: systems.from_lagrangian("v**2", "x", {"x": "v"}, forces={"y": "1"}), UnknownNameError, "coordinate in forces 'y'"),
        (lambda: systems.from_lagrangian("v**2", "x", "x"), PhysodeError, "coordinates must list"),
        (lambda: systems.from_lagrangian("v**2", "x", {"x": "v__import__('os')"}), PhysodeError, "cannot name a coordinate"),
        (lambda: systems.from_hamiltonian("p**2", ["q"], ["p", "r"]), PhysodeError, "1 coordinates and 2 momenta"),
        (lambda: systems.from_hamiltonian("p**2 + t", ["q"], ["p"]), PhysodeError, "Hamiltonian, column 8: 't' is not declared"),
    ],
)
def test_mistakes_are_told(make, error, message):
    with pytest.raises(error, match=message):
        make()


MECHANICAL = [n for n in systems.names() if systems.get(n).has_energy and n != "lotka-volterra-canonical"]
_LONG = {"double-pendulum", "double-pendulum-velocity", "three-body"}


def test_lotka_volterra_in_logarithms_is_the_same_motion():
    natural, canonical = systems.get("lotka-volterra", alpha=1.1), systems.get("lotka-volterra-canonical", alpha=1.1)
    first = natural.simulate(TIME, {"x": [1.0, 0.5], "y": [0.4, 2.0]})
    second = canonical.simulate(TIME, {"q": np.log([0.4, 2.0]), "p": np.log([1.0, 0.5])})
    np.testing.assert_allclose(np.exp(second.p), first.x, rtol=1e-8)
    np.testing.assert_allclose(np.exp(second.q), first.y, rtol=1e-8)
    z = np.stack([first.x, first.y], -1)
    np.testing.assert_allclose(natural.invariants["V"](z), canonical.energy(np.log(z[..., ::-1])), rtol=1e-12)
    with pytest.raises(PhysodeError, match="not quadratic in p"):
        canonical.counterpart()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in _LONG else n for n in MECHANICAL])
def test_both_forms_give_the_same_motion(name):
    system = systems.get(name)
    other = system.counterpart()
    to = "velocity" if any(s.role == "momentum" for s in system.quantities) else "canonical"
    assert max(systems.verify(other).values()) < 1e-6
    assert other.hamiltonian == (to == "canonical" and system.conserves_energy)
    record = system.simulate(TIME[:11] * system.time_scale, n_trajectories=2, seed=3)
    converted = system.convert(record, to=to)
    trajectories.validate(converted)
    assert trajectories.state_names(converted) == list(other.states) and converted.attrs["system"] == other.name
    start = {s: converted[s][:, 0].values for s in other.states}
    again = other.simulate(record.time.values, start)
    for state in other.states:
        np.testing.assert_allclose(again[state], converted[state], rtol=1e-7, atol=1e-8)
    back = other.convert(converted, to="velocity" if to == "canonical" else "canonical")
    for state in system.states:
        np.testing.assert_allclose(back[state], record[state], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "constants"), [("henon-heiles", {"coupling": [1.0, 2.0, 0.5]}), ("two-body", {"m1": 3.0, "m2": [2.0, 1.0, 4.0]})]
)
def test_the_other_form_draws_the_same_motions(name, constants):
    system = systems.get(name)
    other = ForkingPickler.loads(ForkingPickler.dumps(system.counterpart()))
    drawn = other.simulate([0.0, 0.01], n_trajectories=3, parameters=constants, seed=1)
    expected = system.convert(system.simulate([0.0, 0.01], n_trajectories=3, parameters=constants, seed=1), to="velocity")
    for state in other.states:
        np.testing.assert_allclose(drawn[state], expected[state], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.counterpart().sample_states(3), system.sample_states(3), rtol=1e-12)


def test_noise_and_truth_and_parameters_are_converted():
    pendulum = systems.get("pendulum")
    record = pendulum.simulate(TIME, {"theta": 1.0, "omega": 0.0}, parameters={"length": [1.0, 2.0]}, noise={"omega": 0.01}, seed=1)
    converted = pendulum.convert(record, to="canonical")
    scale = record.length.values[:, None] ** 2
    np.testing.assert_allclose(converted.p, scale * record.omega)
    np.testing.assert_allclose(converted.p_true, scale * record.omega_true)
    assert float(converted.p_noise_std) == pytest.approx(0.01 * np.sqrt((1 + 16) / 2))
    assert "omega" not in converted and "omega_noise_std" not in converted and converted.p.attrs["conjugate_to"] == "theta"
    assert len(converted.attrs["history"].splitlines()) == 2
    assert pendulum.convert(record, to="velocity") is record
    hidden = pendulum.convert(pendulum.simulate(TIME, observe=["theta"]), to="canonical")
    assert "p" not in hidden and "p_true" in hidden
    with pytest.raises(DataError, match="holds no omega"):
        pendulum.convert(record.drop_vars(["omega", "omega_true"]), to="canonical")
    with pytest.raises(UnknownNameError, match="unknown form 'momenta'"):
        pendulum.convert(record, to="momenta")
    with pytest.raises(PhysodeError, match="lorenz has no canonical form"):
        systems.get("lorenz").counterpart()
