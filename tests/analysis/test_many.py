"""Each analysis of many models gives what it gives of each."""

import numpy as np
import pytest

import physode
from physode import analysis, systems

SMALL = {"n_trajectories": 2, "duration": 20.0, "transient": 2.0}
OF_DYNAMICS = {
    "lyapunov_spectrum": SMALL,
    "local_exponents": SMALL | {"window": 5.0},
    "largest_exponent_wolf": {"n_trajectories": 2, "duration": 5.0},
    "fixed_points": {"n_starts": 20},
    "phase_plane": {"n": 5},
    "nullclines": {"n": 21},
    "distill": {"n_states": 200},
}


@pytest.mark.parametrize("name", sorted(OF_DYNAMICS))
def test_many_systems_equal_one_by_one(name):
    function, options = getattr(analysis, name), OF_DYNAMICS[name]
    pair = {"slow": systems.get("van-der-pol", mu=0.5), "fast": systems.get("van-der-pol", mu=1.5)}
    both = function(pair, **options)
    for label, system in pair.items():
        alone = function(system, **options)
        for variable in alone.data_vars:
            if alone[variable].dtype.kind in "fi":
                indexes = {dim: alone[dim] for dim in alone[variable].dims if dim in alone.indexes}
                found = both[variable].sel(model=label, **indexes).values
                expected = alone[variable].values.astype(np.float64)
                np.testing.assert_array_equal(found[tuple(slice(0, n) for n in expected.shape)], expected)


def test_many_models_of_one_record():
    pendulum = systems.get("pendulum")
    record = pendulum.simulate(np.linspace(0, 4, 41), n_trajectories=2, seed=0)
    models = {("first", 0): pendulum, ("second", 1): systems.get("pendulum", gravity=9.0)}
    drift = physode.energy_drift(models, record, energy=pendulum)
    assert drift.max_drift.dims[:2] == ("model", "seed")
    alone = physode.energy_drift(models["second", 1], record, energy=pendulum)
    np.testing.assert_array_equal(drift.max_drift.sel(model="second", seed=1), alone.max_drift)
    assert np.isnan(drift.max_drift.sel(model="first", seed=1)).all()
    backward = analysis.backward_prediction(models, record)
    assert float(abs(backward.theta.sel(model="first", seed=0) - record.theta).max()) < 1e-6
