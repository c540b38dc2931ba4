import re
from importlib.metadata import version

from physode.trajectories import provenance
from physode.trajectories.attributes import check_attributes


def test_facts_are_kept_and_none_is_left_out() -> None:
    attrs = provenance("simulate", system="lorenz", seed=3, rtol=1e-9, atol=None)
    assert attrs["system"] == "lorenz"
    assert attrs["seed"] == 3
    assert attrs["rtol"] == 1e-9
    assert "atol" not in attrs
    assert attrs["schema"] == "physode/1"
    assert attrs["physode_version"] == version("physode")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", attrs["created_at"])
    assert attrs["history"] == f"{attrs['created_at']} physode {version('physode')}: simulate"
    check_attributes(attrs, "it")


def test_history_is_only_appended_to() -> None:
    before = {"created_at": "2001-01-01T00:00:00Z", "seed": 1, "history": "first line", "title": "mine"}
    kept = dict(before)
    attrs = provenance("cut\n  short", before=before, seed=2)
    first, second = attrs["history"].splitlines()
    assert first == "first line"
    assert second.endswith(": cut short")
    assert attrs["created_at"] == "2001-01-01T00:00:00Z"
    assert (attrs["seed"], attrs["title"]) == (2, "mine")
    assert before == kept
