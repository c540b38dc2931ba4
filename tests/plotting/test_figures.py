"""Figures tested as data: what lies on the axes is what was in the data set."""

from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from physode.errors import DataError, ExistsError, UnknownNameError
from physode.plotting import (
    plot_energy,
    plot_exponents,
    plot_phase_portrait,
    plot_training,
    plot_trajectories,
    plot_velocity,
    save_svg,
    svg_bytes,
)
from physode.plotting.style import STYLES, clean
from physode.trajectories import add_noise, from_numpy, split, true_states

TIME = np.linspace(0, 5, 51)
UNITS = {"x": "m", "v": "m s-1", "time": "s"}


@pytest.fixture
def exact():
    phase = TIME[None] + np.array([[0.0], [1.0]])
    values = np.stack([np.sin(phase), np.cos(phase)], axis=-1)
    record = from_numpy(TIME, values, ["x", "v"], units=UNITS, roles={"x": "position", "v": "velocity"}, trajectories=["a", "b"])
    return record.assign_attrs(system="oscillator")


@pytest.fixture
def record(exact):
    return split(add_noise(exact, {"x": 0.1}, seed=0), test=0.4, by="time")


@pytest.fixture
def predictions(exact):
    offsets = xr.DataArray([0.0, 0.1, 0.3], dims="seed", coords={"seed": [0, 1, 2]})
    models = xr.concat([exact[["x", "v"]] + offsets, exact[["x", "v"]] - offsets], xr.Variable("model", ["up", "down $"]))
    for name in ("x", "v"):
        models[name].attrs = exact[name].attrs
    return models


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_trajectories_show_data_truth_and_forecast(record):
    ax = plot_trajectories(record, trajectory="b")
    found = lines(ax)
    assert set(found) == {"measured", "true"}
    np.testing.assert_array_equal(found["measured"].get_xydata(), np.stack([TIME, record.x[1]], axis=1))
    np.testing.assert_array_equal(found["true"].get_ydata(), np.sin(TIME + 1))
    (shade,) = ax.patches
    test = TIME[record.split.values == "test"]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((test.min(), test.max()))
    assert shade.get_label() == "not seen in training"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "x (m)")
    assert ax.get_title() == "x over time, trajectory b"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["not seen in training", "measured", "true"]


def test_trajectories_show_the_median_and_the_range_over_seeds(record, predictions, exact):
    ax = plot_trajectories(record, predictions=predictions, state="v")
    found = lines(ax)
    np.testing.assert_allclose(found["up"].get_ydata(), exact.v[0] + 0.1)
    np.testing.assert_allclose(found[r"down \$"].get_ydata(), exact.v[0] - 0.1)
    assert found["up"].get_linestyle() != found[r"down \$"].get_linestyle()
    up, down = (band.get_paths()[0].vertices for band in ax.collections)
    assert up[:, 1].max() == pytest.approx(1.3, abs=0.01)
    assert down[:, 1].min() == pytest.approx(exact.v.values[0].min() - 0.3, abs=0.01)
    alone = plot_trajectories(exact, predictions=predictions.isel(model=0, seed=2))
    np.testing.assert_allclose(lines(alone)["predicted"].get_ydata(), exact.x[0] + 0.3)
    assert not alone.collections


def test_what_runs_away_leaves_the_figure_and_the_legend_says_so(exact, predictions):
    away = predictions.isel(seed=[0, 1]).copy(deep=True)
    away.x[{"model": 0, "seed": 1, "trajectory": 0, "time": -1}] = 1e6
    ax = plot_trajectories(exact, predictions=away)
    low, high = float(exact.x[0].min()), float(exact.x[0].max())
    assert ax.get_ylim()[1] == pytest.approx(high + (high - low))
    assert low - 0.5 < ax.get_ylim()[0] < low
    assert set(lines(ax)) == {"true", "up\n(leaves the figure)", r"down \$"}
    assert plot_trajectories(exact, predictions=away, trajectory="b").get_ylim()[1] < 1.5
    still = plot_trajectories(0 * exact.assign_attrs(exact.attrs), predictions=away)
    assert still.get_ylim()[1] > 1e6  # there is nothing to measure it by


