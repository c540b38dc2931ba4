"""Equations found again, from exact fields, disturbed ones and fitted networks."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis import distill, term_library
from physode.errors import DataError, PhysodeError

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

    def __init__(self, system, size):
        self.system, self.size = system, size
        self.name, self.states, self.units, self.time_scale = system.name, system.states, system.units, system.time_scale
        self.scale = system.sample_states(100, 0).std(axis=0)
        self.rate = system.rhs(0.0, system.sample_states(100, 0)).std(axis=0)

    def rhs(self, t, z):
        wave = np.sin(1.7 * z / self.scale + 0.4).sum(axis=1, keepdims=True)
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


def test_the_loop_closes_to_a_system_that_simulates():
    lorenz = systems.get("lorenz")
    result = distill(lorenz)
    equations = dict(zip(result.state.values.tolist(), result.equation.values.tolist(), strict=True))
    again = systems.define("distilled", equations=equations, initial_state={"x": 1.0, "y": 1.0, "z": 20.0})
    states = lorenz.sample_states(50, 3)
    np.testing.assert_allclose(again.rhs(0.0, states), lorenz.rhs(0.0, states), rtol=1e-4, atol=1e-4)


def test_a_field_outside_the_library_is_told_by_its_r2_and_met_by_more_terms():
    odd = systems.define("odd", equations={"x": "exp(-2*x) - 0.5"}, initial_state={"x": 1.0}, ranges={"x": (-2.0, 2.0)})
    poor = distill(odd, degree=1)
    assert poor.r2.item() < 0.9
    rich = distill(odd, degree=1, extra={"exp(-2*x)": lambda z: np.exp(-2 * z[:, 0])})
    assert rich.equation.item() == "-0.5 + exp(-2*x)"
    with pytest.raises(DataError, match="the term 'log\\(x\\)' is not finite"):
        distill(odd, extra={"log(x)": lambda z: np.log(np.where(z[:, 0] > 0, z[:, 0], np.nan))})


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


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model", "observe"), [("lotka-volterra", "node", None), ("pendulum", "sonode", ["theta"])])
def test_fitted_networks_give_the_right_terms_within_a_percent(name, model, observe):
    from physode import models

    system = systems.get(name)
    record = system.simulate(np.linspace(0, 10, 101), n_trajectories=10, observe=observe, seed=0)
    fitted = models.get(model).fit(record, seed=0)
    exact = EXACT.get(name) or {"theta": {"omega": 1}, "omega": {"sin(theta)": -9.81}}
    terms = found_terms(distill(fitted))
    for state, expected in exact.items():
        assert terms[state] == pytest.approx(expected, rel=0.01)
