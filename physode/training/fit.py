"""From a scaled record to a fitted field: warm start, then shooting over windows that grow to whole trajectories."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from physode.fields.base import AbstractField
from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import RungeKuttaSolver
from physode.training.batch import Batch
from physode.training.evidence import Evidence, group_positions
from physode.training.gradient_descent import DescentProblem, adam, lbfgs
from physode.training.horizon import beyond_horizon
from physode.training.levenberg_marquardt import Point, levenberg_marquardt
from physode.training.matching import MatchingProblem
from physode.training.matching_descent import match_by_descent
from physode.training.result import StopFit
from physode.training.sampling import draw_windows, fill_in
from physode.training.shooting import InitialPrior, ShootingProblem
from physode.training.windows import Windows, cut_windows

__all__ = ["FAR", "NEGLIGIBLE", "SMALL_SOLVER_ERROR", "FitSettings", "Fitted", "Guess", "fit_field"]

MOST_MATCHED = 5000
"""Points used by the warm start."""
GROWTH = 3
"""Factor by which windows grow from stage to stage."""
FIRST_DURATION = 1.0
"""Duration of the first windows in time constants."""
LONGEST = 1000
"""Most intervals in a window: beyond it a record stays cut, so that the cost of a step stays bounded."""
ACCEPTABLE, WORSE = 0.1, 3.0
"""Longer windows are given up when their residual is above this share of a standard deviation and this much above the shorter ones'."""
SMALL_SOLVER_ERROR = 0.1
"""The steps are halved when the solver's error exceeds this share of the residual."""
NEGLIGIBLE = 1e-5
"""Solver error, in standard deviations, that is never worth smaller steps."""
REFINEMENT = 8
"""How many times finer the solver is that the training solver is compared with."""
MOST_HALVINGS = 4
FAR = 3.0
"""Excursion of a free run at which the field counts as unstable."""
MOST_COUNTED = 2_000
"""Parameters that windows are drawn for when there is only the gradient, whose cost grows with parameters and windows at once."""
PROBES = 200
"""Windows along which the growth of perturbations is measured."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit; see the models for what each setting means to a user.

    Attributes
    ----------
    optimizer : {"levenberg-marquardt", "lbfgs", "adam"}
    solver : AbstractSolver
    max_step : float
        Largest step in scaled time.
    max_iterations : int
        Accepted steps in each stage.
    tolerance : float
        Share of the residual that three steps must gain to go on.
    """

    optimizer: str
    solver: AbstractSolver
    max_step: float
    max_iterations: int
    tolerance: float


@dataclass(frozen=True)
class Guess:
    """First guesses of the full state at every observation, scaled.

    Attributes
    ----------
    states, derivatives : Tensor, shape (trajectories, observations, n_states)
        NaN where a trajectory has ended.
    noise : Tensor, shape (n_observed,)
        Standard deviation of the observed states.
    known_noise : Tensor of bool, shape (n_observed,)
    initial_precision : Tensor, shape (n_states,)
        Prior precision of the components of an initial state around the guess.
    """

    states: Tensor
    derivatives: Tensor
    noise: Tensor
    known_noise: Tensor
    initial_precision: Tensor


@dataclass
class Fitted:
    """Where a fit stands; the field itself is left holding the parameters.

    Attributes
    ----------
    status : str
        See `FitResult.status`.
    loss : float
    states : Tensor, shape (trajectories, observations, n_states)
        States along the record.
    noise : Tensor, shape (n_observed,)
    solver_error : float
        See `FitResult.solver_error`; NaN where a stopped fit was not compared.
    excursion : float
        Largest deviation from the mean in free runs of the learned field along the record, up to `LONGEST` intervals each, over the largest
        one in the record itself; NaN where a stopped fit was not run.
    intervals : int
        Length of the longest windows that were fitted.
    n_evaluations, n_iterations : int
    max_step : float
        Largest step in the end, scaled time.
    theta : Tensor
        Parameters as one vector.
    """

    status: str
    loss: float
    states: Tensor
    noise: Tensor
    solver_error: float = float("nan")
    excursion: float = float("nan")
    intervals: int = 0
    n_evaluations: int = 0
    n_iterations: int = 0
    max_step: float = float("nan")
    theta: Tensor = field(default_factory=lambda: torch.zeros(0))


Report = Callable[[int, float, int, str], None]
"""Called with iterations, loss, evaluations and the name of the stage; may raise StopFit."""


