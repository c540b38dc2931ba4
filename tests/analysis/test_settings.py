"""Numbers and states that make no sense are told by their name, before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_standins import linear

from physode.analysis import (
    alignment_index,
    attractor_distance,
    distill,
    exponent_of_series,
    find_invariant,
    fixed_points,
    largest_exponent_wolf,
    local_exponents,
    lyapunov_spectrum,
    map_exponents,
    nullclines,
    periodic_orbit,
    phase_plane,
)
from physode.errors import DataError, PhysodeError
from physode.trajectories import from_numpy

TURN = linear([[0.0, 1.0], [-1.0, 0.0]])
RECORD = from_numpy(np.arange(9.0), np.sin(np.arange(9.0))[:, None], ["x"])


@pytest.mark.parametrize(
    ("function", "arguments", "settings", "message"),
    [
        (find_invariant, (TURN,), {"degree": 0}, "degree is 0; give a whole number, 1 or more."),
        (find_invariant, (TURN,), {"degree": 2.5}, "degree is 2.5; give a whole number"),
        (find_invariant, (TURN,), {"n_trajectories": 0}, "n_trajectories is 0"),
        (find_invariant, (TURN,), {"duration": 0}, "duration is 0; give a finite positive number."),
        (find_invariant, (TURN,), {"tolerance": -1}, "tolerance is -1"),
        (nullclines, (TURN,), {"n": 1}, "n is 1; give a whole number, 2 or more."),
        (phase_plane, (TURN,), {"n": -1}, "n is -1"),
        (fixed_points, (TURN,), {"n_starts": 0}, "n_starts is 0"),
        (exponent_of_series, (RECORD,), {"horizon": -1.0}, "horizon is -1.0; give a finite positive number."),
        (exponent_of_series, (RECORD,), {"horizon": 0}, "horizon is 0"),
        (exponent_of_series, (RECORD,), {"exclude": -1.0}, "exclude is -1.0"),
        (exponent_of_series, (RECORD,), {"lag": 2.5}, "lag is 2.5; give a whole number, 1 or more."),
        (exponent_of_series, (RECORD,), {"dimension": 0}, "dimension is 0"),
        (attractor_distance, (TURN, TURN), {"n_points": 0}, "n_points is 0"),
        (attractor_distance, (TURN, TURN), {"n_trajectories": 0}, "n_trajectories is 0"),
        (attractor_distance, (TURN, TURN), {"n_bins": 0}, "n_bins is 0"),
        (attractor_distance, (TURN, TURN), {"step": 0}, "step is 0"),
        (attractor_distance, (TURN, TURN), {"smoothing": -1}, "smoothing is -1"),
        (lyapunov_spectrum, (TURN,), {"n_trajectories": 2.5}, "n_trajectories is 2.5; give a whole number, 1 or more."),
        (lyapunov_spectrum, (TURN,), {"n_exponents": 1.5}, "n_exponents is 1.5; 'linear' has 2 states, so ask for 1 to 2."),
        (lyapunov_spectrum, (TURN,), {"seed": -1}, "seed is -1; give a whole number, 0 or more."),
        (local_exponents, (TURN,), {"n_trajectories": "3"}, "n_trajectories is '3'; give a whole number"),
        (local_exponents, (TURN,), {"step": "0.1"}, "step is '0.1'; give a finite positive number."),
        (alignment_index, (TURN,), {"n_trajectories": 2.5}, "n_trajectories is 2.5"),
        (largest_exponent_wolf, (TURN,), {"seed": 0.5}, "seed is 0.5; give a whole number"),
        (map_exponents, (TURN,), {"n_steps": 100.5}, "n_steps is 100.5; give a whole number"),
        (map_exponents, (TURN,), {"transient": -1}, "transient is -1; give a whole number, 0 or more."),
        (periodic_orbit, (TURN, [1.0, 0.0]), {"period": -1.0}, "period is -1.0; give a finite positive number."),
        (periodic_orbit, (TURN, [1.0, 0.0]), {"settle": -1.0}, "settle is -1.0; give zero or a finite positive number."),
        (phase_plane, (TURN,), {"reach": -1.0}, "reach is -1.0; give zero or a finite positive number."),
        (nullclines, (TURN,), {"reach": np.nan}, "reach is nan"),
        (fixed_points, (TURN,), {"reach": "wide"}, "reach is 'wide'"),
        (fixed_points, (TURN,), {"seed": -1}, "seed is -1"),
        (distill, (TURN,), {"n_states": -3}, "n_states is -3; give a whole number, 3 or more."),
        (distill, (TURN,), {"spread": -1}, "spread is -1"),
        (distill, (TURN,), {"tolerance": -1}, "tolerance is -1"),
    ],
)
def test_numbers_out_of_their_range_are_told(function, arguments, settings, message):
    with pytest.raises(PhysodeError, match=message):
        function(*arguments, **settings)


def test_states_may_be_lists_and_are_told_if_they_will_not_do():
    assert fixed_points(TURN, starts=[[1.0, 0.0]]).sizes["fixed_point"] == 1
    assert distill(TURN, states=[[0.0, 1.0], [1.0, 0.0], [1.0, 2.0], [3.0, 1.0]], degree=1).equation.values.tolist() == ["x2", "-x1"]
    with pytest.raises(DataError, match="states= has 1 states; a third is held out, so give 3 or more"):
        distill(TURN, states=[1.0, 2.0])
    with pytest.raises(DataError, match="only 1 trajectories of 'linear' can be followed"):
        find_invariant(TURN, states=[1.0, 2.0])
    with pytest.raises(DataError, match=r"must have shape \(trajectory, 2\); found \(2, 3\)"):
        fixed_points(TURN, starts=np.ones((2, 3)))
