"""What residuals and records give away: wrong laws that look like noise, noise that is not there, outliers, inputs that say nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems
from physode.errors import DataError
from physode.models.misfits import Followed, misfits, remarks

TIME = np.linspace(0.0, 20.0, 201)


def followed(measured: np.ndarray, modelled: np.ndarray, noise: float = 0.0) -> Followed:
    """A state beside what a model makes of it."""
    return Followed("x", measured, modelled, np.ones_like(measured), float(np.nanstd(measured)), noise, None)


def noisy(count: int, size: float = 0.1, rows: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A wave of size one in white noise, and the wave."""
    wave = np.tile(np.sin(np.linspace(0.0, 20.0, count)), (rows, 1))
    return wave + size * np.random.default_rng(0).standard_normal(wave.shape), wave


def swings(gamma: float = 0.1, noise: float = 0.01) -> np.ndarray:
    """Two swings of an oscillator with damping, (2, n, 2)."""
    start = {"x": np.array([1.0, -0.5]), "v": np.array([0.0, 1.0])}
    made = systems.get("damped-oscillator", gamma=gamma).simulate(TIME, start)
    exact = np.stack([made["x"].values, made["v"].values], axis=-1)
    return exact + noise * np.random.default_rng(0).standard_normal(exact.shape)


def record(states: np.ndarray, stated: float | None = None, **options: Any) -> xr.Dataset:
    ds = physode.from_numpy(TIME, states, ["x", "v"][: states.shape[-1]], **options)
    noise = {} if stated is None else {f"{name}_noise_std": ((), stated, {"role": "noise"}) for name in ("x", "v")}
    return ds.assign(noise)


def test_a_linear_law_of_a_pendulum_is_no_success() -> None:
    exact = systems.get("pendulum").simulate(np.linspace(0.0, 10.0, 100), n_trajectories=5, seed=0)
    ds = physode.from_numpy(exact["time"].values, np.stack([exact["theta"], exact["omega"]], axis=-1), ["theta", "omega"])
    result = physode.NeuralODE(hidden=(), max_iterations=20).fit(ds).result_
    assert not result.success
    assert "The residual of theta is 0.43 of its spread in the record, and neighbouring ones are alike (correlation 0.94)" in result.message
    assert "the model does not follow it any closer. " in result.message and "theta is mostly noise" not in result.message


def test_an_energy_that_is_kept_does_not_follow_a_damped_motion() -> None:
    ds = record(swings(gamma=0.04)[..., :1], roles={"x": "position"})
    result = physode.HamiltonianNeuralODE(hidden=(4,), max_iterations=20).fit(ds).result_
    assert not result.success and "neighbouring ones are alike" in result.message
    assert physode.SecondOrderNeuralODE(hidden=(4,)).fit(ds).result_.success


def test_windows_that_are_short_without_chaos_are_a_misfit() -> None:
    """The energy of a damped motion, kept for a window at a time; and a chaotic motion, of which no field follows more."""
    damped = systems.get("damped-oscillator", gamma=0.3).simulate(TIME[:101], n_trajectories=4, noise=0.01, observe=["x"], seed=0)
    result = physode.HamiltonianNeuralODE(hidden=(8,)).fit(damped).result_
    assert not result.success and result.loss < 0.05 and result.window < 5.0
    assert "longer ones could not be followed, though the learned motion is not chaotic in them" in result.message
    chaotic = systems.get("lorenz").simulate(np.linspace(0.0, 10.0, 500), n_trajectories=2, noise=0.1, seed=0)
    result = physode.NeuralODE(hidden=(16,), max_iterations=40).fit(chaotic).result_
    assert result.success and result.window < 5.0 and "not whole: longer ones could not be followed, as in chaos" in result.message


@pytest.mark.parametrize(("pattern", "alike"), [("white", False), ("wave", True), ("alternating", False), ("tiny wave", False)])
def test_residuals_that_are_alike_are_no_noise(pattern: str, alike: bool) -> None:
    measured, wave = noisy(200, size=0.0)
    size, count = {"tiny wave": 0.005}.get(pattern, 0.1), np.arange(200)
    white = np.random.default_rng(0).standard_normal(200)
    off = {"white": white, "alternating": (-1.0) ** count}.get(pattern, np.cos(0.2 * count))
    told = misfits([followed(measured, wave + size * off)])
    assert bool(told) == alike


