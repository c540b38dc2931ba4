"""Systems of more than 150 unknowns for several trajectories at once, which torch does not solve safely on several threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from known_fields import Linear, no_inputs

from physode.solvers import SOLVERS
from physode.solvers.linear import solve

MANY = 160


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("n", [3, MANY])
def test_each_system_is_solved_and_differentiated(n: int) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.eye(n, dtype=torch.float64) + torch.randn(4, n, n, generator=generator, dtype=torch.float64) / (2 * n**0.5)
    right = torch.randn(4, n, generator=generator, dtype=torch.float64, requires_grad=True)
    found = solve(matrix, right[..., None])[..., 0]
    expected = np.linalg.solve(matrix.numpy(), right.detach().numpy()[..., None])[..., 0]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-10, atol=1e-12)
    found.sum().backward()
    by_right = np.linalg.solve(matrix.numpy().swapaxes(1, 2), np.ones((4, n, 1)))[..., 0]
    np.testing.assert_allclose(right.grad.numpy(), by_right, rtol=1e-10, atol=1e-12)


def test_the_implicit_midpoint_method_follows_many_states() -> None:
    draws = np.random.default_rng(0)
    matrix = draws.normal(size=(MANY, MANY)) / 20
    matrix -= matrix.T
    start, h, unit = draws.normal(size=(3, MANY)), 0.1, np.eye(MANY)
    time = torch.tensor([[0.0, h, 2 * h]] * 3, dtype=torch.float64)
    step = np.linalg.solve(unit - h / 2 * matrix, unit + h / 2 * matrix)  # Cayley's transform
    with torch.no_grad():
        states = SOLVERS["implicit-midpoint"].integrate(Linear(matrix.tolist()), torch.from_numpy(start), time, no_inputs, h)
    np.testing.assert_allclose(states[:, 2].numpy(), start @ (step @ step).T, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n", [2, MANY])
def test_a_singular_system_has_no_solution_and_spoils_no_other(n: int) -> None:
    matrix = torch.eye(n, dtype=torch.float64).repeat(2, 2, 1, 1)
    matrix[0, 1, 0, 0] = 0.0
    found = solve(matrix, torch.ones(2, 2, n, 3, dtype=torch.float64))
    assert bool(found[0, 1].isnan().all())
    assert bool((found[[0, 1, 1], [0, 0, 1]] == 1).all())
