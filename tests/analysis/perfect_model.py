"""A fitted model that is the truth: a linear system's matrix, written into the linear part of a learned field."""

from __future__ import annotations

import numpy as np
import torch

import physode
from physode import systems


def perfect_model(name="damped-oscillator", **parameters):
    """Give a linear system of the registry and a model with the same field, in scaled coordinates of its own."""
    system = systems.get(name, **parameters)
    record = system.simulate(np.linspace(0, 6, 40), n_trajectories=2, seed=0)
    model = physode.NeuralODE(hidden=(4,), max_iterations=1).fit(record, seed=0)
    scaling, net = model.dynamics_.scaling, model.module_.net
    matrix = system.jacobian(0.0, np.zeros((1, len(system.states))))[0]
    with torch.no_grad():
        net.layers[-1].weight.zero_()
        net.layers[-1].bias.copy_(torch.from_numpy(matrix @ scaling.mean / scaling.scale * scaling.time_scale))
        net.linear.weight.copy_(torch.from_numpy(matrix * scaling.scale / scaling.scale[:, None] * scaling.time_scale))
    return system, model
