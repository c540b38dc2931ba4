"""Which variable of a record is which component of a model's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

from physode.errors import DataError
from physode.trajectories import input_names, state_names, true_states
from physode.trajectories.unit_algebra import rate_units

__all__ = ["Layout", "pair_layout", "plain_layout"]

Attributes = dict[str, str]

UNKNOWN = {None, "", "1"}
"""Units that say nothing about a record that has others: older models have "1" for a time without units."""


@dataclass(frozen=True)
class Layout:
    """Names and meanings of the components of a state.

    Attributes
    ----------
    states : tuple of str
        All components, in the order of the field: positions first, then velocities or momenta, or augmented components.
    observed : tuple of str
        Those that a record measures.
    inputs : tuple of str
        Inputs u(t).
    attrs : mapping of str to dict
        Attributes of each component and input (units, long_name, role, ...).
    time_units : str
        Unit of time, "" where none is known.
    """

    states: tuple[str, ...]
    observed: tuple[str, ...]
    inputs: tuple[str, ...]
    attrs: Mapping[str, Attributes]
    time_units: str

    @property
    def index(self) -> tuple[int, ...]:
        """Positions of the observed components in the state."""
        return tuple(self.states.index(name) for name in self.observed)

    @property
    def latent(self) -> tuple[str, ...]:
        """Components that no record measures."""
        return tuple(name for name in self.states if name not in self.observed)

    def check(self, ds: xr.Dataset) -> None:
        """Raise DataError unless a record has what this layout needs, in its units and between samples as it was, where both say it."""
        states, inputs = state_names(ds), input_names(ds)
        found = [*states, *inputs]
        missing = [name for name in (*self.observed, *self.inputs) if name not in found]
        if missing:
            raise DataError(
                f"the model was fitted to {', '.join((*self.observed, *self.inputs))}, and the record lacks {', '.join(missing)}; "
                f"it has {', '.join(found) or 'no states'}. Rename its variables, or fit a model to this record."
            )
        for role, names, others in (("a state", self.observed, inputs), ("an input", self.inputs, states)):
            for name in names:
                if name in others:
                    raise DataError(
                        f"{name!r} is {role} of the model, and has the role {ds[name].attrs.get('role')!r} in this record; give it the "
                        f"role that it had in the one that the model was fitted to, {self.attrs[name]['role']!r}."
                    )
        for name in self.inputs:
            own, before = ds[name].attrs.get("interpolation"), self.attrs[name].get("interpolation", "linear")
            if own not in (None, before):
                raise DataError(
                    f"the input {name!r} is {own!r} between its samples in this record, and {before!r} in the one that the model was "
                    f"fitted to. Set ds[{name!r}].attrs['interpolation'] = {before!r} if that is how it was sampled, or fit a model to "
                    "records like this one."
                )
        fitted = {name: self.attrs[name].get("units") for name in (*self.observed, *self.inputs)} | {"time": self.time_units}
        for name, units in fitted.items():
            own = ds[name].attrs.get("units")
            if own != units and not {own, units} & UNKNOWN:
                raise DataError(
                    f"{name!r} is in {own!r} in this record, and in {units!r} in the one that the model was fitted to. Convert its values "
                    f"and set ds[{name!r}].attrs['units'] = {units!r}; the attribute alone if they are two names of one unit."
                )

    def as_fitted(self, ds: xr.Dataset) -> xr.Dataset:
        """Take inputs of a record that does not say what they are between samples for what they were in the fit."""
        kinds = {name: self.attrs[name]["interpolation"] for name in self.inputs if "interpolation" in self.attrs[name]}
        return ds.assign({name: ds[name].assign_attrs(interpolation=kind) for name, kind in kinds.items()})


def _attributes(variable: xr.DataArray, role: str | None = None) -> Attributes:
    names = ("units", "long_name", "role", "time_derivative_of", "conjugate_to", "interpolation")
    kept = {k: str(variable.attrs[k]) for k in names if k in variable.attrs}
    return {**kept, "role": role} if role else kept


def _frame(ds: xr.Dataset) -> tuple[list[str], tuple[str, ...], str]:
    observed = state_names(ds)
    if not observed:
        raise DataError("the record has no states to fit: no variable has the role position, velocity, momentum or state.")
    return observed, tuple(input_names(ds)), str(ds["time"].attrs.get("units", ""))


def plain_layout(ds: xr.Dataset, n_augmented: int = 0) -> Layout:
    """Take the observed states as they are, and add augmented components ``augmented_1``, ``augmented_2``, ..."""
    observed, inputs, time_units = _frame(ds)
    extra = tuple(f"augmented_{k + 1}" for k in range(n_augmented))
    for name in extra:
        if name in ds.data_vars:
            raise DataError(f"{name!r} is a variable of the record, and what an augmented component would be called; rename the variable.")
    attrs = {name: _attributes(ds[name]) for name in (*observed, *inputs)}
    attrs |= {name: {"units": "1", "long_name": name.replace("_", " "), "role": "augmented"} for name in extra}
    return Layout((*observed, *extra), tuple(observed), inputs, attrs, time_units)


def pair_layout(ds: xr.Dataset, partner: str) -> Layout:
    """Pair each position with a partner, "velocity" or "momentum", which may be latent.

    A variable is the partner of another one if its attribute ``time_derivative_of`` or ``conjugate_to`` names it. States of
    which nothing is said are positions.
    """
    observed, inputs, time_units = _frame(ds)
    truth = true_states(ds)
    pointers = ("conjugate_to", "time_derivative_of") if partner == "momentum" else ("time_derivative_of", "conjugate_to")
    partners: dict[str, str] = {}
    for source in (ds[observed], truth):
        for pointer in pointers:
            for name, variable in source.data_vars.items() if source is not None else ():
                partners.setdefault(str(variable.attrs.get(pointer)), str(name))
    seconds = {name for target, name in partners.items() if target in observed}
    positions = [name for name in observed if name not in seconds]
    paired = {partners[name] for name in positions if name in partners}
    moving = {name for name in observed if ds[name].attrs.get("role") in ("velocity", "momentum")}
    alone = [name for name in observed if name in moving | seconds and name not in paired]
    if alone:
        raise DataError(
            f"{', '.join(alone)}: a velocity or momentum without the position that it belongs to; name the position in its attribute "
            "time_derivative_of or conjugate_to, or fit a NeuralODE, which needs no pairs."
        )
    attrs = {name: _attributes(ds[name]) for name in (*observed, *inputs)}
    names = []
    for position in positions:
        attrs[position] = {**attrs[position], "role": "position"}
        name = partners.get(position)
        if name is None or (name not in observed and partner == "momentum"):
            name = f"{position}_{partner}"
            if name in ds.data_vars:
                raise DataError(
                    f"{name!r} is a variable of the record, and what the {partner} of {position!r} would be called. If it is that, give it "
                    f"the role '{partner} of {position}' (or its attribute); if not, rename it."
                )
        names.append(name)
        link = {"time_derivative_of": position} if partner == "velocity" else {"conjugate_to": position}
        if name not in attrs:
            true = truth[name].attrs if truth is not None and name in truth else {}
            units = str(true.get("units", rate_units(attrs[position].get("units", ""), time_units)))
            attrs[name] = {"long_name": f"{partner} of {position}"} | ({"units": units} if units else {})
        attrs[name] = {**attrs[name], "role": partner, **link}
    return Layout((*positions, *names), tuple(observed), inputs, attrs, time_units)
