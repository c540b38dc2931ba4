"""Figures of bands, forecasts and local structure, tested as data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from physode import systems
from physode.analysis import baselines, coverage, fixed_points, forecast_error, nullclines, periodic_orbit, phase_plane, prediction_band
from physode.errors import DataError, UnknownNameError
from physode.plotting import (
    plot_band,
    plot_calibration,
    plot_fixed_points,
    plot_floquet,
    plot_forecast_error,
    plot_nullclines,
    plot_phase_plane,
    plot_phase_portrait,
    svg_bytes,
)
from physode.trajectories import add_noise

TIME = np.linspace(0, 6, 31)


@pytest.fixture(scope="module")
def record():
    exact = systems.get("damped-oscillator").simulate(TIME, n_trajectories=6, seed=0).assign_coords(trajectory=list("abcdef"))
    return add_noise(exact, {"x": 0.1, "v": 0.1}, seed=0)


@pytest.fixture(scope="module")
def bands(record):
    true = record[["x_true", "v_true"]].rename(x_true="x", v_true="v")
    scatter = xr.DataArray(np.random.default_rng(0).normal(0.05, 0.1, (8, 6)), dims=("seed", "trajectory"))
    return prediction_band(true + scatter, record, (0.5, 0.9))


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_a_band_is_drawn_from_its_lower_to_its_upper_end(bands, record):
    ax = plot_band(bands, record=record, state="v", trajectory="c")
    wide, narrow = ax.collections
    for drawn, level in ((wide, 0.9), (narrow, 0.5)):
        own = bands.sel(level=level, trajectory="c")
        edge = drawn.get_paths()[0].vertices
        assert edge[:, 1].min() == pytest.approx(float(own.v_lower.min()))
        assert edge[:, 1].max() == pytest.approx(float(own.v_upper.max()))
        assert drawn.get_label() == f"{100 * level:g} %"
    found = lines(ax)
    np.testing.assert_array_equal(found["middle"].get_ydata(), bands.v_median.sel(trajectory="c"))
    np.testing.assert_array_equal(found["measured"].get_ydata(), record.v.sel(trajectory="c"))
    np.testing.assert_array_equal(found["true"].get_ydata(), record.v_true.sel(trajectory="c"))
    assert (ax.get_xlabel(), ax.get_title()) == ("time (s)", "band of v, trajectory c")
    one = plot_band(bands.isel(level=1).assign_attrs(target="observation"))
    assert [drawn.get_label() for drawn in one.collections] == ["90 % of observations"]
    np.testing.assert_array_equal(lines(one)["middle"].get_ydata(), bands.x_median[0])
    with pytest.raises(UnknownNameError, match="unknown state 'z'"):
        plot_band(bands, state="z")
    with pytest.raises(DataError, match="no trajectory 'z'"):
        plot_band(bands, trajectory="z")


def test_a_band_without_end_can_be_drawn(bands):
    endless = bands.copy(deep=True)
    endless.x_upper[..., 20:], endless.x_lower[..., 20:] = np.inf, -np.inf
    assert svg_bytes(plot_band(endless).figure).startswith(b"<?xml")


def test_calibration_shows_coverage_over_level_with_two_standard_errors(bands, record):
    found = coverage(bands, record)
    ax = plot_calibration(found)
    drawn = {container.get_label(): container for container in ax.containers}
    assert set(drawn) == {"x", "v"}
    line, _, (bars,) = drawn["v"]
    np.testing.assert_array_equal(line.get_xydata(), np.stack([[0.5, 0.9], found.coverage.sel(state="v")], axis=1))
    half = [np.ptp(segment[:, 1]) / 2 for segment in bars.get_segments()]
    np.testing.assert_allclose(half, 2 * found.standard_error.sel(state="v"))
    np.testing.assert_array_equal(lines(ax)["as stated"].get_xydata(), [[0, 0], [1, 1]])
    both = xr.concat([found, found.assign(coverage=0 * found.coverage)], xr.Variable("model", ["raw", "corrected"]))
    assert [c.get_label() for c in plot_calibration(both).containers] == ["raw: x", "raw: v", "corrected: x", "corrected: v"]


def test_forecast_errors_of_models_stand_beside_their_baselines(record):
    found = baselines(record, record, warmup=8)
    ax = plot_forecast_error(found)
    drawn = lines(ax)
    assert set(drawn) == {"persistence", "linear", "autoregression", "threshold"}
    own = found.nrmse.sel(model="linear")
    np.testing.assert_allclose(drawn["linear"].get_ydata(), np.sqrt((own**2).mean("state")))
    np.testing.assert_array_equal(drawn["linear"].get_xdata(), found.time)
    assert drawn["threshold"].get_ydata()[0] == 0.5
    assert (ax.get_xlabel(), ax.get_yscale()) == ("horizon (s)", "log")
    true = record[["x_true", "v_true"]].rename(x_true="x", v_true="v")
    alone = forecast_error(true.assign(x=true.x + 0.5), record)
    ax = plot_forecast_error(alone, state="x")
    np.testing.assert_array_equal(lines(ax)["forecast"].get_ydata(), alone.nrmse.sel(state="x"))
    np.testing.assert_array_equal(lines(ax)["nothing changes"].get_ydata()[1:], alone.persistence_nrmse.sel(state="x")[1:])
    assert np.isnan(lines(ax)["nothing changes"].get_ydata()[0])  # no error at the start, and no place for zero
    with pytest.raises(UnknownNameError, match="unknown state 'z'"):
        plot_forecast_error(alone, state="z")


def test_nullclines_and_fixed_points_on_a_phase_portrait():
    system = systems.get("lotka-volterra")
    data, points = nullclines(system), fixed_points(system)
    ax = plot_fixed_points(points, plot_nullclines(data, plot_phase_portrait(system.simulate(TIME, n_trajectories=2, seed=0))))
    drawn = lines(ax)
    first = data.isel(point=(data.component.values == "x") & (data.curve.values == data.curve.values[0]))
    np.testing.assert_array_equal(drawn["x does not change"].get_xydata(), np.stack([first.x, first.y], axis=1))
    assert {"y does not change", "centre", "saddle"} <= set(drawn)
    np.testing.assert_allclose(drawn["centre"].get_xydata(), [[1.0, 0.5]])
    assert drawn["centre"].get_marker() != drawn["saddle"].get_marker()
    assert plot_nullclines(data).get_title() == "nullclines of lotka-volterra"


def test_only_what_attracts_is_filled():
    found = fixed_points(systems.get("lorenz", rho=20.0))
    drawn = lines(plot_fixed_points(found, states=("y", "z")))
    assert to_hex(drawn["stable focus"].get_markerfacecolor()) == "#000000"
    assert to_hex(drawn["saddle"].get_markerfacecolor()) == "#ffffff"
    np.testing.assert_allclose(drawn["saddle"].get_xydata(), [[0, 0]], atol=1e-8)
    with pytest.raises(UnknownNameError, match="unknown state 'kind'"):
        plot_fixed_points(found, states=("x", "kind"))


def test_one_fixed_point_is_shown_on_the_scale_of_the_states_with_its_kind():
    found = fixed_points(systems.get("duffing"))
    ax = plot_fixed_points(found)
    for (low, high), state in ((ax.get_xlim(), found.x), (ax.get_ylim(), found.v)):
        assert state.size == 1 and state.attrs["size"] > 0.1
        assert high - low == pytest.approx(1.1 * state.attrs["size"]) and low + high == pytest.approx(2 * float(state[0]), abs=1e-9)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["centre"]
    assert plot_fixed_points(found.isel(fixed_point=[])).get_legend() is None


def test_a_phase_plane_shows_directions_over_the_divergence():
    data = phase_plane(systems.get("pendulum"), n=11)
    data = data.assign(divergence=data.divergence + data.theta)
    ax = plot_phase_plane(data)
    mesh, arrows = ax.collections
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(11, 11), data.divergence)
    assert mesh.get_clim() == pytest.approx((-float(abs(data.divergence).max()), float(abs(data.divergence).max())))
    np.testing.assert_allclose(np.hypot(arrows.U, arrows.V), 1.0)
    upper = arrows.Y > 0
    assert (np.asarray(arrows.U)[upper] > 0).all()  # the angle grows where the velocity is positive
    assert ax.get_title() == "flow and divergence of pendulum"


def test_floquet_multipliers_lie_in_the_complex_plane_with_the_unit_circle():
    found = periodic_orbit(systems.get("van-der-pol", mu=0.5), {"x": 2.0, "v": 0.0}, settle=20.0)
    drawn = lines(plot_floquet(found))
    np.testing.assert_array_equal(drawn["multipliers"].get_xydata(), np.stack([found.multiplier_real, found.multiplier_imag], axis=1))
    np.testing.assert_allclose(np.hypot(*drawn["neither attracts nor repels"].get_xydata().T), 1.0)
    both = xr.concat([found[["multiplier_real", "multiplier_imag"]]] * 2, xr.Variable("model", ["true", "learned"]))
    assert set(lines(plot_floquet(both))) == {"true", "learned", "neither attracts nor repels"}


def test_the_legend_shows_the_shades_of_nested_bands(bands):
    wide, narrow = (patch.get_facecolor()[0] for patch in plot_band(bands).collections)
    assert wide[3] == narrow[3] == 1.0  # opaque: what is drawn over each other does not mix
    assert (wide[:3] > narrow[:3])[wide[:3] < 1].all()
