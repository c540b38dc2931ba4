"""Figures of several models: those that can show one draw the first, and say which it is."""

from __future__ import annotations

import numpy as np
import pytest

from physode import analysis, plotting, systems
from physode.plotting.style import first_fit

SLOW, FAST = (systems.get("van-der-pol", mu=mu) for mu in (0.5, 1.5))
SHORT = {"n_trajectories": 2, "duration": 20.0, "transient": 2.0}
RECORD = systems.get("pendulum").simulate(np.linspace(0, 5, 26), n_trajectories=5, observe=["theta"], seed=0)
PENDULA = {"here": systems.get("pendulum"), "moon": systems.get("pendulum", gravity=1.62)}
CASES = {
    "alignment_index": (analysis.alignment_index, {"n_trajectories": 2, "duration": 20.0}),
    "coefficients": (analysis.distill, {"n_states": 200}),
    "exponent_history": (analysis.lyapunov_spectrum, SHORT | {"history": True}),
    "fixed_points": (analysis.fixed_points, {"n_starts": 20}),
    "invariant_search": (analysis.find_invariant, {"degree": 1, "duration": 5.0, "n_trajectories": 15}),
    "local_exponents": (analysis.local_exponents, SHORT),
    "nullclines": (analysis.nullclines, {"n": 21}),
    "phase_plane": (analysis.phase_plane, {"n": 11}),
}


def curves(ax):
    return [line.get_xydata() for line in ax.get_lines()]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_first_of_several_is_drawn_and_named(name):
    (function, options), draw = CASES[name], getattr(plotting, f"plot_{name}")
    both, alone = draw(function({"slow": SLOW, "fast": FAST}, **options)), draw(function(SLOW, **options))
    for found, expected in zip(curves(both), curves(alone), strict=True):
        np.testing.assert_array_equal(found[np.isfinite(found).all(axis=1)], expected[np.isfinite(expected).all(axis=1)])
    assert " of slow" in both.get_title() and " of van-der-pol" in alone.get_title()


@pytest.mark.parametrize("name", ["invariant_drift", "learned_energy"])
def test_the_first_energy_is_drawn_and_named(name):
    known, record = systems.get("pendulum"), RECORD.isel(time=slice(0, 6))
    function, draw = getattr(analysis, name), getattr(plotting, f"plot_{name}")
    full = known.simulate(np.linspace(0, 1, 6), n_trajectories=3, seed=0)
    assert record.sizes["time"] == full.sizes["time"]
    both, alone = draw(function(PENDULA, full, known)), draw(function(known, full, known))
    for found, expected in zip(curves(both), curves(alone), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert " of here" in both.get_title()


def test_dimensions_and_agreement_of_the_first():
    ax = plotting.plot_latent_dimension(analysis.latent_dimension(PENDULA, RECORD))
    alone = plotting.plot_latent_dimension(analysis.latent_dimension(PENDULA["here"], RECORD))
    np.testing.assert_array_equal(curves(ax)[1], curves(alone)[1])
    seeds = {(name, seed): system for name, system in PENDULA.items() for seed in (0, 1)}
    assert plotting.plot_latent_agreement(analysis.latent_agreement(seeds, RECORD)).get_title().endswith(", here")


def test_what_differs_between_models_is_found_again():
    data, of = first_fit(analysis.local_exponents({"a": SLOW, "b": systems.get("lorenz")}, **SHORT))
    assert (data.attrs["window"], of) == (10 * SLOW.time_scale, " of a")
    assert first_fit(data.drop_attrs(deep=False).drop_vars("dynamics").squeeze(drop=True).drop_vars("model", errors="ignore"))[1] == ""


def test_an_orbit_that_was_not_found_is_told():
    start = {"x": 2.0, "v": 0.0}
    found = analysis.periodic_orbit({"cycle": SLOW, "none": systems.get("damped-oscillator")}, start)
    assert [line.get_label() for line in plotting.plot_floquet(found).get_lines()][1:] == ["cycle", "none: no orbit found"]
