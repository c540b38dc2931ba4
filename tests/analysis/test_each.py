"""One analysis for many models."""

import numpy as np
import pytest
import xarray as xr

from physode import systems
from physode.analysis import fixed_points, forecast_error, periodic_orbit
from physode.analysis.each import each
from physode.errors import DataError, PhysodeError


@each
def halves(number, n, scale=1.0):
    """Divide a number."""
    values = number / 2 * scale * np.ones(n)
    return xr.Dataset({"half": ("part", values, {"units": "m"})}, attrs={"n": n, "warnings": "odd" if number % 2 else "none"})


class Pair:
    def __init__(self):
        self.members = {3: 6.0, 4: 7.0}


def test_one_is_left_as_it_is():
    found = halves(4.0, 2)
    assert found.half.values.tolist() == [2.0, 2.0]
    assert found.attrs == {"n": 2, "warnings": "none"}
    assert halves.__doc__ == "Divide a number."
    assert found.identical(halves(number=4.0, n=2))


def test_many_lie_side_by_side():
    by_name = halves({"a": 4.0, "b": 5.0}, 2, scale=10.0)
    assert by_name.half.dims == ("model", "part") and by_name.half.attrs == {"units": "m"}
    assert by_name.half.sel(model="b").values.tolist() == [25.0, 25.0]
    assert by_name.warnings.sel(model="b") == "odd" and by_name.attrs == {"n": 2}
    by_seed = halves(Pair(), 1)
    assert by_seed.half.dims == ("seed", "part") and by_seed.half.sel(seed=4).item() == 3.5
    both = halves({("a", 0): 2.0, ("b", 1): 4.0}, 1)
    assert both.half.dims == ("model", "seed", "part")
    np.testing.assert_array_equal(both.half.squeeze("part"), [[1.0, np.nan], [np.nan, 2.0]])
    assert halves(number={"a": 2.0}, n=1).half.sel(model="a").item() == 1.0


def test_a_state_that_is_called_as_what_is_told_of_each_is_told():
    found = each(lambda number: xr.Dataset({"warnings": ("part", [number])}, attrs={"warnings": str(number)}))
    with pytest.raises(DataError, match="the state 'warnings' has the name of something else that the result holds"):
        found({"a": 4.0, "b": 5.0})


def test_nothing_is_told():
    with pytest.raises(PhysodeError, match="the mapping is empty"):
        halves({}, 1)
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        halves()


def test_forecasts_orbits_and_fixed_points_of_many_models_lie_side_by_side():
    oscillators = {name: systems.get(name) for name in ("harmonic-oscillator", "damped-oscillator")}
    record = oscillators["harmonic-oscillator"].simulate(np.linspace(0, 5, 26), n_trajectories=2, seed=0)
    error = forecast_error(oscillators, record, backward=True)
    assert error.nrmse.dims == ("model", "state", "time")
    assert float(error.nrmse.sel(model="harmonic-oscillator").max()) < 1e-6 < float(error.nrmse.sel(model="damped-oscillator").max())
    assert float(forecast_error(record, record).nrmse.max()) == 0.0  # a prediction is one, though a Dataset is a mapping of its variables
    found = fixed_points(oscillators)
    assert found.kind.values.tolist() == [["centre"], ["stable focus"]]
    orbits = periodic_orbit(oscillators, [1.0, 0.0])
    np.testing.assert_allclose(orbits.period, [2 * np.pi, np.nan])


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("lorenz", "the text 'lorenz'"),
        (None, "a NoneType"),
        (xr.Dataset(), "a Dataset"),
        ({"one": systems.get("lorenz"), "two": 1.0}, "a float"),
    ],
)
def test_what_is_no_vector_field_is_told(wrong, found):
    with pytest.raises(PhysodeError, match=f"fixed_points takes a System, a fitted model, or several of them by name; found {found}"):
        fixed_points(wrong)
