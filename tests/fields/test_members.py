"""A stack of fields says of each member what the member says by itself."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from physode.fields import AbstractField, get_theta, set_theta, stack

from .test_derivatives import MAKERS, point, shaken


def members(kind: str, n_inputs: int, hidden: tuple[int, ...]) -> list[AbstractField]:
    made = [MAKERS[kind](n_inputs, hidden, "softplus") for _ in range(3)]
    for seed, field in enumerate(made):
        shaken(field, seed)
    return made


@pytest.mark.parametrize(("n_inputs", "hidden"), [(0, (4,)), (2, (3, 2)), (1, ())])
@pytest.mark.parametrize("kind", MAKERS)
def test_members_equal_the_fields_they_were_made_of(kind: str, n_inputs: int, hidden: tuple[int, ...]) -> None:
    fields = members(kind, n_inputs, hidden if hidden or kind != "convex" else (2,))
    together = stack(fields)
    states, inputs = (torch.stack(parts) for parts in zip(*(point(field, seed)[1:] for seed, field in enumerate(fields)), strict=True))
    t = torch.zeros((), dtype=torch.float64)
    n = together.n_states
    cotangents = torch.randn(3, 2, 2, 3, n, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    terms = (states.view(3, 2, 2, n), inputs.view(3, 2, 2, n_inputs), cotangents)
    slopes, by_state = together(t, states, inputs), together.state_jacobian(t, states, inputs)
    pulled, generic = (torch.cat(each, dim=-1) for each in (together.pull_back(t, *terms), AbstractField.pull_back(together, t, *terms)))
    for k, field in enumerate(fields):
        theirs = torch.cat(field.pull_back(t, *(part[k] for part in terms)), dim=-1)
        torch.testing.assert_close(slopes[k], field(t, states[k], inputs[k]), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(by_state[k], field.state_jacobian(t, states[k], inputs[k]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(pulled[k], theirs, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(generic[k], theirs, rtol=1e-11, atol=1e-12)


def test_the_vectors_of_a_stack_are_those_of_its_members() -> None:
    fields = members("hamiltonian", 1, (3,))
    together = stack(fields)
    theta = get_theta(together)
    for row, field in zip(theta, fields, strict=True):
        assert torch.equal(row, parameters_to_vector(field.parameters()).detach())
        assert torch.equal(row, get_theta(field)[0])
    set_theta(together, theta[[2, 0]])
    assert together.n_members == 2
    assert torch.equal(get_theta(together), theta[[2, 0]])
    set_theta(fields[0], theta[[2]])
    assert torch.equal(get_theta(fields[0])[0], theta[2])
