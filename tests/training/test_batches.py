"""Interpolated inputs and windows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from training_records import NAN, no_samples

from physode.errors import DataError
from physode.training.batch import Batch, SampledInputs, stack_records
from physode.training.windows import cut_windows

TIME = torch.tensor([[0.0, 1.0, 3.0, 4.0, 4.5], [2.0, 2.5, 4.0, NAN, NAN], [7.0, NAN, NAN, NAN, NAN]], dtype=torch.float64)


def test_inputs_are_interpolated_linearly_and_held_outside() -> None:
    values = torch.stack([TIME.nan_to_num(0.0) ** 2, torch.arange(15, dtype=torch.float64).reshape(3, 5)], dim=2)
    inputs = SampledInputs(TIME, values)
    asked = torch.tensor([[-1.0, 0.25, 1.0, 2.0, 99.0], [1.0, 2.0, 2.4, 3.0, 99.0], [6.0, 7.0, 7.0, 8.0, 9.0]], dtype=torch.float64)
    got = inputs(asked)
    for row in range(3):
        known = TIME[row].isfinite()
        for column in range(2):
            expected = np.interp(asked[row].numpy(), TIME[row][known].numpy(), values[row, :, column][known].numpy())
            np.testing.assert_allclose(got[row, :, column].numpy(), expected, atol=1e-14)
    assert got[0, :, 0].tolist() == [0.0, 0.25, 1.0, 5.0, 20.25]
    torch.testing.assert_close(inputs(asked.reshape(3, 5, 1).expand(3, 5, 2)), got[:, :, None].expand(3, 5, 2, 2), rtol=0, atol=0)
    assert no_samples(TIME)(asked).shape == (3, 5, 0)


def test_held_inputs_have_the_value_of_their_last_sample_and_the_side_that_is_asked_for() -> None:
    values = torch.stack([TIME.nan_to_num(0.0), TIME.nan_to_num(0.0)], dim=2)
    inputs = SampledInputs(TIME, values, (True, False))
    asked = torch.tensor([[-1.0, 0.25, 1.0, 2.9, 4.5], [2.0, 2.4, 2.5, 4.0, 99.0], [6.0, 7.0, 7.0, 8.0, 9.0]], dtype=torch.float64)
    assert inputs(asked)[..., 0].tolist() == [[0, 0, 1, 1, 4.5], [2, 2, 2.5, 4, 4], [7, 7, 7, 7, 7]]
    torch.testing.assert_close(inputs(asked)[..., 1], SampledInputs(TIME, values)(asked)[..., 1])
    ends = torch.tensor([[1.0, 3.0], [2.5, 4.0], [7.0, 7.0]], dtype=torch.float64)
    assert inputs(ends, ends.mean(1, keepdim=True))[..., 0].tolist() == [[1, 1], [2.5, 2.5], [7, 7]]  # within the step, not after it
    assert inputs(ends, ends[:, :1] - 0.1)[0, :, 0].tolist() == [0, 0]
    windows = cut_windows(Batch(TIME, values, inputs), 2)
    assert windows.batch.inputs.held == (True, False) and windows.choose(torch.tensor([1])).batch.inputs.held == (True, False)


def test_observations_up_to_a_row_of_each_trajectory() -> None:
    batch = record().until(torch.tensor([2, 1, 0]))
    assert batch.time.isfinite().sum(1).tolist() == [3, 2, 1] and batch.values.isfinite().sum(1).flatten().tolist() == [3, 2, 1]
    assert batch.time.shape == (3, 3) and batch.inputs.time.shape == (3, 5)


def record() -> Batch:
    values = torch.arange(15, dtype=torch.float64).reshape(3, 5, 1)
    values = torch.where(TIME.isfinite()[..., None], values, NAN)
    return Batch(TIME, values, SampledInputs(TIME, 10 * values))


@pytest.mark.parametrize("intervals", [1, 2, 3, 4, 50])
def test_windows_cover_every_observation_and_neighbours_share_one(intervals: int) -> None:
    batch = record()
    windows = cut_windows(batch, intervals)
    for row, length in enumerate([5, 3, 1]):
        mine = [column[column >= 0].tolist() for column in windows.columns[windows.rows == row]]
        assert sorted({place for window in mine for place in window}) == list(range(length))
        assert all(window == list(range(window[0], window[-1] + 1)) for window in mine)
        assert all(before[-1] == after[0] for before, after in pairwise(mine))
        assert all(len(window) == intervals + 1 for window in mine[:-1])
        assert len(mine) == max(1, -(-(length - 1) // intervals))
    inside = windows.columns >= 0
    rows = windows.rows[:, None].expand_as(windows.columns)[inside]
    torch.testing.assert_close(windows.batch.time[inside], TIME[rows, windows.columns[inside]], rtol=0, atol=0)
    torch.testing.assert_close(windows.batch.values[inside], batch.values[rows, windows.columns[inside]], rtol=0, atol=0)
    torch.testing.assert_close(windows.batch.inputs.values[inside], 10 * windows.batch.values[inside], rtol=0, atol=0)
    assert bool(windows.batch.time[~inside].isnan().all()) and bool(windows.batch.values[~inside].isnan().all())


def test_states_go_to_windows_and_back() -> None:
    windows = cut_windows(record(), 2)
    states = torch.arange(60, dtype=torch.float64).reshape(2, 3, 5, 2)
    picked = windows.pick_initial(states)
    assert picked[0].tolist() == [[0.0, 1.0], [4.0, 5.0], [10.0, 11.0], [20.0, 21.0]]
    assert torch.equal(picked[1], picked[0] + 30)
    taken = states[:, windows.rows[:, None], windows.columns.clamp(min=0)] + 100
    spread = windows.spread(taken, states)
    valid = TIME.isfinite()
    torch.testing.assert_close(spread[:, valid], states[:, valid] + 100, rtol=0, atol=0)
    torch.testing.assert_close(spread[:, ~valid], states[:, ~valid], rtol=0, atol=0)


def test_a_shared_observation_gets_the_start_of_the_later_window() -> None:
    windows = cut_windows(record(), 2)
    states = torch.zeros(1, 3, 5, 1, dtype=torch.float64)
    places = torch.arange(3.0, dtype=torch.float64).expand(1, len(windows.rows), 3)[..., None]
    assert windows.spread(places, states)[0, :, :, 0].tolist() == [[0, 1, 0, 1, 2], [0, 1, 2, 0, 0], [0, 0, 0, 0, 0]]


def test_members_may_have_measurements_of_their_own() -> None:
    one, other = record(), record()
    own = stack_records([one, replace(other, values=other.values + 7)])
    assert own.values.shape == (2, *one.values.shape)
    windows = cut_windows(own, 2)
    alone = cut_windows(one, 2)
    torch.testing.assert_close(windows.batch.values[0], alone.batch.values, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(windows.batch.values[1], alone.batch.values + 7, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(windows.choose(torch.tensor([1])).batch.values, windows.batch.values[:, 1:2])
    assert stack_records([one]) is one
    gap = one.values.clone()
    gap[0, 1] = torch.nan
    with pytest.raises(DataError, match="the same times, inputs and gaps; fit these one by one"):
        stack_records([one, replace(one, values=gap)])


def test_the_first_observations_of_a_batch() -> None:
    short = record().first(2)
    assert short.time.shape == (3, 2) and short.values.shape == (3, 2, 1)
    assert short.inputs.time.shape == (3, 5)
