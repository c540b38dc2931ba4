"""A fit that was stopped goes on to the numbers that it would have reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import CheckpointWarning, FileFormatError, PhysodeError
from physode.fields import get_theta
from physode.models.identity import identity
from physode.training import Progress, StopFit
from physode.training.stages import Stages


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return systems.get("damped-oscillator").simulate(np.linspace(0, 8, 40), n_trajectories=3, observe=["x"], noise=0.02, seed=1)


def fit(record: xr.Dataset, settings: dict[str, Any], **options: Any) -> physode.SecondOrderNeuralODE:
    return physode.SecondOrderNeuralODE(hidden=(3,), **settings).fit(record, seed=4, **options)


def stopper(after: int) -> Any:
    seen = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == after:
            raise StopFit("stopped")

    return stop


@pytest.mark.parametrize("stops", [[3], [6, 1, 3]], ids=["in the warm start", "in several stages"])
@pytest.mark.parametrize(
    "settings",
    [{"max_iterations": 8}, {"optimizer": "lbfgs", "max_iterations": 20}, {"optimizer": "adam", "max_iterations": 30}],
    ids=["levenberg-marquardt", "lbfgs", "adam"],
)
def test_stopped_fits_go_on_to_the_same_numbers(record: xr.Dataset, settings: dict[str, Any], stops: list[int], tmp_path: Path) -> None:
    whole = fit(record, settings)
    for after in stops:
        part = fit(record, settings, checkpoint=tmp_path / "fit", callback=stopper(after))
        assert part.result_.status == "stopped"
    resumed = fit(record, settings, checkpoint=tmp_path / "fit")
    assert torch.equal(get_theta(resumed.module_), get_theta(whole.module_))
    for name in ("status", "nfev", "n_iterations", "loss", "noise_std", "solver_error", "window"):
        assert getattr(resumed.result_, name) == getattr(whole.result_, name), name
    for name in ("epoch", "loss", "nfev", "stage"):
        assert resumed.result_.history[name] == whole.result_.history[name], name
    xr.testing.assert_equal(resumed.predict(record), whole.predict(record))
    assert resumed.result_.wall_time > part.result_.wall_time


def test_a_second_try_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    damped = systems.get("damped-oscillator", gamma=0.3)
    ds = damped.simulate(np.linspace(0, 20, 101), n_trajectories=2, observe=["x"], noise=0.01, seed=0)
    model = physode.HamiltonianNeuralODE(hidden=(4,), max_iterations=8)  # keeps energy, so that no long window is followed
    unbroken = model.fit(ds, seed=0).result_.history, get_theta(model.module_)
    assert unbroken[0]["stage"][-16:] == 16 * ["windows of 54"]  # two tries
    stopped = model.fit(ds, seed=0, checkpoint=tmp_path / "fit", callback=stopper(len(unbroken[0]["stage"]) - 3))
    assert stopped.result_.status == "stopped" and stopped.result_.history["stage"][-13:] == 13 * ["windows of 54"]
    resumed = model.fit(ds, seed=0, checkpoint=tmp_path / "fit")
    assert torch.equal(get_theta(resumed.module_), unbroken[1])
    assert resumed.result_.history["loss"] == unbroken[0]["loss"]


def test_members_go_on_together(record: xr.Dataset, tmp_path: Path) -> None:
    model = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=6)
    whole = physode.fit_seeds(model, record, 3)
    stopped = physode.fit_seeds(model, record, 3, checkpoint=tmp_path / "fit", callback=stopper(20))
    assert {member.result_.status for member in stopped.values()} == {"stopped"}
    resumed = physode.fit_seeds(model, record, 3, checkpoint=tmp_path / "fit")
    for seed, member in whole.items():
        assert torch.equal(get_theta(resumed[seed].module_), get_theta(member.module_))
        assert resumed[seed].result_.history["loss"] == member.result_.history["loss"]


def test_however_little_time_there_is_a_fit_gets_on(record: xr.Dataset, tmp_path: Path) -> None:
    whole = fit(record, {"max_iterations": 2})
    for _ in range(100):
        part = fit(record, {"max_iterations": 2}, checkpoint=tmp_path / "fit", time_budget=1e-6)
        if part.result_.status != "time_budget":
            break
    assert part.result_.status == whole.result_.status and part.result_.n_iterations == whole.result_.n_iterations
    assert torch.equal(get_theta(part.module_), get_theta(whole.module_))


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0

    def perf_counter(self) -> int:
        self.now += 1
        return self.now


@pytest.mark.parametrize(
    "settings",
    [{"max_iterations": 4}, {"optimizer": "lbfgs", "max_iterations": 15}, {"optimizer": "adam", "max_iterations": 15}],
    ids=["levenberg-marquardt", "lbfgs", "adam"],
)
def test_fits_whose_time_is_over_within_a_round_go_on_to_the_same_numbers(
    record: xr.Dataset, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(record, settings)
    monkeypatch.setattr("physode.models.train.clock", Ticking())
    begun: dict[str, Any] = {"checkpoint": tmp_path / "fit", "time_budget": 450}
    parts = [fit(record, settings, **begun)]
    while parts[-1].result_.status == "time_budget":
        parts.append(fit(record, settings, **begun))
    resumed = parts[-1]
    assert len(parts) > 3
    assert torch.equal(get_theta(resumed.module_), get_theta(whole.module_))
    for name in ("status", "nfev", "n_iterations", "loss", "noise_std", "solver_error", "window"):
        assert getattr(resumed.result_, name) == getattr(whole.result_, name), name
    for name in ("epoch", "loss", "nfev", "stage"):
        assert resumed.result_.history[name] == whole.result_.history[name], name


def test_members_end_together_with_their_time(record: xr.Dataset) -> None:
    members = physode.fit_seeds(physode.SecondOrderNeuralODE(hidden=(3,)), record, 2, time_budget=1e-6)
    assert {member.result_.status for member in members.values()} == {"time_budget"}
    with pytest.raises(PhysodeError, match="time_budget is 0; give a finite positive number"):
        physode.fit_seeds(physode.SecondOrderNeuralODE(hidden=(3,)), record, 2, time_budget=0)


def test_ctrl_c_keeps_the_fit(record: xr.Dataset, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.epoch == 12:
            raise KeyboardInterrupt

    part = fit(record, {"max_iterations": 8}, checkpoint=tmp_path / "fit", callback=interrupt)
    assert part.result_.status == "interrupted" and (tmp_path / "fit").exists()
    seen: list[int] = []
    fit(record, {"max_iterations": 8}, checkpoint=tmp_path / "fit", callback=lambda progress: seen.append(progress.epoch))
    assert seen[0] == 12  # the step that was interrupted is taken once more


def test_a_callback_that_fails_leaves_the_checkpoint_of_all_members(record: xr.Dataset, tmp_path: Path) -> None:
    def fail(progress: Progress) -> None:
        if progress.epoch == 12:
            raise ZeroDivisionError

    model = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=4)
    with pytest.raises(ZeroDivisionError):
        physode.fit_seeds(model, record, 2, checkpoint=tmp_path / "fit", callback=fail)
    seen: list[int] = []
    physode.fit_seeds(model, record, 2, checkpoint=tmp_path / "fit", callback=lambda progress: seen.append(progress.epoch))
    assert seen[0] == 12


def test_a_finished_fit_is_read_and_not_run(record: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit(record, {"max_iterations": 4}, checkpoint=tmp_path / "fit")
    told: list[Progress] = []
    monkeypatch.setattr(Stages, "_tell", lambda *_: pytest.fail("an optimiser ran"))
    again = fit(record, {"max_iterations": 4}, checkpoint=tmp_path / "fit", callback=told.append)
    assert torch.equal(get_theta(first.module_), get_theta(again.module_)) and not told
    assert again.result_.history == first.result_.history


def test_the_checkpoint_of_another_fit_is_refused(record: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "fit"
    fit(record, {"max_iterations": 1}, checkpoint=path)
    held = path.read_bytes()
    with pytest.raises(PhysodeError, match="is that of another fit, of another model; give another file, or delete this one"):
        fit(record, {"max_iterations": 2}, checkpoint=path)
    with pytest.raises(PhysodeError, match="of another record"):
        fit(record.isel(trajectory=slice(2)), {"max_iterations": 1}, checkpoint=path)
    with pytest.raises(PhysodeError, match="of another seed"):
        physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=1).fit(record, seed=5, checkpoint=path)
    assert path.read_bytes() == held
    older = held.replace(b"physode-checkpoint/6", b"physode-checkpoint/5")
    assert older != held
    path.write_bytes(older)
    with pytest.raises(FileFormatError, match="is no checkpoint of the format physode-checkpoint/6"):
        fit(record, {"max_iterations": 1}, checkpoint=path)
    assert path.read_bytes() == older
    path.write_bytes(held[:-20])
    with pytest.raises(FileFormatError, match="is no whole checkpoint"):
        fit(record, {"max_iterations": 1}, checkpoint=path)
    model = fit(record, {"max_iterations": 1})
    model.save(path)
    with pytest.raises(FileFormatError, match="is no checkpoint of the format"):
        fit(record, {"max_iterations": 1}, checkpoint=path)


def changed(name: str, **attrs: str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda ds: ds.assign({name: ds[name].assign_attrs(attrs)})


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.assign(x_noise_std=10 * ds["x_noise_std"]),
        lambda ds: ds.assign(u=2 * ds["u"]),
        lambda ds: ds.assign_coords(time=3 * ds["time"]),
        changed("u", interpolation="previous"),
        changed("x", units="mm"),
        changed("x", role="position"),
        lambda ds: ds.rename(x="y", x_noise_std="y_noise_std"),
        lambda ds: ds[["v", "x", "u", "w", "x_noise_std"]],
        lambda ds: ds[["x", "v", "w", "u", "x_noise_std"]],
    ],
    ids=["noise", "input", "times", "interpolation", "units", "role", "name", "order of states", "order of inputs"],
)
@pytest.mark.parametrize("which", ["record", "validation record"])
def test_whatever_a_fit_depends_on_makes_it_another_one(which: str, change: Callable[[xr.Dataset], xr.Dataset]) -> None:
    ds = xr.Dataset(
        {
            "x": (("trajectory", "time"), np.sin([[0.0, 1.0, 2.0]]), {"role": "state", "units": "m"}),
            "v": (("trajectory", "time"), np.cos([[0.0, 1.0, 2.0]]), {"role": "state", "units": "m / s"}),
            "u": (("trajectory", "time"), np.cos([[0.0, 1.0, 2.0]]), {"role": "input", "interpolation": "linear"}),
            "w": (("trajectory", "time"), np.tan([[0.0, 1.0, 2.0]]), {"role": "input", "interpolation": "linear"}),
            "x_noise_std": ((), 0.1, {"role": "noise"}),
        },
        {"trajectory": [0], "time": [0.0, 1.0, 2.0]},
    )
    model = physode.NeuralODE()
    before = identity(model, [ds], [0], ds)
    assert identity(model, [ds.assign_attrs(history="read again")], [0], ds.copy(deep=True)) == before
    after = identity(model, [change(ds)], [0], ds) if which == "record" else identity(model, [ds], [0], change(ds))
    assert [name for name in before if before[name] != after[name]] == [which]


def test_a_fit_with_other_noise_is_not_taken_up(record: xr.Dataset, tmp_path: Path) -> None:
    fit(record, {"max_iterations": 1}, checkpoint=tmp_path / "fit")
    with pytest.raises(PhysodeError, match="of another record"):
        fit(record.assign(x_noise_std=10 * record["x_noise_std"]), {"max_iterations": 1}, checkpoint=tmp_path / "fit")


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_fit(record: xr.Dataset, tmp_path: Path) -> None:
    told: list[Progress] = []
    with pytest.raises(PhysodeError, match="cannot be written: its folder does not exist.*give the name of a file in a folder that exists"):
        fit(record, {"max_iterations": 1}, checkpoint=tmp_path / "no folder" / "fit", callback=told.append)
    with pytest.raises(PhysodeError, match="is a folder; give the name of a file"):
        fit(record, {"max_iterations": 1}, checkpoint=tmp_path, callback=told.append)
    assert not told


def test_a_checkpoint_that_can_no_longer_be_written_costs_a_warning_and_not_the_fit(record: xr.Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "soon gone"
    folder.mkdir()

    def remove(_: Progress) -> None:
        if folder.exists():
            folder.rmdir()

    with pytest.warns(CheckpointWarning, match="could not be written .* the fit goes on"):
        model = fit(record, {"max_iterations": 1}, checkpoint=folder / "fit", callback=remove)
    assert torch.equal(get_theta(model.module_), get_theta(fit(record, {"max_iterations": 1}).module_))


def test_a_full_disk_costs_a_warning_and_not_the_fit(record: xr.Dataset, tmp_path: Path, full_disk: None) -> None:
    with pytest.warns(CheckpointWarning, match=r"the checkpoint .*fit could not be written \(.*No space left on device.* the fit goes on"):
        fit(record, {"max_iterations": 1}, checkpoint=tmp_path / "fit")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_has_the_usual_permissions(record: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    fit(record, {"max_iterations": 1}, checkpoint=tmp_path / "fit")
    assert (tmp_path / "fit").stat().st_mode == (tmp_path / "usual").stat().st_mode
