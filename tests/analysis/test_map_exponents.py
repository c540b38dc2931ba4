"""Exponents of iterated maps that are known exactly, or to many digits."""

import numpy as np
import pytest

from physode import systems
from physode.analysis import map_exponents
from physode.errors import PhysodeError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "expected", "exact", "dimension"),
    [
        ("logistic", [np.log(2)], 1e-3, 1.0),
        ("arnold-cat", [np.log((3 + 5**0.5) / 2), -np.log((3 + 5**0.5) / 2)], 1e-10, 2.0),
        ("henon", [0.41922, -1.62319], 2e-5, 1.25827),
    ],
)
def test_exponents_of_the_literature(name, expected, exact, dimension):
    found = map_exponents(systems.iterated_map(name), n_steps=5000)
    assert (np.abs(found.lyapunov_exponent - expected) < 3 * found.standard_error + exact).all()
    assert found.standard_error.max() < 2e-3
    assert found.kaplan_yorke_dimension == pytest.approx(dimension, abs=1e-3)


def test_the_sum_is_the_logarithm_of_the_determinant():
    found = map_exponents(systems.iterated_map("henon", b=0.2, a=1.2), n_steps=100, n_trajectories=4)
    assert float(found.lyapunov_exponent.sum()) == pytest.approx(np.log(0.2), abs=1e-12)


def test_a_stable_cycle_has_the_exponent_of_its_multiplier():
    found = map_exponents(systems.iterated_map("logistic", r=3.2), n_steps=100, transient=500)
    multiplier = 4 + 2 * 3.2 - 3.2**2
    assert found.lyapunov_exponent.item() == pytest.approx(np.log(multiplier) / 2, abs=1e-9)
    assert found.kaplan_yorke_dimension == 0.0


def test_derivatives_of_a_step():
    henon = systems.iterated_map("henon")
    states = henon.sample_states(5, seed=1)
    tangents = np.random.default_rng(0).normal(size=(5, 2))
    difference = (henon.step(states + 1e-6 * tangents) - henon.step(states - 1e-6 * tangents)) / 2e-6
    np.testing.assert_allclose(henon.jvp(states, tangents), difference, atol=1e-9)
    np.testing.assert_allclose(np.einsum("bij,bj->bi", henon.jacobian(states), tangents), difference, atol=1e-9)
    assert not np.array_equal(states, henon.sample_states(5, seed=2))


def test_wrong_requests_are_told():
    with pytest.raises(UnknownNameError, match="did you mean 'henon'"):
        systems.iterated_map("henom")
    with pytest.raises(UnknownNameError, match="parameter of henon"):
        systems.iterated_map("henon", c=1.0)
    with pytest.raises(PhysodeError, match="all trajectories of 'logistic' diverge"):
        map_exponents(systems.iterated_map("logistic", r=5.0))
    with pytest.raises(PhysodeError, match="n_steps is 5; give a whole number, 10 or more"):
        map_exponents(systems.iterated_map("henon"), n_steps=5)
    with pytest.raises(PhysodeError, match="takes an iterated map, .* found the flow 'lorenz'"):
        map_exponents(systems.get("lorenz"))
    with pytest.raises(PhysodeError, match="found a list"):
        map_exponents([1.0])


def test_several_maps_lie_side_by_side():
    maps = {name: systems.iterated_map(name) for name in ("henon", "logistic")}
    both = map_exponents(maps, n_steps=20, n_trajectories=2)
    for name, iterated in maps.items():
        alone = map_exponents(iterated, n_steps=20, n_trajectories=2).lyapunov_exponent
        np.testing.assert_array_equal(both.lyapunov_exponent.sel(model=name, exponent=alone.exponent), alone)
