"""Records from systems: truth beside observations, noise, names, and the same seed."""

import json

import numpy as np
import pytest
import xarray as xr

import physode.trajectories as trajectories
from physode import systems
from physode.errors import PhysodeError, SimulationError, UnknownNameError
from physode.systems.simulation import SimulationWarning

TIME = np.linspace(0, 10, 101)


@pytest.mark.parametrize("name", systems.names())
def test_every_system_makes_a_valid_record(name):
    system = systems.get(name)
    record = system.simulate(np.linspace(0, 2 * system.time_scale, 11), n_trajectories=2, noise=0.01, seed=4)
    trajectories.validate(record)
    assert trajectories.state_names(record) == list(system.states)
    assert trajectories.parameter_names(record) == list(system.parameters)
    truth = trajectories.true_states(record)
    assert list(truth.data_vars) == list(system.states)
    np.testing.assert_allclose(np.stack([truth[s][:, 0] for s in system.states], -1), system.sample_states(2, seed=[4, 0]))


def test_a_clean_full_record_is_its_own_truth():
    record = systems.get("pendulum").simulate(TIME)
    assert list(record.data_vars) == ["theta", "omega", "gravity", "length"]
    assert record.theta.dims == ("trajectory", "time")
    assert record.sizes == {"trajectory": 1, "time": 101}
    assert record.omega.attrs == {"units": "rad s-1", "long_name": "angular velocity", "role": "velocity", "time_derivative_of": "theta"}
    assert record.attrs["schema"] == "physode/1"
    assert record.attrs["system"] == "pendulum"
    assert record.attrs["rtol"] == 1e-10
    assert record.time.attrs["units"] == "s"
    assert record.theta.dtype == np.float64
    np.testing.assert_array_equal(record.time, TIME)


def test_accuracy_and_energy():
    record = systems.get("pendulum").simulate(TIME, {"theta": [0.5, 1.0, 2.0], "omega": 0.0})
    pendulum = systems.get("pendulum")
    energy = pendulum.energy(np.stack([record.theta, record.omega], -1))
    assert np.abs(energy / energy[:, :1] - 1).max() < 1e-9
    from scipy.special import ellipj, ellipk

    k = np.sin(0.5)
    sn = ellipj(ellipk(k**2) - np.sqrt(9.81) * TIME, k**2)[0]
    np.testing.assert_allclose(record.theta[1], 2 * np.arcsin(k * sn), atol=1e-8)


def test_noise_in_units_by_state_and_relative():
    pendulum = systems.get("pendulum")
    absolute = pendulum.simulate(TIME, n_trajectories=30, noise=0.05, seed=1)
    assert float(absolute.theta_noise_std) == 0.05
    assert float((absolute.theta - absolute.theta_true).std()) == pytest.approx(0.05, rel=0.05)
    by_state = pendulum.simulate(TIME, n_trajectories=30, noise={"theta": 0.05}, seed=1)
    np.testing.assert_array_equal(by_state.theta, absolute.theta)
    np.testing.assert_array_equal(by_state.omega, by_state.omega_true)
    assert float(by_state.omega_noise_std) == 0.0
    relative = pendulum.simulate(TIME, n_trajectories=30, noise=0.1, noise_model="relative", seed=1)
    assert float(relative.omega_noise_std) == pytest.approx(0.1 * float(relative.omega_true.std()), rel=1e-12)
    assert float((relative.omega - relative.omega_true).std()) == pytest.approx(float(relative.omega_noise_std), rel=0.05)
    assert json.loads(by_state.attrs["noise"]) == {"theta": 0.05}
    assert relative.attrs["noise_model"] == "relative"


def test_noise_and_observation_leave_the_truth_alone():
    pendulum = systems.get("pendulum")
    clean = pendulum.simulate(TIME, n_trajectories=4, seed=2)
    partial = pendulum.simulate(TIME, n_trajectories=4, observe=["theta"], seed=2)
    assert "omega" not in partial
    assert "theta_noise_std" not in partial
    np.testing.assert_array_equal(partial.omega_true, clean.omega)
    assert partial.omega_true.attrs["time_derivative_of"] == "theta"
    assert partial.omega_true.attrs["role"] == "truth"
    noisy = pendulum.simulate(TIME, n_trajectories=4, observe=["theta"], noise=0.1, seed=2)
    np.testing.assert_array_equal(noisy.theta_true, clean.theta)
    assert list(noisy.data_vars) == ["theta", "theta_true", "omega_true", "theta_noise_std", "gravity", "length"]


