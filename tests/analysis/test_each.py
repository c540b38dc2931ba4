"""One analysis for many models."""

import numpy as np
import pytest
import xarray as xr

from physode.analysis.each import each
from physode.errors import PhysodeError


@each
def halves(dynamics, n, scale=1.0):
    """Divide a number."""
    values = dynamics / 2 * scale * np.ones(n)
    return xr.Dataset({"half": ("part", values, {"units": "m"})}, attrs={"n": n, "warnings": "odd" if dynamics % 2 else "none"})


class Pair:
    def __init__(self):
        self.members = {3: 6.0, 4: 7.0}


def test_one_is_left_as_it_is():
    found = halves(4.0, 2)
    assert found.half.values.tolist() == [2.0, 2.0]
    assert found.attrs == {"n": 2, "warnings": "none"}
    assert halves.__doc__ == "Divide a number."
    assert found.identical(halves(dynamics=4.0, n=2))


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
    assert halves(dynamics={"a": 2.0}, n=1).half.sel(model="a").item() == 1.0


def test_nothing_is_told():
    with pytest.raises(PhysodeError, match="the mapping is empty"):
        halves({}, 1)
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        halves()
