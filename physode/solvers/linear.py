"""Systems of linear equations, many at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["solve"]

AT_ONCE = 100
"""Most unknowns of systems that are solved at once. Of more than 150, torch's threads write over each other: what they find is wrong, or
raises (https://github.com/pytorch/pytorch/issues/142815)."""


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve matrix @ x = right, shapes (..., n, n) and (..., n, k); NaN where a matrix is singular. Differentiable."""
    if matrix.shape[-1] <= AT_ONCE or matrix.device.type != "cpu":
        found, singular = torch.linalg.solve_ex(matrix, right)
    else:
        pairs = zip(matrix.flatten(0, -3), right.flatten(0, -3), strict=True)
        each = zip(*(torch.linalg.solve_ex(one, side) for one, side in pairs), strict=True)
        found, singular = (torch.stack(part).view(*matrix.shape[:-2], *part[0].shape) for part in each)
    return torch.where(singular[..., None, None] > 0, torch.nan, found)