def test_a_lost_seed_takes_no_other_along(predictions, exact):
    lost = predictions.isel(model=0, seed=[0, 2]).copy(deep=True)
    lost.x[{"seed": 1, "time": slice(10, None)}] = lost.x[{"seed": 0, "time": slice(40, None)}] = np.nan
    middle = lines(plot_trajectories(exact, predictions=lost))["predicted"].get_ydata()
    np.testing.assert_allclose(middle[:10], exact.x[0, :10] + 0.15)
    np.testing.assert_allclose(middle[10:], exact.x[0, 10:].where(exact.time[10:] < TIME[40]))


def test_measured_records_without_truth_show_dots_and_hidden_states_show_truth(exact, record):
    del exact.attrs["system"]
    assert set(lines(plot_trajectories(exact))) == {"measured"}
    hidden = plot_trajectories(record.drop_vars("v"), state="v")
    assert set(lines(hidden)) == {"true"}


def test_irregular_records_have_their_own_times():
    time = [np.array([0.0, 0.5, 2.0]), np.array([1.0, 4.0])]
    ax = plot_trajectories(from_numpy(time, [t[:, None] ** 2 for t in time], ["x"]), trajectory=1)
    np.testing.assert_array_equal(ax.get_lines()[0].get_xydata(), [[1, 1], [4, 16], [np.nan, np.nan]])


def test_phase_portrait_takes_position_and_velocity(record, predictions, exact):
    ax = plot_phase_portrait(predictions, truth=record)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "v (m s-1)")
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) > 1]
    starts = [line.get_xydata()[0] for line in ax.get_lines() if len(line.get_xdata()) == 1]
    assert len(curves) == len(starts) == 6  # two trajectories of the truth and of each model
    np.testing.assert_allclose(curves[0].get_xydata(), np.stack([exact.x[0], exact.v[0]], axis=1))
    np.testing.assert_allclose(starts[1], [np.sin(1), np.cos(1)])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["true", "up", r"down \$"]
    swapped = plot_phase_portrait(record, states=["v", "x"])
    np.testing.assert_allclose(swapped.get_lines()[0].get_xdata(), exact.v[0])
    with pytest.raises(UnknownNameError, match="unknown state 'y'"):
        plot_phase_portrait(record, states=["x", "y"])
    with pytest.raises(DataError, match="takes two states; found 1: x"):
        plot_phase_portrait(record, states=["x"])
    with pytest.raises(DataError, match="takes two states; the data hold x"):
        plot_phase_portrait(exact[["x"]])


def test_a_phase_portrait_lies_over_the_same_states_of_a_measured_record(exact, predictions):
    del exact.attrs["system"]
    hidden = predictions.isel(model=0, seed=0).rename(v="w").assign(v=exact.v.assign_attrs(role="state", time_derivative_of=""))
    ax = plot_phase_portrait(hidden, truth=exact)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "v (m s-1)")
    np.testing.assert_array_equal(lines(ax)["measured"].get_xydata(), np.stack([exact.x.values.ravel(), exact.v.values.ravel()], axis=1))
    assert lines(ax)["measured"].get_linestyle() == "None"
    assert {"measured", "predicted"} <= set(lines(ax))
    alone = plot_phase_portrait(hidden.drop_vars("v"), truth=exact)  # the record holds no w
    assert "measured" not in lines(alone) and alone.get_ylabel() == "v (m s-1)"


@pytest.fixture
def velocity(exact):
    one = xr.Dataset(
        {
            "v_true": exact.v,
            "v_recovered": (exact.v + 0.2).assign_attrs(exact.v.attrs),
            "v_linear": (exact.v + 0.05).assign_attrs(exact.v.attrs),
        }
    )
    return one.assign_coords(state=["v"])


