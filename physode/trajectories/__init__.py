"""The data contract ``physode/1``: records of trajectories as plain labelled data sets."""

from physode.trajectories.arrays import from_numpy
from physode.trajectories.clocks import OneClock, input_values, on_one_clock
from physode.trajectories.contract import (
    INTERPOLATIONS,
    RESERVED_NAMES,
    ROLES,
    SCHEMA,
    STATE_ROLES,
    check_not_empty,
    input_names,
    interpolation,
    parameter_names,
    sample_names,
    state_names,
    time_dim,
    times,
    values,
)
from physode.trajectories.csvfile import read_csv
from physode.trajectories.hiding import hide_states
from physode.trajectories.names import variable_name
from physode.trajectories.netcdf import read, write
from physode.trajectories.noise import add_noise
from physode.trajectories.provenance import provenance
from physode.trajectories.splits import select_split, split
from physode.trajectories.stacking import stack_states, unstack_states
from physode.trajectories.structure import check_structure
from physode.trajectories.tables import from_dataframe, to_dataframe
from physode.trajectories.truth import true_states
from physode.trajectories.validation import check_inputs, check_record, validate

__all__ = [
    "INTERPOLATIONS",
    "RESERVED_NAMES",
    "ROLES",
    "SCHEMA",
    "STATE_ROLES",
    "OneClock",
    "add_noise",
    "check_inputs",
    "check_not_empty",
    "check_record",
    "check_structure",
    "from_dataframe",
    "from_numpy",
    "hide_states",
    "input_names",
    "input_values",
    "interpolation",
    "on_one_clock",
    "parameter_names",
    "provenance",
    "read",
    "read_csv",
    "sample_names",
    "select_split",
    "split",
    "stack_states",
    "state_names",
    "time_dim",
    "times",
    "to_dataframe",
    "true_states",
    "unstack_states",
    "validate",
    "values",
    "variable_name",
    "write",
]
