"""Figures of labelled data: each ``plot_*(data, ax=None)`` only draws, and returns the axes."""

from physode.plotting.alignment import plot_alignment_index
from physode.plotting.coefficients import plot_coefficients
from physode.plotting.energy import plot_energy
from physode.plotting.exponent_history import plot_exponent_history, plot_series_exponent
from physode.plotting.exponents import plot_exponents
from physode.plotting.forecasts import plot_forecast_error
from physode.plotting.invariants import plot_invariant_drift, plot_invariant_search, plot_learned_energy
from physode.plotting.latent import plot_anode_theory, plot_augmented_velocity, plot_latent_agreement, plot_latent_dimension
from physode.plotting.local_exponents import plot_local_exponents
from physode.plotting.local_structure import plot_fixed_points, plot_floquet, plot_nullclines, plot_phase_plane
from physode.plotting.long_term import plot_attractor_distance, plot_orbit
from physode.plotting.phase import plot_phase_portrait
from physode.plotting.svg import save_svg, svg_bytes
from physode.plotting.training import plot_training
from physode.plotting.trajectories import plot_trajectories
from physode.plotting.uncertainty import plot_band, plot_calibration
from physode.plotting.velocity import plot_velocity

__all__ = [
    "plot_alignment_index",
    "plot_anode_theory",
    "plot_attractor_distance",
    "plot_augmented_velocity",
    "plot_band",
    "plot_calibration",
    "plot_coefficients",
    "plot_energy",
    "plot_exponent_history",
    "plot_exponents",
    "plot_fixed_points",
    "plot_floquet",
    "plot_forecast_error",
    "plot_invariant_drift",
    "plot_invariant_search",
    "plot_latent_agreement",
    "plot_latent_dimension",
    "plot_learned_energy",
    "plot_local_exponents",
    "plot_nullclines",
    "plot_orbit",
    "plot_phase_plane",
    "plot_phase_portrait",
    "plot_series_exponent",
    "plot_training",
    "plot_trajectories",
    "plot_velocity",
    "save_svg",
    "svg_bytes",
]