def test_velocity_shows_recovered_over_true(velocity):
    ax = plot_velocity(velocity, trajectory="b")
    np.testing.assert_allclose(lines(ax)["true"].get_ydata(), np.cos(TIME + 1))
    np.testing.assert_allclose(lines(ax)["recovered"].get_ydata(), np.cos(TIME + 1) + 0.2)
    assert (ax.get_ylabel(), ax.get_title()) == ("v (m s-1)", "recovered v")
    mapped = plot_velocity(velocity, linear=True)
    np.testing.assert_allclose(lines(mapped)["recovered"].get_ydata(), np.cos(TIME) + 0.05)
    both = plot_velocity(xr.concat([velocity, velocity], xr.Variable("model", ["one", "two"])))
    assert set(lines(both)) == {"true", "one", "two"}
    with pytest.raises(UnknownNameError, match="unknown velocity 'w'"):
        plot_velocity(velocity, state="w")


def test_energy_is_drawn_as_change_on_its_scale(exact):
    energy = (exact.x.rename("energy") * 4 + 3).assign_attrs(units="J")
    data = xr.Dataset({"energy": energy, "floor_energy": energy * 0 + 7, "scale": 8.0}).assign_coords(time=exact.time)
    ax = plot_energy(data)
    np.testing.assert_allclose(lines(ax)["followed"].get_ydata(), np.sin(TIME) / 2)
    np.testing.assert_allclose(lines(ax)["true system, same solver"].get_ydata(), 0.0)
    assert ax.get_ylabel() == "change of the energy / energy scale"
    assert ax.get_xlabel() == "time (s)"
    assert set(lines(plot_energy(data.drop_vars("floor_energy")))) == {"followed"}


def test_training_draws_a_line_for_each_seed_and_leaves_gaps_out():
    loss = np.array([[[1.0, 0.1, np.nan]], [[2.0, 0.0, 0.2]]])
    data = xr.Dataset({"loss": (("model", "seed", "epoch"), loss)}, {"model": ["a", "b"], "seed": [0], "epoch": [0, 10, 20]})
    ax = plot_training(data)
    np.testing.assert_array_equal(lines(ax)["a"].get_xydata(), [[0, 1.0], [10, 0.1]])
    np.testing.assert_array_equal(lines(ax)["b"].get_xydata(), [[0, 2.0], [20, 0.2]])
    assert ax.get_yscale() == "log"
    seeds = plot_training(xr.concat([data, data.assign_coords(seed=[1])], "seed"))
    assert [line.get_color() for line in seeds.get_lines()] == [STYLES[0].colour] * 2 + [STYLES[1].colour] * 2


def test_exponents_have_bars_of_two_standard_errors():
    data = xr.Dataset(
        {
            "lyapunov_exponent": ("exponent", [0.9, 0.0, -14.5], {"units": "s-1", "long_name": "Lyapunov exponent"}),
            "standard_error": ("exponent", [0.1, 0.2, 0.3]),
        },
        {"exponent": [1, 2, 3]},
        {"dynamics": "lorenz"},
    )
    ax = plot_exponents(data)
    (bars,) = ax.containers
    np.testing.assert_allclose(bars.lines[0].get_xydata(), [[1, 0.9], [2, 0.0], [3, -14.5]])
    ends = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[0.7, 1.1], [-0.4, 0.4], [-15.1, -13.9]])
    assert ax.get_ylabel() == "Lyapunov exponent (s-1)"
    assert ax.get_title() == "Lyapunov exponents of lorenz, bars: 2 standard errors"
    both = plot_exponents(xr.concat([data, data], xr.Variable("model", ["truth", "learned"])))
    xs = [container.lines[0].get_xdata() for container in both.containers]
    assert (xs[1] - xs[0] == pytest.approx(0.15)) and (xs[0] + xs[1] == pytest.approx(np.array([2, 4, 6])))
    assert len({container.lines[0].get_marker() for container in both.containers}) == 2


def test_given_axes_are_drawn_on_and_no_setting_changes(record):
    before, mine = dict(mpl.rcParams), Figure().add_subplot()
    assert plot_trajectories(record, mine) is mine
    svg_bytes(mine.figure)
    assert dict(mpl.rcParams) == before


