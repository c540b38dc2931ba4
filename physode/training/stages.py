"""The stages of one fit and what they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from physode.fields.base import AbstractField
from physode.fields.members import get_theta, set_theta, stack
from physode.solvers.adaptive import AdaptiveSolver
from physode.solvers.base import AbstractSolver
from physode.solvers.fixed import RungeKuttaSolver
from physode.training.batch import Batch
from physode.training.clock import Clock
from physode.training.evidence import Evidence, group_positions
from physode.training.fitted import STATUSES, FitSettings, Fitted, Guess
from physode.training.gradient_descent import DescentProblem, adam, lbfgs
from physode.training.horizon import beyond_horizon, foldings
from physode.training.journal import Journal
from physode.training.levenberg_marquardt import Point, levenberg_marquardt
from physode.training.matching import MatchingProblem
from physode.training.matching_descent import match_by_descent
from physode.training.recorded import recorded
from physode.training.sampling import draw_windows, fill_in
from physode.training.shooting import InitialPrior, ShootingProblem
from physode.training.windows import Windows, cut_windows, typical_intervals

__all__ = ["FAR", "LONGEST", "NEGLIGIBLE", "SMALL_SOLVER_ERROR", "Report", "Stages"]

FIRST_PRECISION, FIXED_BEND = 0.1, 10.0
"""Prior precision that a fit starts from, and that of what bends a field's law where no evidence changes it; where it does, the field
says its start."""
MOST_MATCHED = 5000
"""Points used by the warm start."""
GROWTH = 3
"""Factor by which windows grow from stage to stage."""
FIRST_DURATION = 1.0
"""Duration of the first windows in time constants."""
LONGEST, FEWEST_MEASURED = 1000, 20
"""Most intervals in a window: beyond it a record stays cut, so that the cost of a step stays bounded. Where inputs are sampled so much more
often than states that hardly anything is measured in so many, as many as hold this number of measurements."""
FEW_MEASURED = 5
"""Measurements of a state in a trajectory below which they tell nothing of its noise."""
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

Report = Callable[[Tensor, Tensor, Tensor, int, str], None]
"""Called with members, their accepted steps and losses, evaluations and the name of the stage; may raise StopFit."""


_Problem = MatchingProblem | ShootingProblem | DescentProblem


class Stages:
    """The stages of one fit; `fitted` is always the best so far.

    Parameters
    ----------
    fields : sequence of AbstractField
        The members' fields, one architecture; used for their first parameters and as room for others.
    batch : Batch
    observed : tuple of int
    guess : Guess
    settings : FitSettings
    random : sequence of torch.Generator
        One for each member, of the CPU.
    report : callable
    journal : Journal
    clock : Clock, optional

    Attributes
    ----------
    fitted : Fitted
    evidence : Evidence
    groups, ordered
        See `physode.training.evidence.group_positions`.
    first, warm : Tensor, shape (members, n_parameters)
        The parameters before and after the warm start.
    """

    def __init__(
        self,
        fields: Sequence[AbstractField],
        batch: Batch,
        observed: tuple[int, ...],
        guess: Guess,
        settings: FitSettings,
        random: Sequence[torch.Generator],
        report: Report,
        journal: Journal,
        clock: Clock | None = None,
    ) -> None:
        self.random, self.journal, self.clock = random, journal, clock or Clock(lambda: None)
        self.single, self.stacked = fields[0], stack(fields)
        self.batch, self.observed, self.guess, self.settings, self.report = batch, observed, guess, settings, report
        self.groups, self.ordered = group_positions(fields[0])
        self.evidence = self.first_evidence()
        self.max_step = settings.max_step
        self.longest_gap = float(batch.time.diff(dim=1).nan_to_num(0.0).max())
        self.untold = (guess.states.isfinite() & ~guess.derivatives.isfinite()).any(-1).any(0)
        self.running: Callable[[], object] | None = None
        self.first = self.warm = get_theta(self.stacked)
        self.fitted = Fitted.start(self.first, guess, settings.max_step)

    def _fresh_evidence(self, noise: Tensor, known: Tensor) -> Evidence:
        variance = torch.where(known, noise.square(), noise.square().clamp(min=1e-6))
        precision = noise.new_full((len(noise), len(self.groups)), FIRST_PRECISION)
        bend = self.single.first_precision if self.by_curvature else FIXED_BEND
        precision[:, [first for first, _ in self.ordered]] = bend
        return Evidence(variance, precision, self.groups, known, self.ordered)

    def first_evidence(self) -> Evidence:
        """That of the first windows: the noise of what the smoothing splines leave, or as stated."""
        evidence, known = self._fresh_evidence(self.guess.noise, self.guess.known_noise), self.guess.known_noise
        evidence.rare = _rare(self.batch)
        evidence.variance = torch.where(known, evidence.variance, evidence.shared(evidence.variance))
        return evidence

    def warm_start(self) -> None:
        """Match the fields to the slopes of the smoothing spline."""
        states, slopes = self.guess.states.flatten(1, 2), self.guess.derivatives.flatten(1, 2)
        time = self.batch.time.flatten()
        inputs = self.batch.inputs(self.batch.time.nan_to_num(0.0)).flatten(0, 1)
        valid = torch.nonzero((states.isfinite() & slopes.isfinite()).all(2).all(0) & time.isfinite())[:, 0]
        if not len(valid):  # nowhere are all states told at once
            return
        valid = valid[:: max(1, len(valid) // MOST_MATCHED)]
        problem = MatchingProblem(self.stacked, states[:, valid], slopes[:, valid], inputs[valid])
        n = states.shape[2]
        unknown = torch.zeros(n, dtype=torch.bool, device=states.device)
        evidence = self._fresh_evidence(states.new_full((len(states), n), 0.1), unknown)
        members = torch.arange(len(states), device=states.device)

        def report(point: Point, moved: Tensor) -> None:
            self.fitted.theta = point.theta
            self._tell(problem, members, point, moved, "warm start")

        tell: dict[str, Any] = {"report": report, "tolerance": 0.01}
        start = self.fitted.theta
        if self.by_curvature:
            search = partial(levenberg_marquardt, problem, start, states[:, :1, :0], evidence, iterations=15, **tell)
        else:
            search = partial(match_by_descent, problem, start, evidence, iterations=30, **tell)
        with torch.set_grad_enabled(not self.by_curvature):
            point = self._recorded(problem, evidence, search)
        self.fitted.theta = point.theta
        self.fitted.n_evaluations += problem.n_evaluations
        if not self.by_curvature:  # a damped step comes back from anywhere, a line search and Adam stay with a field that explodes
            self._go_back(members)
        self.warm = self.fitted.theta.clone()

    def _go_back(self, members: Tensor) -> None:
        """Give up a warm start that follows the first windows no better than the parameters before it."""
        windows = cut_windows(self.batch, self.lengths()[0])
        initial, losses = self._prior(windows, members).mean, []
        for theta in (self.first, self.fitted.theta):
            states = self._integrate(self.settings.solver, windows, initial, self.max_step, theta)
            losses.append(self._squares(windows, states, members).flatten(1).nanmean(1).nan_to_num(torch.inf))
        self.fitted.theta = torch.where((losses[1] < losses[0])[:, None], self.fitted.theta, self.first)

    def lengths(self) -> list[int]:
        """Window lengths in intervals, from about one time constant to the whole record."""
        counts = self.batch.time.isfinite().sum(1)
        measured = float(self.batch.mask.any(-1).sum() / self.batch.time.isfinite().sum())
        longest = min(int(counts.max()) - 1, max(LONGEST, math.ceil(FEWEST_MEASURED / measured)))
        unknowns = self.guess.states.shape[-1] / len(self.observed)
        length = max(2, round(typical_intervals(self.batch.time, FIRST_DURATION)), math.ceil((int(unknowns) + 1) / measured))
        out = []
        while length < longest / 1.5:
            out.append(length)
            length *= GROWTH
        return [*out, longest]

    def shoot(self, intervals: int, members: Tensor, *, whole: bool = False) -> Tensor:
        """Fit windows of one length, all of them or as many as the fields need.

        A field that follows the windows it was shown, but not the others, is given up, and all of them are fitted from the field before.

        Returns
        -------
        Tensor of int64
            The members for which it went well; the others are back at the shorter windows.
        """
        if len(members) != 1 and not self.by_curvature:  # one after another
            return torch.cat([members[:0], *(self.shoot(intervals, member, whole=whole) for member in members[:, None])])
        if not len(members):
            return members
        shorter, shorter_evidence = self.fitted.copy(), self.evidence.take(members)
        windows = cut_windows(self.batch, intervals)
        prior = self._prior(windows, members)
        drawn = self._draw(windows, prior.mean, members, whole=whole)
        chosen = self._seen_by(members, windows.choose(drawn))
        before, evidence = self.fitted.loss[members], self.evidence.take(members)
        problem, point = self._optimise(chosen, InitialPrior(prior.mean[:, drawn], prior.precision[drawn]), intervals, members, evidence)
        went_well = self._accept(problem, chosen, intervals, members, evidence, before, point)
        members = members[went_well]
        if len(drawn) == len(prior.precision) or not len(members):
            return members
        self.fitted.sampled[members], seen = True, self.fitted.loss[members]
        self._fill_in(windows, InitialPrior(prior.mean[went_well], prior.precision), drawn, point.initial[went_well], members)
        lost = _much_worse(self.fitted.loss[members], seen)
        if not bool(lost.any()):
            return members
        self.fitted.put(members[lost], shorter)
        self.evidence.put(members[lost], shorter_evidence.take(torch.nonzero(went_well)[:, 0][lost]))
        return torch.cat([members[~lost], self.shoot(intervals, members[lost], whole=True)]).sort().values

    def _prior(self, windows: Windows, members: Tensor) -> InitialPrior:
        """What is known of the windows' initial states: the states so far, loosely where a window starts within a record."""
        initial = windows.pick_initial(self.fitted.states[members])
        precision = self.guess.initial_precision.expand(*initial.shape[1:]).clone()
        later = windows.columns[:, 0] > 0
        precision[later] = precision[later].clamp(max=1.0)
        return InitialPrior(initial, precision)

    def _draw(self, windows: Windows, initial: Tensor, members: Tensor, *, whole: bool) -> Tensor:
        """Positions of the windows that a stage looks at: of the first ones, those whose start is told, if any is."""
        drawn = torch.arange(initial.shape[1], device=initial.device)
        if whole:
            return drawn
        if self.settings.optimizer != "adam":
            states = self._integrate(self.settings.solver, windows, initial, self.max_step, self.fitted.theta[members])
            squares = self._squares(windows, states, members)
            n_parameters = self.fitted.theta.shape[1]
            counted = n_parameters if self.by_curvature else min(n_parameters, MOST_COUNTED)
            drawn = draw_windows(squares, counted, self.random[int(members[0])])
        told = drawn[~self.untold[windows.rows[drawn], windows.columns[drawn, 0]]]
        first = int(self.fitted.intervals[members[0]]) == 0
        return told if first and len(told) else drawn

    def _seen_by(self, members: Tensor, windows: Windows) -> Windows:
        """The windows with the measurements of these members."""
        return Windows(windows.batch.of(members), windows.rows, windows.columns)

    def _fill_in(self, windows: Windows, prior: InitialPrior, drawn: Tensor, found: Tensor, members: Tensor) -> None:
        """Find the states of the windows that a stage left out."""
        set_theta(self.stacked, self.fitted.theta[members])
        variance, seen = self.evidence.variance[members], self._seen_by(members, windows)
        initial = fill_in(self.stacked, seen, drawn, found, self.observed, prior.mean, prior.precision, variance, self.max_step)
        states = self._integrate(self.settings.solver, windows, initial, self.max_step, self.fitted.theta[members])
        self.fitted.states[members] = windows.spread(states, self.fitted.states[members])
        squares = self._squares(windows, states, members) / self.guess.spread.square()
        self.fitted.loss[members] = squares.flatten(1).nanmean(1).sqrt()

    def _squares(self, windows: Windows, states: Tensor, members: Tensor) -> Tensor:
        """Squared residuals, (members, windows, length, n_observed); NaN where nothing was measured."""
        batch = windows.batch.of(members)
        squares = (states[..., list(self.observed)] - batch.of_members).square()
        return squares if batch.weight is None else squares * batch.weight

    def beyond(self, intervals: int, members: Tensor) -> Tensor:
        """Tell for which members windows of this length are too long for a chaotic motion; with latent states only they can tell."""
        last = self.fitted.intervals[members]
        fully_observed = len(self.observed) == self.guess.states.shape[-1]
        if not fully_observed or not len(members) or not 0 < int(last[0]) < intervals:
            return torch.zeros_like(members, dtype=torch.bool)
        plenty = bool(self.fitted.sampled[members].any())
        return beyond_horizon(*self._probes(intervals, members), self.fitted.loss[members], plenty=plenty)

    def measure_growth(self, intervals: int, members: Tensor) -> None:
        """Measure how perturbations grow in windows of a length that these members could not follow."""
        if len(members):
            self.fitted.foldings[members] = foldings(*self._probes(intervals, members))

    def _probes(self, intervals: int, members: Tensor) -> tuple[AbstractField, Batch, Tensor, int, float]:
        """Windows of a length, and what else their growth is measured with; the members' last windows were shorter."""
        windows = cut_windows(self.batch, intervals)
        probes = torch.linspace(0, len(windows.rows) - 1, min(len(windows.rows), PROBES), device=members.device).long()
        windows = windows.choose(probes)
        set_theta(self.stacked, self.fitted.theta[members])
        initial = windows.pick_initial(self.fitted.states[members])
        return self.stacked, windows.batch, initial, int(self.fitted.intervals[members[0]]), self.max_step

    def complete(self) -> None:
        """Fit all windows where the last stage looked at some of them only."""
        for intervals, members in self._by_length(torch.nonzero(self.fitted.sampled)[:, 0]):
            self.shoot(intervals, members, whole=True)

    def _by_length(self, members: Tensor) -> list[tuple[int, Tensor]]:
        """Members grouped by the windows that they were fitted on."""
        lengths = self.fitted.intervals[members]
        return [(length, members[lengths == length]) for length in sorted(set(lengths.tolist()))]

    def _accept(
        self,
        problem: ShootingProblem | DescentProblem,
        windows: Windows,
        intervals: int,
        members: Tensor,
        evidence: Evidence,
        before: Tensor,
        point: Point,
    ) -> Tensor:
        """Take over where a stage stands, but for members that follow the record much worse than the stage before; tell who went well."""
        loss = self._losses(problem, point)
        went_well = ~_much_worse(loss, before)
        taken, fitted, rows = members[went_well], self.fitted, torch.nonzero(went_well)[:, 0]
        states = self._integrate(self.settings.solver, windows, point.initial[rows], self.max_step, point.theta[rows])
        self.running = None  # the rest takes no time; a fit that was interrupted before accepts once more
        fitted.n_evaluations += problem.n_evaluations
        self.evidence.put(taken, evidence.take(rows))
        fitted.theta[taken], fitted.loss[taken], fitted.intervals[taken] = point.theta[rows], loss[rows], intervals
        fitted.max_step[taken], fitted.solver_error[taken], fitted.sampled[taken] = self.max_step, torch.nan, False
        fitted.states[taken] = windows.spread(states, fitted.states[taken])
        fitted.noise[taken] = self.evidence.variance[taken].sqrt()
        converged, not_yet = STATUSES.index("converged"), STATUSES.index("max_iterations")
        fitted.status[taken] = torch.where(point.converged[rows], converged, not_yet)
        return went_well

    def keep_running(self) -> None:
        """Keep the last step of a stage that was stopped, on the same terms as a stage that ended."""
        if self.running is not None:
            self.running()

    def refine(self) -> None:
        """Compare with a solver of much smaller steps; fit again with smaller steps until they agree."""
        members = torch.arange(len(self.fitted.theta), device=self.fitted.theta.device)
        self._measure_solver_error(members)
        for _ in range(MOST_HALVINGS):
            error, loss = self.fitted.solver_error[members], self.fitted.loss[members]
            members = members[error > (SMALL_SOLVER_ERROR * loss).clamp(min=NEGLIGIBLE)]
            if not len(members) or isinstance(self.settings.solver, AdaptiveSolver):  # which chooses its steps
                return
            self.max_step = min(self.max_step, self.longest_gap) / 2
            again = [self.shoot(intervals, group, whole=True) for intervals, group in self._by_length(members)]
            members = torch.cat(again).sort().values
            self._measure_solver_error(members)

    def run_free(self) -> None:
        """Run the fields as long as the record lasts, however short the windows were: chaos stays within the record's range as well."""
        windows = cut_windows(self.batch, LONGEST)
        members = torch.arange(len(self.fitted.theta), device=self.fitted.theta.device)
        largest = self.batch.of_members.abs().nan_to_num(0.0).amax((1, 2))
        if self.evidence.rare is not None:
            guessed = self.guess.states[..., list(self.observed)].abs().nan_to_num(0.0).amax((1, 2))
            largest = torch.where(self.evidence.rare, largest.maximum(guessed), largest)
        for step in sorted(set(self.fitted.max_step.tolist())):
            group = members[self.fitted.max_step == step]
            initial = windows.pick_initial(self.fitted.states[group])
            states = self._integrate(self.settings.solver, windows, initial, step, self.fitted.theta[group])[..., list(self.observed)]
            farthest = states.abs().nan_to_num(torch.inf, posinf=torch.inf).amax((1, 2))
            self.fitted.excursion[group] = (farthest / (largest if len(largest) == 1 else largest[group])).amax(1)

    def _integrate(self, solver: AbstractSolver, windows: Windows, initial: Tensor, max_step: float, theta: Tensor) -> Tensor:
        """States along windows, from initial states of shape (members, windows, n_states)."""
        time, inputs = windows.batch.time, windows.batch.inputs
        with torch.no_grad():
            if isinstance(solver, RungeKuttaSolver):
                set_theta(self.stacked, theta)
                return solver.integrate(self.stacked, initial, time, inputs, max_step)
            out = []
            for row, start in enumerate(initial):
                set_theta(self.single, theta[row : row + 1])
                out.append(solver.integrate(self.single, start, time, inputs, max_step))
            return torch.stack(out) if out else initial.new_zeros(0, *time.shape, initial.shape[-1])

    def _measure_solver_error(self, members: Tensor) -> None:
        for intervals, group in self._by_length(members):
            windows = cut_windows(self.batch, max(intervals, 1))
            initial = windows.pick_initial(self.fitted.states[group])
            # Steps end at the observations: where these are close, a step is no longer than the gap between them.
            solver, step = self.settings.solver, min(float(self.fitted.max_step[group[0]]), self.longest_gap)
            finer, small_step = solver.sharpened(step, REFINEMENT)
            theta = self.fitted.theta[group]
            coarse, fine = (self._integrate(one, windows, initial, h, theta) for one, h in ((solver, step), (finer, small_step)))
            difference = (coarse - fine)[:, windows.batch.mask.any(-1)][..., list(self.observed)] / self.guess.spread
            self.fitted.solver_error[group] = difference.square().flatten(1).mean(1).sqrt()

    def _optimise(
        self, windows: Windows, prior: InitialPrior, intervals: int, members: Tensor, evidence: Evidence
    ) -> tuple[ShootingProblem | DescentProblem, Point]:
        """Run the chosen optimiser on one set of windows."""
        settings, before = self.settings, self.fitted.loss[members].clone()
        theta, batch, solver = self.fitted.theta[members], windows.batch, settings.solver
        limits: dict[str, Any] = {"iterations": settings.max_iterations, "tolerance": settings.tolerance}

        def reporter(problem: ShootingProblem | DescentProblem) -> Callable[[Point, Tensor], None]:
            def report(point: Point, moved: Tensor) -> None:
                self.running = partial(self._accept, problem, windows, intervals, members, evidence, before, point)
                self._tell(problem, members, point, moved, f"windows of {intervals}")

            return report

        if self.by_curvature and isinstance(solver, RungeKuttaSolver):
            shooting = ShootingProblem(self.stacked, batch, self.observed, prior, solver.tableau, self.max_step)
            steps: dict[str, Any] = {"report": reporter(shooting), "accelerate": True, **limits}
            search = partial(levenberg_marquardt, shooting, theta, prior.mean, evidence, **steps)
            with torch.no_grad():
                return shooting, self._recorded(shooting, evidence, search)
        set_theta(self.single, theta)
        descent = DescentProblem(self.single, batch, self.observed, prior, solver, self.max_step)
        optimiser = lbfgs if settings.optimizer == "lbfgs" else partial(adam, random=self.random[int(members[0])])
        search = partial(optimiser, descent, prior.mean, evidence, report=reporter(descent), **limits)
        return descent, self._recorded(descent, evidence, search)

    def _recorded(self, problem: _Problem, evidence: Evidence, optimise: Callable[..., Point]) -> Point:
        return recorded(self.journal, problem, self.fitted, evidence, self.random, optimise, self.clock)

    @property
    def by_curvature(self) -> bool:
        """Whether the optimiser is Levenberg-Marquardt, rather than one that knows the gradient only."""
        return self.settings.optimizer == "levenberg-marquardt"

    def _losses(self, problem: _Problem, point: Point) -> Tensor:
        """Root mean square residual of each member in standard deviations of what was measured; of slopes, scaled."""
        squares = point.squares if isinstance(problem, MatchingProblem) else point.squares / self.guess.spread.square()
        return (squares.sum(1) / problem.counts.sum()).sqrt()

    def _tell(self, problem: _Problem, members: Tensor, point: Point, moved: Tensor, stage: str) -> None:
        who = members[moved]
        self.fitted.n_iterations[who] += 1
        spent = self.fitted.n_evaluations + problem.n_evaluations
        self.report(who, self.fitted.n_iterations[who], self._losses(problem, point)[moved], spent, stage)


def _rare(batch: Batch) -> Tensor | None:
    """Which states have, on average, fewer than `FEW_MEASURED` measurements in a trajectory that measures them; None if all, or none."""
    counts = batch.mask.sum(1)
    rare = counts.sum(0) < FEW_MEASURED * (counts > 0).sum(0)
    return rare if bool(rare.any()) and not bool(rare.all()) else None


def _much_worse(loss: Tensor, before: Tensor) -> Tensor:
    """Tell for which members a field is given up for the one before, shape (members,)."""
    return (loss > ACCEPTABLE) & (loss > WORSE * before)
