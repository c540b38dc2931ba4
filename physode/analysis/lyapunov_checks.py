"""When a Lyapunov spectrum can be trusted: standard errors, exact identities, and what to say when they fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from physode.analysis.autonomy import is_driven
from physode.analysis.dynamics import Array, Dynamics
from physode.analysis.lyapunov_run import Run

__all__ = ["checks_of", "standard_errors", "warnings_of", "zero_sums"]

_N_BLOCKS: Final = 10  # few and long: growth over short blocks is dominated by a bounded term that does not average
_SETTLED: Final = 5  # standard errors, within the halves, by which the halves of a settled run do not differ
_DRIFTED: Final = 0.05  # spreads of a conserved quantity that it may drift by
_STILL: Final = 1e-7  # of the size per time scale: at rest
_NEARLY_STILL: Final = 1e-3  # so near that the field is linear
_BOUNDED: Final = 3.0  # logarithm by which tangents may shrink in motion that neither decays nor grows
_EXACT: Final = 1e-6  # per time scale: error of a mean divergence

Checks = dict[str, float | int | bool]


@runtime_checkable
class _Learned(Protocol):
    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the learned parameters."""
        ...


@runtime_checkable
class _Jumping(Protocol):
    @property
    def has_jumps(self) -> bool:
        """Whether the right-hand side jumps at some states."""
        ...


def _blocks(done: Run) -> Array:
    """Exponents within blocks of time, (block, trajectory, exponent)."""
    n_blocks = min(_N_BLOCKS, len(done.lengths))
    edges = np.linspace(0, len(done.lengths), n_blocks + 1).round().astype(int)[:-1]
    return np.asarray(np.add.reduceat(done.growth, edges, axis=0) / np.add.reduceat(done.lengths, edges)[:, None, None])


def standard_errors(done: Run) -> Array:
    """Return the larger of the errors between initial states and between blocks of time, (exponent,): in short runs too large."""
    n_trajectories, n_exponents = done.growth.shape[1:]
    if n_trajectories == 0:
        return np.full(n_exponents, np.nan)
    blocks = _blocks(done).mean(axis=1)
    in_time = blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks)) if len(blocks) > 1 else np.full(n_exponents, np.nan)
    single = done.growth.sum(axis=0) / done.lengths.sum()
    between = single.std(axis=0, ddof=1) / np.sqrt(n_trajectories) if n_trajectories > 1 else np.full(n_exponents, np.nan)
    return np.asarray(np.fmax(in_time, between))


def _zero_limit(done: Run, time_scale: float) -> float:
    """How large an exponent of regular motion may still be: 3 ln(T) / T, T in time scales, as a rate."""
    elapsed = float(done.lengths.sum()) / time_scale
    return 3 * float(np.log(max(elapsed, np.e))) / (max(elapsed, np.e) * time_scale)


