"""Which windows a stage of the fit looks at, when a record has far more than its field has parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.training.initial_states import refine_initial_states
from physode.training.windows import Windows

__all__ = ["RESIDUALS_PER_PARAMETER", "draw_windows", "fill_in"]

BLOCK = 10_000
"""Observations whose windows are filled in at once, so that memory stays bounded."""
RESIDUALS_PER_PARAMETER = 20
"""Measurements that a stage looks at for each parameter: noise then moves its minimum by about a fifth of the residual."""
LEAST, WORST = 1e-12, 10.0
"""Bounds of a window's residual, in standard deviations, when windows are drawn."""


def draw_windows(squares: Tensor, n_parameters: int, random: torch.Generator) -> Tensor:
    """Draw windows until they hold enough measurements, those that the field follows worse more often.

    Parameters
    ----------
    squares : Tensor, shape (members, windows, length, n_observed)
        Squared residuals of the present fields; NaN where nothing was measured, infinite where one could not be integrated.
    n_parameters : int
    random : torch.Generator
        Of the CPU: a seed means the same windows on every device.

    Returns
    -------
    Tensor of int64
        Increasing positions of the windows, drawn with a chance in proportion to their root mean square residual; all of them when a
        draw would save less than half. All members look at the same ones.
    """
    counts = (~squares[0].isnan()).sum((1, 2))
    needed = RESIDUALS_PER_PARAMETER * n_parameters
    if int(counts.sum()) < 2 * needed:
        return torch.arange(len(counts), device=squares.device)
    size = squares.flatten(2).nanmean(2).sqrt().nan_to_num(0.0, posinf=WORST).clamp(LEAST, WORST).mean(0)
    order = torch.multinomial(size.cpu(), len(size), generator=random).to(size.device)
    enough = int(torch.searchsorted(counts[order].cumsum(0), needed)) + 1
    return order[:enough].sort().values


def fill_in(
    field: AbstractField,
    windows: Windows,
    drawn: Tensor,
    found: Tensor,
    observed: tuple[int, ...],
    mean: Tensor,
    precision: Tensor,
    variance: Tensor,
    max_step: float,
) -> Tensor:
    """Estimate the initial states of the windows that were left out, with the field that was learned without them.

    Parameters
    ----------
    drawn : Tensor of int64
        Windows that were fitted, and
    found : Tensor, shape (members, len(drawn), n_states)
        their initial states.
    mean : Tensor, shape (members, windows, n_states)
    precision : Tensor, shape (windows, n_states)
        Prior of all initial states.
    variance : Tensor, shape (members, n_observed)
        Noise variance of each observed state.

    Returns
    -------
    Tensor, shape (members, windows, n_states)
    """
    out = mean.clone()
    out[:, drawn] = found
    left = torch.ones(mean.shape[1], dtype=torch.bool, device=mean.device)
    left[drawn] = False
    rest, levels = torch.nonzero(left)[:, 0], variance[:, None, None]
    size = max(1, BLOCK // windows.columns.shape[1])
    for first in range(0, len(rest), size):
        block = rest[first : first + size]
        chosen, start = windows.choose(block).batch, mean[:, block]
        out[:, block] = refine_initial_states(field, chosen, observed, start, start, precision[block], levels, max_step).initial
    return out
