"""Figures of exponents and indices, as data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError
from physode.plotting import plot_alignment_index, plot_exponent_history, plot_local_exponents, plot_series_exponent
from physode.plotting.style import STYLES

TIME = ("time", np.arange(4.0), {"units": "s", "long_name": "time"})


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def test_local_exponents_are_drawn_as_densities_around_their_means():
    values = np.random.default_rng(0).normal([[[1.0]], [[-2.0]]], 0.1, (2, 3, 4))
    values[1, 2, 3] = np.nan
    data = xr.Dataset(
        {
            "local_exponent": (("exponent", "trajectory", "time"), values, {"units": "s-1", "long_name": "local Lyapunov exponent"}),
            "lyapunov_exponent": ("exponent", [1.0, -2.0]),
        },
        {"exponent": [1, 2], "time": TIME},
        {"dynamics": "lorenz $", "window": 2.5},
    )
    ax = plot_local_exponents(data, bins=6)
    first, second = ax.patches
    for patch, part in ((first, values[0]), (second, values[1])):
        density, edges = np.histogram(part[np.isfinite(part)], bins=6, density=True)
        np.testing.assert_allclose(patch.get_data().values, density)
        np.testing.assert_allclose(patch.get_data().edges, edges)
    assert [line.get_xdata()[0] for line in ax.get_lines()] == [0.0, 1.0, -2.0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("local Lyapunov exponent (s-1)", "density")
    assert ax.get_title() == r"Lyapunov exponents of lorenz \$ over windows of 2.5 s, lines: means"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["exponent 1", "exponent 2"]
    data["time"].attrs["units"] = "1"
    assert plot_local_exponents(data).get_title() == r"Lyapunov exponents of lorenz \$ over windows of 2.5, lines: means"


@pytest.fixture
def indices():
    values = 10.0 ** -np.arange(16.0).reshape(2, 2, 4)
    return xr.Dataset(
        {"alignment_index": (("order", "trajectory", "time"), values)},
        {"order": [2, 3], "trajectory": ["a", "b"], "time": TIME},
        {"dynamics": "henon-heiles", "threshold": 1e-12},
    )


def test_alignment_indices_are_drawn_over_time_with_their_threshold(indices):
    ax = plot_alignment_index(indices, order=3)
    found = lines(ax)
    assert set(found) == {"trajectory a", "trajectory b", "zero"}
    np.testing.assert_allclose(found["trajectory b"].get_xydata(), np.stack([np.arange(4.0), 10.0 ** -np.arange(12.0, 16.0)], axis=1))
    assert set(found["zero"].get_ydata()) == {1e-12}
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "time (s)", "GALI 3")
    np.testing.assert_allclose(lines(plot_alignment_index(indices))["trajectory a"].get_ydata(), 10.0 ** -np.arange(4.0))
    with pytest.raises(DataError, match="there is no order 4; choose from 2, 3"):
        plot_alignment_index(indices, order=4)


def test_many_trajectories_have_no_names(indices):
    many = xr.concat([indices] * 4, "trajectory", data_vars="minimal")
    ax = plot_alignment_index(many.assign_coords(trajectory=np.arange(8)))
    assert len(ax.get_lines()) == 9
    assert ax.get_legend() is None


def test_history_is_drawn_with_the_bands_of_its_end():
    running = np.array([[1.0, 0.8, 0.9, 0.9], [-3.0, -2.0, -2.1, -2.0]])
    data = xr.Dataset(
        {
            "running_exponent": (("exponent", "time"), running, {"units": "s-1", "long_name": "Lyapunov exponent so far"}),
            "lyapunov_exponent": ("exponent", running[:, -1]),
            "standard_error": ("exponent", [0.05, 0.2]),
        },
        {"exponent": [1, 2], "time": TIME},
        {"dynamics": "lorenz"},
    )
    ax = plot_exponent_history(data)
    np.testing.assert_array_equal(lines(ax)["exponent 2"].get_xydata(), np.stack([np.arange(4.0), running[1]], axis=1))
    bands = [np.unique(band.get_paths()[0].vertices[:, 1]) for band in ax.collections]
    np.testing.assert_allclose(bands, [[0.8, 1.0], [-2.4, -1.6]])
    assert ax.get_ylabel() == "Lyapunov exponent so far (s-1)"
    assert lines(ax)["exponent 1"].get_color() == STYLES[0].colour
    with pytest.raises(DataError, match=r"ask for it by lyapunov_spectrum\(..., history=True\)"):
        plot_exponent_history(data.drop_vars("running_exponent"))


def test_the_exponent_of_a_series_is_drawn_with_its_line():
    data = xr.Dataset(
        {
            "largest_exponent": ((), 0.9, {"units": "s-1"}),
            "standard_error": ((), 0.02),
            "log_distance": ("time", [-5.0, -4.0, -3.1, -2.9], {"units": "1", "long_name": "mean log distance of neighbours"}),
            "fit": ("time", [np.nan, -4.0, -3.1, np.nan]),
        },
        {"time": TIME},
        {"saturation": 0.3},
    )
    ax = plot_series_exponent(data)
    found = lines(ax)
    np.testing.assert_array_equal(found["slope 0.9 ± 0.02 (s-1)"].get_xydata(), [[1.0, -4.0], [2.0, -3.1]])
    np.testing.assert_array_equal(found["neighbours"].get_ydata(), [-5.0, -4.0, -3.1, -2.9])
    assert set(found["unrelated states"].get_ydata()) == {0.3}
    assert ax.get_ylabel() == "mean log distance of neighbours"