def checks_of(dynamics: Dynamics, done: Run, exponents: Array, errors: Array, divergence: float) -> Checks:
    """Compute the checks of a run.

    Parameters
    ----------
    dynamics : Dynamics
        For its time scale and number of states.
    done : Run
        The run.
    exponents, errors : ndarray, shape (exponent,)
        Sorted exponents and their standard errors.
    divergence : float
        Time mean of the divergence.

    Returns
    -------
    dict
        Numbers and flags, ready for JSON; those that cannot be computed are left out.
    """
    complete, n = len(exponents) == len(dynamics.states), done.growth.shape[1]
    checks: Checks = {"n_diverged": done.n_diverged, "n_at_rest": 0}
    if n == 0:
        return checks
    limit = _zero_limit(done, dynamics.time_scale)
    speed = done.speed * dynamics.time_scale
    still = speed[1] < _STILL
    blocks = _blocks(done)
    half = len(blocks) // 2
    if np.isfinite(done.drift):
        checks["invariant_drift"] = done.drift
    checks["n_at_rest"] = int(still.sum())
    checks["driven"] = is_driven(dynamics)
    checks["n_at_rest_before"] = int((speed[0] < _NEARLY_STILL).sum())
    checks["zero_exponent"] = float(np.abs(exponents).min())
    checks["zero_limit"] = 3 * float(errors.max()) + (0.0 if still.all() else limit)
    checks["chaotic"] = bool(exponents[0] > max(3 * errors[0], limit))
    checks["undecided"] = bool(exponents[0] > max(3 * errors[0], limit / 3) and not checks["chaotic"])
    if complete:
        checks["divergence_gap"] = float(abs(exponents.sum() - divergence))
        if abs(divergence) < 1e-3 / dynamics.time_scale:  # volume is kept, as in a Hamiltonian flow
            checks["pairing_gap"] = float(np.abs(exponents + exponents[::-1]).max())
    if half > 1:
        order = np.argsort(-blocks.mean(axis=(0, 1)), kind="stable")
        first, second = (part.mean(axis=1)[:, order] for part in (blocks[:half], blocks[-half:]))
        drift = np.abs(second.mean(axis=0) - first.mean(axis=0))
        scatter = np.sqrt((first.var(axis=0, ddof=1) + second.var(axis=0, ddof=1)) / half)
        worst = int((drift - _SETTLED * scatter).argmax())
        checks["half_drift"] = float(drift[worst])
        checks["half_drift_limit"] = _SETTLED * float(scatter[worst]) + limit
    if half > 1 and n > 7:
        within = blocks[..., order[0]].var(axis=0, ddof=1).mean() / len(blocks)
        between = (done.growth.sum(axis=0) / done.lengths.sum())[:, order[0]].var(ddof=1)
        checks["states_differ"] = bool(between > 4 * within and np.sqrt(between) > limit)
    quarter = max(1, len(done.extent) // 4)
    checks["extent_ratio"] = float(done.extent[-quarter:].max() / max(done.extent[:quarter].max(), np.finfo(float).tiny))
    return checks


def zero_sums(dynamics: Dynamics, done: Run, errors: Array, checks: Checks) -> Array:
    """How far below zero the partial sums of the exponents may be and still count as zero, (exponent,).

    The largest exponent of regular motion comes down to zero as slowly as ln(T)/T, but is never below it by more than a bounded term
    over T; and the sum of all is known as well as it agrees with the mean divergence.
    """
    limits = np.full(len(errors), float(checks.get("zero_limit", 0.0)))
    if done.growth.shape[1]:
        limits[0] = min(limits[0], 3 * float(errors[0]) + _BOUNDED / float(done.lengths.sum()))
    if "divergence_gap" in checks:
        volume = replace(done, growth=done.growth.sum(axis=2, keepdims=True))
        limits[-1] = 3 * float(standard_errors(volume)[0]) + checks["divergence_gap"] + _EXACT / dynamics.time_scale
    return limits


def warnings_of(dynamics: Dynamics, done: Run, checks: Checks) -> list[str]:
    """Say in sentences what the checks found, each with a remedy."""
    n, found = done.growth.shape[1], []
    scale, elapsed = dynamics.time_scale, float(done.lengths.sum())
    if done.n_diverged:
        found.append(f"{done.n_diverged} of {n + done.n_diverged} trajectories diverged and were left out; choose other initial states.")
    if n == 0:
        return found
    at_rest = int(checks["n_at_rest"])
    if at_rest:
        which = f"{at_rest} of {n} trajectories" if at_rest < n else "all trajectories"
        found.append(f"fixed point reached by {which}: there the exponents are the real parts of its Jacobian's eigenvalues.")
        if at_rest < n or checks["n_at_rest_before"] < at_rest:
            found.append("the mean mixes motion and rest; use a longer transient or other initial states.")
    elif "invariant_drift" not in checks and not 1 / 3 <= checks["extent_ratio"] <= 3:  # what conserves has no attractor
        found.append(f"not on an attractor: states changed size by {checks['extent_ratio']:.2g} during the run; use a longer transient.")
    if "half_drift" in checks and checks["half_drift"] > checks["half_drift_limit"]:
        found.append(f"not settled: the two halves of the run differ by {checks['half_drift']:.2g}; use a longer transient or duration.")
    if checks["chaotic"]:
        times = elapsed * float(done.growth.sum(axis=0).mean(axis=0).max() / elapsed)
        if times < 100:
            found.append(f"too short: {times:.0f} Lyapunov times; use a duration {100 / times:.2g} times as long.")
    elif checks["undecided"]:
        found.append("too short to tell chaos from regular motion; use a longer duration.")
    elif elapsed < 199 * scale and at_rest < n:
        found.append(f"too short: {elapsed / scale:.0f} time scales; use a duration of at least {200 * scale:.3g}.")
    if checks.get("divergence_gap", 0.0) > 1e-3 * max(1 / scale, float(np.abs(done.divergence).mean())):
        found.append(f"the exponents do not add up to the mean divergence (gap {checks['divergence_gap']:.2g}); use a smaller step.")
    if not at_rest and not checks["driven"] and "divergence_gap" in checks and checks["zero_exponent"] > checks["zero_limit"]:
        found.append(f"no exponent is zero (smallest {checks['zero_exponent']:.2g}), as a flow's must be; use a longer duration.")
    if len(dynamics.states) % 2 == 0 and checks.get("pairing_gap", 0.0) > checks["zero_limit"]:
        found.append(
            f"volume is kept, but the exponents do not pair as a Hamiltonian flow's must (gap {checks['pairing_gap']:.2g}); "
            "if it is one, use a smaller step or a longer duration."
        )
    if checks.get("invariant_drift", 0.0) > _DRIFTED:
        found.append(
            f"a conserved quantity drifted by {checks['invariant_drift']:.2g} of its spread between initial states, "
            "so that the exponents are those of other orbits than asked for; use a smaller step."
        )
    if checks.get("states_differ", False):
        found.append("initial states have different exponents (several attractors or energies): the mean is over the states drawn.")
    if isinstance(dynamics, _Jumping) and dynamics.has_jumps:
        found.append(
            "the right-hand side jumps, and how a jump pushes neighbouring orbits together or apart is not counted in the exponents; "
            "to count it, write a steep tanh for sign."
        )
    if dynamics.rhs(0.0, dynamics.sample_states(1, 0)).dtype != np.float64:
        found.append("the vector field computes in less than float64; exponents carry its rounding.")
    if isinstance(dynamics, _Learned) and dynamics.dtype != np.float64:
        found.append(f"the learned parameters are {dynamics.dtype}: the exponents are those of the rounded field; fit it in float64.")
    return found
