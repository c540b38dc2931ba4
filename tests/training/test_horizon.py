"""Chaos ends the growth of windows; shear, decay and the growth of the motion itself do not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from training_records import no_samples

from physode.fields import AbstractField, stack
from physode.training.batch import Batch
from physode.training.horizon import MOST_FOLDINGS, beyond_horizon, foldings


class Given(AbstractField):
    """A field that is known."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.n_states, self.n_inputs, self.name = 3, 0, name

    def forward(self, t: Tensor, z: Tensor, u: Tensor) -> Tensor:
        x, y, w = z.unbind(-1)
        if self.name == "lorenz":
            return torch.stack([10 * (y - x), x * (28 - w) - y, x * y - 8 / 3 * w], dim=-1)
        if self.name == "sheared":  # rotation whose rate depends on the radius
            rate = 1 + x.square() + y.square()
            return torch.stack([-rate * y, rate * x, 0 * w], dim=-1)
        growth = {"growing": 0.5, "decaying": -0.5}[self.name]
        return torch.stack([growth * x - 2 * y, 2 * x + growth * y, growth * w], dim=-1)

    def penalty_groups(self) -> list[list[list[str]]]:
        return []


def beyond(name: str, duration: float, residual: float, *, plenty: bool = False) -> bool:
    """For windows three times as long as the last."""
    time = torch.linspace(0, duration, 301, dtype=torch.float64).expand(4, -1).contiguous()
    start = torch.tensor([[1.0, 1.0, 20.0], [-5.0, -7.0, 20.0], [8.0, 8.0, 27.0], [3.0, -2.0, 15.0]], dtype=torch.float64)
    start = start if name == "lorenz" else start / start.norm(dim=1, keepdim=True)
    batch = Batch(time, time[..., None], no_samples(time))
    loss = torch.tensor([residual, residual], dtype=torch.float64)
    windows = (stack([Given(name), Given(name)]), batch, start.expand(2, -1, -1), 100, 0.02)
    found = beyond_horizon(*windows, loss, plenty=plenty)
    assert found[0] == found[1]
    assert not found[0] or (foldings(*windows) > MOST_FOLDINGS).all()
    return bool(found[0])


def test_chaos_has_a_horizon() -> None:
    assert beyond("lorenz", 9.0, 1e-2)
    assert not beyond("lorenz", 0.6, 1e-2)  # half a Lyapunov time


def test_an_exact_field_may_be_followed_through_chaos() -> None:
    assert not beyond("lorenz", 9.0, 1e-7)


def test_with_plenty_of_data_the_horizon_is_nearer() -> None:
    assert [beyond("lorenz", 4.0, residual, plenty=True) for residual in (1e-5, 1e-3)] == [False, True]
    assert [beyond("lorenz", 4.0, 2e-4, plenty=plenty) for plenty in (False, True)] == [False, True]


@pytest.mark.parametrize("name", ["sheared", "growing", "decaying"])
def test_regular_motion_has_none(name: str) -> None:
    assert not beyond(name, 12.0, 0.3)
    assert math.exp(0.5 * 12.0) * 0.3 > 100  # though a growing motion blows the residual up
