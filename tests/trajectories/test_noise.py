import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError, UnknownNameError
from physode.trajectories import add_noise, from_numpy, state_names, true_states, validate


@pytest.fixture
def long() -> xr.Dataset:
    time = np.linspace(0, 10, 5000)
    values = np.column_stack([np.sin(time), np.cos(time)])
    roles = {"theta": "position", "omega": "velocity"}
    return from_numpy(time, np.stack([values, 2 * values]), ["theta", "omega"], units={"theta": "rad", "omega": "rad s-1"}, roles=roles)


def test_noise_has_the_standard_deviation_asked_for(long: xr.Dataset) -> None:
    noisy = add_noise(long, {"theta": 0.5, "omega": 0.1}, seed=1)
    for name, std in {"theta": 0.5, "omega": 0.1}.items():
        noise = (noisy[name] - long[name]).values.ravel()
        assert abs(noise.mean()) < 4 * std / 100
        assert noise.std() == pytest.approx(std, rel=0.04)
        assert noisy[f"{name}_noise_std"].item() == std
        assert noisy[f"{name}_noise_std"].attrs["role"] == "noise"
        assert noisy[f"{name}_noise_std"].attrs["units"] == long[name].attrs["units"]
        assert noisy[name].attrs == long[name].attrs
    noises = [(noisy[name] - long[name]).values.ravel() for name in ("theta", "omega")]
    assert abs(np.corrcoef(*noises)[0, 1]) < 0.05
    validate(noisy)


def test_the_seed_and_nothing_else_draws_the_noise(long: xr.Dataset) -> None:
    one = add_noise(long, 0.1, seed=3)
    xr.testing.assert_equal(one, add_noise(long, 0.1, seed=3))
    assert not np.allclose(one["theta"], add_noise(long, 0.1, seed=4)["theta"])
    alone = add_noise(long, {"omega": 0.1}, seed=3)
    np.testing.assert_array_equal(alone["omega"].values, one["omega"].values)
    np.testing.assert_array_equal(alone["theta"].values, long["theta"].values)
    assert "theta_noise_std" not in alone


def test_noise_adds_up_in_quadrature(long: xr.Dataset) -> None:
    twice = add_noise(add_noise(long, 0.3, seed=0), 0.4, seed=1)
    assert twice["theta_noise_std"].item() == pytest.approx(0.5)
    assert twice["theta_noise_std"].attrs["units"] == "rad"
    assert [line.partition(": ")[2] for line in twice.attrs["history"].splitlines()] == [
        "from_numpy",
        "add_noise theta=0.3, omega=0.3, seed=0",
        "add_noise theta=0.4, omega=0.4, seed=1",
    ]


def test_the_truth_of_a_simulated_record_is_kept_for_every_state(long: xr.Dataset) -> None:
    simulated = long.assign_attrs(system="pendulum")
    noisy = add_noise(add_noise(simulated, {"theta": 0.1}, seed=0), {"omega": 0.1}, seed=1)
    np.testing.assert_array_equal(noisy["theta_true"].values, long["theta"].values)
    np.testing.assert_array_equal(noisy["omega_true"].values, long["omega"].values)
    assert noisy["omega_true"].attrs == {**long["omega"].attrs, "role": "truth"}
    truth = true_states(noisy)
    assert truth is not None
    xr.testing.assert_identical(truth.drop_attrs(deep=False), long.drop_attrs(deep=False))
    validate(noisy)


def test_a_measured_record_has_no_truth(long: xr.Dataset) -> None:
    noisy = add_noise(long, 0.1, seed=0)
    assert true_states(long) is None
    assert true_states(noisy) is None
    assert "theta_true" not in noisy


def test_a_simulated_record_without_noise_is_its_own_truth(long: xr.Dataset) -> None:
    simulated = long.assign_attrs(system="pendulum").assign(k=((), 1.0, {"role": "parameter"}))
    truth = true_states(simulated)
    assert truth is not None
    assert state_names(truth) == list(truth.data_vars) == ["theta", "omega"]
    xr.testing.assert_identical(truth["theta"], simulated["theta"])


def test_truth_gets_its_roles_from_what_points_to_what() -> None:
    def truth(**attrs: str) -> tuple:
        return ("trajectory", "time"), np.array([[0.0, 1.0]]), {"role": "truth", **attrs}

    ds = xr.Dataset(
        {
            "x": (("trajectory", "time"), [[0.0, 1.0]], {"role": "position"}),
            "x_true": truth(units="m"),
            "v_true": truth(time_derivative_of="x"),
            "p_true": truth(conjugate_to="x"),
            "z_true": truth(),
        },
        coords={"trajectory": [0], "time": [0.0, 1.0]},
    )
    found = true_states(ds)
    assert found is not None
    roles = {name: variable.attrs["role"] for name, variable in found.data_vars.items()}
    assert roles == {"x": "position", "v": "velocity", "p": "momentum", "z": "state"}
    assert found["x"].attrs["units"] == "m"
    assert ds["x_true"].attrs["role"] == "truth"  # the record itself is left as it was


def test_irregular_records_keep_their_gaps(irregular: xr.Dataset) -> None:
    noisy = validate(add_noise(irregular, 0.1, seed=0))
    np.testing.assert_array_equal(np.isnan(noisy["x"].values), np.isnan(irregular["x"].values))
    assert (noisy["x"] != irregular["x"]).sum() == 10


def test_no_noise_changes_nothing(long: xr.Dataset) -> None:
    quiet = add_noise(long, 0.0, seed=0)
    xr.testing.assert_equal(quiet, long)


def test_what_is_no_noise_is_told(long: xr.Dataset) -> None:
    with pytest.raises(
        DataError, match="the noise of the state 'omega' has the standard deviation -0.1; it must be finite and not negative"
    ):
        add_noise(long, {"omega": -0.1}, seed=0)
    with pytest.raises(DataError, match="standard deviation nan"):
        add_noise(long, float("nan"), seed=0)
    with pytest.raises(UnknownNameError, match="unknown state 'omga'; did you mean 'omega'"):
        add_noise(long, {"omga": 0.1}, seed=0)
    with pytest.raises(DataError, match="has a variable 'theta_noise_std' that is not the noise of a state; rename it"):
        add_noise(long.assign(theta_noise_std=long["theta"]), 0.1, seed=0)
    with pytest.raises(DataError, match="has a variable 'theta_true' that is not the truth of a state"):
        add_noise(long.assign(theta_true=long["theta"]).assign_attrs(system="pendulum"), 0.1, seed=0)
