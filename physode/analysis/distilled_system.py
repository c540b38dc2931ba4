"""The loop closed: a System from the equations that were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import xarray as xr

from physode.analysis.distillation import formula

if TYPE_CHECKING:
    from physode.systems import System

__all__ = ["distilled_system"]

_DIGITS: Final = 12


def distilled_system(found: xr.Dataset, name: str = "") -> System:
    """Make a System of the equations that `distill` found.

    Parameters
    ----------
    found : xarray.Dataset
        The result of `distill`.
    name : str, optional
        What to call it. Default: "distilled-" and the name of what was distilled.

    Returns
    -------
    System
        With the equations to twelve digits, the units, and the range of the states that the equations rest on.

    Raises
    ------
    PhysodeError
        If a term is no formula that `physode.systems.define` takes.

    Examples
    --------
    >>> from physode import systems
    >>> from physode.analysis import distill
    >>> again = distilled_system(distill(systems.get("damped-oscillator", gamma=0.5)))
    >>> again.states, again.rhs(0.0, [[1.0, 2.0]]).round(9).tolist()
    (('x', 'v'), [[2.0, -2.0]])
    """
    from physode.systems import define  # sympy, which the other analyses do without

    terms, states = [str(term) for term in found["term"].values], [str(state) for state in found["state"].values]
    units = dict(zip(states, map(str, found["state_units"].values), strict=True)) | {"time": str(found.attrs["time_units"])}
    low, high = found["lowest"].values.tolist(), found["highest"].values.tolist()
    return define(
        name or f"distilled-{found.attrs['dynamics']}",
        {state: formula(row, terms, _DIGITS) for state, row in zip(states, found["coefficient"].values, strict=True)},
        units={key: unit for key, unit in units.items() if unit},
        ranges=dict(zip(states, zip(low, high, strict=True), strict=True)),
        title=f"Equations distilled from {found.attrs['dynamics']}",
    )