def test_the_same_seed_gives_the_same_bytes():
    make = lambda seed: systems.get("lorenz").simulate(np.linspace(0, 1, 11), n_trajectories=3, noise=0.1, seed=seed)  # noqa: E731
    first, again, other = make(0), make(0), make(1)
    assert all(first[name].values.tobytes() == again[name].values.tobytes() for name in first.variables)
    assert not np.array_equal(first.x, other.x)
    fewer = systems.get("lorenz").simulate(np.linspace(0, 1, 11), n_trajectories=2, seed=0)
    np.testing.assert_allclose(fewer.x, first.x_true[:2], rtol=1e-9)


def test_parameters_over_trajectories():
    lengths = np.array([0.5, 1.0, 2.0])
    record = systems.get("pendulum").simulate(TIME, {"theta": 1e-4, "omega": 0.0}, parameters={"length": lengths})
    assert record.length.dims == ("trajectory",)
    assert record.gravity.dims == ()
    np.testing.assert_allclose(record.theta, 1e-4 * np.cos(np.sqrt(9.81 / lengths)[:, None] * TIME), atol=1e-10)


@pytest.mark.parametrize(("name", "parameter"), [("henon-heiles", "coupling"), ("three-body", "m2")])
def test_initial_states_are_drawn_for_the_parameters_of_the_simulation(name, parameter):
    system, values = systems.get(name), [1.0, 3.0, 3.0, 0.5]

    def starts(of, **parameters):
        record = of.simulate([0.0, 0.01], n_trajectories=4, parameters=parameters, seed=2)
        return np.stack([record[state][:, 0] for state in system.states], -1)

    tripled = starts(system, **{parameter: 3.0})
    np.testing.assert_array_equal(tripled, starts(system.with_parameters(**{parameter: 3.0})))
    each = starts(system, **{parameter: values})
    for row, value in enumerate(values):
        np.testing.assert_array_equal(each[row], starts(system.with_parameters(**{parameter: value}))[row])
    assert not np.array_equal(each[1], starts(system)[1])


