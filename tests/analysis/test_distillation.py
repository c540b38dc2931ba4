"""Equations found again, from exact fields, disturbed ones and fitted networks."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis import (
    distill,
    distilled_system,
    find_invariant,
    fixed_points,
    nullclines,
    periodic_orbit,
    phase_plane,
    term_library,
)
from physode.errors import DataError, PhysodeError
from physode.trajectories.unit_algebra import multiply_units, units_of_term

EXACT = {
    "lorenz": {"x": {"x": -10, "y": 10}, "y": {"x": 28, "y": -1, "x*z": -1}, "z": {"z": -8 / 3, "x*y": 1}},
    "lotka-volterra": {"x": {"x": 2 / 3, "x*y": -4 / 3}, "y": {"y": -1, "x*y": 1}},
    "damped-pendulum": {"theta": {"omega": 1}, "omega": {"omega": -0.2, "sin(theta)": -9.81}},
    "van-der-pol": {"x": {"v": 1}, "v": {"x": -1, "v": 1, "x**2*v": -1}},
    "cubic-spiral": {"x": {"x**3": -0.1, "y**3": 2}, "y": {"x**3": -2, "y**3": -0.1}},
    "harmonic-oscillator": {"x": {"v": 1}, "v": {"x": -1}},
}


def found_terms(result):
    names = [str(term) for term in result.term.values]
    rows = zip(result.state.values.tolist(), result.coefficient.values.tolist(), strict=True)
    return {state: {name: c for name, c in zip(names, row, strict=True) if c != 0} for state, row in rows}


@pytest.mark.parametrize("name", EXACT)
def test_systems_are_written_as_they_are(name):
    result = distill(systems.get(name))
    terms = found_terms(result)
    assert {s: set(t) for s, t in terms.items()} == {s: set(t) for s, t in EXACT[name].items()}
    for state, expected in EXACT[name].items():
        assert terms[state] == pytest.approx(expected, rel=1e-8)
    assert float(result.r2.min()) == pytest.approx(1.0, abs=1e-12)
    assert float(result.relative_error.max()) < 1e-9


class Disturbed:
    """A field with a smooth error, such as a network has."""

    def __init__(self, system, size, frequency=1.7):
        self.system, self.size, self.frequency = system, size, frequency
        self.name, self.states, self.units, self.time_scale = system.name, system.states, system.units, system.time_scale
        self.scale = system.sample_states(100, 0).std(axis=0)
        self.rate = system.rhs(0.0, system.sample_states(100, 0)).std(axis=0)

    def rhs(self, t, z):
        wave = np.sin(self.frequency * z / self.scale + 0.4).sum(axis=1, keepdims=True)
        return self.system.rhs(t, z) + self.size * self.rate * wave

    def sample_states(self, n, seed):
        return self.system.sample_states(n, seed)


@pytest.mark.parametrize("name", ["lorenz", "lotka-volterra", "damped-pendulum"])
def test_a_smooth_error_of_a_thousandth_changes_no_term(name):
    result = distill(Disturbed(systems.get(name), 1e-3), tolerance=3e-3)
    terms = found_terms(result)
    for state, expected in EXACT[name].items():
        assert terms[state] == pytest.approx(expected, rel=0.05)
    assert 1e-5 < float(result.relative_error.max()) < 5e-3
    finer = found_terms(distill(Disturbed(systems.get(name), 1e-3), tolerance=1e-6))
    assert sum(map(len, finer.values())) >= sum(map(len, terms.values()))


def test_errors_of_the_slope_that_the_trajectories_do_not_have_change_no_coefficient():
    rough = Disturbed(systems.get("lorenz"), 0.01, frequency=40.0)
    result = distill(rough, tolerance=0.01)
    assert float(result.relative_error.max()) > 0.008
    terms = found_terms(result)
    for state, expected in EXACT["lorenz"].items():
        assert terms[state] == pytest.approx(expected, rel=5e-3)


def test_the_loop_closes_to_a_system_that_simulates():
    pendulum = systems.get("damped-pendulum")
    again = distilled_system(distill(pendulum))
    states = pendulum.sample_states(50, 3)
    np.testing.assert_allclose(again.rhs(0.0, states), pendulum.rhs(0.0, states), rtol=1e-7, atol=1e-7)
    assert dict(again.units) == dict(pendulum.units)
    assert again.role("omega") == "velocity"
    time = np.linspace(0, 5, 51)
    run = again.simulate(time, {"theta": 2.0, "omega": 0.0})
    np.testing.assert_allclose(run.theta, pendulum.simulate(time, {"theta": 2.0, "omega": 0.0}).theta, atol=1e-6)
    assert (np.abs(again.sample_states(100, 0)) <= np.abs(states).max(axis=0) * 1.3).all()
    equations = dict(zip(distill(pendulum).state.values.tolist(), distill(pendulum).equation.values.tolist(), strict=True))
    assert equations == {"theta": "omega", "omega": "-0.2*omega - 9.81*sin(theta)"}


def test_coefficients_carry_units():
    found = distill(systems.get("damped-pendulum"), degree=1, extra={"tanh(theta)": lambda z: np.tanh(z[:, 0])})
    units = found.coefficient_units.sel(state="omega")
    assert found.units.values.tolist() == ["rad s-1", "rad s-2"]
    assert units.sel(term="sin(theta)").item() == "rad s-2"
    assert units.sel(term="omega").item() == "s-1"
    assert units.sel(term="1").item() == "rad s-2"
    assert units.sel(term="tanh(theta)").item() == ""
    assert units_of_term("x**2*p", {"x": "m", "p": "kg m s-1"}) == "m3 kg s-1"
    assert multiply_units(("m", 2), ("m-2", 1)) == "1"
    assert multiply_units(("degrees C/2", 1)) is None


def test_a_field_outside_the_library_is_told_by_its_r2_and_met_by_more_terms():
    odd = systems.define("odd", equations={"x": "exp(-2*x) - 0.5"}, initial_state={"x": 1.0}, ranges={"x": (-2.0, 2.0)})
    poor = distill(odd, degree=1)
    assert poor.r2.item() < 0.9
    rich = distill(odd, degree=1, extra={"exp(-2*x)": lambda z: np.exp(-2 * z[:, 0])})
    assert rich.equation.item() == "-0.5 + exp(-2*x)"
    with pytest.raises(DataError, match="the term 'log\\(x\\)' is not finite"):
        distill(odd, extra={"log(x)": lambda z: np.log(np.where(z[:, 0] > 0, z[:, 0], np.nan))})


def test_a_field_with_kinks_is_written_as_it_is_though_all_windows_of_a_length_meet_one():
    kinks = {"abs(x+1)": lambda z: np.abs(z[:, 0] + 1), "abs(x-1)": lambda z: np.abs(z[:, 0] - 1)}
    assert found_terms(distill(systems.get("chua"), extra=kinks))["x"] == pytest.approx(
        {"x": -18 / 7, "y": 9, "abs(x+1)": 27 / 14, "abs(x-1)": -27 / 14}, rel=1e-8
    )


def test_a_field_that_cannot_be_followed_is_told():
    fast = Disturbed(systems.get("harmonic-oscillator"), 0.0)
    fast.time_scale = 3000.0
    with pytest.raises(DataError, match="'harmonic-oscillator' cannot be followed from any of the states, however briefly"):
        distill(fast, states=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize("n_terms", [14, 15])
def test_equations_may_have_many_terms(n_terms):
    terms = list(term_library(systems.get("van-der-pol"), degree=4))[:n_terms]
    expected = {term: (-1) ** k * (10 + k) / 100 for k, term in enumerate(terms)}
    equations = {"x": " + ".join(f"({c})*{term}" for term, c in expected.items()), "v": "-v"}
    many = systems.define("many", equations, initial_state={"x": 0.5, "v": 0.5}, ranges={"x": (-1, 1), "v": (-1, 1)})
    assert found_terms(distill(many, degree=4, n_states=300))["x"] == pytest.approx(expected, rel=1e-8)


def test_given_states_are_used_and_a_field_at_rest_has_no_terms():
    cubic = systems.define("cubic", equations={"x": "x + x**3"}, initial_state={"x": 1.0})
    near = distill(cubic, states=np.linspace(-1e-6, 1e-6, 300)[:, None])
    assert near.equation.item() == "x"
    still = systems.define("still", equations={"x": "0*x"}, initial_state={"x": 1.0})
    assert distill(still).equation.item() == "0"


def test_library_of_terms():
    lorenz = systems.get("lorenz")
    terms = term_library(lorenz, degree=2, extra={"tanh(x)": lambda z: np.tanh(z[:, 0])})
    assert list(terms) == ["1", "x", "y", "z", "x**2", "x*y", "x*z", "y**2", "y*z", "z**2", "tanh(x)"]
    z = np.array([[2.0, 3.0, 5.0]])
    assert [float(f(z)[0]) for f in list(terms.values())[:-1]] == [1, 2, 3, 5, 4, 6, 10, 9, 15, 25]
    with pytest.raises(PhysodeError, match="degree is -1"):
        term_library(lorenz, degree=-1)
    with pytest.raises(PhysodeError, match="degree 20 in 3 states makes 1771 terms, more than 1000"):
        distill(lorenz, degree=20)


FITS = {
    "lotka-volterra-node": ("lotka-volterra", "node", None, np.linspace(0, 10, 101), 5),
    "pendulum-sonode": ("pendulum", "sonode", ["theta"], np.linspace(0, 5, 101), 5),
    "damped-oscillator-node": ("damped-oscillator", "node", None, np.linspace(0, 10, 101), 5),
    "damped-oscillator-sonode": ("damped-oscillator", "sonode", ["x"], np.linspace(0, 10, 101), 5),
    "lorenz-node": ("lorenz", "node", None, np.linspace(0, 2, 101), 5),
}
EXACT |= {
    "pendulum": {"theta": {"omega": 1}, "omega": {"sin(theta)": -9.81}},
    "damped-oscillator": {"x": {"v": 1}, "v": {"x": -1, "v": -0.2}},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", FITS)
def test_record_to_network_to_equation_to_simulation(case):
    from physode import models

    name, model, observe, time, n = FITS[case]
    system = systems.get(name)
    fitted = models.get(model).fit(system.simulate(time, n_trajectories=n, observe=observe, seed=0), seed=0)
    result = distill(fitted)
    terms = found_terms(result)
    assert terms.keys() == EXACT[name].keys()
    for state, expected in EXACT[name].items():
        assert terms[state] == pytest.approx(expected, rel=0.01)
    assert float(result.r2.min()) > 0.999
    again = distilled_system(result)
    start = {state: float(value) for state, value in zip(system.states, system.sample_states(1, 7)[0], strict=True)}
    short = np.linspace(0, 10 * system.time_scale, 51)
    found, true = again.simulate(short, start), system.simulate(short, start)
    for state in system.states:
        assert float(abs(found[state] - true[state]).max()) < 0.03 * float(true[state].std())


@pytest.mark.parametrize("analysis", [distill, phase_plane, nullclines, fixed_points, find_invariant])
def test_a_field_that_is_driven_in_time_is_not_read_at_one_time(analysis):
    with pytest.raises(DataError, match="for a field that depends on its states alone, and 'forced-oscillator' is driven in time"):
        analysis(systems.get("forced-oscillator"))
    with pytest.raises(DataError, match="a periodic orbit is found for a field that depends on its states alone"):
        periodic_orbit(systems.get("forced-oscillator"), [1.0, 0.0])