def fit_field(
    vector_field: AbstractField,
    batch: Batch,
    observed: tuple[int, ...],
    guess: Guess,
    settings: FitSettings,
    report: Report,
    judge: Callable[[Fitted], float] | None = None,
) -> Fitted:
    """Fit a field to a batch of trajectories.

    Parameters
    ----------
    vector_field : AbstractField
        Changed in place; holds the best parameters at the end, however the fit ended.
    batch : Batch
    observed : tuple of int
        Components of the state that the batch measures.
    guess : Guess
    settings : FitSettings
    report : callable
    judge : callable, optional
        Error on held-out data; of the stages the one with the smallest is kept.

    Returns
    -------
    Fitted
    """
    stage = _Stages(vector_field, batch, observed, guess, settings, report)
    best, least = None, float("inf")
    try:
        stage.warm_start()
        for intervals in stage.lengths():
            if stage.beyond(intervals) or not stage.shoot(intervals):
                break
            if judge is not None and (error := judge(stage.fitted)) < least:
                best, least = replace(stage.fitted), error
        stage.take_back(best)
        stage.complete()
        stage.refine()
        stage.run_free()
    except (StopFit, KeyboardInterrupt) as stop:
        stage.keep_running()
        if judge is not None and best is not None and judge(stage.fitted) > least:
            stage.take_back(best)
        stage.fitted.status = stop.status if isinstance(stop, StopFit) else "interrupted"
    vector_to_parameters(stage.fitted.theta, vector_field.parameters())
    return stage.fitted