def test_no_coupling_leaves_every_star_bound():
    record = systems.get("henon-heiles", coupling=0.0).simulate([0.0, 1.0], n_trajectories=3)
    np.testing.assert_allclose(record.x[:, 1], record.x[:, 0] * np.cos(1) + record.px[:, 0] * np.sin(1), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"time": [0, 1, 1]}, PhysodeError, "time must increase, found 1 followed by 1 at position 1"),
        ({"time": [0, np.nan]}, PhysodeError, "time must be finite, found nan at position 1"),
        ({"time": [[[0, 1]]]}, PhysodeError, r"found shape \(1, 1, 2\)"),
        ({"time": [[0, 1], [0, np.nan]]}, PhysodeError, r"time must be finite, found nan at position \(1, 1\)"),
        ({"time": [[0, 1, 2], [0, 1, 3]], "n_trajectories": 3}, PhysodeError, "rows of time: 2, n_trajectories: 3"),
        ({"missing": 1.0}, PhysodeError, "missing must be a fraction"),
        ({"method": "RK45"}, UnknownNameError, "unknown method 'RK45'"),
        ({"on_failure": "ignore"}, UnknownNameError, "choice for on_failure"),
        ({"rtol": 1e-15}, PhysodeError, "rtol must be at least 2.5e-14"),
        ({"rtol": -1}, PhysodeError, "rtol must be a positive number"),
        ({"max_step": 0.1}, PhysodeError, "DOP853 chooses its own steps"),
        ({"inputs": {"u": 1.0}}, PhysodeError, "pendulum takes no inputs, found 'u'"),
        ({"initial_states": {"theta": 1.0}}, PhysodeError, "gives no value for omega"),
        ({"initial_states": {"theta": 1.0, "omga": 0.0}}, UnknownNameError, "did you mean 'omega'"),
        ({"initial_states": {"theta": [1.0, 2.0], "omega": [0.0, 1.0, 2.0]}}, PhysodeError, "'theta': 2, initial value of 'omega': 3"),
        ({"initial_states": {"theta": [1.0, 2.0], "omega": 0.0}, "n_trajectories": 3}, PhysodeError, "n_trajectories: 3"),
        ({"n_trajectories": 0}, PhysodeError, "at least 1, found 0"),
        ({"observe": ["phi"]}, UnknownNameError, "state of pendulum 'phi'"),
        ({"observe": "theta"}, PhysodeError, "observe must list one or more"),
        ({"noise": -1.0}, PhysodeError, "noise of 'theta' must be a standard deviation of 0 or more, found -1.0"),
        ({"noise": {"omega": 1.0}, "observe": ["theta"]}, PhysodeError, "noise is given for omega, which observe leaves out"),
        ({"noise_model": "gausian"}, UnknownNameError, "did you mean 'gaussian'"),
        ({"parameters": {"lenght": 1.0}}, UnknownNameError, "did you mean 'length'"),
        ({"parameters": {"length": [[1.0]]}}, PhysodeError, "one finite number or one per trajectory"),
        ({"parameters": {"length": "1"}}, PhysodeError, "'length' must be one finite number or one per trajectory, found '1'"),
        ({"parameters": [1.0]}, PhysodeError, "parameters must map names to values"),
        (
            {"initial_states": {"theta": "1", "omega": 0.0}},
            PhysodeError,
            "'theta' must be one finite number or one per trajectory, found '1'",
        ),
        ({"initial_states": {"theta": [[1], [1, 2]], "omega": 0.0}}, PhysodeError, "'theta' must be one finite number"),
        (
            {"time": np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")},
            PhysodeError,
            "time must be numbers, found .*2020-01-01.*seconds",
        ),
        ({"time": ["0", "1"]}, PhysodeError, "time must be numbers"),
        ({"seed": -1}, PhysodeError, "seed must be a whole number of at least 0, found -1"),
        ({"seed": None}, PhysodeError, "seed must be .* found None"),
        ({"seed": 1.5}, PhysodeError, "seed must be .* found 1.5"),
        ({"noise": "a"}, PhysodeError, "noise of 'theta' must be a standard deviation of 0 or more, found 'a'"),
        ({"missing": None}, PhysodeError, "missing must be a fraction .* found None"),
        ({"rtol": "x"}, PhysodeError, "rtol must be a positive number, found 'x'"),
        ({"observe": 5}, PhysodeError, "observe must list one or more different states, found 5"),
        ({"irregular": "yes"}, PhysodeError, "irregular must be True or False, found 'yes'"),
        ({"n_trajectories": [3]}, PhysodeError, r"n_trajectories must be a whole number of at least 1, found \[3\]"),
    ],
)
def test_mistakes_are_told(arguments, error, message):
    with pytest.raises(error, match=message):
        systems.get("pendulum").simulate(**({"time": TIME} | arguments))


BLOW = systems.define("blow", {"x": "x**2", "y": "-y"})


def test_a_blow_up_is_named_and_the_others_are_kept():
    time = np.linspace(0, 2, 21)
    with pytest.warns(
        SimulationWarning, match=r"trajectory 1 of blow .* beyond time (1|0\.9\d*) s, where x is .* Its later values are missing"
    ):
        record = BLOW.simulate(time, {"x": [-1.0, 1.0, 0.1], "y": 1.0}, noise=0.01)
    trajectories.validate(record)
    assert np.isfinite(record.x_true[[0, 2]]).all() and np.isfinite(record.x[[0, 2]]).all()
    np.testing.assert_allclose(record.x_true[1, :10], 1 / (1 - time[:10]), rtol=1e-7)
    assert np.isnan(record.x[1, 11:]).all() and np.isnan(record.y_true[1, 11:]).all()
    (failure,) = json.loads(record.attrs["failures"])
    assert failure["trajectory"] == 1 and failure["state"] == "x" and failure["time"] == pytest.approx(1, abs=1e-3)
    with pytest.raises(SimulationError, match="trajectory 1 of blow could not be carried beyond"):
        BLOW.simulate(time, {"x": [-1.0, 1.0], "y": 1.0}, on_failure="raise")


def test_many_failures_are_counted_and_a_time_without_units_has_none():
    blow = systems.define("blow", {"x": "x**2"}, units={"time": "1"})
    with pytest.warns(
        SimulationWarning, match=r"beyond time [\d.]+, where x .*\(11 more trajectories failed: 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\.\)"
    ):
        blow.simulate(np.linspace(0, 2, 21), {"x": np.ones(12)})


