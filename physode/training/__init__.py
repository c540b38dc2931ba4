"""How fields are fitted."""

from physode.training.result import FitResult, Progress, StopFit

__all__ = ["FitResult", "Progress", "StopFit"]
