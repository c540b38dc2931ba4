"""Conserved quantities found where there are some, and none claimed where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from physode import systems
from physode.analysis import find_invariant
from physode.analysis.invariant_basis import slowest
from physode.errors import DataError


def correlation(system, found, k=0, name="energy"):
    """Correlate what was found with the system's own quantity at the same states, between trajectories."""
    states = np.stack([found[state].values.ravel() for state in system.states], axis=1)
    true = system.energy(states) if name == "energy" else system.invariants[name](states)
    return abs(np.corrcoef(found.invariant_value[k].values.ravel(), true)[0, 1])


@pytest.mark.parametrize(
    ("name", "degree", "quantity"),
    [("harmonic-oscillator", 4, "energy"), ("pendulum", 2, "energy"), ("henon-heiles", 3, "energy"), ("lotka-volterra", 1, "V")],
)
def test_the_invariant_of_a_system_is_found(name, degree, quantity):
    system = systems.get(name)
    found = find_invariant(system, degree=degree)
    assert int(found.n_independent) == 1
    assert correlation(system, found, name=quantity) > 1 - 1e-12
    assert float(found.variation[0]) < 1e-7
    assert float(found.p_value[0]) == pytest.approx(1 / 40)
    assert float(found.rate_ratio[0]) < 1e-9 < 0.3 < float(found.null_ratio.min())
    assert found.sizes["trajectory"] == 20


def test_formula_and_coefficients_are_those_of_the_energy():
    found = find_invariant(systems.get("duffing", beta=0.5), degree=4)
    assert found.formula.values.tolist() == ["x**2 + v**2 + 0.25*x**4"]
    assert found.coefficient.sel(term="x**4").item() == pytest.approx(0.25, rel=1e-6)
    assert found.best_variation.values[:3].min() > 0.05 > 1e-6 > float(found.best_variation[3])
    rescaled = find_invariant(systems.get("harmonic-oscillator", omega=3.0), degree=2)
    ratio = rescaled.coefficient.sel(term="x**2") / rescaled.coefficient.sel(term="v**2")
    assert float(ratio[0]) == pytest.approx(9.0, rel=1e-6)


@pytest.mark.parametrize(("centre", "expected"), [(1000, "(x - 1000)**2 + v**2"), (-300_000, "(x + 300000)**2 + v**2")])
def test_it_does_not_matter_where_the_zero_of_a_state_lies(centre, expected):
    ranges = {"x": (centre - 2, centre + 2), "v": (-2.0, 2.0)}
    found = find_invariant(systems.define("far", {"x": "v", "v": "-(x - c)"}, {"c": centre}, ranges=ranges), degree=2)
    assert found.formula.values.tolist() == [expected]
    assert float(found.variation[0]) < 1e-6


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("damped-oscillator", {}),
        ("damped-oscillator", {"gamma": 0.01}),
        ("lorenz", {}),
        ("van-der-pol", {}),
        ("van-der-pol", {"mu": 0.05}),
        ("damped-pendulum", {}),
        ("rossler", {}),
    ],
)
def test_none_is_claimed_where_there_is_none(name, parameters):
    found = find_invariant(systems.get(name, **parameters), degree=3, n_trajectories=36)
    assert int(found.n_independent) == 0
    assert found.formula.values.tolist() == []
    assert found.invariant_value.sizes == {"invariant": 0, "trajectory": 12, "time": 61}
    assert float(found.best_variation.min()) > 0.1


def test_slow_decay_is_told_from_conservation_by_the_tolerance():
    slow = systems.get("damped-oscillator", gamma=0.01)
    assert int(find_invariant(slow, degree=2).n_independent) == 0
    assert int(find_invariant(slow, degree=2, tolerance=0.3).n_independent) == 1
    assert int(find_invariant(slow, degree=2, duration=0.5).n_independent) == 1  # too short to see it


def test_functions_of_what_is_known_are_not_counted_again():
    pair = systems.get("coupled-oscillators", coupling=0.3)
    found = find_invariant(pair, degree=4, n_trajectories=30)
    assert int(found.n_independent) == 2  # the energies of the two modes; at degree 4 also their products
    values = found.invariant_value.values.reshape(2, -1)
    states = np.stack([found[state].values.ravel() for state in pair.states], axis=1)
    energy = pair.energy(states)
    fitted = np.linalg.lstsq(np.vstack([values, np.ones(values.shape[1])]).T, energy, rcond=None)[0]
    np.testing.assert_allclose(fitted @ np.vstack([values, np.ones(values.shape[1])]), energy, atol=1e-7)