class _Stages:
    """The stages of one fit and what they share; `fitted` is always the best so far."""

    def __init__(
        self,
        vector_field: AbstractField,
        batch: Batch,
        observed: tuple[int, ...],
        guess: Guess,
        settings: FitSettings,
        report: Report,
    ) -> None:
        self.vector_field, self.batch, self.observed = vector_field, batch, observed
        self.guess, self.settings, self.report = guess, settings, report
        theta = parameters_to_vector(vector_field.parameters()).detach().clone()
        self.fitted = Fitted("max_iterations", float("inf"), guess.states, guess.noise, max_step=settings.max_step, theta=theta)
        self.groups = group_positions(vector_field)
        self.evidence = self._fresh_evidence(guess.noise, guess.known_noise)
        self.max_step = settings.max_step
        self.running: Callable[[], bool] | None = None
        self.sampled = False

    def _fresh_evidence(self, noise: Tensor, known: Tensor) -> Evidence:
        variance = noise.square().clamp(min=1e-6)
        variance = torch.where(known, noise.square(), variance)
        return Evidence(variance, torch.full((len(self.groups),), 0.1, dtype=noise.dtype), self.groups, known)

    def warm_start(self) -> None:
        """Match the field to the slopes of the smoothing spline."""
        states, slopes = self.guess.states.flatten(0, 1), self.guess.derivatives.flatten(0, 1)
        time = self.batch.time.flatten()
        inputs = self.batch.inputs(self.batch.time.nan_to_num(0.0)).flatten(0, 1)
        valid = torch.nonzero(states.isfinite().all(1) & slopes.isfinite().all(1) & time.isfinite())[:, 0]
        valid = valid[:: max(1, len(valid) // MOST_MATCHED)]
        problem = MatchingProblem(self.vector_field, time[valid], states[valid], slopes[valid], inputs[valid])
        n = states.shape[1]
        evidence = self._fresh_evidence(torch.full((n,), 0.1, dtype=states.dtype), torch.zeros(n, dtype=torch.bool))
        report = self._reporter(problem, "warm start")
        if self._by_curvature:
            with torch.no_grad():
                point = levenberg_marquardt(problem, self.fitted.theta, states[:0], evidence, iterations=15, tolerance=0.01, report=report)
        else:
            point = match_by_descent(problem, self.fitted.theta, evidence, iterations=30, tolerance=0.01, report=report)
        self.fitted.theta = point.theta
        self.fitted.n_evaluations += problem.n_evaluations

    def lengths(self) -> list[int]:
        """Window lengths in intervals, from about one time constant to the whole record."""
        counts = self.batch.time.isfinite().sum(1)
        longest = min(int(counts.max()) - 1, LONGEST)
        gap = float(self.batch.time.diff(dim=1).nanmedian())
        unknowns = self.guess.states.shape[-1] / len(self.observed)
        length = max(2, round(FIRST_DURATION / gap), int(unknowns) + 1)
        out = []
        while length < longest / 1.5:
            out.append(length)
            length *= GROWTH
        return [*out, longest]

    def shoot(self, intervals: int, *, whole: bool = False) -> bool:
        """Fit windows of one length, all of them or as many as the field needs; on failure go back to the shorter ones and say no."""
        windows = cut_windows(self.batch, intervals)
        initial = windows.pick_initial(self.fitted.states)
        prior = InitialPrior(initial, self.guess.initial_precision.expand(*initial.shape).clone())
        later = windows.columns[:, 0] > 0
        prior.precision[later] = prior.precision[later].clamp(max=1.0)
        kept = replace(self.evidence)
        drawn = torch.arange(len(initial)) if whole or self.settings.optimizer == "adam" else self._draw(windows, initial)
        chosen = windows.choose(drawn)
        problem, point = self._optimise(chosen, InitialPrior(prior.mean[drawn], prior.precision[drawn]), intervals)
        if not self._accept(problem, chosen, intervals, point):
            self.evidence = kept
            return False
        self.sampled = len(drawn) < len(initial)
        if self.sampled:
            self._fill_in(windows, prior, drawn, point.initial)
        return True

    def _fill_in(self, windows: Windows, prior: InitialPrior, drawn: Tensor, found: Tensor) -> None:
        """Find the states of the windows that a stage left out."""
        field_, step = self.vector_field, self.max_step
        initial = fill_in(field_, windows, drawn, found, self.observed, prior.mean, prior.precision, self.evidence.variance, step)
        states = self._integrate(self.settings.solver, windows, initial, step)
        self.fitted.states = windows.spread(states, self.fitted.states)
        self.fitted.loss = float(self._squares(windows, states).nanmean().sqrt())

    def _draw(self, windows: Windows, initial: Tensor) -> Tensor:
        """Draw the windows that a stage looks at."""
        squares = self._squares(windows, self._integrate(self.settings.solver, windows, initial, self.max_step))
        n_parameters = len(self.fitted.theta)
        return draw_windows(squares, n_parameters if self._by_curvature else min(n_parameters, MOST_COUNTED))

    def _squares(self, windows: Windows, states: Tensor) -> Tensor:
        """Squared residuals; NaN where nothing was measured."""
        return (states[..., list(self.observed)] - windows.batch.values).square()

    @property
    def _by_curvature(self) -> bool:
        return self.settings.optimizer == "levenberg-marquardt"

    def beyond(self, intervals: int) -> bool:
        """Tell whether windows of this length are too long for a chaotic motion; with latent states only they can tell."""
        fully_observed = len(self.observed) == self.guess.states.shape[-1]
        if not fully_observed or not 0 < self.fitted.intervals < intervals:
            return False
        windows = cut_windows(self.batch, intervals)
        windows = windows.choose(torch.linspace(0, len(windows.rows) - 1, min(len(windows.rows), PROBES)).long())
        initial = windows.pick_initial(self.fitted.states)
        last, loss = self.fitted.intervals, self.fitted.loss
        return beyond_horizon(self.vector_field, windows.batch, initial, last, self.max_step, loss, plenty=self.sampled)

    def complete(self) -> None:
        """Fit all windows if the last stage looked at some of them only."""
        if self.sampled:
            self.shoot(self.fitted.intervals, whole=True)

    def _accept(self, problem: ShootingProblem | DescentProblem, windows: Windows, intervals: int, point: Point) -> bool:
        """Take over where a stage stands, unless it follows the record much worse than the stage before."""
        self.running = None
        loss = _loss(problem, point)
        self.fitted.n_evaluations += problem.n_evaluations
        if loss > ACCEPTABLE and loss > WORSE * self.fitted.loss:
            return False
        self.fitted.theta, self.fitted.loss, self.fitted.intervals = point.theta, loss, intervals
        self.fitted.max_step, self.fitted.solver_error = self.max_step, float("nan")
        states = self._integrate(self.settings.solver, windows, point.initial, self.max_step)
        self.fitted.states = windows.spread(states, self.fitted.states)
        self.fitted.noise = self.evidence.variance.sqrt()
        self.fitted.status = "converged" if point.converged else "max_iterations"
        return True

    def keep_running(self) -> None:
        """Keep the last step of a stage that was stopped, on the same terms as a stage that ended."""
        if self.running is not None:
            self.running()
        vector_to_parameters(self.fitted.theta, self.vector_field.parameters())

    def take_back(self, best: Fitted | None) -> None:
        """Go back to an earlier stage; what was spent since stays spent."""
        if best is not None:
            self.fitted = replace(best, n_evaluations=self.fitted.n_evaluations, n_iterations=self.fitted.n_iterations)

    def refine(self) -> None:
        """Compare with a solver of much smaller steps; fit again with smaller steps until they agree."""
        self.fitted.solver_error = self._solver_error()
        for _ in range(MOST_HALVINGS):
            if not self.fitted.solver_error > max(SMALL_SOLVER_ERROR * self.fitted.loss, NEGLIGIBLE):
                return
            if not isinstance(self.settings.solver, RungeKuttaSolver):
                return
            self.max_step /= 2
            if not self.shoot(self.fitted.intervals, whole=True):
                return
            self.fitted.solver_error = self._solver_error()

    def run_free(self) -> None:
        """Run the field as long as the record lasts, however short the windows were: chaos stays within the record's range as well."""
        windows = cut_windows(self.batch, LONGEST)
        states = self._integrate(self.settings.solver, windows, windows.pick_initial(self.fitted.states), self.fitted.max_step)
        farthest = states[..., list(self.observed)].abs().nan_to_num(math.inf).amax((0, 1))
        largest = self.batch.values.abs().nan_to_num(0.0).amax((0, 1))
        self.fitted.excursion = float((farthest / largest).max())

    def _integrate(self, solver: AbstractSolver, windows: Windows, initial: Tensor, max_step: float) -> Tensor:
        """States along windows, by the best parameters."""
        vector_to_parameters(self.fitted.theta, self.vector_field.parameters())
        with torch.no_grad():
            return solver.integrate(self.vector_field, initial, windows.batch.time, windows.batch.inputs, max_step)

    def _solver_error(self) -> float:
        windows = cut_windows(self.batch, self.fitted.intervals)
        initial = windows.pick_initial(self.fitted.states)
        solver, step = self.settings.solver, self.fitted.max_step
        coarse = self._integrate(solver, windows, initial, step)
        finer, small_step = solver.sharpened(step, REFINEMENT)
        difference = (coarse - self._integrate(finer, windows, initial, small_step))[windows.batch.values.isfinite().any(-1)][
            :, list(self.observed)
        ]
        return float(difference.square().mean().sqrt())

    def _optimise(self, windows: Windows, prior: InitialPrior, intervals: int) -> tuple[ShootingProblem | DescentProblem, Point]:
        """Run the chosen optimiser on one set of windows."""
        settings, field_ = self.settings, self.vector_field

        def report(problem: ShootingProblem | DescentProblem) -> Callable[[Point], None]:
            tell = self._reporter(problem, f"windows of {intervals}")

            def remember(point: Point) -> None:
                self.running = partial(self._accept, problem, windows, intervals, point)
                tell(point)

            return remember

        iterations, tolerance = settings.max_iterations, settings.tolerance
        if settings.optimizer == "levenberg-marquardt" and isinstance(settings.solver, RungeKuttaSolver):
            problem = ShootingProblem(field_, windows.batch, self.observed, prior, settings.solver.tableau, self.max_step)
            with torch.no_grad():
                point = levenberg_marquardt(
                    problem,
                    self.fitted.theta,
                    prior.mean,
                    self.evidence,
                    iterations=iterations,
                    tolerance=tolerance,
                    report=report(problem),
                )
            return problem, point
        descent = DescentProblem(field_, windows.batch, self.observed, prior, settings.solver, self.max_step)
        vector_to_parameters(self.fitted.theta.clone(), field_.parameters())  # they share memory, and are changed in place
        run = lbfgs if settings.optimizer == "lbfgs" else adam
        point = run(descent, prior.mean, self.evidence, iterations=iterations, tolerance=tolerance, report=report(descent))
        return descent, point

    def _reporter(self, problem: MatchingProblem | ShootingProblem | DescentProblem, stage: str) -> Callable[[Point], None]:
        def tell(point: Point) -> None:
            self.fitted.n_iterations += 1
            if isinstance(problem, MatchingProblem):
                self.fitted.theta = point.theta
            self.report(self.fitted.n_iterations, _loss(problem, point), self.fitted.n_evaluations + problem.n_evaluations, stage)

        return tell


def _loss(problem: MatchingProblem | ShootingProblem | DescentProblem, point: Point) -> float:
    """Root mean square residual, scaled."""
    return float((point.squares.sum() / problem.counts.sum()).sqrt())
