"""Maps with two times."""

import numpy as np
import pytest

import physode.trajectories as trajectories
from physode import systems
from physode.errors import PhysodeError, UnknownNameError


@pytest.mark.parametrize("name", systems.map_names())
def test_a_map_is_a_valid_record(name):
    record = systems.draw_map(name, 40, seed=1)
    trajectories.validate(record)
    np.testing.assert_array_equal(record.time, [0.0, 1.0])
    assert record.attrs["doi"].startswith("10.") and record.sizes["trajectory"] == 40
    again, other = systems.draw_map(name, 40, seed=1), systems.draw_map(name, 40, seed=2)
    np.testing.assert_array_equal(again.x1, record.x1)
    assert not np.array_equal(other.x1, record.x1)
    noisy = systems.draw_map(name, 2000, seed=1, noise=0.1)
    clean = systems.draw_map(name, 2000, seed=1)
    assert float((noisy.x1 - clean.x1).sel(time=0).std()) == pytest.approx(0.1, rel=0.05)


def test_parity_turns_the_sign_in_any_dimension():
    for dimensions in (1, 3):
        record = systems.draw_map("parity", 20, dimensions=dimensions)
        assert trajectories.state_names(record) == [f"x{i + 1}" for i in range(dimensions)]
        for state in trajectories.state_names(record):
            np.testing.assert_array_equal(record[state][:, 1], -record[state][:, 0])


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_spheres_are_nested_and_uniform_in_volume(dimensions):
    record = systems.draw_map("nested-spheres", 4000, dimensions=dimensions, seed=3)
    radius = np.sqrt(sum(record[f"x{i + 1}"].values[:, 0] ** 2 for i in range(dimensions)))
    label = record.label.values[:, 1]
    assert set(label) == {-1.0, 1.0} and abs(label.mean()) < 0.05
    assert radius[label < 0].max() <= 0.5 and radius[label > 0].min() >= 0.85 and radius.max() <= 1
    assert np.mean((radius[label < 0] / 0.5) ** dimensions) == pytest.approx(0.5, abs=0.03)
    assert record.label[:, 0].isnull().all() and record.x1[:, 1].isnull().all()


def test_annuli_and_moons():
    rings = systems.draw_map("concentric-annuli", 500)
    radius = np.hypot(rings.x1, rings.x2).values[:, 0]
    label = rings.label.values[:, 1]
    assert radius[label < 0].min() >= 0.5 and radius[label < 0].max() <= 1 and radius[label > 0].min() >= 1.5 and radius.max() <= 2
    moons = systems.draw_map("half-moons", 500)
    upper = moons.label.values[:, 1] < 0
    x, y = moons.x1.values[:, 0], moons.x2.values[:, 0]
    np.testing.assert_allclose(x[upper] ** 2 + y[upper] ** 2, 1)
    np.testing.assert_allclose((x[~upper] - 1) ** 2 + (y[~upper] - 0.5) ** 2, 1)


def test_mistakes_are_told():
    with pytest.raises(UnknownNameError, match="unknown map 'pariti'; did you mean 'parity'"):
        systems.draw_map("pariti", 5)
    with pytest.raises(PhysodeError, match="exists in 2 dimensions only, found 3"):
        systems.draw_map("half-moons", 5, dimensions=3)
    with pytest.raises(PhysodeError, match="n must be a whole number of at least 1, found 0"):
        systems.draw_map("parity", 0)
    with pytest.raises(PhysodeError, match="noise must be a standard deviation"):
        systems.draw_map("parity", 5, noise=-1)