def test_momenta_angular_momentum_and_energy_of_two_bodies():
    bodies = systems.get("two-body")
    rng = np.random.default_rng(0)
    angle, drift = rng.uniform(0, 2 * np.pi, 60), rng.standard_normal((60, 4))
    speed = np.sqrt(0.25) * rng.uniform(0.6, 1.2, 60)
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    turn = speed[:, None] * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    push = 0.1 * drift[:, 2:]
    states = np.concatenate([place + drift[:, :2], -place + drift[:, :2], turn + push, push - turn], axis=1)
    whole = find_invariant(
        bodies, states=states, degree=2, duration=10.0, extra={"1/r": lambda z: 1 / np.hypot(z[:, 0] - z[:, 2], z[:, 1] - z[:, 3])}
    )
    assert sorted(whole.formula.values.tolist()[:2]) == ["px1 + px2", "py1 + py2"]
    assert int(whole.n_independent) == 5  # and the angular momentum about the centre, that of the centre, the energy
    basis = np.vstack([whole.invariant_value.values.reshape(5, -1), np.ones(whole.sizes["trajectory"] * 61)])
    momenta = basis[:2]
    basis = np.vstack([basis, momenta[0] ** 2, momenta[1] ** 2, momenta[0] * momenta[1]])
    z = np.stack([whole[state].values.ravel() for state in bodies.states], axis=1)
    for true in (bodies.energy(z), bodies.invariants["angular_momentum"](z)):
        left = true - np.linalg.lstsq(basis.T, true, rcond=None)[0] @ basis
        assert np.abs(left).max() < 1e-5 * true.std()


def test_a_state_that_never_changes_is_an_invariant():
    turning = systems.define(
        "central", {"r": "p", "p": "L**2/r**3 - r", "L": "0"}, initial_state={"r": 1.0, "p": 0.3, "L": -1.0}, ranges={"L": (-1.2, -0.8)}
    )
    found = find_invariant(turning, degree=1)
    assert found.formula.values.tolist()[0] == "L"


def test_a_library_that_fits_anything_claims_nothing():
    noise = np.random.default_rng(0).standard_normal((400, 120))
    ratio, coefficients = slowest(noise[:100], np.random.default_rng(1).standard_normal((100, 120)))
    assert ratio[0] < 0.05  # where there are more terms than states the search always succeeds on its own states
    assert coefficients.shape[1] == 120
    rich = {f"sin({k}*x)": lambda z, k=k: np.sin(k * z[:, 0]) for k in range(2, 40)}
    found = find_invariant(systems.get("damped-oscillator"), degree=1, extra=rich, n_trajectories=30)
    assert int(found.n_independent) == 0


def test_what_can_not_be_searched_is_told():
    away = systems.define("away", equations={"x": "v", "v": "x**3"}, initial_state={"x": 1.0, "v": 1.0})
    with pytest.raises(DataError, match="trajectories of 'away' can be followed"):
        find_invariant(away, n_trajectories=12)
    with pytest.raises(DataError, match=r"only 5 trajectories of 'harmonic-oscillator' can be followed .*, of 5; .* more n_trajectories="):
        find_invariant(systems.get("harmonic-oscillator"), n_trajectories=5)
    states = np.zeros((12, 2))
    with pytest.raises(DataError, match=r"the term '1/x' is not finite along the trajectories"):
        find_invariant(systems.get("harmonic-oscillator"), states=states, extra={"1/x": lambda z: 1 / z[:, 0]})


@pytest.mark.slow
@pytest.mark.parametrize("model", ["node", "hnn"])
def test_the_energy_is_found_in_fits_of_a_pendulum(model):
    from physode import models

    pendulum = systems.get("pendulum")
    record = pendulum.simulate(np.linspace(0, 8, 101), n_trajectories=8, seed=0)
    found = find_invariant(models.get(model).fit(record, seed=0), degree=3)
    assert int(found.n_independent) == 1
    assert correlation(pendulum, found) > 0.999
    assert float(found.variation[0]) < 0.005


@pytest.mark.slow
def test_none_is_claimed_for_a_fit_of_a_damped_oscillator():
    from physode import models

    record = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 101), n_trajectories=5, seed=0)
    assert int(find_invariant(models.get("node").fit(record, seed=0)).n_independent) == 0
