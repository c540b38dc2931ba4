"""Figures of what was learned, tested as data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

from physode import systems
from physode.analysis import (
    anode_theory,
    augmented_velocity,
    distill,
    find_invariant,
    invariant_drift,
    latent_agreement,
    latent_dimension,
    learned_energy,
)
from physode.errors import UnknownNameError
from physode.plotting import (
    plot_anode_theory,
    plot_augmented_velocity,
    plot_coefficients,
    plot_invariant_drift,
    plot_invariant_search,
    plot_latent_agreement,
    plot_latent_dimension,
    plot_learned_energy,
    svg_bytes,
)

TIME = np.linspace(0, 5, 26)


@pytest.fixture(scope="module")
def pendulum():
    return systems.get("pendulum")


@pytest.fixture(scope="module")
def record(pendulum):
    return pendulum.simulate(TIME, n_trajectories=5, observe=["theta"], seed=0)


def lines(ax: Axes):
    return {line.get_label(): line for line in ax.get_lines()}


def drawn(ax: Axes):
    return svg_bytes(ax.figure).startswith(b"<?xml") or b"<svg" in svg_bytes(ax.figure)


def test_maps_to_the_velocity(pendulum, record):
    found = augmented_velocity(pendulum, record)
    ax = plot_augmented_velocity(found)
    points = [line for line in ax.get_lines() if line.get_marker() == "o" and len(line.get_ydata())]
    assert [float(line.get_ydata()[0]) for line in points] == pytest.approx([1.0] * 5)
    assert [text.get_text() for text in ax.get_xticklabels()][:2] == ["as it is", "linear map of\nlatent states"]
    bad = found.assign(r2_direct=found.r2_direct * 0 - 7.0)
    ax = plot_augmented_velocity(xr.concat([found, bad], xr.Variable("model", ["good", "bad"])))
    open_marker = [line for line in ax.get_lines() if line.get_markerfacecolor() == "none" and len(line.get_ydata())]
    assert [line.get_ydata().tolist() for line in open_marker] == [[-1.0]]
    assert {text.get_text() for text in ax.get_legend().get_texts()} >= {"good"}
    with pytest.raises(UnknownNameError, match="unknown velocity 'theta'"):
        plot_augmented_velocity(found, state="theta")
    assert drawn(ax)


def test_agreement_is_a_table_of_its_numbers(pendulum, record):
    found = latent_agreement({3: pendulum, 5: pendulum}, record)
    found["procrustes"][0, 1] = 0.25
    ax = plot_latent_agreement(found)
    np.testing.assert_array_equal(ax.images[0].get_array(), found.procrustes)
    assert [text.get_text() for text in ax.texts] == ["0.00", "0.25", "0.00", "0.00"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["3", "5"]
    ones = plot_latent_agreement(found, number="canonical_correlation")
    np.testing.assert_allclose(ones.images[0].get_array(), 1.0)
    with pytest.raises(UnknownNameError, match="unknown number 'distance'"):
        plot_latent_agreement(found, number="distance")
    assert drawn(ax)


def test_dimension(pendulum, record):
    found = latent_dimension(pendulum, record)
    ax = plot_latent_dimension(found)
    np.testing.assert_array_equal(ax.get_lines()[1].get_ydata(), found.explained_variance.sel(part="all states"))
    assert ax.get_lines()[0].get_label() == "latent states: 1.00 used"
    assert drawn(ax)


def test_theory_lies_over_what_was_learned():
    swing = systems.get("damped-oscillator")
    form = anode_theory(swing, swing.simulate(TIME, {"x": [0.0, 1.0], "v": [1.0, -0.1]}, observe=["x"]))
    assert len(plot_anode_theory(form).get_lines()) == 2
    learned = form.assign(augmented_learned=form.augmented_theory + 0.1, r2=form.r2.fillna(0.5))
    ax = plot_anode_theory(learned)
    np.testing.assert_array_equal(lines(ax)["learned, trajectory 1"].get_ydata(), learned.augmented_learned[1])
    np.testing.assert_array_equal(lines(ax)["theoretical form"].get_ydata(), form.augmented_theory[0])
    assert ax.get_title().endswith("R2 0.500")
    assert drawn(ax)


def test_drift_of_every_quantity():
    bodies = systems.get("two-body")
    found = invariant_drift(systems.get("two-body", G=1.2), bodies.sample_states(2, 0), bodies, time=TIME)
    ax = plot_invariant_drift(found, trajectory=1)
    one = found.sel(invariant="energy", trajectory=1)
    np.testing.assert_allclose(lines(ax)["energy"].get_ydata(), (one.value - one.value[0]) / one.scale)
    assert {"angular momentum", "momentum x", "true system, same solver"} <= set(lines(ax))
    assert drawn(ax)


def test_learned_over_true_energy():
    canonical = systems.get("pendulum-canonical")
    found = learned_energy(canonical, canonical.simulate(TIME, n_trajectories=3, seed=0), lambda z: 2 * canonical.energy(z))
    ax = plot_learned_energy(found)
    np.testing.assert_array_equal(lines(ax)["states of the record"].get_ydata(), found.energy_mapped.values.ravel())
    assert ax.get_title() == "learned energy of pendulum-canonical times 2, R2 1.00000"
    assert drawn(ax)


def test_search_is_shown_beside_its_null():
    found = find_invariant(systems.get("harmonic-oscillator"), degree=2, n_trajectories=18)
    ax = plot_invariant_search(found)
    np.testing.assert_array_equal(lines(ax)["rate over standard deviation"].get_ydata(), found.best_ratio)
    np.testing.assert_array_equal(lines(ax)["variation along trajectories"].get_ydata(), found.best_variation)
    np.testing.assert_array_equal(lines(ax)["rate, fields that keep nothing"].get_ydata(), found.null_ratio.values.ravel())
    assert ax.get_yscale() == "log"
    assert ax.get_title() == "1 conserved quantity of harmonic-oscillator"
    assert drawn(ax)


def test_coefficients_of_the_terms_in_use():
    found = distill(systems.get("lorenz"), n_states=300)
    ax = plot_coefficients(found)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["x", "y", "z", "x*y", "x*z"]
    (second,) = [line for label, line in lines(ax).items() if label.startswith("rate of y")]
    assert second.get_ydata() == pytest.approx([28.0, -1.0, -1.0])
    assert drawn(ax)
