"""What hidden states mean, of stand-in models whose hidden states are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from analysis_standins import Fitted
from scipy.integrate import solve_ivp
from scipy.spatial import procrustes

from physode import systems
from physode.analysis import anode_theory, augmented_velocity, latent_agreement, latent_dimension
from physode.analysis.held_out import folds_of, held_out_r2
from physode.errors import DataError

TIME = np.linspace(0, 10, 61)
POSITION, AUGMENTED = {"role": "position"}, {"role": "augmented"}


@pytest.fixture(scope="module")
def pendulum():
    return systems.get("pendulum")


@pytest.fixture(scope="module")
def record(pendulum):
    return pendulum.simulate(TIME, n_trajectories=6, observe=["theta"], noise=0.02, seed=1)


def augmented(pendulum, record, function):
    theta, omega = record.theta_true.values, record.omega_true.values
    return Fitted(pendulum, {"theta": (theta, POSITION), "augmented_1": (function(theta, omega), AUGMENTED)})


def latent(found, name, part):
    return found[name].sel(state="omega", part=part).item()


def test_velocity_itself_needs_no_map(pendulum, record):
    found = augmented_velocity(augmented(pendulum, record, lambda x, v: v), record)
    assert found.attrs["held_out"] == "trajectories"
    assert found.attrs["latent_states"] == "augmented_1"
    assert found.r2_direct.item() == found.correlation.item() == pytest.approx(1.0, abs=1e-12)
    assert float(found.r2_linear.min()) > 1 - 1e-9
    assert float(found.r2_smooth.min()) > 1 - 1e-9


def test_a_mixture_is_the_velocity_after_a_linear_map_of_all_states(pendulum, record):
    found = augmented_velocity(augmented(pendulum, record, lambda x, v: 3 * x - 0.2 * v), record)
    assert found.r2_direct.item() < 0.0
    assert latent(found, "r2_linear", "latent states") < 0.5
    assert latent(found, "r2_smooth", "latent states") < 0.6
    assert latent(found, "r2_linear", "all states") > 1 - 1e-9


def test_a_bent_velocity_needs_a_smooth_map(pendulum, record):
    found = augmented_velocity(augmented(pendulum, record, lambda x, v: np.tanh(v / 4) + 0.3 * x**2), record)
    assert latent(found, "r2_linear", "all states") < 0.95
    assert latent(found, "r2_smooth", "all states") > 0.995
    assert latent(found, "r2_smooth", "latent states") < 0.95


def test_a_prediction_that_is_lost_gives_no_velocity(pendulum, record):
    late = np.arange(len(TIME)) > 40
    found = augmented_velocity(augmented(pendulum, record, lambda x, v: np.where(late, np.nan, v)), record)
    assert np.isneginf(found.r2_direct.item()) and np.isnan(found.correlation.item())
    for name in ("r2_linear", "r2_smooth"):
        assert np.isneginf(found[name].values).all()


def test_what_carries_no_velocity_is_not_mapped_to_it(pendulum, record):
    rng = np.random.default_rng(0)
    found = augmented_velocity(augmented(pendulum, record, lambda x, v: rng.standard_normal(v.shape)), record)
    assert latent(found, "r2_linear", "all states") < 0.05
    assert latent(found, "r2_smooth", "all states") < 0.2
    few = record.isel(trajectory=slice(1))
    assert augmented_velocity(augmented(pendulum, few, lambda x, v: v), few).attrs["held_out"] == "blocks of time"


def test_folds_hold_neighbours_out_together():
    assert folds_of(2, 10).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]] * 2
    assert folds_of(7, 3).tolist() == [[i % 5] * 3 for i in range(7)]
    x = np.linspace(0, 1, 40)
    folds = folds_of(1, 40)
    assert held_out_r2(x[None, :, None], x[None] ** 0, folds, smooth=True) != held_out_r2(x[None, :, None], x[None], folds, smooth=True)
    gaps = np.where(np.arange(40) % 7 == 0, np.nan, x)[None]
    assert held_out_r2(gaps[..., None], 2 * x[None], folds, smooth=False) == pytest.approx(1.0, abs=1e-12)
    # a constant, and a feature of points that differ from trajectory to trajectory only: nothing to learn for those left out
    steps = np.repeat(np.random.default_rng(0).standard_normal((20, 1)), 10, axis=1)
    labels = np.repeat(np.arange(20.0)[:, None], 10, axis=1)
    assert held_out_r2(labels[..., None], steps, folds_of(20, 10), smooth=True) < 0.3


def test_agreement_of_known_maps(pendulum, record):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])

    def two(function):
        a = function(np.stack([record.theta_true.values, record.omega_true.values], axis=-1))
        names = {"theta": (record.theta_true.values, POSITION)}
        return Fitted(pendulum, names | {f"augmented_{k + 1}": (a[..., k], AUGMENTED) for k in range(2)})

    rng = np.random.default_rng(3)
    models = {
        0: two(lambda z: z),
        1: two(lambda z: 5 * z @ turn + 2),
        2: two(lambda z: z * [1.0, 20.0]),
        7: two(lambda z: rng.standard_normal(z.shape)),
    }
    found = latent_agreement(models, record)
    assert found.seed.values.tolist() == [0, 1, 2, 7]
    assert float(found.difference.sel(seed=0, other_seed=0)) == 0.0
    assert float(found.procrustes.sel(seed=0, other_seed=1)) == pytest.approx(0.0, abs=1e-12)
    assert float(found.difference.sel(seed=0, other_seed=1)) > 0.5
    z = np.stack([record.theta_true.values, record.omega_true.values], axis=-1).reshape(-1, 2)
    assert float(found.procrustes.sel(seed=0, other_seed=2)) == pytest.approx(procrustes(z, z * [1.0, 20.0])[2], rel=1e-9)
    assert float(found.canonical_correlation.sel(seed=1, other_seed=2).min()) == pytest.approx(1.0, abs=1e-9)
    assert float(found.canonical_correlation.sel(seed=0, other_seed=7).max()) < 0.2
    assert float(found.r2_linear.sel(seed=1, other_seed=2)) == pytest.approx(1.0, abs=1e-9)
    assert float(found.r2_linear.sel(seed=7, other_seed=0)) < 0.9
    np.testing.assert_allclose(found.procrustes, found.procrustes.T, atol=1e-12)
    with pytest.raises(DataError, match="at least two fitted models; found 1"):
        latent_agreement({0: models[0]}, record)


def test_a_lost_seed_takes_no_other_with_it(pendulum, record):
    models = {seed: augmented(pendulum, record, lambda x, v: v) for seed in range(3)}
    models[1] = augmented(pendulum, record, lambda x, v: np.full_like(v, np.nan))
    found = latent_agreement(models, record)
    for name in ("difference", "procrustes", "r2_linear", "canonical_correlation"):
        np.testing.assert_array_equal(np.isnan(found[name].squeeze()), [[False, True, False], [True] * 3, [False, True, False]])
    assert float(found.procrustes.sel(seed=0, other_seed=2)) == pytest.approx(0.0, abs=1e-12)


def test_seeds_of_a_comparison_are_compared_within_each_model(pendulum, record):
    """So are the members of an ensemble."""
    other = systems.get("pendulum", gravity=3.0)
    keyed = {("first", 0): pendulum, ("first", 4): other, ("second", 0): other, ("second", 4): other}
    found = latent_agreement(keyed, record)
    alone = latent_agreement({0: pendulum, 4: other}, record)
    np.testing.assert_array_equal(found.procrustes.sel(model="first"), alone.procrustes)
    assert float(found.difference.sel(model="second").max()) == 0.0
    assert found.canonical_correlation.sizes["model"] == 2

    assert latent_agreement(SimpleNamespace(members={0: pendulum, 4: other}), record).identical(alone)


def test_theory_has_units(pendulum):
    swing = systems.get("damped-oscillator")
    form = anode_theory(swing, swing.simulate(TIME, {"x": [0.0, 1.0], "v": [1.0, -0.1]}, observe=["x"]))
    assert {name: form[name].attrs["units"] for name in ("scale", "slope", "offset")} == {"scale": "1", "slope": "s-1", "offset": "m s-1"}


def test_agreement_of_different_widths(pendulum, record):
    one = augmented(pendulum, record, lambda x, v: v)
    theta, omega = record.theta_true.values, record.omega_true.values
    two = Fitted(pendulum, {"theta": (theta, POSITION), "augmented_1": (omega, AUGMENTED), "augmented_2": (theta, AUGMENTED)})
    found = latent_agreement({0: one, 1: two}, record)
    assert found.canonical_correlation.sel(seed=0, other_seed=1, component=1).item() == pytest.approx(1.0, abs=1e-9)
    assert np.isnan(found.canonical_correlation.sel(seed=0, other_seed=1, component=2))
    assert 0.0 < float(found.procrustes.sel(seed=0, other_seed=1)) < 0.5


def test_dimension_is_that_of_what_is_used(pendulum, record):
    omega = record.omega_true.values
    flat = {"theta": (record.theta_true.values, POSITION)} | {f"augmented_{k}": (k * omega + k, AUGMENTED) for k in (1, 2, 3)}
    found = latent_dimension(Fitted(pendulum, flat), record)
    assert found.participation_ratio.sel(part="latent states").item() == pytest.approx(1.0, abs=1e-9)
    assert found.singular_value.sel(part="latent states", component=1).item() == pytest.approx(np.sqrt(3))
    assert found.explained_variance.sel(part="latent states").values[:3] == pytest.approx([1, 0, 0], abs=1e-12)
    assert 1.4 < found.participation_ratio.sel(part="all states").item() < 1.8
    rng = np.random.default_rng(0)
    full = {f"augmented_{k}": (rng.standard_normal(omega.shape), AUGMENTED) for k in (1, 2, 3)}
    assert latent_dimension(Fitted(pendulum, full), record).participation_ratio.sel(part="latent states").item() == pytest.approx(
        3, rel=0.03
    )
    with pytest.raises(DataError, match="every state of 'pendulum' \\(theta, omega\\) is in the record"):
        latent_dimension(pendulum, pendulum.simulate(TIME, n_trajectories=2, seed=0))


def damped_sinusoids(g=0.1667, w=1.0):
    system = systems.get("damped-oscillator", gamma=2 * g, omega=float(np.hypot(w, g)))
    return system, system.simulate(np.linspace(0, 10, 50), {"x": [0.0, 1.0], "v": [w, -g]}, observe=["x"])


@pytest.mark.parametrize("w", [1.0, 1.7])
def test_theory_is_the_published_solution(w):
    g = 0.1667
    system, record = damped_sinusoids(g, w)
    form = anode_theory(system, record)
    assert float(form.slope) == pytest.approx(-(w + g), rel=1e-9)
    assert float(form.offset) == pytest.approx(w, rel=1e-9)

    def published(t, y):
        x, a = y
        return [a - w * x - g * x + w, w * a - g * a - (2 * w * w * x + g * w - w * w)]

    for i, start in enumerate((0.0, 1.0)):
        path = solve_ivp(published, (0, 10), [start, 0.0], t_eval=record.time.values, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(form.augmented_theory[i], path.y[1], atol=1e-8)
    assert np.isnan(form.r2)


def test_a_model_is_compared_with_the_theory_up_to_a_scale():
    system, record = damped_sinusoids()
    form = anode_theory(system, record).augmented_theory.values
    x = record.x.values
    found = anode_theory(Fitted(system, {"x": (x, POSITION), "augmented_1": (form / -3.0, AUGMENTED)}), record)
    assert float(found.scale) == pytest.approx(-3.0)
    assert float(found.r2) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found.augmented_theory, found.augmented_learned, atol=1e-12)
    other = Fitted(system, {"x": (x, POSITION), "augmented_1": (x - x[:, :1], AUGMENTED)})
    assert float(anode_theory(other, record).r2) < 0.9


def test_a_start_that_a_prior_holds_near_zero_counts_as_zero():
    system, record = damped_sinusoids()
    form = anode_theory(system, record).augmented_theory.values
    held = Fitted(system, {"x": (record.x.values, POSITION), "augmented_1": (form + 1e-4 * form.std(), AUGMENTED)})
    assert float(anode_theory(held, record).r2) > 0.999
    off = Fitted(system, {"x": (record.x.values, POSITION), "augmented_1": (form + 1e-2 * form.std(), AUGMENTED)})
    with pytest.raises(DataError, match="does not start at zero"):
        anode_theory(off, record)


def test_what_has_no_theory_is_told():
    system, record = damped_sinusoids()
    shifted = Fitted(system, {"x": (record.x.values, POSITION), "augmented_1": (record.x.values + 1, AUGMENTED)})
    with pytest.raises(DataError, match="does not start at zero. Fit with initial_augmented='zeros'"):
        anode_theory(shifted, record)
    with pytest.raises(DataError, match="the form is that of one augmented state; 'stand-in' has 0"):
        anode_theory(Fitted(system, {"x": (record.x.values, POSITION)}), record)
    three = system.simulate(np.linspace(0, 10, 50), {"x": [0.0, 1.0, 2.0], "v": [1.0, 0.0, 1.0]}, observe=["x"])
    with pytest.raises(DataError, match="no straight function of the initial positions"):
        anode_theory(system, three)
    pair = systems.get("damped-sinusoids")
    with pytest.raises(DataError, match="the form holds for one position"):
        anode_theory(pair, pair.simulate(TIME, observe=["x", "y"]))


@pytest.mark.slow
def test_a_fit_that_starts_at_zero_is_predicted_from_zero():
    from physode import models

    _, record = damped_sinusoids()
    fitted = models.get("anode", n_augmented=1, initial_augmented="zeros").fit(record, seed=1)
    assert fitted.score(record) > 0.9999
    assert float(abs(fitted.predict(record).augmented_1[:, 0]).max()) < 1e-7
    assert float(anode_theory(fitted, record).r2) > 0.9