def test_few_residuals_are_alike_by_chance() -> None:
    measured, wave = noisy(200, size=0.0)
    slow = 0.1 * np.cos(0.2 * np.arange(200))
    assert misfits([followed(measured[:, :40], wave[:, :40] + slow[:40])])
    assert not misfits([followed(measured[:, :15], wave[:, :15] + slow[:15])])


def test_neighbours_are_the_measurements_of_one_trajectory() -> None:
    """Between two measurements there may be rows without; two trajectories that are off by a constant each are alike in themselves only."""
    measured, wave = noisy(200, size=0.0)
    off = 0.1 * np.cos(0.2 * np.arange(200))
    gaps = np.full((1, 600), np.nan)
    gaps[:, ::3] = measured
    assert followed(gaps, np.repeat(wave + off, 3, axis=1)).alike == pytest.approx(followed(measured, wave + off).alike)
    singles = np.tile([[1.0, np.nan, np.nan]], (100, 1))
    assert followed(singles, singles - 0.5).alike == 0.0


def test_stated_noise_excuses_residuals_that_are_alike_if_they_are_no_larger() -> None:
    measured, wave = noisy(200, size=0.0)
    off = wave + 0.1 * np.cos(0.2 * np.arange(200))
    assert misfits([followed(measured, off)])
    assert not misfits([followed(measured, off, noise=0.06)])
    assert "neighbouring ones are alike" in misfits([followed(measured, off, noise=0.05)])[0]
    assert "2.3 times the stated noise: the model does not follow it" in misfits([followed(measured, off, noise=0.03)])[0]


def test_noise_that_is_rightly_stated_does_not_excuse_a_model_that_stands_still() -> None:
    measured = np.sin(TIME) + 0.5 * np.random.default_rng(0).standard_normal((1, 201))
    result = physode.NeuralODE(hidden=(4,), max_iterations=20).fit(record(measured[..., None], stated=0.5)).result_
    assert not result.success and "neighbouring ones are alike" in result.message
    followed_well = physode.SecondOrderNeuralODE(hidden=(4,)).fit(record(measured[..., None], stated=0.5, roles={"x": "position"})).result_
    assert followed_well.success


def test_noise_that_is_stated_as_large_as_the_motion_excuses_nothing() -> None:
    states = swings()
    hidden = physode.NeuralODE(hidden=(4,), max_iterations=20).fit(record(states, stated=10.0)).result_
    assert not hidden.success
    assert "x_noise_std says 10, and x varies by 0.48 in the record: so much noise leaves nothing to follow" in hidden.message
    assert "x_noise_std says 10, and the residual is 0.63: with less" in hidden.message
    white = np.random.default_rng(0).standard_normal((2, 201, 2))
    assert not physode.NeuralODE(hidden=(4,), max_iterations=20).fit(record(white, stated=1.0)).result_.success


def test_noise_that_is_less_than_stated_is_named() -> None:
    model = physode.NeuralODE(hidden=(4,))
    over, right = model.fit(record(swings(), stated=0.1)).result_, model.fit(record(swings(), stated=0.01)).result_
    assert over.success and right.success and right.message == "The fit converged."
    assert "x_noise_std says 0.1, and the residual is 0.01: with less noise stated, the fit would use more of the record." in over.message


