"""What was learned: velocities, energy, Lyapunov exponents and forecasts of a system or of a fitted model, as labelled data."""

from physode.analysis.lyapunov import kaplan_yorke_dimension, lyapunov_spectrum

__all__ = ["kaplan_yorke_dimension", "lyapunov_spectrum"]
