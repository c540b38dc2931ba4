"""Every system in the registry checks itself; adding one adds its tests."""

from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from scipy.linalg import expm

from physode import systems
from physode.errors import PhysodeError, UnknownNameError

NAMES = systems.names()


@pytest.mark.parametrize("name", NAMES)
def test_numbers_follow_from_the_symbols(name):
    errors = systems.verify(systems.get(name), seed=3)
    assert errors.pop("rhs") < 1e-13
    for check, error in errors.items():
        assert error < 1e-6, check


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_complete(name):
    system = systems.get(name)
    assert system.name == name
    assert system.reference
    assert system.doi.startswith("10.")
    assert system.title
    assert system.symmetries
    for state in system.quantities:
        assert state.long_name
        assert state.units
        assert state.range[0] < state.range[1]
        if state.role == "velocity":
            assert system.role(state.time_derivative_of) == "position"
        if state.role == "momentum":
            assert system.role(state.conjugate_to) == "position"
    for parameter in system.constants:
        assert parameter.meaning
        assert parameter.units
    assert 0 < system.time_scale < 1e3
    assert set(system.units) == {*system.states, "time"}


@pytest.mark.parametrize("name", NAMES)
def test_a_velocity_is_the_derivative_of_its_position(name):
    system = systems.get(name)
    states = system.sample_states(5, seed=1)
    for index, state in enumerate(system.quantities):
        if state.time_derivative_of is not None:
            derivative = system.rhs(0.0, states)[:, system.states.index(state.time_derivative_of)]
            np.testing.assert_allclose(derivative, states[:, index], rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_many_tangents_equal_one_at_a_time(name):
    system = systems.get(name)
    states = system.sample_states(4, seed=1)
    tangents = np.random.default_rng(0).normal(size=(4, 3, len(system.states)))
    together = system.jvp(0.5, states, tangents)
    assert together.shape == tangents.shape
    for k in range(3):
        np.testing.assert_allclose(together[:, k], system.jvp(0.5, states, tangents[:, k]), rtol=1e-13)
    np.testing.assert_allclose(together, tangents @ np.swapaxes(system.jacobian(0.5, states), 1, 2), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_samples_repeat_with_the_seed_and_grow(name):
    system = systems.get(name)
    few, many = system.sample_states(3, seed=5), system.sample_states(6, seed=5)
    assert few.shape == (3, len(system.states))
    np.testing.assert_array_equal(few, many[:3])
    assert not np.array_equal(few, system.sample_states(3, seed=6))


def test_parameters_change_the_motion():
    assert systems.get("pendulum", length=2.0).parameters == {"gravity": 9.81, "length": 2.0}
    np.testing.assert_allclose(systems.get("lorenz", rho=20.0).rhs(0.0, [[1.0, 1.0, 1.0]]), [[0.0, 18.0, 1 - 8 / 3]])


def test_published_equations():
    """The double pendulum as in the Lyapunov literature, and the closed form of the damped sinusoids."""
    z = systems.get("double-pendulum").sample_states(6, seed=2)
    a, b, p, q = z.T
    d, g = a - b, 9.81
    big = 1 + np.sin(d) ** 2
    h1, h2 = p * q * np.sin(d) / big, (p**2 + 2 * q**2 - 2 * p * q * np.cos(d)) / (2 * big**2)
    expected = [
        (p - q * np.cos(d)) / big,
        (2 * q - p * np.cos(d)) / big,
        -2 * g * np.sin(a) - h1 + h2 * np.sin(2 * d),
        -g * np.sin(b) + h1 - h2 * np.sin(2 * d),
    ]
    np.testing.assert_allclose(systems.get("double-pendulum").rhs(0.0, z), np.transpose(expected), rtol=1e-12, atol=1e-13)
    t = np.linspace(0, 10, 21)
    record = systems.get("damped-sinusoids").simulate(t)
    np.testing.assert_allclose(record.x[0], np.exp(-0.1 * t) * (np.cos(t) + 3 * np.sin(t)), atol=1e-9)
    np.testing.assert_allclose(record.y[0], np.exp(-0.3 * t) * (-5 * np.cos(1.2 * t) + 2 * np.sin(1.2 * t)), atol=1e-9)


def test_sizes_can_be_chosen():
    ring = systems.get("lorenz-96", cells=5, F=3.0)
    np.testing.assert_allclose(
        ring.rhs(0.0, [[1.0, 2.0, 3.0, 4.0, 5.0]]),
        [[(2 - 4) * 5 - 1 + 3, (3 - 5) * 1 - 2 + 3, (4 - 1) * 2, (5 - 2) * 3 - 1, (1 - 3) * 4 - 2]],
    )
    chain = systems.get("oscillator-chain", masses=2, stiffness=2.0)
    np.testing.assert_allclose(chain.rhs(0.0, [[1.0, 3.0, 0.5, 0.0]]), [[0.5, 0.0, 2.0, -10.0]])
    np.testing.assert_allclose(chain.energy([[1.0, 3.0, 0.5, 0.0]]), [0.5**2 / 2 + 1.0 + 2.0**2 + 3.0**2])
    long = systems.get("oscillator-chain", masses=200)
    np.testing.assert_allclose(long.energy(np.eye(400)[[0, 100, 300]]), [1.0, 1.0, 0.5])
    pair = systems.get("coupled-oscillators", stiffness=2.0, coupling=2.0)
    np.testing.assert_allclose(pair.rhs(0.0, [[1.0, 3.0, 0.5, 0.0]]), [[0.5, 0.0, 2.0, -10.0]])
    for six in (np.int64(6), 6.0):
        assert len(systems.get("lorenz-96", cells=six).states) == 6
    for no in ([3], "6", 6.5, True, None):
        with pytest.raises(PhysodeError, match="lorenz-96: cells must be a whole number, found"):
            systems.get("lorenz-96", cells=no)
    with pytest.raises(PhysodeError, match="cells must be a whole number of at least 4, found 3"):
        systems.get("lorenz-96", cells=3)
    with pytest.raises(PhysodeError, match="masses must be a whole number of at least 1, found 0"):
        systems.get("oscillator-chain", masses=0)


def test_random_spirals_draw_a_matrix_for_each_trajectory():
    record = systems.get("random-spirals").simulate(np.linspace(0, 5, 6), n_trajectories=400, seed=0)
    assert record.a11.dims == ("trajectory",) and float(record.a11.max()) < -0.05
    assert float((record.a12 > 0).mean()) == pytest.approx(0.5, abs=0.07) and bool((record.a12 * record.a21 < 0).all())
    assert float(np.std(record.x[:, 0])) == pytest.approx(2, rel=0.1)
    matrix = np.array([[record.a11[7], record.a12[7]], [record.a21[7], record.a22[7]]])
    np.testing.assert_allclose([record.x[7, -1], record.y[7, -1]], expm(5 * matrix) @ [record.x[7, 0], record.y[7, 0]], atol=1e-8)


def test_two_centres_and_known_orbits():
    """The spiral of the notebook, the figure-eight's period, and the energies of the chaotic flows' starts."""
    z = np.array([[0.6, 0.3], [-1.2, 0.4]])
    a, b, centre = np.array([[-0.1, -0.5], [0.5, -0.1]]), np.array([[0.2, 1.0], [-1.0, 0.2]]), np.array([-1.0, 0.0])
    side = 1 / (1 + np.exp(-(z @ centre)))[:, None]
    expected = side * ((z - centre) @ a.T) + (1 - side) * ((z + centre) @ b.T)
    np.testing.assert_allclose(systems.get("two-centre-spiral").rhs(0.0, z), expected, rtol=1e-14)
    eight = systems.get("three-body").simulate(np.linspace(0, 6.32591398, 2))
    for state in systems.get("three-body").states:
        assert float(eight[state][0, 1]) == pytest.approx(float(eight[state][0, 0]), abs=1e-6)
    star = systems.get("henon-heiles")
    assert float(star.energy(star.initial_array())[0]) == pytest.approx(1 / 6, rel=1e-14)
    assert (star.energy(star.sample_states(200, seed=0)) < 1 / 6).all()
    np.testing.assert_allclose(systems.get("double-pendulum").energy(systems.get("double-pendulum").initial_array()), 0, atol=1e-14)


def test_unknown_names_list_the_choices():
    with pytest.raises(UnknownNameError, match="unknown system 'pendulm'; did you mean 'pendulum'"):
        systems.get("pendulm")
    with pytest.raises(UnknownNameError, match="parameter of pendulum 'lenght'; did you mean 'length'"):
        systems.get("pendulum", lenght=2.0)
    with pytest.raises(PhysodeError, match="must be one finite number, found nan"):
        systems.get("pendulum", length=float("nan"))
    with pytest.raises(PhysodeError, match=r"states theta, omega; found an array of shape \(1, 3\)"):
        systems.get("pendulum").rhs(0.0, np.zeros((1, 3)))
    with pytest.raises(PhysodeError, match="conserves V"):
        systems.get("lotka-volterra").energy([[1.0, 1.0]])


def test_invariants_and_dissipation():
    assert set(systems.get("lotka-volterra").invariants) == {"V"}
    assert set(systems.get("pendulum").invariants) == {"energy"}
    damped = systems.get("damped-pendulum")
    assert damped.has_energy
    assert not damped.conserves_energy
    assert not damped.invariants
    np.testing.assert_allclose(damped.energy_rate(0.0, [[0.3, 2.0]]), [-0.8])
    np.testing.assert_allclose(systems.get("pendulum").energy([[np.pi, 0.0]]), [2 * 9.81])


def test_equations_print_and_show():
    equations = systems.get("van-der-pol").equations()
    assert str(equations) == "x' = v\nv' = mu*v*(1 - x**2) - x"
    assert r"\dot{x} &= v" in systems.get("van-der-pol")._repr_latex_()
    assert repr(systems.get("van-der-pol")) == "<System van-der-pol: x, v; mu=1>"


def test_momenta_and_jacobian_are_shown_on_request():
    double = systems.get("double-pendulum-velocity").equations()
    assert double.others["p1"].free_symbols and set(double.others) >= {"energy", "p1", "p2"}
    canonical = systems.get("double-pendulum")
    states = systems.get("double-pendulum-velocity").sample_states(3, seed=0)
    symbols = systems.get("double-pendulum-velocity").symbols
    values = {systems.base.symbol(k): v for k, v in canonical.parameters.items()}
    converted = [[float(double.others[p].xreplace(values | dict(zip(symbols, z, strict=True)))) for p in ("p1", "p2")] for z in states]
    record = systems.get("double-pendulum-velocity").simulate([0.0, 0.1], dict(zip(map(str, symbols), states.T, strict=True)))
    there = systems.get("double-pendulum-velocity").convert(record, to="canonical")
    np.testing.assert_allclose(np.stack([there.p1[:, 0], there.p2[:, 0]], -1), converted, rtol=1e-12)
    assert "momentum" not in str(systems.get("lorenz").equations()) and "J &=" not in systems.get("lorenz").equations().latex()
    shown = systems.get("lorenz").equations(jacobian=True)
    assert "d(y')/d(x) = rho - z" in str(shown) and r"J &= \left[\begin{matrix}" in shown.latex()
    undamped = systems.define("odd", {"x": "v", "v": "-x"}, energy="v**4 + x**2")
    assert set(undamped.equations().others) == {"energy"}  # v**4 is no kinetic energy


def test_no_circuit_of_chua_runs_away_from_the_scrolls():
    chua = systems.get("chua")
    record = chua.simulate(np.linspace(0, 100, 51), n_trajectories=200, seed=0, rtol=1e-5, atol=1e-7)
    assert all(abs(record[state]).max() < 6 for state in chua.states)


def test_exact_exponents_follow_from_the_equations():
    expected = {
        "damped-oscillator": ({"gamma": 3.0, "omega": 1.0}, [-1.5 + 1.25**0.5, -1.5 - 1.25**0.5]),
        "linear-spiral": ({"a11": 0.3, "a22": -0.5, "a12": 0.0, "a21": 0.0}, [0.3, -0.5]),
        "harmonic-oscillator": ({}, [0.0, 0.0]),
        "lotka-volterra": ({}, [0.0, 0.0]),
        "cubic-spiral": ({}, [0.0, 0.0]),
        "two-body": ({}, [0.0] * 8),
        "oscillator-chain": ({}, [0.0] * len(systems.get("oscillator-chain").states)),
    }
    for name, (parameters, exponents) in expected.items():
        np.testing.assert_allclose(systems.get(name, **parameters).lyapunov_exponents, exponents, rtol=1e-12)
    for name in ("lorenz", "van-der-pol", "damped-pendulum", "three-body", "driven-pendulum"):
        assert systems.get(name).lyapunov_exponents is None
    assert systems.get("lorenz", rho=20.0, beta=2.0).exponent_sum == pytest.approx(-13.0)
    assert systems.get("damped-pendulum", damping=0.4).exponent_sum == pytest.approx(-0.4)
    assert systems.get("rossler").exponent_sum is None


@pytest.mark.parametrize(
    ("equations", "conserved"),
    [
        ({"s": "-2*s*i", "i": "2*s*i - i"}, "s + i - log(s)/2"),  # an epidemic that ends: 0 and -0.60
        ({"s": "-s*i", "i": "-s*i"}, "s - i"),
        ({"s": "s*i*(1 - s)", "i": "0*i"}, "i"),
        ({"s": "-s*(1 + s**2 + i**2)", "i": "-i*(1 + s**2 + i**2)"}, "i/s"),  # -1 twice
    ],
)
def test_a_conserved_quantity_alone_does_not_make_the_exponents_zero(equations, conserved):
    ends = systems.define("ends", equations, conserved={"V": conserved}, initial_state={"s": 0.99, "i": 0.5})
    assert ends.lyapunov_exponents is None


def test_exponents_of_a_system_that_jumps_are_not_known():
    dry = systems.define("dry", {"x": "v", "v": "-mu*sign(v)"}, {"mu": 0.5})
    assert dry.has_jumps and dry.lyapunov_exponents is None and dry.exponent_sum is None
    bowl = systems.define("bowl", {"x": "v", "v": "-sign(x)"}, energy="v**2/2 + abs(x)")
    assert bowl.has_jumps and bowl.lyapunov_exponents is None and bowl.exponent_sum == 0
    clocked = systems.define("clocked", {"x": "-x + sign(sin(t))"})
    assert not clocked.has_jumps and clocked.lyapunov_exponents == [-1]
    for drag in ("sign(v)*v**2", "sign(v)*abs(v)**1.5", "sign(2*x - v)*(x - v/2)", "v*abs(v)"):
        assert not systems.define("drag", {"x": "v", "v": f"-x - {drag}"}).has_jumps


@pytest.mark.parametrize("name", systems.names())
def test_a_system_travels_to_another_process_after_use(name):
    system = systems.get(name)
    states = system.sample_states(3, seed=0)
    slopes = system.rhs(0.0, states)
    copy = ForkingPickler.loads(ForkingPickler.dumps(system))
    np.testing.assert_array_equal(copy.rhs(0.0, states), slopes)
    np.testing.assert_array_equal(copy.sample_states(3, seed=0), states)


@pytest.mark.parametrize("name", systems.names())
def test_both_at_once_equal_one_by_one(name):
    system = systems.get(name)
    states = system.sample_states(4, seed=1)
    for tangents in (np.random.default_rng(0).normal(size=states.shape), np.random.default_rng(0).normal(size=(4, 3, states.shape[1]))):
        slopes, along = system.rhs_and_jvp(0.5, states, tangents)
        np.testing.assert_allclose(slopes, system.rhs(0.5, states), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(along, system.jvp(0.5, states, tangents), rtol=1e-12, atol=1e-12)
