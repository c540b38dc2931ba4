"""Two small records: one regular, one irregular."""

import numpy as np
import pytest
import xarray as xr

from physode.trajectories import from_numpy


@pytest.fixture
def regular() -> xr.Dataset:
    """Two trajectories of position and velocity on the times 0, 1, 2, 4, driven by a force."""
    time = np.array([0.0, 1.0, 2.0, 4.0])
    values = np.stack([np.column_stack([time**2, 2 * time]), np.column_stack([-time, -np.ones(4)])])
    return from_numpy(
        time,
        values,
        ["x", "v"],
        inputs={"force": np.sin(time)},
        units={"time": "s", "x": "m", "v": "m s-1", "force": "N"},
        roles={"x": "position", "v": "velocity"},
    )


@pytest.fixture
def irregular() -> xr.Dataset:
    """Trajectories "a" with three rows (one value missing) and "b" with five."""
    return from_numpy(
        [[0.0, 1.0, 2.0], [0.0, 0.5, 1.0, 2.0, 4.0]],
        [[[1.0], [np.nan], [3.0]], [[5.0], [6.0], [7.0], [8.0], [10.0]]],
        ["x"],
        trajectories=["a", "b"],
        units={"x": "m"},
    )
