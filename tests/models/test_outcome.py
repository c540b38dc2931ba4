"""What a fit says of itself: whether it succeeded, and what to doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode.models.encoding import noise_levels
from physode.models.layout import plain_layout
from physode.models.outcome import outcome
from physode.models.scaling import Scaling, measure, spreads
from physode.training.fitted import STATUSES, Fitted
from physode.training.result import FitResult
from physode.training.smoothing import smooth
from physode.trajectories import times, values

TIME = np.linspace(0.0, 10.0, 60)


def told(ds: xr.Dataset, states: np.ndarray, judged: bool = False, curved: bool = True, scheduled: bool = False, **other: Any) -> FitResult:
    """What is said of a converged fit whose states, in the record's units, are these."""
    layout = plain_layout(ds)
    data = values(ds, layout.observed)
    scaling = Scaling(np.nanmean(data, axis=(0, 1)), np.nanstd(data, axis=(0, 1)), np.zeros(0), np.ones(0), 1.0)
    one, scaled = torch.ones(1, dtype=torch.float64), torch.from_numpy((states - scaling.mean) / scaling.scale)
    weight = noise_levels(ds, layout.observed)[1]
    squares = ((data - states) / scaling.scale) ** 2 * (1.0 if weight is None else weight)
    number = torch.ones(1, dtype=torch.int64)
    parts = {
        "theta": torch.ones(1, 10, dtype=torch.float64),
        "states": scaled[None],
        "noise": torch.full((1, len(layout.observed)), 0.1, dtype=torch.float64),
        "loss": one * np.sqrt(np.nanmean(squares)),
        "solver_error": 1e-9 * one,
        "excursion": one,
        "foldings": torch.nan * one,
        "max_step": one,
        "intervals": number * (data.shape[1] - 1),
        "sampled": number > 1,
        "status": number * STATUSES.index("converged"),
        "n_iterations": number,
    }
    how: dict[str, Any] = {"scheduled": scheduled, "by_curvature": curved, "second_order": False, "reason": "", "history": {}}
    fitted = Fitted(**{**parts, **other})
    return outcome(fitted, layout, scaling, scaling.scale, ds, judged=judged, backward=(), seconds=1.0, **how)


def waves(noise: float = 0.0, stated: float | None = None) -> tuple[xr.Dataset, np.ndarray]:
    """A record of two waves of size one, and the states without their noise."""
    states = np.stack([np.sin(TIME), np.cos(TIME)], axis=-1)
    ds = physode.from_numpy(TIME, states + noise * np.random.default_rng(0).standard_normal(states.shape), ["x", "y"])
    if stated is not None:
        ds["x_noise_std"] = ((), stated, {"role": "noise"})
    return ds, states[None]


def test_a_fit_that_follows_the_record_succeeds() -> None:
    result = told(*waves(noise=0.2))
    assert result.success and result.message == "The fit converged."


def test_a_fit_that_follows_one_state_only_does_not() -> None:
    ds, states = waves()
    flat = states * [1.0, 0.0]
    result = told(ds, flat)
    assert result.status == "converged" and not result.success
    assert "The residual of y is 1 of its spread in the record, and neighbouring ones are alike (correlation 0.98)" in result.message
    assert "The residual of x" not in result.message and "Possible reasons: the model cannot represent the motion" in result.message
    assert result.message.count("the record is too sparse") == 1 and "too small" not in result.message
    assert "Possible reasons: the optimiser did not get there" in told(ds, flat, curved=False).message
    small = told(ds, flat, theta=torch.ones(1, 6, dtype=torch.float64)).message  # 20 measurements for each
    assert "Possible reasons: the network is too small" in small and "too sparse" not in small


def test_a_network_that_is_too_small_is_not_to_be_made_smaller() -> None:
    ds, states = waves()
    wild, few_of_them = {"excursion": torch.tensor([5.0])}, {"theta": torch.ones(1, 6, dtype=torch.float64)}
    for flat, parameters, smaller in ((1.0, {}, True), (1.0, few_of_them, True), (0.0, {}, True), (0.0, few_of_them, False)):
        message = told(ds, states * [1.0, flat], **wild, **parameters).message
        assert ("Try a smaller network, or a PortHamiltonianNeuralODE" in message) == smaller
        assert ("Try a PortHamiltonianNeuralODE" in message) != smaller


@pytest.mark.parametrize(("stated", "follows"), [(None, False), (0.1, False), (0.6, True)])
def test_noise_as_large_as_the_motion_has_to_be_stated(stated: float | None, follows: bool) -> None:
    ds, states = waves(noise=0.7, stated=stated)
    message = told(ds, states).message
    assert ("The residual of x" not in message) == follows
    assert ("x is mostly noise (then state its size as x_noise_std)" in message) == (stated is None)


@pytest.mark.parametrize(("noise", "stated", "follows"), [(0.2, 0.05, False), (0.2, 0.2, True), (0.005, 0.001, True)])
def test_a_residual_well_above_the_stated_noise_is_a_misfit_unless_it_is_tiny(noise: float, stated: float, follows: bool) -> None:
    result = told(*waves(noise=noise, stated=stated))
    assert result.success == follows
    assert (", 3.8 times the stated noise: the model does not follow it." in result.message) == (not follows)
    assert "the noise is larger than x_noise_std says." in result.message or follows


def test_a_few_measurements_of_large_stated_noise_count_by_their_weight() -> None:
    ds, states = waves()
    ds["x"][0, ::6] += 20.0
    sigma = np.full((1, len(TIME)), 0.1)
    sigma[0, ::6] = 20.0
    weighted = ds.assign(x_noise_std=(ds["x"].dims, sigma, {"role": "noise"}))
    assert "The residual of x" in told(ds, states).message
    assert "The residual of x" not in told(weighted, states).message