def test_a_residual_tells_the_noise_where_initial_states_cannot_follow_it() -> None:
    measured, wave = noisy(60, size=0.01)
    for rows, told in ((1, True), (10, True), (15, False)):
        state = followed(measured.reshape(rows, -1), wave.reshape(rows, -1), noise=0.1)
        assert bool(remarks([state], np.zeros((rows, 60 // rows)), range(rows))) == told
    assert not remarks([followed(measured[:, :29], wave[:, :29], noise=0.1)], np.zeros((1, 29)), [0])
    assert not remarks([followed(*noisy(60, size=1e-6), noise=1e-3)], np.zeros((1, 60)), [0])


def test_a_network_that_is_too_small_for_a_long_record_is_named() -> None:
    """An electronic oscillator by one unit: a smaller network, or more measurements, would be no help."""
    ds = systems.get("van-der-pol").simulate(np.linspace(0, 15, 300), n_trajectories=2, seed=0)
    told = physode.NeuralODE(hidden=(1,)).fit(ds).result_.message
    assert "Possible reasons: the network is too small (give it wider layers" in told
    assert "too sparse" not in told and "smaller network" not in told and "levenberg" not in told


def test_an_outlier_is_named() -> None:
    states = swings()
    states[0, 50, 0] = 40.0
    ds = record(states).assign_coords(trajectory=["a", "b"])
    result = physode.NeuralODE(hidden=(4,)).fit(ds).result_
    assert (
        "Few measurements make most of the residual of x, first of all that at t = 5 in trajectory 'a': 40, which is 40 away "
        in result.message
    )
    assert not result.success and "Possible reasons: x has an outlier (see below); the network is" in result.message
    states[0, 50, 0] = 1.5
    result = physode.NeuralODE(hidden=(4,)).fit(record(states)).result_
    assert result.success and result.message.startswith("The fit converged. Few measurements make most of the residual of x")
    states[0, 50, 0] = np.nan
    assert physode.NeuralODE(hidden=(4,)).fit(record(states)).result_.message == "The fit converged."


def test_a_measurement_that_is_known_to_be_poor_is_no_outlier() -> None:
    measured, wave = noisy(200)
    measured[0, 50] += 5.0
    state = followed(measured, wave)
    assert state.outlier == (0, 50)
    weight = np.ones_like(measured)
    weight[0, 50] = 0.01
    assert Followed("x", measured, wave, weight, state.size, 0.1, None).outlier is None


def test_an_input_that_never_changes_is_named() -> None:
    model, states = physode.NeuralODE(hidden=(4,), max_iterations=20), swings()
    said = "The input u is 0.1 in the whole record: its effect cannot be told from a constant in the law"
    fitted = model.fit(record(states, inputs={"u": np.full((2, 201), 0.1)}))
    assert fitted.result_.success and said in fitted.result_.message
    assert fitted.dynamics_.scaling.input_scale.tolist() == [1.0]
    each = np.repeat([[0.1], [0.2]], 201, axis=1)
    assert "whole record" not in model.fit(record(states, inputs={"u": each})).result_.message


@pytest.mark.parametrize("rest", [5.0, 0.1])
def test_a_state_of_which_only_rounding_changes_is_refused(rest: float) -> None:
    states = swings()
    states[..., 1] = rest * (1 + 2e-16 * np.random.default_rng(0).standard_normal(states.shape[:2]))
    assert np.ptp(states[..., 1]) > 0
    with pytest.raises(DataError, match=rf"state 'v' does not change in this record, .* \(it is {rest:g} throughout\)"):
        physode.NeuralODE(hidden=(4,)).fit(record(states))


def test_trajectories_that_rest_at_numbers_that_are_rounded_do_not_move() -> None:
    rest = np.repeat([0.1, 0.3, 0.7], 1001).reshape(3, 1001)
    assert np.nanstd(rest, axis=1).max() > 0
    with pytest.raises(DataError, match="no trajectory of this record moves"):
        physode.NeuralODE(hidden=(4,)).fit(physode.from_numpy(np.arange(1001.0), rest[..., None], ["x"]))


def test_one_known_velocity_is_no_constant_state() -> None:
    states = swings()[:1]
    states[:, 1:, 1] = np.nan
    roles = {"x": "position", "v": "velocity"}
    assert physode.SecondOrderNeuralODE(hidden=(4,), max_iterations=5).fit(record(states, roles=roles)).result_.loss < 0.2


def test_a_velocity_of_the_wrong_sign_is_named() -> None:
    states, roles = swings(gamma=0.0, noise=0.0), {"x": "position", "v": "velocity"}
    said = "v points against the learned slope of x, which the record says it is: one of them may have the wrong sign."
    for family in (physode.HamiltonianNeuralODE, physode.NeuralODE):
        model = family(hidden=(4,))
        assert model.fit(record(states, roles=roles)).result_.message == "The fit converged."
        assert model.fit(record(states * [1.0, -1.0], roles=roles)).result_.message == f"The fit converged. {said}"
    assert model.fit(record(states * [1.0, -1.0])).result_.message == "The fit converged."