@pytest.mark.parametrize("method", ["Radau", "LSODA"])
def test_a_blow_up_of_an_implicit_method(method):
    with pytest.warns(SimulationWarning, match="trajectory 1 of blow"):
        record = BLOW.simulate(np.linspace(0, 2, 21), {"x": [-1.0, 1.0], "y": 1.0}, method=method, rtol=1e-8)
    assert np.isfinite(record.x[0]).all()
    assert np.isnan(record.x[1, 11:]).all()


@pytest.mark.parametrize("method", ["DOP853", "Radau", "BDF"])
def test_a_jacobian_that_is_no_number_ends_no_batch(method):
    """A tank that runs dry has no way on, one that is dry stays so, and one that is less than empty does not start."""
    tank = systems.define("tank", {"other": "-other", "h": "-k*sqrt(h)"}, {"k": 1.0})
    time = np.linspace(0, 3, 7)
    with pytest.warns(SimulationWarning, match=r"trajectory \d of tank could not be carried beyond time .*1 more"):
        record = tank.simulate(time, {"other": 3.0, "h": [1.0, 0.0, -1.0, 100.0]}, method=method, rtol=1e-8)
    dry = (1 - time[:4] / 2) ** 2
    np.testing.assert_allclose(record.h[:, :4], [dry, 0 * dry, [-1, *[np.nan] * 3], (10 - time[:4] / 2) ** 2], rtol=1e-5)
    assert record.h[0, 5:].isnull().all()
    failures = {f["trajectory"]: f for f in json.loads(record.attrs["failures"])}
    assert failures[0]["time"] == pytest.approx(2, abs=1e-3)
    assert failures[2] == {"trajectory": 2, "time": 0, "state": "h", "reason": "its derivative is not finite at the start"}


def test_a_derivative_that_is_no_number():
    root = systems.define("root", {"x": "sqrt(x)"})
    with pytest.warns(
        SimulationWarning, match="trajectory 0 of root .* time 0 s, where x is -1: its derivative is not finite at the start"
    ):
        record = root.simulate([0, 1], {"x": [-1.0, 1.0]})
    np.testing.assert_allclose(record.x, [[-1.0, np.nan], [1.0, 2.25]])


def test_irregular_times_and_gaps():
    pendulum = systems.get("pendulum")
    record = pendulum.simulate(TIME, n_trajectories=40, irregular=True, missing=0.2, seed=3)
    trajectories.validate(record)
    assert record.theta.dims == ("trajectory", "obs") and record.time.dims == ("trajectory", "obs")
    assert (record.time[:, 0] == 0).all() and (record.time.diff("obs") > 0).all() and record.time.max() <= 10
    assert np.std(record.time.values[:, 1:]) == pytest.approx(10 / np.sqrt(12), rel=0.05)
    assert float(record.theta.isnull().mean()) == pytest.approx(0.2, abs=0.02)
    assert not record.theta_true.isnull().any() and not np.array_equal(record.theta.isnull(), record.omega.isnull())
    one = pendulum.simulate(record.time[7].values, {"theta": record.theta_true[7, 0], "omega": record.omega_true[7, 0]})
    np.testing.assert_allclose(record.theta_true[7], one.theta[0], atol=1e-9)
    again = pendulum.simulate(record.time.values, n_trajectories=40, seed=3)
    np.testing.assert_allclose(again.omega, record.omega_true, atol=1e-9)


def test_padded_times_end_early():
    time = np.array([[0.0, 1.0, 2.0], [0.0, 0.5, np.nan]])
    record = systems.get("harmonic-oscillator").simulate(time, {"x": 1.0, "v": [0.0, 0.0]})
    np.testing.assert_allclose(record.x, np.cos(time), atol=1e-10)
    with_radau = systems.get("harmonic-oscillator").simulate(time, {"x": 1.0, "v": [0.0, 0.0]}, method="Radau", rtol=1e-9)
    np.testing.assert_allclose(with_radau.x, np.cos(time), atol=1e-7)


DRIVEN = systems.define("driven", {"x": "-a*x + u"}, {"a": 2.0}, inputs={"u": "0"}, units={"u": "V"})


def driven(time, force, knots=()):
    """x' = -2 x + u from 0, by Gauss-Legendre quadrature between the knots."""
    nodes, weights = np.polynomial.legendre.leggauss(20)

    def one(end):
        cuts = np.unique(np.clip([0.0, *np.linspace(0, end, 5), *knots, end], 0, end))
        middle, half = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts) / 2
        s = middle[:, None] + half[:, None] * nodes
        return np.sum(half[:, None] * weights * np.exp(-2 * (end - s)) * force(s))

    return [one(end) for end in time]


