"""States of which little or nothing was measured, in one trajectory or in all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.models import AbstractModel
from physode.models.partners import guess_partners, is_told
from physode.training.evidence import Evidence
from physode.training.smoothing import smooth

TIME = np.linspace(0, 8, 41)
AMPLITUDE = np.array([0.5, 1.0, 1.5])[:, None]
SONODE, HNN = physode.SecondOrderNeuralODE, physode.HamiltonianNeuralODE


def record(rows: list[int], phase: float = 0.0, offset: float = 0.0) -> xr.Dataset:
    """Three oscillations, the velocity measured at some times only."""
    draws, angle = np.random.default_rng(0), 1.5 * TIME + phase
    x = offset + AMPLITUDE * np.cos(angle) + 0.01 * draws.standard_normal((3, len(TIME)))
    v = np.full_like(x, np.nan)
    v[:, rows] = (-1.5 * AMPLITUDE * np.sin(angle))[:, rows] + 0.01 * draws.standard_normal((3, len(rows)))
    return physode.from_numpy(TIME, np.stack([x, v], axis=2), ["x", "v"], roles={"x": "position", "v": "velocity"})


def error(model: AbstractModel, ds: xr.Dataset, state: str, phase: float) -> float:
    angle = 1.5 * TIME + phase
    truth = {"x": AMPLITUDE * np.cos(angle), "v": -1.5 * AMPLITUDE * np.sin(angle)}[state]
    return float(np.sqrt(((model.predict(ds)[state] - truth) ** 2).mean()))


@pytest.mark.parametrize(("family", "rows", "phase"), [(SONODE, [7, 20], 0.0), (SONODE, [5], 0.0), (SONODE, [0], 1.0), (HNN, [0], 1.0)])
def test_few_measurements_of_a_velocity_do_no_harm(family: type[AbstractModel], rows: list[int], phase: float) -> None:
    ds = record(rows, phase)
    model = family(hidden=(4,)).fit(ds)
    assert model.result_.success, model.result_.message
    assert error(model, ds, "x", phase) < 0.01
    assert error(model, ds, "v", phase) < 0.2
    assert 0.005 < model.result_.noise_std["x"] < 0.02
    assert 0.003 < model.result_.noise_std["v"] < 0.03


@pytest.mark.parametrize("family", [SONODE, HNN])
def test_a_start_from_rest_can_be_said(family: type[AbstractModel]) -> None:
    ds = record([0])
    ds["v"][:, 0] = 0.0
    model = family(hidden=(4,)).fit(ds)
    assert model.result_.success, model.result_.message
    assert error(model, ds, "x", 0.0) < 0.01


def test_a_state_that_a_trajectory_never_measured_costs_nothing_wherever_its_zero_lies() -> None:
    scales, models = [], []
    for offset in (0.0, 300.0):
        ds = record(list(range(len(TIME))), offset=offset)
        ds["x"][1] = np.nan
        models.append(physode.NeuralODE(hidden=(8,)).fit(ds))
        scales.append(models[-1].time_scale)
        assert models[-1].result_.success, models[-1].result_.message
        np.testing.assert_allclose(list(models[-1].result_.noise_std.values()), 0.01, rtol=0.4)
    assert scales[0] == pytest.approx(scales[1], rel=1e-6)
    assert models[1].dynamics_.reference[:, 0].min() > 297


@pytest.mark.parametrize("seed", [0, 1, 10])  # windows of 9 lead two of them to a law that windows of 27 cannot start from
def test_in_logarithms_a_state_known_at_three_times_is_followed(seed: int) -> None:
    time = np.linspace(0, 10, 61)
    truth = systems.get("lotka-volterra").simulate(time, {"x": 1.0, "y": 1.0})
    rare = np.where(np.isin(np.arange(61), [3, 20, 50]), truth["y"].values, np.nan)
    ds = truth.assign(y=(truth["y"].dims, rare, {**truth["y"].attrs, "conjugate_to": "x"}))
    model = physode.HamiltonianNeuralODE(coordinates="log", hidden=(8,)).fit(ds, seed=seed)
    assert model.result_.success, model.result_.message
    assert model.score(ds) > 0.9999  # where it was measured; in between three numbers leave it some room
    assert float(abs(model.predict(ds)["y"] - truth["y"]).max()) < 0.1


def test_what_was_never_measured_stands_still_where_it_is_told_to() -> None:
    values = np.stack([np.sin(TIME), np.full_like(TIME, np.nan)], axis=1)[None]
    found = smooth(TIME[None], values, unmeasured=np.array([5.0, 7.0]))
    assert (found.value[0, :, 1] == 7.0).all()
    assert not found.first[0, :, 1].any()
    np.testing.assert_allclose(found.value[0, :, 0], np.sin(TIME), atol=1e-6)


def test_a_partner_is_told_by_itself_where_it_says_as_much_as_its_position() -> None:
    curve, line, rest = np.sin(TIME), np.full_like(TIME, 2.0), np.zeros_like(TIME)
    position = np.stack([curve, curve, curve, line, line, rest])
    partner = np.stack([curve, line, rest, line, rest, rest])
    assert is_told(position, partner).tolist() == [True, False, False, True, False, True]


def test_a_rarely_measured_state_has_the_mean_noise_of_the_others() -> None:
    variance = torch.tensor([[1.0, 9.0, 3.0]], dtype=torch.float64)
    evidence = Evidence(variance, variance[:, :0], [], torch.zeros(3, dtype=torch.bool), rare=torch.tensor([False, True, False]))
    assert evidence.shared(variance).tolist() == [[1.0, 2.0, 3.0]]
    assert evidence.take(torch.tensor([0])).shared(variance).tolist() == [[1.0, 2.0, 3.0]]


FAMILIES = [
    (physode.NeuralODE, "damped-oscillator", "v", 40, 120, 0),
    (SONODE, "damped-oscillator", "x", 40, 120, 1),
    (HNN, "harmonic-oscillator", "v", 0, 80, 2),
    (physode.PortHamiltonianNeuralODE, "damped-oscillator", "v", 0, 80, 2),
]


@pytest.mark.parametrize(("family", "system", "state", "first", "last", "seed"), FAMILIES)
def test_a_long_gap_in_one_state_does_no_harm(
    family: type[AbstractModel], system: str, state: str, first: int, last: int, seed: int
) -> None:
    """A spline that goes on through such a gap is up to 80 standard deviations off, and the warm start took it for the motion."""
    ds = systems.get(system).simulate(np.linspace(0, 20, 200), noise=0.01, seed=seed)
    ds[state][:, first:last] = np.nan
    model = family(hidden=(16,)).fit(ds, seed=seed)
    found = model.predict(ds)
    assert model.result_.success, model.result_.message
    assert model.result_.window == pytest.approx(20.0)
    for name in ("x", "v"):
        truth = ds[f"{name}_true"]
        assert float(((found[name] - truth) ** 2).mean() ** 0.5) < 0.02 * float(truth.std())


def test_a_gap_in_a_velocity_is_started_from_the_slope_of_its_position() -> None:
    time = np.linspace(0, 20, 201)
    x, v = np.sin(time), np.cos(time)
    v[50:120] = np.nan
    both = np.stack([x, v], axis=1)[None]
    layout = SONODE()._layout(physode.from_numpy(time, both, ["x", "v"], roles={"x": "position", "v": "velocity"}))
    out = smooth(time[None], both)
    velocity, force = guess_partners(layout, (out.value, out.first, out.second))
    np.testing.assert_allclose(velocity[0, :, 0], np.cos(time), atol=1e-3)
    np.testing.assert_allclose(force[0, 50:120, 0], -np.sin(time[50:120]), atol=1e-3)


def test_states_that_were_never_measured_at_once_are_fitted_without_a_warm_start() -> None:
    time = np.linspace(0, 20, 200)
    ds = systems.get("damped-oscillator").simulate(time, n_trajectories=2, noise=0.01, seed=0)
    ds["x"][:, 100:], ds["v"][:, :100] = np.nan, np.nan
    model = physode.NeuralODE(hidden=(4,)).fit(ds)
    assert "warm start" not in model.result_.history["stage"]
    assert model.result_.loss < 0.1


def test_a_velocity_known_in_a_part_of_the_motion_does_not_set_the_scale_of_a_momentum() -> None:
    time = np.linspace(0, 20, 200)
    ds, other = (systems.get("harmonic-oscillator").simulate(time, n_trajectories=2, noise=0.01, seed=seed) for seed in (0, 9))
    ds["v"][:, :90], ds["v"][:, 110:] = np.nan, np.nan
    model = HNN(hidden=(16,)).fit(ds)
    found = model.predict(other, warmup=50)["x"]
    assert model.result_.success, model.result_.message
    assert float(((found - other["x_true"])[:, 50:] ** 2).mean() ** 0.5) < 0.02 * float(other["x_true"].std())


def test_a_momentum_known_in_a_part_of_the_motion_sets_its_own_scale() -> None:
    """It is in a unit of its own: nothing says that it is the slope of its position."""
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 20, 200), n_trajectories=2, noise=0.01, seed=0)
    both = np.stack([ds["x"].values, 1000 * ds["v"].values], axis=2)
    both[:, :40, 1] = np.nan
    record = physode.from_numpy(ds["time"].values, both, ["x", "p"], roles={"x": "position", "p": "momentum"})
    record["p"].attrs["conjugate_to"] = "x"
    model = HNN(hidden=(16,)).fit(record)
    assert model.result_.success, model.result_.message
    assert float(((model.predict(record)["x"] - ds["x_true"]) ** 2).mean() ** 0.5) < 0.02 * float(ds["x_true"].std())
