"""A learned field that runs away or is stiff says which trajectory and when."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import FitError, SimulationWarning
from physode.fields import FirstOrderField
from physode.models import AbstractModel
from physode.models.held_out import misfit

TIME = np.linspace(0.0, 0.8, 17)


def growth() -> xr.Dataset:
    """Exponential growth from 1 and decay towards it, in hours, of which one runs away under z' = 3 z."""
    values = np.stack([np.exp(TIME), 0.5 * np.exp(TIME)])[..., None]
    return physode.from_numpy(TIME, values, ["z"], trajectories=["fast", "slow"], units={"time": "h", "z": "g"})


def with_rate(rate: float, solver: str = "rk4") -> AbstractModel:
    """A fitted model whose field is then set to z' = `rate` z, in the record's units."""
    model = physode.NeuralODE(hidden=(2,), solver=solver, max_iterations=5).fit(growth(), seed=0)
    dynamics = model._fitted()
    with torch.no_grad():
        for parameter in dynamics.field.parameters():
            parameter.zero_()
        dynamics.field.net.linear.weight.fill_(rate * dynamics.scaling.time_scale)
        dynamics.field.net.affine[-1].bias.fill_(
            rate * dynamics.scaling.time_scale * float(dynamics.scaling.mean[0] / dynamics.scaling.scale[0])
        )
    return model


RUNS_AWAY = (
    r"trajectory 0 could not be carried beyond time \d+ h, where z is -?\d.*: the learned field runs away from its record, in which z goes "
    r"from 0\.\d+ to 2\.\d+, from time 0 h on\. To go on, fit to a record that covers this motion, .*\. Its later values are missing"
)


@pytest.mark.parametrize("solver", ["rk4", "midpoint"])
def test_a_simulation_that_runs_away_is_missing_from_there_on(solver: str) -> None:
    model, time = with_rate(50.0, solver), np.linspace(0, 32, 17)
    with pytest.warns(SimulationWarning, match=RUNS_AWAY):
        run = model.simulate({"z": 1.0}, time)["z"].values
    lost = np.isnan(run[0])
    assert not lost[:5].any() and lost[-1] and (np.diff(lost.astype(int)) >= 0).all()


def test_a_simulation_that_explodes_short_of_overflow_is_told() -> None:
    """At z' = 50 z from 1 the run is exp(50 t): 1e6 times as far from the mean as its record after 0.3 h, and 1e87 after 4 h."""
    model, time = with_rate(50.0), np.linspace(0, 4, 41)
    message = (
        r"trajectory 1 goes 1e\+06 times as far as its record by time 0\.[34] h, where z is \d.*e\+0\d: the learned field runs "
        r"away from its record, in which z goes from 0\.\d+ to 2\.\d+, .* \(1 more trajectory failed: 2\)\. To go on, "
        r".*\. Its later values tell nothing"
    )
    with pytest.warns(SimulationWarning, match=message) as caught:
        run = model.simulate({"z": [0.0, 1.0, -1.0]}, time)["z"].values
    assert len(caught) == 1 and np.isfinite(run).all() and run[1, -1] > 1e80


def test_growth_that_is_no_explosion_is_not_told() -> None:
    model, time = with_rate(1.0), np.linspace(0, 8, 9)
    for start in (1.0, 1e9):  # far out from the start, too
        run = model.simulate({"z": start}, time)["z"].values
        assert run[0, -1] == pytest.approx(start * np.exp(8.0), rel=1e-4)


def test_a_start_that_is_far_out_in_one_state_is_no_explosion_of_another() -> None:
    """A linear oscillator from x = 1e8 reaches v = 1e8, where its own v began at 0."""
    time = np.linspace(0, 20, 100)
    record = systems.get("harmonic-oscillator").simulate(time, n_trajectories=2, seed=0)
    model = physode.NeuralODE(hidden=()).fit(record)
    run = model.simulate({"x": 1e8, "v": 0.0}, time)["v"].values
    assert 5e7 < np.abs(run).max() < 2e8


def test_a_time_of_unknown_unit_is_told_as_a_number() -> None:
    model = with_rate(50.0)
    model.dynamics_ = replace(model._fitted(), layout=replace(model._fitted().layout, time_units=""))
    with pytest.warns(SimulationWarning, match=r"beyond time \d+, where z .*, from time 0 on\."):
        model.simulate({"z": 1.0}, np.linspace(0, 32, 17))


def test_a_prediction_names_the_first_trajectory_and_the_others() -> None:
    model = with_rate(5e7)
    with pytest.warns(SimulationWarning, match=r"trajectory 'fast' .* \(1 more trajectory failed: 'slow'\)") as caught:
        found = model.predict(growth(), warmup=1)
    assert len(caught) == 1
    assert np.isnan(found["z"].values[:, -1]).all() and np.isfinite(found["z"].values[:, 0]).all()


def test_a_stiff_field_is_told_with_its_time_constant_and_the_solver_to_take() -> None:
    model = with_rate(-1e4)
    message = (
        r"the learned field is stiff there, with a motion that decays in 0\.0001 h against steps of 0\.\d+ h\. "
        r"To go on, fit again with solver='implicit-midpoint'"
    )
    with pytest.warns(SimulationWarning, match=message):
        model.simulate({"z": 1.0}, np.linspace(0, 5, 6))
    run = with_rate(-1e4, "implicit-midpoint").simulate({"z": 1.0}, np.linspace(0, 5, 6))
    assert float(np.abs(run["z"]).max()) <= 1.0


def test_a_fit_that_cannot_integrate_its_record_says_where() -> None:
    class Wild(FirstOrderField):
        """Stiff beyond any step, whatever is learned."""

        def closure(self):
            evaluate = super().closure()
            return lambda t, z, u: evaluate(t, z, u) + 1e200 * z**3

    class WildODE(physode.NeuralODE):
        def _field(self, layout):
            return Wild(len(layout.states), 0, self.hidden, self.activation)

    with pytest.raises(
        FitError, match=r"no windows of the record could be integrated .*; trajectory 'fast' could not be carried beyond time 0 h"
    ):
        WildODE(hidden=(2,), max_iterations=2).fit(growth())


def test_a_forecast_that_runs_away_is_not_judged_a_good_one() -> None:
    ds = growth()
    dynamics = physode.NeuralODE(hidden=(2,), max_iterations=2).fit(ds)._fitted()
    lost = ds.where(ds["time"] < 0.6)
    stub = SimpleNamespace(layout=dynamics.layout, scaling=dynamics.scaling, predict=lambda *_: lost)
    assert misfit(stub, ds, dynamics.scaling.scale) == np.inf
    assert misfit(dynamics, ds, dynamics.scaling.scale) < 0.1