def test_an_input_as_formula_function_or_number():
    time = np.linspace(0, 3, 16)
    expected = driven(time, lambda s: np.cos(3 * s))
    start = {"x": 0.0}
    by_text = DRIVEN.simulate(time, start, inputs={"u": "cos(3*t)"})
    by_function = DRIVEN.simulate(time, start, inputs={"u": lambda t: np.cos(3 * t)})
    np.testing.assert_allclose(by_text.x[0], expected, atol=1e-9)
    np.testing.assert_allclose(by_function.x[0], expected, atol=1e-9)
    assert by_text.u.attrs == {"units": "V", "long_name": "u", "role": "input"} and trajectories.input_names(by_text) == ["u"]
    np.testing.assert_allclose(by_function.u[0], np.cos(3 * time))
    by_number = DRIVEN.simulate(time, start, inputs={"u": 4}, parameters={"a": [2.0, 1.0]})
    np.testing.assert_allclose(by_number.x, [2 * (1 - np.exp(-2 * time)), 4 * (1 - np.exp(-time))], atol=1e-9)
    np.testing.assert_array_equal(DRIVEN.simulate(time, start).x, 0)


def test_an_input_as_a_sampled_record():
    knots = np.linspace(-1, 4, 26)
    samples = np.array([np.sin(3 * knots), np.sign(knots - 1.03)])
    time = np.linspace(0, 3, 16)
    both = xr.DataArray(samples, dims=("trajectory", "time"), coords={"time": knots})
    for method, tolerance in (("DOP853", 1e-9), ("Radau", 1e-7)):
        record = DRIVEN.simulate(time, {"x": [0.0, 0.0]}, inputs={"u": both}, method=method, rtol=1e-10)
        for row in range(2):
            np.testing.assert_allclose(
                record.x[row], driven(time, lambda s, row=row: np.interp(s, knots, samples[row]), knots), atol=tolerance
            )
            np.testing.assert_allclose(record.u[row], np.interp(time, knots, samples[row]))
    one = DRIVEN.simulate(time, {"x": 0.0}, inputs={"u": (knots, samples[1])})
    np.testing.assert_allclose(one.x[0], record.x[1], atol=1e-7)
    assert one.attrs["evaluations"] < 2500


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"w": 1.0}, "input of driven 'w'"),
        ({"u": "cos(w*t)"}, "driven, input u, column 5: 'w' is not declared"),
        ({"u": (np.linspace(0, 1, 5), np.zeros(5))}, r"covers \[0, 1\], the simulation needs \[0, 3\]"),
        ({"u": (np.linspace(0, 4, 5), np.zeros(4))}, "one value for each"),
        ({"u": (np.linspace(0, 4, 5), np.zeros((3, 5)))}, "holds 3 trajectories, the simulation 1"),
        ({"u": (np.linspace(0, 4, 2), [0.0, np.nan])}, "not finite"),
        ({"u": [1.0, 2.0]}, "is a list; give a formula"),
        ({"u": (np.array([0, 4], "datetime64[s]"), np.zeros(2))}, "must hold numbers, its times too"),
        ({"u": lambda t: np.zeros(7)}, r"gave an array of shape \(7,\)"),
        ({"u": float}, "failed when asked for an array of times"),
    ],
)
def test_a_wrong_input_is_told(given, message):
    with pytest.raises(PhysodeError, match=message):
        DRIVEN.simulate(np.linspace(0, 3, 4), {"x": 0.0}, inputs=given)


def test_the_same_seed_gives_the_same_file(tmp_path, monkeypatch):
    time = np.linspace(0, 1, 11)
    arguments = {"n_trajectories": 3, "noise": 0.1, "missing": 0.2, "irregular": True}
    one, same, other = (systems.get("pendulum").simulate(time, seed=seed, **arguments) for seed in (5, 5, 6))
    for name in one.variables:
        assert one[name].values.tobytes() == same[name].values.tobytes()
    assert one.theta.values.tobytes() != other.theta.values.tobytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("one.nc", "two.nc"):
        trajectories.write(systems.get("pendulum").simulate(time, seed=5, **arguments), tmp_path / name)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    assert trajectories.read(tmp_path / "one.nc").attrs["created_at"] == "2023-11-14T22:13:20Z"
