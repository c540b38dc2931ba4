"""The learned field in numpy is the one in torch, with its tangents and its divergence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import physode
from physode import systems
from physode.fields import FirstOrderField, HamiltonianField, SecondOrderField
from physode.fields.mlp import ACTIVATIONS
from physode.models.compiled import compile_field
from physode.models.scaling import Scaling

TIME_SCALE = 0.3


def drawn(field):
    """The field in float64 with weights of order one, so that no part of it is small."""
    generator = torch.Generator().manual_seed(0)
    for parameter in field.double().parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=generator)
    return field


def scaled(field):
    """Units in which nothing is one; a velocity's scale is its position's over the time scale."""
    rng, n = np.random.default_rng(1), field.n_states
    mean, scale = 10 * rng.standard_normal(n), rng.uniform(0.5, 3.0, n)
    if isinstance(field, SecondOrderField):
        mean[n // 2 :], scale[n // 2 :] = 0.0, scale[: n // 2] / TIME_SCALE
    return Scaling(mean, scale, np.zeros(0), np.ones(0), TIME_SCALE)


def through_torch(field, scaling, z):
    """Slopes and Jacobian as torch computes them."""
    inside = torch.from_numpy((z - scaling.mean) / scaling.scale)
    with torch.no_grad():
        slope = field(torch.zeros(()), inside, inside[:, :0]).numpy()
        jacobian = field.state_jacobian(torch.zeros(()), inside, inside[:, :0]).numpy()
    scale = scaling.scale
    return slope * scale / TIME_SCALE, jacobian * (scale[:, None] / scale) / TIME_SCALE


@pytest.mark.parametrize("hidden", [(), (5,), (5, 7), (4, 5, 6)])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("order", [1, 2])
def test_numpy_and_torch_agree_to_rounding(order, activation, hidden):
    field = drawn(FirstOrderField(3, 0, hidden, activation) if order == 1 else SecondOrderField(2, 0, hidden, activation))
    scaling, rng = scaled(field), np.random.default_rng(2)
    compiled = compile_field(field, scaling)
    z = scaling.mean + 4 * scaling.scale * rng.standard_normal((300, field.n_states))  # more than one block
    v = rng.standard_normal((300, 2, field.n_states))
    slope, jacobian = through_torch(field, scaling, z)
    tolerance = {"rtol": 1e-11, "atol": 1e-11 * np.abs(slope).max()}
    np.testing.assert_allclose(compiled.rhs(z), slope, **tolerance)
    together, along = compiled.rhs_and_jvp(z, v)
    np.testing.assert_allclose(together, slope, **tolerance)
    np.testing.assert_allclose(along, v @ jacobian.swapaxes(1, 2), **tolerance)
    np.testing.assert_allclose(compiled.divergence(z), np.trace(jacobian, axis1=1, axis2=2), **tolerance)


def test_softplus_goes_over_to_the_identity_where_torch_does():
    field = drawn(FirstOrderField(1, 0, (1,), "softplus"))
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.fill_(1.0)
    unit = Scaling(np.zeros(1), np.ones(1), np.zeros(0), np.ones(0), TIME_SCALE)
    z = np.array([[18.9], [19.1], [800.0]])  # 19.9, 20.1 and 801 before the activation
    np.testing.assert_allclose(compile_field(field, unit).rhs(z), through_torch(field, unit, z)[0], rtol=1e-15)


def test_weights_of_less_precision_are_carried_over_exactly():
    field = drawn(FirstOrderField(3, 0, (5,), "tanh"))
    scaling, z = scaled(field), np.random.default_rng(3).standard_normal((4, 3))
    coarse = compile_field(field.float(), scaling).rhs(z)
    np.testing.assert_allclose(coarse, through_torch(field.double(), scaling, z)[0], rtol=1e-12)


def test_weights_that_change_are_copied_again():
    record = systems.get("damped-oscillator").simulate(np.linspace(0, 6, 40))
    model = physode.NeuralODE(hidden=(4,), max_iterations=1).fit(record, seed=0)
    z = model.sample_states(3, 0)
    before = model.rhs(0.0, z)
    with torch.no_grad():
        model.module_.net.layers[-1].bias += 1.0
    np.testing.assert_allclose(model.rhs(0.0, z) - before, np.ones((3, 1)) * model.dynamics_.scaling.scale / model.time_scale, rtol=1e-9)
    np.testing.assert_allclose(model.rhs_and_jvp(0.0, z, z[:, None])[0], model.rhs(0.0, z), rtol=1e-12)


def test_driven_hamiltonian_and_unknown_fields_stay_with_torch():
    unit = Scaling(np.zeros(2), np.ones(2), np.zeros(0), np.ones(0), TIME_SCALE)
    assert compile_field(FirstOrderField(2, 1, (4,), "tanh"), unit) is None
    assert compile_field(HamiltonianField(1, 0, (4,), "tanh"), unit) is None

    class Other(FirstOrderField):
        pass

    assert compile_field(Other(2, 0, (4,), "tanh"), unit) is None
    assert compile_field(FirstOrderField(2, 0, (4,), "tanh"), unit) is not None
