"""The characteristic time, where a card's own formula gives none."""

import numpy as np
import pytest

from physode import systems


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("harmonic-oscillator", {"omega": 4.0}, 0.25),
        ("harmonic-oscillator", {"omega": -4.0}, 0.25),
        ("harmonic-oscillator", {"omega": 0.0}, 1.0),
        ("pendulum", {"gravity": 0.0}, 1.0),
        ("forced-van-der-pol", {"mu": 0.0}, 1.0),
    ],
)
def test_a_named_time_that_is_no_positive_number_is_estimated(name, parameters, expected):
    assert systems.get(name, **parameters).time_scale == pytest.approx(expected, rel=1e-9)


def test_the_estimate_is_that_of_the_eigenvalues():
    duffing = systems.get("duffing", alpha=-1.0, beta=1.0)
    x = np.concatenate([duffing.initial_array(), duffing.sample_states(64)])[:, 0]
    assert duffing.time_scale == pytest.approx(1 / np.median(np.sqrt(np.abs(3 * x**2 - 1))), rel=0.05)


def test_states_without_a_finite_derivative_are_left_out_of_the_estimate():
    tank = systems.define("tank", {"h": "-sqrt(h)"}, initial_state={"h": 0.0}, ranges={"h": (-1.0, 1.0)})
    h = tank.sample_states(64)
    assert tank.time_scale == pytest.approx(np.median(2 * np.sqrt(h[h > 0])), rel=0.05)
