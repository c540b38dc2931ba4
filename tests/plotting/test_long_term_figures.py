"""Figures of orbits and of long-term distances, as data."""

import numpy as np
import pytest
import xarray as xr

from physode.errors import DataError
from physode.plotting import plot_attractor_distance, plot_orbit

ORBIT = xr.Dataset(
    {"x": ("time", [1.0, 0.0, -1.0], {"units": "m"}), "v": ("time", [0.0, -1.0, 0.0], {"units": "m s-1"}), "period": ((), 6.25)},
    {"time": [0.0, 1.0, 2.0]},
    {"dynamics": "oscillator $"},
)


def test_an_orbit_is_drawn_in_the_plane():
    ax = plot_orbit(ORBIT)
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), np.stack([ORBIT.x, ORBIT.v], axis=1))
    assert line.get_label() == "orbit, period 6.25"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (m)", "v (m s-1)") and ax.get_title() == r"periodic orbit of oscillator \$"
    assert plot_orbit(ORBIT, states=("v", "x")).get_lines()[0].get_xdata().tolist() == [0.0, -1.0, 0.0]
    both = xr.concat([ORBIT, ORBIT * np.nan], xr.Variable("model", ["a", "b"]))
    assert [text.get_text() for text in plot_orbit(both).get_legend().get_texts()] == ["a, period 6.25", "b: none found"]
    with pytest.raises(DataError, match="in the plane of two states; found x, period"):
        plot_orbit(ORBIT.drop_vars("v"))


def test_distances_stand_above_their_floors():
    data = xr.Dataset(
        {
            "state_space_divergence": ((), 2.0),
            "state_space_divergence_floor": ((), 0.05),
            "spectrum_distance": ("state", [0.3, 0.4]),
            "spectrum_distance_floor": ("state", [0.01, 0.02]),
        },
        {"state": ["x", "v$"]},
    )
    ax = plot_attractor_distance(data)
    assert ax.get_ylabel() == "distance from the truth"
    found, floor = ax.get_lines()
    assert found.get_ydata().tolist() == [2.0, 0.3, 0.4] and floor.get_ydata().tolist() == [0.05, 0.01, 0.02]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["state space", "spectrum of x", r"spectrum of v\$"]
    assert ax.get_yscale() == "log"
    two = plot_attractor_distance(xr.concat([data, 2 * data], xr.Variable("model", ["a", "b"])))
    assert [text.get_text() for text in two.get_legend().get_texts()] == ["a", "truth from itself", "b"]
    assert two.get_lines()[2].get_ydata()[0] == 4.0
