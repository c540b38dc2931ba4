"""Each warning of a spectrum is said where it is due, and only there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from analysis_standins import Lorenz, StandIn, linear, planar, planar_matrix, van_der_pol
from perfect_model import perfect_model

import physode
from physode import systems
from physode.analysis.lyapunov import lyapunov_spectrum


def checks(found):
    return json.loads(found.attrs["checks"])


def test_a_step_that_is_too_large_does_not_add_up():
    coarse = lyapunov_spectrum(Lorenz(), step=0.06, n_trajectories=16, duration=60.0)
    assert checks(coarse)["divergence_gap"] > 0.05
    assert "the exponents do not add up to the mean divergence" in coarse.attrs["warnings"]
    fine = lyapunov_spectrum(Lorenz(), step=0.02, n_trajectories=16, duration=20.0)
    assert checks(fine)["divergence_gap"] == pytest.approx(0.0018, abs=0.001)
    assert "do not add up" not in fine.attrs["warnings"]


def test_a_wrong_tangent_shows_in_the_missing_zero():
    right = van_der_pol(1.0)
    wrong = StandIn("wrong tangent", "xy", right._rhs, lambda z: right._jacobian(z) + 0.5 * np.eye(2), spread=2.0)
    settings = {"n_trajectories": 4, "duration": 250.0, "transient": 30.0}
    assert "no exponent is zero (smallest 0.5" in lyapunov_spectrum(wrong, **settings).attrs["warnings"]
    assert "no exponent is zero" not in lyapunov_spectrum(right, **settings).attrs["warnings"]


@pytest.mark.parametrize(("turn", "told"), [(0.0, False), (20.0, True)])
def test_exponents_that_go_on_changing_are_told(turn, told):
    """The rate goes from -0.5 to -1.5 with the clock that is the second state, or stays."""

    def rate(z):
        return 1.0 + 0.5 * np.tanh(0.05 * (z[:, 1] - 150.0)) * (turn > 0)

    slow = StandIn(
        "slow change",
        "xc",
        lambda z: planar(z, np.sin(z[:, 1]) - rate(z) * z[:, 0], 1.0),
        lambda z: planar_matrix(z, -rate(z), np.cos(z[:, 1]), 0.0, 0.0),
    )
    found = lyapunov_spectrum(slow, initial_states=np.zeros((4, 2)), duration=300.0, transient=0.0)
    assert ("not settled: the two halves of the run differ by" in found.attrs["warnings"]) is told
    assert checks(found)["half_drift"] == pytest.approx(0.83 if told else 0.0, abs=0.1)


@pytest.mark.parametrize(("rates", "told"), [([1.0, 0.6, -0.2, -1.4], True), ([1.0, 0.6, -0.6, -1.0], False)])
def test_volume_that_is_kept_without_pairs_is_told(rates, told):
    found = lyapunov_spectrum(linear(np.diag(rates)), initial_states=np.zeros((4, 4)), duration=200.0, transient=30.0)
    assert checks(found)["pairing_gap"] == pytest.approx(0.4 if told else 0.0, abs=1e-4)
    assert ("the exponents do not pair as a Hamiltonian flow's must (gap 0.4)" in found.attrs["warnings"]) is told


def test_pairs_of_a_chaotic_hamiltonian_flow():
    start = {"x": 0.0, "y": -0.15, "px": 0.541, "py": 0.0}  # energy 0.155 within 2 per cent
    found = lyapunov_spectrum(systems.get("henon-heiles"), initial_states=start, duration=400.0, transient=0.0)
    assert checks(found)["pairing_gap"] < 1e-2
    assert "do not pair" not in found.attrs["warnings"]


def test_what_diverged_says_nothing_of_the_size_of_the_others():
    circle = linear([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    start = [[1.0, 0.0, 0.0], [1.0, 0.0, 1e-12]]  # the second leaves the circle during the run
    found = lyapunov_spectrum(circle, initial_states=start, duration=80.0, transient=0.0)
    assert found.attrs["warnings"].startswith("1 of 2 trajectories diverged")
    assert "not on an attractor" not in found.attrs["warnings"]
    assert checks(found)["extent_ratio"] == pytest.approx(1.0, rel=0.01)


def test_the_phase_of_a_drive_needs_no_zero_among_the_states():
    driven = lyapunov_spectrum(systems.get("forced-oscillator"), n_trajectories=2, duration=150.0, transient=50.0)
    assert checks(driven)["driven"] is True
    assert driven.lyapunov_exponent.max() < -0.01
    assert "no exponent is zero" not in driven.attrs["warnings"]
    assert checks(lyapunov_spectrum(van_der_pol(1.0), n_trajectories=2, duration=5.0, transient=1.0))["driven"] is False


def test_motion_beside_one_huge_state_is_no_rest():
    equations = {"x": "10*(y - x)", "y": "x*(28 - z) - y", "z": "x*y - 8/3*z", "pressure": "-2*(pressure - p)"}
    field = systems.define("pressed", equations, {"p": 1e9}, ranges={"x": (-9, 9), "y": (-9, 9), "z": (9, 30), "pressure": (0.9e9, 1.1e9)})
    start = {"x": [1.0, 2.0], "y": 1.0, "z": 20.0, "pressure": 1e9}
    found = lyapunov_spectrum(field, initial_states=start, step=0.02, duration=10.0, transient=2.0)
    assert checks(found)["n_at_rest"] == checks(found)["n_at_rest_before"] == 0
    assert "fixed point" not in found.attrs["warnings"]


@pytest.mark.parametrize(("friction", "told"), [("sign(v)", True), ("tanh(20*v)", False)])
def test_jumps_that_no_tangent_sees_are_told(friction, told):
    dry = systems.define("dry", {"x": "v", "v": f"-x - 0.1*{friction} + 2*cos(t)"})
    found = lyapunov_spectrum(dry, n_trajectories=2, duration=5.0, transient=1.0)
    assert found.attrs["warnings"].count("the right-hand side jumps") == told


def test_learned_parameters_of_less_than_float64_are_told():
    _, model = perfect_model()
    assert model.dtype == np.float64
    settings = {"n_trajectories": 2, "duration": 10.0, "transient": 5.0}
    assert "float32" not in lyapunov_spectrum(model, **settings).attrs["warnings"]
    _, coarse = perfect_model()
    coarse.module_.float()
    found = lyapunov_spectrum(coarse, **settings)
    assert "the learned parameters are float32" in found.attrs["warnings"]
    np.testing.assert_allclose(found.lyapunov_exponent, lyapunov_spectrum(model, **settings).lyapunov_exponent, atol=1e-6)


def test_a_hamiltonian_model_in_float32_is_evaluated_and_told():
    record = systems.get("pendulum-canonical").simulate(np.linspace(0, 3, 30), n_trajectories=2, seed=0)
    model = physode.HamiltonianNeuralODE(hidden=(4,), max_iterations=1).fit(record, seed=0)
    z = model.sample_states(3, 0)
    exact = model.rhs(0.0, z)
    again = physode.HamiltonianNeuralODE(hidden=(4,), max_iterations=1).fit(record, seed=0)
    again.module_.float()
    assert again.dtype == np.float32
    np.testing.assert_allclose(again.rhs(0.0, z), exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
    found = lyapunov_spectrum(again, n_trajectories=2, duration=2.0, transient=0.0)
    assert "the learned parameters are float32" in found.attrs["warnings"]
