"""Exponents that are known exactly, and the warnings that go with bad runs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from analysis_standins import Lorenz, StandIn, linear, lotka_volterra, pendulum, van_der_pol

from physode.analysis.lyapunov import kaplan_yorke_dimension, lyapunov_spectrum
from physode.analysis.tangents import TangentStepper, choose_step, random_frame
from physode.errors import PhysodeError


@pytest.fixture(scope="module")
def lorenz():
    return lyapunov_spectrum(Lorenz(), history=True)


def test_lorenz_with_defaults_agrees_with_the_literature(lorenz):
    found, error = lorenz.lyapunov_exponent.values, lorenz.standard_error.values
    assert (np.abs(found - [0.9056, 0.0, -14.5723]) < 3 * error).all()
    assert error.max() <= 0.01
    assert lorenz.kaplan_yorke_dimension == pytest.approx(2.0621, abs=2e-3)
    assert lorenz.mean_divergence == pytest.approx(-41 / 3, abs=1e-9)
    assert lorenz.attrs["warnings"] == "none"
    checks = json.loads(lorenz.attrs["checks"])
    assert checks["chaotic"] is True
    assert checks["divergence_gap"] < 1e-3
    assert lorenz.lyapunov_exponent.attrs["units"] == "s-1"


def test_running_history_ends_at_the_result(lorenz):
    np.testing.assert_allclose(lorenz.running_exponent.isel(time=-1), lorenz.lyapunov_exponent, rtol=1e-12)
    np.testing.assert_allclose(lorenz.trajectory_exponent.mean("trajectory"), lorenz.lyapunov_exponent, rtol=1e-12)
    assert lorenz.time[-1] == pytest.approx(lorenz.duration + lorenz.transient)
    between = lorenz.trajectory_exponent.std("trajectory", ddof=1) / np.sqrt(64)
    assert (between <= lorenz.standard_error * (1 + 1e-12)).all()


def test_no_false_zero_at_a_stable_fixed_point():
    found = lyapunov_spectrum(Lorenz(rho=20.0), n_trajectories=8, transient=90.0, duration=40.0)
    np.testing.assert_allclose(found.lyapunov_exponent, [-0.154792, -0.154792, -13.357083], atol=5e-4)
    assert "fixed point reached by all trajectories" in found.attrs["warnings"]
    assert "longer transient" not in found.attrs["warnings"]
    assert found.kaplan_yorke_dimension == 0.0


@pytest.mark.parametrize(
    ("matrix", "expected", "tolerance"),
    [
        ([[-0.1, 2], [-2, -0.1]], [-0.1, -0.1], 1e-5),
        ([[0.1, 0], [0, -0.4]], [0.1, -0.4], 1e-6),
        ([[0, 1], [-1, -0.2]], [-0.1, -0.1], 1e-3),
        ([[0, 1], [-1, -4]], [-2 + 3**0.5, -2 - 3**0.5], 2e-4),
        ([[0, 1], [-1, 0]], [0, 0], 1e-6),
    ],
)
def test_linear_systems_give_the_real_parts_of_their_eigenvalues(matrix, expected, tolerance):
    found = lyapunov_spectrum(linear(matrix), initial_states=np.zeros((4, 2)), duration=200.0, transient=30.0)
    np.testing.assert_allclose(found.lyapunov_exponent, expected, atol=tolerance)
    assert found.mean_divergence == pytest.approx(np.trace(matrix), abs=1e-12)


def test_rk4_damps_the_harmonic_oscillator_as_theory_says():
    found = lyapunov_spectrum(linear([[0, 1], [-1, 0]]), initial_states=[0.0, 0.0], step=0.5, duration=500.0)
    np.testing.assert_allclose(found.lyapunov_exponent, -(0.5**5) / 144, rtol=0.06)


@pytest.mark.parametrize(("mu", "exponent"), [(1.0, -1.059377), (2.0, -2.382560)])
def test_van_der_pol_has_a_zero_and_its_floquet_exponent(mu, exponent):
    found = lyapunov_spectrum(van_der_pol(mu), n_trajectories=16, duration=200.0, transient=40.0)
    np.testing.assert_allclose(found.lyapunov_exponent, [0, exponent], atol=4e-3)
    assert found.kaplan_yorke_dimension == pytest.approx(1.0, abs=1e-3)
    assert json.loads(found.attrs["checks"])["chaotic"] is False


@pytest.mark.parametrize(("dynamics", "start"), [(pendulum(), [1.0, 0.0]), (lotka_volterra(), [1.0, 1.0])])
def test_regular_conservative_motion_has_two_zeros_within_the_logarithmic_bias(dynamics, start):
    found = lyapunov_spectrum(dynamics, initial_states=start, duration=400.0, transient=0.0)
    assert np.abs(found.lyapunov_exponent).max() < 0.015
    assert json.loads(found.attrs["checks"])["chaotic"] is False
    assert found.kaplan_yorke_dimension == 2.0


@pytest.mark.parametrize(
    ("dynamics", "dimension"), [(van_der_pol(0.01), 1.0), (linear([[0, 1], [-1, -0.01]]), 0.0), (linear([[0, 1], [-1, 0]]), 2.0)]
)
def test_weak_damping_is_seen_in_the_dimension(dynamics, dimension):
    found = lyapunov_spectrum(dynamics, n_trajectories=16)
    assert found.kaplan_yorke_dimension == pytest.approx(dimension, abs=0.05)


def test_half_step_repeat_changes_the_exponent_by_the_order_of_the_method():
    found = lyapunov_spectrum(linear([[0, 1], [-1, 0]]), initial_states=[0.0, 0.0], step=0.5, duration=400.0, half_step=True)
    np.testing.assert_allclose(found.lyapunov_exponent / found.half_step_exponent, 32, rtol=0.1)


def test_fewer_exponents_are_the_largest_ones():
    found = lyapunov_spectrum(linear(np.diag([-1.0, 0.3, -3.0])), n_exponents=2, initial_states=np.zeros(3), duration=200.0)
    np.testing.assert_allclose(found.lyapunov_exponent, [0.3, -1.0], atol=1e-5)
    assert "divergence_gap" not in json.loads(found.attrs["checks"])


def test_seed_and_number_of_trajectories_matter_and_repeat():
    short = {"duration": 5.0, "transient": 2.0}
    one, same = (lyapunov_spectrum(Lorenz(), n_trajectories=3, seed=1, **short) for _ in range(2))
    other = lyapunov_spectrum(Lorenz(), n_trajectories=3, seed=2, **short)
    assert one.identical(same)
    assert not np.allclose(one.lyapunov_exponent, other.lyapunov_exponent, rtol=1e-6)
    assert one.attrs["n_trajectories"] == 3


def test_diverging_trajectories_are_left_out_and_told():
    up = linear([[1.0, 0], [0, -1.0]])
    found = lyapunov_spectrum(up, initial_states=[[0.0, 1.0], [1.0, 1.0]], duration=60.0, transient=10.0)
    np.testing.assert_allclose(found.lyapunov_exponent, [1, -1], atol=1e-5)
    assert found.attrs["warnings"].startswith("1 of 2 trajectories diverged")
    nothing = lyapunov_spectrum(up, initial_states=[1.0, 1.0], duration=60.0, transient=10.0)
    assert np.isnan(nothing.lyapunov_exponent).all()
    assert np.isnan(nothing.kaplan_yorke_dimension)
    assert nothing.attrs["warnings"].startswith("1 of 1 trajectories diverged")


def test_short_runs_and_slow_decay_are_told():
    short = lyapunov_spectrum(Lorenz(), n_trajectories=4, duration=12.0)
    assert "too short to tell chaos from regular motion" in short.attrs["warnings"]
    regular = lyapunov_spectrum(pendulum(), n_trajectories=4, duration=100.0)
    assert "too short: 100 time scales; use a duration of at least 200." in regular.attrs["warnings"]
    longer = lyapunov_spectrum(Lorenz(), n_trajectories=4, duration=48.0)
    assert "too short: " in longer.attrs["warnings"]
    assert "Lyapunov times" in longer.attrs["warnings"]
    slow = lyapunov_spectrum(linear([[-0.01, 1], [-1, -0.01]]), n_trajectories=4, duration=300.0, transient=10.0)
    assert "not on an attractor" in slow.attrs["warnings"]


def test_initial_states_with_different_exponents_are_told():
    two = StandIn("two wells", ["x"], lambda z: z * (1 - z) * (z + 2), lambda z: (2 - 2 * z - 3 * z**2)[..., None])
    found = lyapunov_spectrum(two, initial_states=np.linspace(-1, 1, 8)[:, None], duration=150.0, transient=30.0)
    assert found.lyapunov_exponent.item() == pytest.approx((-3 * 4 - 6 * 4) / 8, rel=1e-3)
    assert "initial states have different exponents" in found.attrs["warnings"]
    assert "different exponents" not in lyapunov_spectrum(two, initial_states=np.full((8, 1), 0.5), duration=150.0).attrs["warnings"]


def test_float32_fields_are_told():
    coarse = linear([[-1.0, 0], [0, -2.0]])
    coarse.rhs = lambda t, z: (z * [-1, -2]).astype(np.float32)
    found = lyapunov_spectrum(coarse, initial_states=[0.0, 0.0], duration=100.0)
    assert "less than float64" in found.attrs["warnings"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_exponents": 4}, "n_exponents is 4; 'lorenz' has 3 states, so ask for 1 to 3."),
        ({"step": 0.0}, "step is 0.0; give a finite positive number."),
        ({"duration": np.inf}, "duration is inf; give a finite positive number."),
        ({"duration": float("nan")}, "duration is nan"),
        ({"transient": -1.0}, "transient is -1.0; give zero or a finite positive number."),
        ({"initial_states": {"x": 1.0}}, "missing: y, z, unknown: none"),
        ({"initial_states": {"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0], "z": 0.0}}, "differ in length"),
        ({"initial_states": [1.0, np.inf, 0.0]}, "initial state 'y' of trajectory 0 is inf"),
        ({"initial_states": [1.0, 0.0]}, r"must have shape \(trajectory, 3\); found \(1, 2\)"),
    ],
)
def test_wrong_arguments_are_told(wrong, message):
    with pytest.raises(PhysodeError, match=message):
        lyapunov_spectrum(Lorenz(), **wrong)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [
        ([0.9056, 0, -14.5723], 2.06214),
        ([0.41922, -1.62319], 1.25827),
        ([0.1, 0.1, -0.1], 3.0),
        ([0.0, -1.0], 1.0),
        ([-0.2, -1.0], 0.0),
        ([0.0, 0.0, 0.0], 3.0),
        ([0.930, 0, 0, -0.930], 4.0),
    ],
)
def test_kaplan_yorke_dimension_is_clamped(exponents, dimension):
    assert kaplan_yorke_dimension(exponents) == pytest.approx(dimension, abs=1e-4)


def test_each_partial_sum_may_have_its_own_tolerance():
    assert kaplan_yorke_dimension([0.0, -0.01], tolerance=0.02) == 2.0
    assert kaplan_yorke_dimension([0.0, -0.01], tolerance=[0.02, 0.001]) == 1.0
    assert kaplan_yorke_dimension([-0.005, -0.005], tolerance=[0.001, 0.02]) == 0.0


def test_kaplan_yorke_dimension_is_unknown_without_enough_exponents():
    assert np.isnan(kaplan_yorke_dimension([0.9, 0.0], n_states=3))


def test_tangents_are_the_derivative_of_the_discrete_step():
    lorenz, eps = Lorenz(), 1e-6
    states = np.array([[1.0, 2.0, 20.0], [-5.0, -6.0, 25.0]])
    tangents = random_frame(2, 3, 3, seed=3)
    stepper = TangentStepper(lorenz, states, tangents)
    stepper.advance(0.05, 3)
    for k in range(3):
        plus, minus = (TangentStepper(lorenz, states + s * eps * tangents[:, k], tangents[:, :0]) for s in (1, -1))
        plus.advance(0.05, 3)
        minus.advance(0.05, 3)
        np.testing.assert_allclose((plus.states - minus.states) / (2 * eps), stepper.tangents[:, k], rtol=1e-6, atol=1e-6)
    assert stepper.time == pytest.approx(0.15)


def test_stepper_is_of_fourth_order():
    oscillator, errors = linear([[0, 1], [-1, 0]]), []
    for n in (10, 20, 40):
        stepper = TangentStepper(oscillator, np.array([[1.0, 0.0]]), np.array([[[1.0, 0.0]]]))
        stepper.advance(1 / n, n)
        errors.append(np.abs(stepper.states[0] - [np.cos(1), -np.sin(1)]).max())
        np.testing.assert_allclose(stepper.tangents[0, 0], stepper.states[0], rtol=1e-14)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.2)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4, abs=0.2)


def test_step_shrinks_where_the_field_is_fierce():
    states = np.random.default_rng(0).uniform(-2, 2, (256, 2))
    assert choose_step(van_der_pol(0.1), states) == pytest.approx(0.125)
    assert choose_step(van_der_pol(10.0), states) < 0.02
    assert choose_step(linear(np.zeros((2, 2))), states) == pytest.approx(0.125)


@pytest.mark.parametrize(("time", "rate"), [("s", "s-1"), ("1", "1"), ("", ""), ("1e3 yr", "(1e3 yr)-1")])
def test_rates_have_the_inverse_unit_of_time(time, rate):
    decay = linear([[-1.0]], units={"time": time})
    found = lyapunov_spectrum(decay, initial_states=[0.0], duration=10.0, transient=0.0)
    assert found.lyapunov_exponent.attrs["units"] == rate


def test_dynamics_that_offer_slope_and_tangent_together_are_asked_once_a_stage():
    class Both(Lorenz):
        n_both = 0

        def rhs_and_jvp(self, t, z, v):
            self.n_both += 1
            return self._field(z), Lorenz.jvp(self, t, z, v)

        def jvp(self, t, z, v):
            raise NotImplementedError

    states, tangents = np.array([[1.0, 2.0, 20.0]]), random_frame(1, 3, 3, seed=0)
    both, apart = (TangentStepper(dynamics, states, tangents) for dynamics in (Both(), Lorenz()))
    both.advance(0.01, 5)
    apart.advance(0.01, 5)
    assert (both.dynamics.n_both, both.dynamics.n_rhs, apart.dynamics.n_rhs) == (20, 0, 20)
    np.testing.assert_array_equal(both.tangents, apart.tangents)
    np.testing.assert_array_equal(both.states, apart.states)
    alone = TangentStepper(Both(), states, tangents[:, :0])
    alone.advance(0.01, 5)
    assert (alone.dynamics.n_both, alone.dynamics.n_rhs) == (0, 20)
    np.testing.assert_allclose(alone.states, both.states, rtol=1e-14)
