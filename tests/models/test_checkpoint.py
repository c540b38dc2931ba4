"""A fit that was stopped goes on to the numbers that it would have reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import physode
from physode import systems
from physode.errors import FileFormatError, PhysodeError
from physode.fields import get_theta
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


def test_members_go_on_together(record: xr.Dataset, tmp_path: Path) -> None:
    from physode.models.train import train

    model = physode.SecondOrderNeuralODE(hidden=(3,), max_iterations=6)
    whole = train(model, [record], [0, 1, 2])
    train(model, [record], [0, 1, 2], checkpoint=tmp_path / "fit", callback=stopper(20))
    resumed = train(model, [record], [0, 1, 2], checkpoint=tmp_path / "fit")
    for (ours, result), (theirs, expected) in zip(resumed, whole, strict=True):
        assert torch.equal(get_theta(ours.field), get_theta(theirs.field))
        assert result.history["loss"] == expected.history["loss"]


def test_ctrl_c_keeps_the_fit(record: xr.Dataset, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.epoch == 12:
            raise KeyboardInterrupt

    part = fit(record, {"max_iterations": 8}, checkpoint=tmp_path / "fit", callback=interrupt)
    assert part.result_.status == "interrupted" and (tmp_path / "fit").exists()
    seen: list[int] = []
    fit(record, {"max_iterations": 8}, checkpoint=tmp_path / "fit", callback=lambda progress: seen.append(progress.epoch))
    assert seen[0] == 12  # the step that was interrupted is taken once more


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
    older = held.replace(b"physode-checkpoint/4", b"physode-checkpoint/3")
    assert older != held
    path.write_bytes(older)
    with pytest.raises(FileFormatError, match="is no checkpoint of the format physode-checkpoint/4"):
        fit(record, {"max_iterations": 1}, checkpoint=path)
    assert path.read_bytes() == older
    path.write_bytes(held[:-20])
    with pytest.raises(FileFormatError, match="is no whole checkpoint"):
        fit(record, {"max_iterations": 1}, checkpoint=path)
    model = fit(record, {"max_iterations": 1})
    model.save(path)
    with pytest.raises(FileFormatError, match="is no checkpoint of the format"):
        fit(record, {"max_iterations": 1}, checkpoint=path)
