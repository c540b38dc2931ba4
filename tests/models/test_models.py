"""Every model of the registry, by the same tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

import physode
from physode import systems
from physode.errors import DataError, FitError, NotFittedError, PhysodeError, UnknownNameError
from physode.models import MODELS, get
from physode.training import StopFit, stages
from physode.training.gradient_descent import lbfgs

TIME = np.linspace(0.0, 6.0, 61)


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    """Three noise-free swings of a pendulum, angle and angular velocity."""
    starts = {"theta": np.array([0.5, 1.2, -0.8]), "omega": np.array([0.0, 0.5, 1.0])}
    return systems.get("pendulum").simulate(TIME, starts)


@pytest.fixture(scope="module")
def fitted(record: xr.Dataset) -> dict[str, physode.models.AbstractModel]:
    """Every model, fitted to both states."""
    return {name: get(name, hidden=(16,)).fit(record, seed=0) for name in MODELS}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_follows_the_record_it_was_fitted_to(name: str, fitted: dict, record: xr.Dataset) -> None:
    result = fitted[name].result_
    assert fitted[name].score(record) > 0.9999
    assert result.status == "converged"
    assert result.loss < 5e-3
    assert result.window == pytest.approx(6.0)
    assert result.solver_error < max(0.1 * result.loss, 1e-5)
    assert len(result.history["loss"]) == result.n_iterations == result.history["epoch"][-1]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_prediction_keeps_the_coordinates_and_names_every_state(name: str, fitted: dict, record: xr.Dataset) -> None:
    prediction = fitted[name].predict(record)
    xr.testing.assert_identical(prediction["time"], record["time"])
    assert set(prediction.data_vars) == set(fitted[name].states)
    assert fitted[name].states[:2] == ("theta", "omega")
    assert prediction["theta"].attrs["units"] == "rad"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_jvp_is_the_derivative_of_rhs(name: str, fitted: dict) -> None:
    model = fitted[name]
    z, rng = model.sample_states(5, seed=1), np.random.default_rng(2)
    v = rng.standard_normal((5, 3, z.shape[1]))
    step = 1e-6
    numeric = np.stack([(model.rhs(0.0, z + step * v[:, k]) - model.rhs(0.0, z - step * v[:, k])) / (2 * step) for k in range(3)], 1)
    np.testing.assert_allclose(model.jvp(0.0, z, v), numeric, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.jvp(0.0, z, v[:, 0]), model.jvp(0.0, z, v)[:, 0], rtol=1e-12)
    eye = np.broadcast_to(np.eye(z.shape[1]), (5, z.shape[1], z.shape[1]))
    np.testing.assert_allclose(model.divergence(0.0, z), np.trace(model.jvp(0.0, z, eye), axis1=1, axis2=2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_learned_field_is_the_true_one_near_the_record(name: str, fitted: dict, record: xr.Dataset) -> None:
    slopes = fitted[name].vector_field(record)
    truth = -9.81 * np.sin(record["theta"])
    assert float(np.sqrt(((slopes["domega_dt"] - truth) ** 2).mean())) < 0.02 * float(truth.std())


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_saved_model_predicts_the_same_to_the_last_bit(name: str, fitted: dict, record: xr.Dataset, tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    fitted[name].save(path)
    again = physode.load(path)
    assert type(again) is MODELS[name]
    assert again.get_params() == fitted[name].get_params()
    assert again.result_ == fitted[name].result_
    np.testing.assert_array_equal(again.predict(record)["theta"], fitted[name].predict(record)["theta"])


def test_the_same_seed_gives_the_same_model_and_another_seed_another(record: xr.Dataset) -> None:
    runs = [physode.NeuralODE(hidden=(8,), max_iterations=5).fit(record, seed=s).predict(record)["theta"].values for s in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 1e-9


def test_second_order_model_finds_the_velocity_from_noisy_positions() -> None:
    ds = systems.get("pendulum").simulate(np.linspace(0, 10, 100), n_trajectories=6, observe=["theta"], noise=0.015, seed=1)
    model = physode.SecondOrderNeuralODE(hidden=(16,)).fit(ds, seed=0)
    velocity = model.predict(ds)["omega"]
    assert np.corrcoef(velocity.values.ravel(), ds["omega_true"].values.ravel())[0, 1] > 0.999
    assert velocity.attrs["time_derivative_of"] == "theta"
    assert model.result_.noise_std["theta"] == pytest.approx(0.015)


def test_noise_that_the_record_does_not_state_is_estimated() -> None:
    ds = systems.get("pendulum").simulate(np.linspace(0, 10, 100), n_trajectories=6, observe=["theta"], noise=0.015, seed=1)
    model = physode.SecondOrderNeuralODE(hidden=(16,)).fit(ds.drop_vars("theta_noise_std"), seed=0)
    assert model.result_.noise_std["theta"] == pytest.approx(0.015, rel=0.15)


def test_a_forecast_does_not_look_at_what_it_forecasts(fitted: dict, record: xr.Dataset) -> None:
    changed = record.copy(deep=True)
    changed["theta"][:, 20:] = 7.0
    changed["omega"][:, 20:] = -7.0
    forecast = fitted["sonode"].predict(record, warmup=20)["theta"]
    np.testing.assert_array_equal(forecast, fitted["sonode"].predict(changed, warmup=20)["theta"])
    assert np.abs(forecast - fitted["sonode"].predict(changed)["theta"]).max() > 0.1


def test_irregular_records_with_gaps_are_fitted_as_they_are() -> None:
    rng = np.random.default_rng(0)
    system = systems.get("damped-oscillator")
    times, values = [], []
    for k in range(2):
        t = np.sort(rng.uniform(0, 12, 40 + 5 * k))
        one = system.simulate(np.concatenate([[0.0], t]), {"x": 1.0 + 0.3 * k, "v": 0.0})
        x = one["x"].values[0, 1:].copy()
        x[rng.random(len(x)) < 0.2] = np.nan
        times.append(t)
        values.append(x[:, None])
    ds = physode.from_numpy(times, values, ["x"], roles={"x": "position"})
    model = physode.SecondOrderNeuralODE(hidden=(8,)).fit(ds, seed=0)
    prediction = model.predict(ds)
    assert model.score(ds) > 0.9999
    np.testing.assert_array_equal(np.isfinite(prediction["x"]), np.isfinite(ds["time"]))


def test_inputs_drive_the_model() -> None:
    time = np.linspace(0, 20, 201)
    force = np.sin(0.7 * time) + 0.5 * np.sin(2.3 * time)
    from scipy.integrate import solve_ivp

    def motion(t: float, z: np.ndarray) -> list[float]:
        return [z[1], -4 * z[0] - 0.4 * z[1] + np.interp(t, time, force)]

    z = solve_ivp(motion, (0, 20), [0.3, 0.0], t_eval=time, rtol=1e-9, atol=1e-10, max_step=0.1).y
    ds = physode.from_numpy(time, z.T[:, :1], ["x"], inputs={"force": force}, roles={"x": "position"})
    model = physode.SecondOrderNeuralODE(hidden=(8,)).fit(ds.isel(time=slice(0, 150)), seed=0)
    forecast = model.predict(ds, warmup=100)
    assert float(np.sqrt(((forecast["x"] - z[0]) ** 2).isel(time=slice(150, None)).mean())) < 0.01 * z[0].std()
    with pytest.raises(PhysodeError, match="driven by force"):
        model.rhs(0.0, np.zeros((1, 2)))
    gap = ds.copy(deep=True)
    gap["force"][..., 7] = np.nan
    with pytest.raises(DataError, match="the input 'force' is missing at trajectory 0, row 8, time 0.7"):
        model.predict(gap)


def test_hamiltonian_model_conserves_its_energy_and_learns_the_true_one(fitted: dict, record: xr.Dataset) -> None:
    model = fitted["hnn"]
    run = model.simulate({"theta": 1.0, "omega": 0.0}, np.linspace(0, 60, 601))
    z = np.stack([run["theta"].values[0], run["omega"].values[0]], axis=1)
    true_energy = systems.get("pendulum").energy(z)
    assert np.abs(model.hamiltonian(z) - model.hamiltonian(z)[0]).max() < 1e-4
    assert np.abs(true_energy - true_energy[0]).max() < 0.005 * 9.81
    np.testing.assert_allclose(model.divergence(0.0, z[:5]), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"solver": "leapfrog", "separable": True}, "hnn"),
        ({"solver": "implicit-midpoint"}, "hnn"),
        ({"solver": "dopri5"}, "sonode"),
        ({"solver": "dopri5", "gradient": "adjoint"}, "sonode"),
        ({"optimizer": "lbfgs"}, "sonode"),
        ({"optimizer": "adam"}, "node"),
    ],
)
def test_every_solver_gradient_and_optimiser_betters_the_warm_start(settings: dict, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = systems.get("harmonic-oscillator").simulate(np.linspace(0, 6, 8), {"x": 1.0, "v": 0.0})  # few points: its spline is off
    kind = {"separable": True} if "separable" in settings else {}
    with monkeypatch.context() as patch:
        patch.setattr(stages, "lbfgs", lambda *arguments, **limits: lbfgs(*arguments, **{**limits, "iterations": 0}))
        start = get(name, hidden=(4,), optimizer="lbfgs", **kind).fit(ds, seed=0)
    assert start.result_.n_iterations == len(start.result_.history["stage"]) == start.result_.history["stage"].count("warm start")
    model = get(name, hidden=(4,), max_iterations=5, **settings).fit(ds, seed=0)
    assert model.result_.loss < 0.7 * start.result_.loss


@pytest.mark.parametrize("gradient", ["backprop", "adjoint", "interpolated-adjoint"])
def test_adaptive_solvers_and_adjoints_take_uneven_records(gradient: str) -> None:
    time = np.sort(np.random.default_rng(0).uniform(0, 6, 20))  # even one trajectory has windows of different times
    ds = systems.get("damped-oscillator").simulate(time, n_trajectories=1, seed=0)
    model = physode.NeuralODE(hidden=(), solver="dopri5", gradient=gradient, optimizer="lbfgs", max_iterations=10).fit(ds)
    assert model.score(ds) > 0.999


def test_the_initial_velocity_can_be_learned_from_the_initial_position(tmp_path) -> None:
    system, time = systems.get("pendulum"), np.linspace(0.0, 4.0, 41)
    angles = np.linspace(-1.2, 1.2, 12)
    starts = {"theta": angles, "omega": 1.0 - 0.5 * angles + 0.4 * angles**2}
    model = physode.SecondOrderNeuralODE(hidden=(16,), initial_velocity="learned")
    model.fit(system.simulate(time, starts, observe=["theta"]), seed=0)
    new = system.simulate(time, {"theta": np.array([0.7]), "omega": np.array([1.0 - 0.35 + 0.4 * 0.49])}, observe=["theta"])
    alone = model.simulate({"theta": 0.7}, time)
    assert float(alone["omega"][0, 0]) == pytest.approx(0.846, abs=0.01)
    assert float(abs(model.predict(new, warmup=1)["theta"] - new["theta"]).max()) < 0.02
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(physode.load(tmp_path / "m.safetensors").simulate({"theta": 0.7}, time)["omega"], alone["omega"])


def test_the_initial_velocity_can_be_given() -> None:
    ds = systems.get("pendulum").simulate(np.linspace(0, 5, 51), {"theta": 1.0, "omega": 0.5}, noise=0.02, seed=3)
    given = ds.copy(deep=True).drop_vars("omega_noise_std")
    given["omega"][:, 0] = 0.5
    given["omega"][:, 1:] = np.nan
    given["omega_noise_std"] = ((), 1e-4, {"units": "rad s-1", "role": "noise"})
    model = physode.SecondOrderNeuralODE(hidden=(8,)).fit(given, seed=0)
    assert float(model.predict(given)["omega"][0, 0]) == pytest.approx(0.5, abs=1e-3)


def test_interrupting_keeps_the_best_model_so_far(record: xr.Dataset) -> None:
    def interrupt(progress) -> None:
        if progress.stage.startswith("windows") and progress.epoch >= 25:
            raise KeyboardInterrupt

    model = physode.NeuralODE(hidden=(8,)).fit(record, callback=interrupt)
    assert model.result_.status == "interrupted"
    assert not model.result_.success
    assert model.score(record) > 0.5


def test_a_callback_that_fails_loses_nothing(record: xr.Dataset) -> None:
    def fail(progress) -> None:
        if progress.stage.startswith("windows") and progress.epoch >= 25:
            raise ZeroDivisionError("in the user's own code")

    model = physode.NeuralODE(hidden=(8,))
    with pytest.raises(ZeroDivisionError, match="in the user's own code"):
        model.fit(record, callback=fail)
    assert model.result_.status == "stopped"
    assert "The callback stopped the fit (it failed: ZeroDivisionError" in model.result_.message
    assert model.score(record) > 0.5


def test_callback_and_time_budget_end_a_fit(record: xr.Dataset) -> None:
    def stop(progress) -> None:
        raise StopFit

    assert physode.NeuralODE(hidden=(8,)).fit(record, callback=stop).result_.status == "stopped"

    def leave(progress) -> None:
        if progress.stage.startswith("windows"):
            raise StopFit("seen enough")

    model = physode.NeuralODE(hidden=(8,)).fit(record, callback=leave)
    assert (model.result_.status, model.result_.success) == ("stopped", False)
    assert model.result_.message.startswith("The callback stopped the fit (seen enough); the best model so far was kept.")
    assert physode.NeuralODE(hidden=(8,)).fit(record, time_budget=1e-6).result_.status == "time_budget"


def test_a_fit_that_ends_in_the_warm_start_says_so(record: xr.Dataset) -> None:
    steps = []

    def leave(progress) -> None:
        steps.append(progress)
        if len(steps) == 2:
            raise StopFit("enough")

    model = physode.NeuralODE(hidden=(8,)).fit(record, callback=leave)
    assert {step.stage for step in steps} == {"warm start"} and model.result_.n_iterations == 2
    assert model.result_.message == (
        "The callback stopped the fit (enough); no windows of the record were fitted yet, and the model is that of the warm start, which "
        "matches slopes of the smoothed record, as far as it had come."
    )
    assert (model.result_.loss, model.result_.window) == (np.inf, 0.0)
    assert model.score(record) > 0.9


def test_validation_chooses_among_the_stages(record: xr.Dataset) -> None:
    train, held_out = record.isel(trajectory=slice(0, 2)), record.isel(trajectory=slice(2, 3))
    model = physode.SecondOrderNeuralODE(hidden=(8,)).fit(train, validation=held_out)
    assert model.score(held_out, warmup=15) > 0.99


def test_adam_ends_with_its_schedule() -> None:
    noisy = systems.get("pendulum").simulate(TIME, n_trajectories=3, noise=0.1, seed=0)
    result = physode.NeuralODE(hidden=(8,), optimizer="adam", max_iterations=100).fit(noisy).result_
    assert result.success and result.status == "max_iterations"
    assert result.message == "The fit went through its schedule of max_iterations steps on each length of windows."


def test_a_port_hamiltonian_model_finds_the_store_that_was_not_observed() -> None:
    """One mass on a spring in a liquid; only its place is measured, and the energy never grows."""
    ds = systems.get("damped-oscillator").simulate(np.linspace(0, 10, 60), n_trajectories=3, observe=["x"], seed=1)
    model = physode.PortHamiltonianNeuralODE(n_augmented=1, convex=True, hidden=(4,)).fit(ds, seed=0)
    assert model.states == ("x", "augmented_1")
    assert model.score(ds) > 0.999
    run = model.simulate({"x": 1.0}, np.linspace(0, 200, 800))
    energy = model.hamiltonian(np.stack([run[name].values[0] for name in model.states], axis=1))
    assert (np.diff(energy) < 1e-6).all() and energy[0] - energy[-1] > 0.1


def measured(when: Callable[[xr.DataArray], xr.DataArray]) -> Callable[[xr.Dataset], xr.Dataset]:
    """Take away what was measured at other times."""
    return lambda ds: ds.map(lambda state: state.where(when(ds["time"])) if state.ndim == 2 else state, keep_attrs=True)


class TestErrors:
    def test_a_convex_energy_of_two_layers(self) -> None:
        with pytest.raises(PhysodeError, match=r"hidden is \(4, 4\) and convex is True"):
            physode.PortHamiltonianNeuralODE(hidden=(4, 4), convex=True)

    def test_unknown_names(self) -> None:
        with pytest.raises(
            UnknownNameError, match=r"unknown model 'sonod'; did you mean 'sonode'\? Choose from: anode, hnn, node, phnn, sonode"
        ):
            get("sonod")
        with pytest.raises(UnknownNameError, match="unknown activation 'tanhh'; did you mean 'tanh'"):
            physode.NeuralODE(activation="tanhh")
        with pytest.raises(UnknownNameError, match="unknown solver 'rk45'"):
            physode.NeuralODE(solver="rk45")
        with pytest.raises(UnknownNameError, match="unknown optimizer 'sgd'"):
            physode.NeuralODE(optimizer="sgd")

    def test_not_fitted(self, record: xr.Dataset) -> None:
        with pytest.raises(NotFittedError, match=r"this NeuralODE is not fitted yet; call fit\(ds\) first"):
            physode.NeuralODE().predict(record)

    def test_a_constant_state(self) -> None:
        ds = physode.from_numpy(TIME, np.column_stack([np.sin(TIME), np.cos(TIME)]), ["x", "y"])
        ds["y"][:] = 1.0
        with pytest.raises(DataError, match="'y'"):
            physode.NeuralODE().fit(ds)

    def test_a_record_at_rest_everywhere(self) -> None:
        with pytest.raises(DataError, match="no trajectory of this record moves: x, y differ between trajectories only"):
            physode.NeuralODE().fit(physode.from_numpy([TIME, TIME], [np.full((len(TIME), 2), k) for k in (1.0, 2.0)], ["x", "y"]))

    def test_values_too_close_for_a_spread(self, record: xr.Dataset) -> None:
        with pytest.raises(DataError, match="'theta' does not change in this record, or too little .* in a smaller unit"):
            physode.NeuralODE().fit(record.assign(theta=1e-300 * record["theta"]))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (measured(lambda time: time < 0.5), "nothing was measured after its first 16 samples"),
            (lambda ds: ds.isel(time=slice(1)), "validation record: .*nothing is left to forecast"),
            (
                lambda ds: ds.map(lambda state: state.where(ds["time"] > 2) if state.ndim == 2 else state, keep_attrs=True),
                "has no measurement of theta or omega in its first 16",
            ),
            (lambda ds: ds.isel(time=slice(None, None, -1)), "validation record: .*increas"),
            (lambda ds: ds.drop_vars("omega"), "validation record: .*the record lacks omega"),
            (
                lambda ds: ds.isel(trajectory=slice(1, 3), time=slice(20, None)).assign_coords(trajectory=["a", "b"]),
                "validation record: samples after its first 11 have the values of some that are fitted, in trajectory 'a', 'b': .*held out",
            ),
        ],
        ids=["soon lost", "short", "late", "backwards", "another", "fitted"],
    )
    def test_a_validation_record_that_tells_nothing(self, record: xr.Dataset, change: Callable, message: str) -> None:
        told: list[object] = []
        with pytest.raises(DataError, match=message):
            physode.NeuralODE().fit(record, validation=change(record), callback=told.append)
        assert not told

    def test_a_record_without_the_states(self, fitted: dict) -> None:
        other = physode.from_numpy(TIME, np.sin(TIME), ["height"])
        with pytest.raises(DataError, match="the record lacks theta, omega; it has height"):
            fitted["node"].predict(other)

    def test_a_velocity_without_its_position(self) -> None:
        ds = physode.from_numpy(TIME, np.sin(TIME), ["v"])
        ds["v"].attrs["role"] = "velocity"
        with pytest.raises(DataError):
            physode.SecondOrderNeuralODE().fit(ds)

    def test_initial_states_that_do_not_fit(self, fitted: dict) -> None:
        with pytest.raises(PhysodeError, match="omega is missing; its states are theta, omega"):
            fitted["node"].simulate({"theta": 1.0}, TIME)
        with pytest.raises(PhysodeError, match="phi is no state of this model"):
            fitted["node"].simulate({"phi": 1.0}, TIME)
        with pytest.raises(PhysodeError, match="increasing"):
            fitted["node"].simulate({"theta": 1.0, "omega": 0.0}, [0.0, 0.0])

    def test_settings_that_exclude_each_other(self, record: xr.Dataset) -> None:
        with pytest.raises(FitError, match="explicit Runge-Kutta methods only, and solver is 'dopri5'"):
            physode.NeuralODE(solver="dopri5", optimizer="levenberg-marquardt").fit(record)
        with pytest.raises(FitError, match="gradient='adjoint' needs an adaptive solver"):
            physode.NeuralODE(gradient="adjoint")


def test_a_velocity_that_a_model_holds_is_not_called_the_true_one() -> None:
    ds = systems.get("pendulum").simulate(TIME, {"theta": 1.0, "omega": 0.0}, observe=["theta"])
    velocity = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=1).fit(ds).predict(ds)["omega"]
    assert ds["omega_true"].attrs["long_name"] == "true angular velocity"
    assert velocity.attrs == {"units": "rad s-1", "long_name": "velocity of theta", "role": "velocity", "time_derivative_of": "theta"}


@pytest.mark.parametrize(
    ("units", "velocity", "slope"),
    [({"x": "m", "time": "s"}, "m s-1", "m s-2"), ({"x": "1", "time": "1"}, "1", "1"), ({"x": "m"}, "", ""), (None, "", "")],
)
def test_units_follow_from_those_of_the_record_and_are_not_made_up(units: dict[str, str] | None, velocity: str, slope: str) -> None:
    ds = physode.from_numpy(TIME, np.sin(TIME), ["x"], units=units)
    model = physode.SecondOrderNeuralODE(hidden=(2,), max_iterations=1).fit(ds)
    assert model.predict(ds)["x_velocity"].attrs.get("units", "") == velocity
    assert model.vector_field(ds)["dx_velocity_dt"].attrs["units"] == slope
    assert model.units == {"x": (units or {}).get("x", ""), "x_velocity": velocity, "time": (units or {}).get("time", "")}
