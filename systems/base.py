"""A dynamical system: sympy defines it, numpy evaluates it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Symbol

from physode.errors import PhysodeError, unknown_name
from physode.systems.compiled import has_jumps
from physode.systems.compiled import jacobian as derivatives_of
from physode.systems.equations import Equations
from physode.systems.evaluation import TIME, Evaluation
from physode.systems.exponents import exact_exponents, exact_sum
from physode.systems.expressions import symbol
from physode.systems.quantities import Input, Parameter, State
from physode.systems.sampling import draw_states
from physode.systems.time_scales import time_scale

__all__ = ["System"]

Array = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, int, Mapping[str, ArrayLike]], Array]
ParameterSampler = Callable[[np.random.Generator, int], Mapping[str, Array]]


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """A system of ordinary differential equations with names, units and checks.

    It is made by :func:`physode.systems.get`, :func:`~physode.systems.define`, :func:`~physode.systems.from_lagrangian` or
    :func:`~physode.systems.from_hamiltonian`; the fields below are what they fill in.

    Parameters
    ----------
    name, title : str
        The registry's name, and what a person would call it.
    quantities : tuple of State
        The states, in the order of the last axis of every array.
    constants : tuple of Parameter
        The parameters with their values.
    derivatives : tuple of sympy.Expr
        The time derivative of each state over the symbols of states, parameters, inputs and ``t``.
    energy_expression : sympy.Expr, optional
        The energy.
    energy_units : str
        Its units.
    energy_rate_expression : sympy.Expr
        The stated change of the energy along the flow, zero where it is conserved.
    conserved : mapping of str to sympy.Expr
        Other conserved quantities.
    forcing : tuple of Input
        Inputs u(t) with what they are by default.
    exponents : tuple of sympy.Expr
        The Lyapunov exponents over the parameters, where they are known exactly and do not follow from the equations.
    hamiltonian : bool
        Whether the states are (q, p) and the energy is their Hamiltonian.
    partners : tuple of State
        What the momenta (or velocities) are called in the form with momenta (or velocities).
    momentum_offsets : mapping of str to sympy.Expr
        What the momentum of a coordinate holds beside dE/dv: the factor of its velocity in the Lagrangian, as in a magnetic field.
    time_units : str
        Units of time.
    characteristic_time : sympy.Expr, optional
        About one period over 2 pi; estimated from the Jacobian's eigenvalues where it is not given or no positive number.
    start : mapping of str to float
        The initial state of ``simulate(time)``.
    sampler : callable, optional
        ``sampler(generator, n, parameters)`` draws initial states of shape (n, state) where a box of ranges will not do; each
        parameter is one number or an array with one per state.
    parameter_sampler : callable, optional
        ``parameter_sampler(generator, n)`` draws parameters for a family of systems, one per trajectory.
    symmetries : str
        What leaves the equations unchanged, in words.
    reference, doi : str
        Where the system comes from.

    See Also
    --------
    physode.systems.get, physode.systems.names, physode.systems.define

    Examples
    --------
    >>> from physode import systems
    >>> pendulum = systems.get("pendulum", length=2.0)
    >>> pendulum.states
    ('theta', 'omega')
    >>> pendulum.rhs(0.0, [[0.5, 1.0]]).round(3)
    array([[ 1.   , -2.352]])
    >>> pendulum.equations()
    theta' = omega
    omega' = -gravity*sin(theta)/length
    energy = gravity*length*(1 - cos(theta)) + length**2*omega**2/2
    p = length**2*omega
    """

    name: str
    title: str
    quantities: tuple[State, ...]
    constants: tuple[Parameter, ...]
    derivatives: tuple[Expr, ...]
    energy_expression: Expr | None = None
    energy_units: str = "1"
    energy_rate_expression: Expr = sympy.S.Zero
    conserved: Mapping[str, Expr] = field(default_factory=dict)
    forcing: tuple[Input, ...] = ()
    exponents: tuple[Expr, ...] = ()
    hamiltonian: bool = False
    partners: tuple[State, ...] = ()
    momentum_offsets: Mapping[str, Expr] = field(default_factory=dict)
    time_units: str = "s"
    characteristic_time: Expr | None = None
    start: Mapping[str, float] = field(default_factory=dict)
    sampler: Sampler | None = None
    parameter_sampler: ParameterSampler | None = None
    symmetries: str = ""
    reference: str = ""
    doi: str = ""

    # -- names -------------------------------------------------------------------------------------------------------------
    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, in order."""
        return tuple(state.name for state in self.quantities)

    @property
    def parameters(self) -> dict[str, float]:
        """Value of each parameter."""
        return {parameter.name: parameter.value for parameter in self.constants}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs u(t)."""
        return tuple(forcing.name for forcing in self.forcing)

    @property
    def units(self) -> dict[str, str]:
        """Units of each state and of ``"time"``."""
        return {state.name: state.units for state in self.quantities} | {"time": self.time_units}

    def role(self, state: str) -> str:
        """Return the role of a state: position, velocity, momentum or state."""
        return self.quantity(state).role

    def quantity(self, state: str) -> State:
        """Return the description of a state."""
        for quantity in self.quantities:
            if quantity.name == state:
                return quantity
        raise unknown_name(f"state of {self.name}", state, self.states)

    def with_parameters(self, **values: Any) -> System:
        """Return the same system with other parameter values.

        Raises
        ------
        UnknownNameError
            If the system has no such parameter.
        """
        for name, value in values.items():
            if name not in self.parameters:
                raise unknown_name(f"parameter of {self.name}", name, self.parameters)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(float(value)):
                raise PhysodeError(
                    f"parameter {name!r} of {self.name} must be one finite number, found {value!r}; "
                    "give one value per trajectory to simulate(parameters=...)."
                )
        constants = tuple(dataclasses.replace(c, value=float(values.get(c.name, c.value))) for c in self.constants)
        return dataclasses.replace(self, constants=constants)

    # -- numbers -----------------------------------------------------------------------------------------------------------
    def rhs(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the time derivative of the state.

        Parameters
        ----------
        t : float or array_like of shape (batch,)
            Time. Inputs u(t) are the default ones.
        z : array_like of float64, shape (batch, state)
            States.

        Returns
        -------
        ndarray of float64, shape (batch, state)
        """
        return self._numbers.rhs(t, z)

    def jacobian(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the derivative of the right-hand side by the state; shape (batch, state, state), row = component."""
        return self._numbers.jacobian(t, z)

    def jvp(self, t: ArrayLike, z: ArrayLike, v: ArrayLike) -> Array:
        """Evaluate the directional derivative of the right-hand side.

        Parameters
        ----------
        t : float or array_like of shape (batch,)
            Time.
        z : array_like of float64, shape (batch, state)
            States.
        v : array_like of float64, shape (batch, state) or (batch, k, state)
            One or k tangents per state.

        Returns
        -------
        ndarray of float64, shape of `v`
        """
        return self._numbers.jvp(t, z, v)

    def rhs_and_jvp(self, t: ArrayLike, z: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
        """Evaluate `rhs` and `jvp` at once; what they have in common is computed once."""
        return self._numbers.rhs_and_jvp(t, z, v)

    def divergence(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the divergence of the flow, the trace of the Jacobian; shape (batch,)."""
        return self._numbers.divergence(t, z)

    @property
    def has_energy(self) -> bool:
        """Whether an energy is declared."""
        return self.energy_expression is not None

    @property
    def conserves_energy(self) -> bool:
        """Whether an energy is declared that stays constant along the flow."""
        return self.has_energy and self.energy_rate_expression == 0

    def energy(self, z: ArrayLike) -> Array:
        """Evaluate the energy.

        Parameters
        ----------
        z : array_like of float64, shape (batch, state)
            States.

        Returns
        -------
        ndarray of float64, shape (batch,)

        Raises
        ------
        PhysodeError
            If the system declares no energy; ask `has_energy` first.
        """
        if self.energy_expression is None:
            other = f"; it conserves {', '.join(self.conserved)}, see invariants" if self.conserved else ""
            raise PhysodeError(f"{self.name} declares no energy{other}. Ask system.has_energy first.")
        return self._numbers.quantity(self.energy_expression, 0.0, z)

    def energy_rate(self, t: ArrayLike, z: ArrayLike) -> Array:
        """Evaluate the stated change of the energy along the flow; shape (batch,)."""
        return self._numbers.quantity(self._without_inputs(self.energy_rate_expression), t, z)

    @property
    def invariants(self) -> dict[str, Callable[[ArrayLike], Array]]:
        """The conserved quantities by name, each a function of states of shape (batch, state); the energy among them if it is conserved."""
        expressions = dict(self.conserved)
        if self.conserves_energy and self.energy_expression is not None:
            expressions = {"energy": self.energy_expression} | expressions
        return {name: partial(self._numbers.quantity, expression, 0.0) for name, expression in expressions.items()}

    @property
    def has_jumps(self) -> bool:
        """Whether the right-hand side jumps at some states, as dry friction does; `jacobian` and `jvp` leave jumps out."""
        return has_jumps(self.autonomous, self.symbols)

    @property
    def lyapunov_exponents(self) -> Array | None:
        """The Lyapunov exponents in inverse units of time, largest first, where they are known exactly; else None."""
        return exact_exponents(self)

    @property
    def exponent_sum(self) -> float | None:
        """The sum of the Lyapunov exponents, where the flow's divergence is the same everywhere; else None."""
        return exact_sum(self)

    @property
    def time_scale(self) -> float:
        """Characteristic time: about one period over 2 pi, or the time constant."""
        return time_scale(self)

    # -- initial states and simulation ---------------------------------------------------------------------------------------
    def initial_array(self) -> Array:
        """Return the default initial state as an array of shape (1, state)."""
        return np.array([[self.start[name] for name in self.states]], dtype=np.float64)

    def sample_states(self, n: int, seed: int | Sequence[int] = 0) -> Array:
        """Draw reasonable initial states.

        Parameters
        ----------
        n : int
            How many.
        seed : int, default 0
            The same seed gives the same states.

        Returns
        -------
        ndarray of float64, shape (n, state)
        """
        return draw_states(self, n, seed, self.parameters)

    def simulate(
        self,
        time: ArrayLike,
        initial_states: Mapping[str, ArrayLike] | None = None,
        n_trajectories: int | None = None,
        *,
        parameters: Mapping[str, ArrayLike] | None = None,
        inputs: Mapping[str, Any] | None = None,
        observe: Sequence[str] | None = None,
        noise: float | Mapping[str, float] = 0.0,
        noise_model: str = "gaussian",
        irregular: bool = False,
        missing: float = 0.0,
        seed: int = 0,
        method: str = "DOP853",
        rtol: float = 1e-10,
        atol: float = 1e-12,
        max_step: float | None = None,
        on_failure: str = "missing",
    ) -> xr.Dataset:
        """Simulate trajectories and return them as a record, truth and observations side by side.

        Parameters
        ----------
        time : array_like of float, shape (time,) or (trajectory, obs)
            Increasing times, the same for all trajectories or one row each; the first is when the initial states hold.
        initial_states : mapping of str to float or array_like of shape (trajectory,), optional
            Each state's initial value, one number or one per trajectory.
        n_trajectories : int, optional
            How many initial states to draw from the system's own range with `seed`. Without it and without `initial_states`,
            one trajectory starts at the system's default initial state.
        parameters : mapping of str to float or array_like of shape (trajectory,), optional
            Parameters other than the system's own, one number or one per trajectory.
        inputs : mapping, optional
            Inputs u(t) other than the default ones. Each is a formula over ``t`` and the parameters (text or sympy), a number, a
            function of an array of times, or a sampled record: ``(times, values)`` or a DataArray over time, with one row for all
            trajectories or one each, interpolated linearly. The input's values are kept in the record with the role ``input``.
        observe : sequence of str, optional
            The states that are observed; default all. The others are kept as truth only.
        noise : float or mapping of str to float, default 0
            Standard deviation of the measurement noise, one number for all observed states or one per state.
        noise_model : {"gaussian", "relative"}
            With ``"gaussian"`` the noise is in the state's own units. With ``"relative"`` it is a fraction of the standard
            deviation of the true state over the whole record. Either way ``<state>_noise_std`` holds it in the state's units.
        irregular : bool, default False
            Observe each trajectory at as many times of its own, drawn uniformly over the span of `time`.
        missing : float, default 0
            Fraction of the observations that are missing at random, each state by itself; the truth stays complete.
        seed : int, default 0
            Seeds initial states, noise, times and gaps, each independently of the others: the same seed gives the same values.
        method : {"DOP853", "Radau", "BDF", "LSODA", "symplectic"}
            DOP853 integrates all trajectories at once with steps of their own. Radau, BDF and LSODA are for stiff systems and go one
            by one. ``"symplectic"`` is Gauss-Legendre of order six with equal steps, for long runs of conservative systems.
        rtol, atol : float
            Tolerances of the local error, as in scipy.
        max_step : float, optional
            Longest step of the implicit methods; for the symplectic one the default is a quarter of the system's time scale.
        on_failure : {"missing", "raise"}
            A trajectory that blows up is missing (NaN) from there on and a warning names it, or an error is raised.

        Returns
        -------
        xarray.Dataset
            A record of schema ``physode/1`` over (trajectory, time), or (trajectory, obs) if each trajectory has its own times. With
            noise, gaps or unobserved states, ``<state>_true`` holds the noise-free truth of every state.

        Raises
        ------
        SimulationError
            If a trajectory fails and `on_failure` is ``"raise"``; the message names trajectory, time and state.

        Examples
        --------
        >>> import numpy as np
        >>> from physode import systems
        >>> record = systems.get("pendulum").simulate(np.linspace(0, 10, 101), n_trajectories=3, noise=0.05, seed=0)
        >>> dict(record.sizes)
        {'trajectory': 3, 'time': 101}
        >>> round(float((record.theta - record.theta_true).std()), 3)
        0.051
        """
        from physode.systems.simulation import Observation, Settings, simulate

        observation = Observation(observe, noise, noise_model, irregular, missing, seed)
        settings = Settings(method, rtol, atol, max_step, on_failure)
        return simulate(self, time, initial_states, n_trajectories, parameters, inputs, observation, settings)

    def counterpart(self) -> System:
        """Return the same system with momenta for its velocities, or velocities for its momenta.

        Raises
        ------
        PhysodeError
            If the system has no positions with velocities or momenta, or no energy that is quadratic in them.

        Examples
        --------
        >>> from physode import systems
        >>> systems.get("harmonic-oscillator").counterpart().equations()
        x' = x_momentum
        x_momentum' = -omega**2*x
        energy = omega**2*x**2/2 + x_momentum**2/2
        """
        from physode.systems.conversion import counterpart

        return counterpart(self)

    def convert(self, ds: xr.Dataset, to: str) -> xr.Dataset:
        """Convert a record of this system between (q, q') and (q, p).

        Parameters
        ----------
        ds : xarray.Dataset
            A record with the states of this system, or their truth. Parameters are taken from the record where it holds them.
        to : {"canonical", "velocity"}
            The wanted form; the record comes back as it is if the system has this form.

        Returns
        -------
        xarray.Dataset
            The record with the states of ``system.counterpart()``. Noise is carried over to first order, as its root mean square.

        Raises
        ------
        PhysodeError
            If the system has no such form, or (DataError) the record lacks a state.

        Examples
        --------
        >>> import numpy as np
        >>> from physode import systems
        >>> pendulum = systems.get("pendulum", length=2.0)
        >>> record = pendulum.simulate(np.linspace(0, 1, 5))
        >>> canonical = pendulum.convert(record, to="canonical")
        >>> bool(np.allclose(canonical.p, 4 * record.omega))
        True
        """
        from physode.systems.conversion import convert

        return convert(self, ds, to)

    # -- words -------------------------------------------------------------------------------------------------------------
    def equations(self, *, jacobian: bool = False) -> Equations:
        """Return the equations of motion with all that is derived from them; they print as text and show as LaTeX in a notebook.

        Parameters
        ----------
        jacobian : bool, default False
            Whether to add the derivative of the right-hand side by the state, which is long for most systems.

        Returns
        -------
        Equations
            The time derivatives, the inputs' default, the energy, the momentum of each coordinate (of a system with velocities), and
            the conserved quantities.

        Examples
        --------
        >>> from physode import systems
        >>> systems.get("pendulum").equations(jacobian=True)
        theta' = omega
        omega' = -gravity*sin(theta)/length
        energy = gravity*length*(1 - cos(theta)) + length**2*omega**2/2
        p = length**2*omega
        d(theta')/d(theta) = 0
        d(theta')/d(omega) = 1
        d(omega')/d(theta) = -gravity*cos(theta)/length
        d(omega')/d(omega) = 0
        """
        from physode.systems.conversion import conjugate_momenta

        others: dict[str, Expr] = {forcing.name: forcing.default for forcing in self.forcing}
        if self.energy_expression is not None:
            others["energy"] = self.energy_expression
        others |= conjugate_momenta(self) | dict(self.conserved)
        rows = derivatives_of(self.derivatives, self.symbols) if jacobian else ()
        return Equations(dict(zip(self.states, self.derivatives, strict=True)), others, rows)

    def _repr_latex_(self) -> str:
        return self.equations()._repr_latex_()

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.parameters.items())
        return f"<System {self.name}: {', '.join(self.states)}{'; ' + values if values else ''}>"

    # -- internals ---------------------------------------------------------------------------------------------------------
    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The sympy symbols of the states."""
        return tuple(symbol(name) for name in self.states)

    @property
    def parameter_symbols(self) -> tuple[Symbol, ...]:
        """The sympy symbols of the parameters."""
        return tuple(symbol(constant.name) for constant in self.constants)

    @property
    def time_symbol(self) -> Symbol:
        """The sympy symbol of time."""
        return TIME

    @property
    def autonomous(self) -> tuple[Expr, ...]:
        """The time derivatives with every input replaced by what it is by default."""
        return tuple(self._without_inputs(expression) for expression in self.derivatives)

    def _without_inputs(self, expression: Expr) -> Expr:
        return expression.xreplace({symbol(forcing.name): forcing.default for forcing in self.forcing})

    @cached_property
    def _numbers(self) -> Evaluation:
        return Evaluation(self.name, self.states, self.parameters, self.autonomous)
