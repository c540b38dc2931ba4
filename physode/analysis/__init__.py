"""What was learned: velocities, energy, chaos, forecasts and local structure of a system or of a fitted model, as labelled data.

Each analysis takes a System, a fitted model, an ensemble, or a mapping from names, seeds or (name, seed) to such, like the one that
`physode.comparison.fitted_models` reads from a comparison's folder.
"""

from physode.analysis.alignment import alignment_index
from physode.analysis.anode_theory import anode_theory
from physode.analysis.attractor import attractor_distance, spectrum_distance, state_space_divergence
from physode.analysis.augmented_velocity import augmented_velocity
from physode.analysis.autoregression import Autoregression, Persistence
from physode.analysis.backward import backward_prediction
from physode.analysis.band import LEVELS, prediction_band
from physode.analysis.baselines import baselines
from physode.analysis.conformal import conformal
from physode.analysis.coverage import coverage
from physode.analysis.distillation import distill
from physode.analysis.distilled_system import distilled_system
from physode.analysis.energy import energy_drift
from physode.analysis.find_invariant import find_invariant
from physode.analysis.fixed_points import fixed_points
from physode.analysis.forecast import forecast_error
from physode.analysis.invariant_drift import invariant_drift
from physode.analysis.latent import latent_dimension
from physode.analysis.latent_agreement import latent_agreement
from physode.analysis.learned_energy import learned_energy
from physode.analysis.library import term_library
from physode.analysis.local_exponents import local_exponents
from physode.analysis.lyapunov import kaplan_yorke_dimension, lyapunov_spectrum
from physode.analysis.map_exponents import map_exponents
from physode.analysis.periodic_orbit import periodic_orbit
from physode.analysis.phase_plane import nullclines, phase_plane
from physode.analysis.precision import precision_horizon
from physode.analysis.rosenstein import exponent_of_series
from physode.analysis.simulation import simulation_error
from physode.analysis.velocity import recovered_velocity
from physode.analysis.wolf import largest_exponent_wolf

__all__ = [
    "LEVELS",
    "Autoregression",
    "Persistence",
    "alignment_index",
    "anode_theory",
    "attractor_distance",
    "augmented_velocity",
    "backward_prediction",
    "baselines",
    "conformal",
    "coverage",
    "distill",
    "distilled_system",
    "energy_drift",
    "exponent_of_series",
    "find_invariant",
    "fixed_points",
    "forecast_error",
    "invariant_drift",
    "kaplan_yorke_dimension",
    "largest_exponent_wolf",
    "latent_agreement",
    "latent_dimension",
    "learned_energy",
    "local_exponents",
    "lyapunov_spectrum",
    "map_exponents",
    "nullclines",
    "periodic_orbit",
    "phase_plane",
    "precision_horizon",
    "prediction_band",
    "recovered_velocity",
    "simulation_error",
    "spectrum_distance",
    "state_space_divergence",
    "term_library",
]