def test_only_records_that_could_have_been_fitted_whole_are_said_to_be_cut() -> None:
    t = np.arange(1200.0)
    long = physode.from_numpy(t, np.sin(t)[:, None], ["x"])
    states = np.sin(t)[None, :, None]
    assert told(long, states, intervals=torch.tensor([1000])).message == "The fit converged."
    assert "windows of 333 intervals, not whole: longer ones" in told(long, states, intervals=torch.tensor([333])).message
    assert "not whole: of the fits that could be" in told(long, states, judged=True, intervals=torch.tensor([333])).message


def test_a_window_of_uneven_times_is_as_long_as_its_times_say() -> None:
    t = np.array([0.0, 1.0, 3.0, 7.0, 8.0, 9.5])
    ds = physode.from_numpy([t, t[:3] + 100.0], [np.sin(t), np.sin(t[:3])], ["x"])
    states = ds["x"].values[..., None]
    durations = {n: told(ds, states, intervals=torch.tensor([n])).window for n in (0, 1, 2, 5)}
    assert durations == {0: 0.0, 1: 4.0, 2: 5.0, 5: 9.5}


def test_what_else_to_doubt() -> None:
    loose = told(*waves(), solver_error=torch.tensor([0.05]))
    assert not loose.success and "The training solver is off by 0.05 standard deviations" in loose.message
    wild = told(*waves(), excursion=torch.tensor([40.0]))
    assert not wild.success and "goes 40 times as far from the mean" in wild.message
    short = told(*waves(), status=torch.tensor([STATUSES.index("time_budget")]))
    assert not short.success and short.message == "The time budget ran out; the best model so far was kept."
    scheduled = {"status": torch.tensor([STATUSES.index("max_iterations")]), "scheduled": True}
    assert told(*waves(), **scheduled).success
    assert told(*waves(), **(scheduled | {"scheduled": False})).success is False


def test_a_field_that_leaves_the_record_at_the_ends_of_windows_is_doubted() -> None:
    ds, states = waves(noise=0.02)
    assert told(ds, states, loss=torch.tensor([0.2])).success
    left = told(ds, states, loss=torch.tensor([5.0e6]))
    assert not left.success
    assert "with the last points of windows the residual is 5e+06 standard deviations, and 0.028 without them." in left.message
    for curved in (True, False):
        advice = told(ds, states, loss=torch.tensor([5.0e6]), curved=curved).message
        assert ("or the optimizer 'levenberg-marquardt'" in advice) is not curved


def test_a_record_that_initial_states_alone_can_follow_is_doubted() -> None:
    starts = np.linspace(-1.0, 1.0, 5)
    for count, enough in ((2, False), (3, True)):
        x = starts[:, None] * np.cos(np.arange(count))[None]
        ds = physode.from_numpy(np.arange(count), x[..., None], ["x"], roles={"x": "position"})
        result = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=5).fit(ds).result_
        assert ("The record has 10 measurements, and the initial states of its trajectories are 10 numbers" not in result.message) == enough
        assert enough or not result.success


def test_a_model_without_a_state_that_it_needs_says_so() -> None:
    result = physode.NeuralODE(hidden=(2,), max_iterations=5).fit(physode.from_numpy(TIME, np.sin(TIME), ["x"])).result_
    assert not result.success and "The residual of x" in result.message


def test_errors_are_told_in_standard_deviations_where_the_scales_are_others() -> None:
    """The units of two pairs of a Hamiltonian field hang together, and the first pair moves a hundred times less and decays."""
    t = np.linspace(0.0, 12.0, 60)
    slow, fast = np.exp(-0.3 * t) * np.stack([np.cos(1.6 * t), -1.6 * np.sin(1.6 * t)]), np.stack([np.cos(t), -np.sin(t)])
    roles = {"q1": "position", "p1": "momentum of q1", "q2": "position", "p2": "momentum of q2"}
    ds = physode.from_numpy(t, np.concatenate([0.01 * slow, fast]).T, list(roles), roles=roles)
    model = physode.HamiltonianNeuralODE(hidden=(4,), max_iterations=6).fit(ds)
    data = values(ds, list(roles))
    errors = np.sqrt(np.mean(((values(model.predict(ds), list(roles)) - data) / data.std((0, 1))) ** 2, axis=(0, 1)))
    assert errors[0] > 0.5 and errors[2] < 0.01
    assert model.result_.loss == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.1)
    assert not model.result_.success and "The residual of q1" in model.result_.message


def test_a_state_that_few_measurements_tell_of_keeps_the_scale_of_its_model() -> None:
    data = np.stack([np.sin(TIME), 1e-3 * np.cos(TIME), np.zeros(len(TIME))], axis=-1)[None]
    data[0, 3:, 1] = np.nan
    assert spreads(data, np.array([5.0, 6.0, 7.0])) == pytest.approx([np.std(data[..., 0]), 6.0, 7.0])


def test_states_are_scaled_by_their_measurements() -> None:
    """A spline of peaks that are narrower than the gaps between times smooths them away."""
    ds = physode.from_numpy(TIME, np.where(np.arange(60) % 15 == 7, 1.0, 0.0), ["x"])
    ds["x"][0, 3] = np.nan
    measured = values(ds, ["x"])
    smoothed = smooth(times(ds), measured)
    mean, scale, time_scale = measure(measured, smoothed)
    assert np.nanstd(smoothed.value) < 0.5 * np.nanstd(measured)
    assert (mean[0], scale[0]) == pytest.approx((np.nanmean(measured), np.nanstd(measured)))
    assert time_scale > 0
