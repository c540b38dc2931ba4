"""The estimate of an initial state: that it finds what the fit had, and that it makes no run along the record that tells nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from training_records import NAN, no_samples

import physode
from physode.fields import SecondOrderField
from physode.models import AbstractModel
from physode.training import initial_states
from physode.training.batch import Batch
from physode.training.initial_states import _closest, estimate_initial_states, refine_initial_states

FREE, VARIANCE = torch.tensor([1e-3, 1e-3], dtype=torch.float64), torch.tensor([1e-4], dtype=torch.float64)


def oscillator(damping: float) -> SecondOrderField:
    """x'' = -x - `damping` x'."""
    field = SecondOrderField(1, 0, (3,), "tanh").double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.zero_()
        field.net.linear.weight.copy_(torch.tensor([[-1.0, -damping]]))
    return field


def positions(damping: float, ends: tuple[int, ...]) -> Batch:
    """Noisy positions of trajectories from (1, 0), of so many observations."""
    time = 0.1 * torch.arange(max(ends), dtype=torch.float64).repeat(len(ends), 1)
    for row, end in enumerate(ends):
        time[row, end:] = NAN
    rate, frequency = damping / 2, (1 - damping**2 / 4) ** 0.5
    x = torch.exp(-rate * time) * (torch.cos(frequency * time) + rate / frequency * torch.sin(frequency * time))
    noise = 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(time, (x + noise)[..., None], no_samples(time))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the integrations that were done."""
    done: list[int] = []
    integrate = initial_states.run_by_hand

    def counted(tableau: object, field: object, start: Tensor, grid: object, inputs: object) -> object:
        done.append(grid.step.shape[1])  # type: ignore[attr-defined]
        return integrate(tableau, field, start, grid, inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(initial_states, "run_by_hand", counted)
    return done


def test_a_step_that_promises_nothing_is_taken_untried(steps: list[int]) -> None:
    batch = positions(0.0, (300,))
    guess = torch.tensor([[1.1, 0.5]], dtype=torch.float64)
    found = estimate_initial_states(oscillator(0.0), batch, (0,), guess, FREE, VARIANCE, 0.1)
    assert steps.count(299) == 2  # where it starts, and one step
    tried = refine_initial_states(oscillator(0.0), batch, (0,), found, guess, FREE, VARIANCE, 0.1).initial
    assert float((tried - found).abs().max()) < 1e-3 * 0.01 * (2 / 300) ** 0.5  # of its standard deviation


def test_the_estimate_ends_where_the_start_is_forgotten(steps: list[int]) -> None:
    """At exp(-t / 2) a change of the start is 1e-6 after 28, which the stretch of 324 observations is the first to reach."""
    batch = positions(1.0, (3000, 200))
    guess = torch.tensor([[1.1, 0.5], [0.9, -0.2]], dtype=torch.float64)
    found = estimate_initial_states(oscillator(1.0), batch, (0,), guess, FREE, VARIANCE, 0.1)
    assert max(steps) == 323
    whole = refine_initial_states(oscillator(1.0), batch, (0,), found, guess, FREE, VARIANCE, 0.1).initial
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6)


def test_all_observations_count_where_one_trajectory_remembers(steps: list[int]) -> None:
    short, long = positions(0.0, (400, 100)), positions(0.0, (100, 400))
    guess = torch.tensor([[1.1, 0.5], [0.9, -0.2]], dtype=torch.float64)
    for batch in (short, long, replace(short, values=short.values.where(short.time[..., None] > 1, NAN))):
        steps.clear()
        estimate_initial_states(oscillator(0.0), batch, (0,), guess, FREE, VARIANCE, 0.1)
        assert max(steps) == 399


def test_of_visited_states_the_closest_is_that_in_what_is_observed_where_the_rest_is_a_far_guess() -> None:
    visited = torch.tensor([[0.0, 0.0], [1.0, 2.0], [1.1, -2.0], [3.0, 40.0]], dtype=torch.float64)
    guess = torch.tensor([[1.04, -1.9], [0.02, 900.0]], dtype=torch.float64)
    torch.testing.assert_close(_closest(guess, visited, (0,)), visited[[2, 0]])


@pytest.mark.parametrize(("family", "seed"), [(physode.AugmentedNeuralODE, 0), (physode.SecondOrderNeuralODE, 1)])
def test_the_start_of_a_short_noisy_record_is_found_again(family: type[AbstractModel], seed: int) -> None:
    """A prediction knows the record only: it must find the latent states again that the fit had."""
    known = physode.load_dataset("hudson-bay").isel(time=slice(0, 16))
    model = family().fit(known, seed=seed)
    assert model.result_.window == 15
    found, spread = model.predict(known), known.std()
    error = np.sqrt(np.mean([float((((found[name] - known[name]) / spread[name]) ** 2).mean()) for name in ("hare", "lynx")]))
    assert error < 1.2 * model.result_.loss
