"""What was learned: velocities, energy, Lyapunov exponents and forecasts of a system or of a fitted model, as labelled data."""

from physode.analysis.energy import energy_drift
from physode.analysis.forecast import forecast_error
from physode.analysis.lyapunov import kaplan_yorke_dimension, lyapunov_spectrum
from physode.analysis.velocity import recovered_velocity

__all__ = ["energy_drift", "forecast_error", "kaplan_yorke_dimension", "lyapunov_spectrum", "recovered_velocity"]
