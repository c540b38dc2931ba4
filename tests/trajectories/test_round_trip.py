"""Any record survives the way to a table or a file and back."""

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from physode.errors import DataError, FileFormatError
from physode.trajectories import (
    from_dataframe,
    from_numpy,
    input_names,
    read,
    read_csv,
    state_names,
    to_dataframe,
    validate,
    variable_name,
    write,
)
from physode.trajectories.contract import RESERVED_NAMES

finite = st.floats(allow_nan=False, allow_infinity=False)
cells = st.one_of(finite, st.just(np.nan))
labels = st.text(max_size=12).map(lambda text: f"c{text}").filter(lambda text: variable_name(text) not in RESERVED_NAMES)
values_of_attributes = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(finite, min_size=2, max_size=4),
    st.lists(st.integers(-(2**31), 2**31), min_size=2, max_size=4),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5), min_size=2, max_size=4),
)


@st.composite
def records(draw: st.DrawFn) -> xr.Dataset:
    """Draw a regular or irregular record with 1-3 states, perhaps an input, gaps and odd names."""
    n_trajectories = draw(st.integers(1, 3))
    names = draw(st.lists(labels, min_size=1, max_size=4, unique_by=variable_name))
    n_states = draw(st.integers(1, len(names)))
    axis = st.lists(finite, min_size=2, max_size=6, unique=True).map(sorted)
    shared = draw(st.booleans())
    time = [draw(axis)] * n_trajectories if shared else [draw(axis) for _ in range(n_trajectories)]
    block = [draw(st.lists(st.lists(cells, min_size=n_states, max_size=n_states), min_size=len(t), max_size=len(t))) for t in time]
    inputs = {name: [draw(st.lists(finite, min_size=len(t), max_size=len(t))) for t in time] for name in names[n_states:]}
    trajectories = draw(
        st.lists(st.one_of(st.integers(-5, 5).map(str), st.sampled_from("äb c")), min_size=n_trajectories, max_size=n_trajectories)
    )
    try:
        return from_numpy(time, block, names[:n_states], inputs=inputs, trajectories=trajectories)
    except DataError:
        assume(False)
        raise


def same(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Compare values and coordinates bit by bit, and the order of the variables."""
    return list(one.data_vars) == list(other.data_vars) and all(
        one[name].dims == other[name].dims
        and one[name].dtype == other[name].dtype
        and one[name].values.tobytes() == other[name].values.tobytes()
        for name in (*one.data_vars, "time", "trajectory")
    )


@settings(max_examples=40)
@given(records())
def test_to_a_table_and_back(ds: xr.Dataset) -> None:
    table = to_dataframe(ds)
    back = from_dataframe(table, time="time", states=state_names(ds), trajectory="trajectory", inputs=input_names(ds))
    xr.testing.assert_equal(back, ds)
    assert to_dataframe(back).equals(table)


@settings(max_examples=30)
@given(records(), st.dictionaries(st.from_regex(r"a[ -~äß]{0,8}", fullmatch=True), values_of_attributes, max_size=4))
def test_to_a_file_and_back(ds: xr.Dataset, attrs: dict) -> None:
    name = next(iter(ds.data_vars))
    ds = ds.assign_attrs(attrs).assign({name: ds[name].assign_attrs(attrs)})
    with tempfile.TemporaryDirectory() as folder:
        back = read(write(ds, Path(folder) / "a.nc"))
    assert same(back, validate(ds))
    assert back.attrs == ds.attrs
    for variable in ds.variables:
        assert back[variable].attrs == ds[variable].attrs
    xr.testing.assert_identical(back, ds)


@settings(max_examples=60)
@given(records())
def test_to_a_csv_file_and_back(ds: xr.Dataset) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        to_dataframe(ds).to_csv(path, index=False)
        back = read_csv(path, time="time", states=state_names(ds), trajectory="trajectory", inputs=input_names(ds))
    xr.testing.assert_equal(back, ds)


@settings(max_examples=200)
@example("t,x\n0,1\n1,2\n")
@given(st.one_of(st.text(max_size=60), st.text('tx01.,;-"\n\r \0', max_size=60)))
def test_any_text_is_a_record_or_is_told(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            ds, told = read_csv(path), ""
        except (DataError, FileFormatError) as error:
            ds, told = None, str(error)
    assert str(path) in told if ds is None else validate(ds) is ds
