"""What makes two cells the same."""

import numpy as np
import pytest
import xarray as xr

from physode.comparison.identity import canonical_json, config_id, data_digest
from physode.errors import PhysodeError


def test_order_and_container_do_not_matter_but_values_do():
    assert canonical_json({"b": (1, 2), "a": None}) == '{"a":null,"b":[1,2]}'
    assert config_id({"hidden": [4, 4], "seed": 1}) == config_id({"seed": np.int64(1), "hidden": (4, 4)})
    assert config_id({"seed": 1}) != config_id({"seed": 2})


@pytest.mark.parametrize("value", [print, float("nan"), float("inf"), {1, 2}, object()])
def test_what_cannot_be_told_apart_is_refused(value):
    with pytest.raises(PhysodeError, match="cannot be written as JSON.*numbers, strings, lists"):
        canonical_json({"activation": value})


@pytest.fixture
def record():
    return xr.Dataset(
        {"x": (("trajectory", "time"), [[1.0, np.nan, 3.0]], {"units": "m"})},
        {"trajectory": [0], "time": [0.0, 0.1, 0.2], "split": ("time", ["train", "train", "test"])},
        {"created_at": "now"},
    )


def test_data_digest_ignores_when_a_record_was_made(record):
    assert data_digest(record) == data_digest(record.assign_attrs(created_at="later", history="long"))


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.assign(x=ds.x + 1e-15 * ds.x),
        lambda ds: ds.assign(x=ds.x.fillna(0.0)),
        lambda ds: ds.assign(x=ds.x.assign_attrs(units="cm")),
        lambda ds: ds.assign_coords(time=ds.time + 1e-12),
        lambda ds: ds.assign_coords(split=("time", ["train", "test", "test"])),
        lambda ds: ds.rename(x="y"),
        lambda ds: ds.assign(x=ds.x.astype(np.float32)),
    ],
)
def test_data_digest_sees_every_change_of_what_the_record_says(record, change):
    assert data_digest(change(record)) != data_digest(record)


def test_data_digest_does_not_depend_on_the_width_of_text(record):
    wide = record.assign_coords(split=("time", np.array(["train", "train", "test"], dtype="<U40")))
    assert data_digest(wide) == data_digest(record)