def test_importing_and_drawing_need_no_pyplot():
    code = (
        "import sys; from physode.plotting import plot_training, svg_bytes;"
        "svg_bytes(plot_training({'epoch': [0, 1], 'loss': [1, 2]}).figure);"
        "sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["cost $", "$a$b", r"\$x_1", "<script>", "{{7*7}}", "a\0b\u202ec", "x" * 10_000, "naïve_µ"])
def test_any_name_can_be_drawn(name, record):
    odd = record.copy()
    odd.x.attrs |= {"long_name": name, "units": name}
    odd = odd.assign_coords(trajectory=[name, "b"])
    drawn = svg_bytes(plot_trajectories(odd, state="x").figure)
    assert drawn.startswith(b"<?xml")
    assert b"<script>" not in drawn
    assert len(clean(name)) <= 62
    assert clean("a\0b") == "a b"


def test_long_names_are_broken_into_lines_that_fit_their_panel(exact):
    name = "Temperature of the upper reservoir measured by sensor 12A"
    for variable in exact.data_vars.values():
        variable.attrs["long_name"] = name
    canvas = Figure(figsize=(9.6, 3.2), layout="constrained")
    panels = [plot_phase_portrait(exact, canvas.add_subplot(1, 3, i + 1)) for i in range(3)]
    canvas.draw_without_rendering()
    assert panels[0].get_xlabel().replace("\n", " ") == f"{name} (m)"
    boxes = [panel.get_tightbbox() for panel in panels]
    assert boxes[0].x0 >= 0 and boxes[0].x1 <= boxes[1].x0 and boxes[1].x1 <= boxes[2].x0 and boxes[2].x1 <= canvas.bbox.x1
    assert all(box.y0 >= 0 and box.y1 <= canvas.bbox.y1 for box in boxes)
    exact.x.attrs["long_name"] = "$" * 50
    label = plot_phase_portrait(exact, Figure(figsize=(3.2, 3.2)).add_subplot()).get_xlabel()
    assert label.count(r"\$") == label.count("$") == 50 and "\n" in label


def test_years_have_no_fractions():
    years = np.arange(1900.0, 1921.0)
    ax = plot_trajectories(from_numpy(years, np.sin(years)[None, :, None], ["x"], units={"time": "year"}))
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels()][1:-1] == ["1900", "1905", "1910", "1915", "1920"]


def test_svg_is_the_same_each_time_and_written_whole(tmp_path, record, predictions):
    one, two = (svg_bytes(plot_trajectories(record, predictions=predictions).figure) for _ in range(2))
    assert one == two
    assert b"<dc:date>" not in one
    path = save_svg(plot_trajectories(record, predictions=predictions).figure, tmp_path / "x.svg")
    assert path.read_bytes() == one
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]
    with pytest.raises(ExistsError):
        save_svg(plot_trajectories(record).figure, tmp_path)


def test_unknown_state_and_trajectory_are_told(record):
    with pytest.raises(UnknownNameError, match="unknown state 'y'"):
        plot_trajectories(record, state="y")
    with pytest.raises(DataError, match="the record has no trajectory; it is empty"):
        plot_trajectories(record.isel(trajectory=[]))
    with pytest.raises(DataError, match="there is no trajectory 'c'; choose from a, b"):
        plot_trajectories(record, trajectory="c")


def test_members_differ_without_colour_and_the_first_stand_out_from_white():
    assert len({style.line for style in STYLES}) == len({style.marker for style in STYLES}) == len(STYLES)
    assert len({to_hex(style.colour) for style in STYLES}) == len(STYLES)

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    contrast = [1.05 / (luminance(style.colour) + 0.05) for style in STYLES]
    assert min(contrast[:3]) > 3.0
    assert contrast[3] > 2.8


def test_true_states_of_the_fixture_are_what_the_figures_call_true(record, exact):
    np.testing.assert_array_equal(true_states(record).x, exact.x)
