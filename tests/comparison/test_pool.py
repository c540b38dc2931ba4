"""Tasks in processes: a failure or a death harms no other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pool_tasks
import pytest
import torch

from physode.comparison.pool import Outcome, Task, run_tasks
from physode.errors import DataError


def test_serial_runs_here_with_one_thread_and_puts_the_threads_back(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        heard = []
        tasks = [
            Task("a", pool_tasks.note, (str(tmp_path), "a")),
            Task("b", pool_tasks.fail, ()),
            Task("c", pool_tasks.count_threads, (str(tmp_path),)),
        ]
        outcomes = run_tasks(tasks, listener=lambda key, payload: heard.append((key, payload)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert outcomes == {"a": Outcome("done"), "b": Outcome("failed", "RuntimeError: bad luck"), "c": Outcome("done")}
    assert (tmp_path / "a").read_text().split()[0] == str(os.getpid()) and (tmp_path / "threads").read_text() == "1"
    assert heard == [("a", {"loss": 1.0, "nfev": 1}), ("a", {"status": "done"}), ("b", {"status": "failed"}), ("c", {"status": "done"})]


def test_an_error_of_physode_is_told_in_its_own_words():
    def broken(notify):
        raise DataError("x is constant; leave it out")

    assert run_tasks([Task("a", broken, ())])["a"] == Outcome("failed", "x is constant; leave it out")


@pytest.mark.slow
def test_a_death_costs_one_task(tmp_path):
    names = ["a", "b"]
    tasks = [Task(name, pool_tasks.note, (str(tmp_path), name)) for name in names]
    tasks[1:1] = [Task("dies", pool_tasks.die, ()), Task("leaves", pool_tasks.leave, ()), Task("fails", pool_tasks.fail, ())]
    heard = []
    outcomes = run_tasks(tasks, workers=2, listener=lambda key, payload: heard.append((key, payload.get("status"))))
    assert {key: outcome.status for key, outcome in outcomes.items()} == {
        "a": "done",
        "b": "done",
        "dies": "killed",
        "leaves": "failed",
        "fails": "failed",
    }
    assert "its process died" in outcomes["dies"].message and outcomes["leaves"].message == "SystemExit: 3"
    for name in names:
        pid, threads = (tmp_path / name).read_text().split()
        assert (int(pid) != os.getpid(), threads) == (True, "1")
    assert sorted(key for key, status in heard if status) == sorted(outcomes)


@pytest.mark.slow
def test_a_worker_computes_with_one_thread(tmp_path):
    run_tasks([Task("a", pool_tasks.count_threads, (str(tmp_path),)), Task("b", pool_tasks.note, (str(tmp_path), "b"))], workers=2)
    assert (tmp_path / "threads").read_text() == "1"


def test_an_interrupt_ends_all_tasks_and_no_half_result_is_left(tmp_path):
    tasks = [Task("a", pool_tasks.end_by_interrupt, (str(tmp_path),)), Task("b", pool_tasks.note, (str(tmp_path), "b"))]
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks)
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_user_is_left_alone(tmp_path):
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("mine"))
    try:
        outcomes = run_tasks([Task("a", pool_tasks.end_by_interrupt, (str(tmp_path),))])
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard == ["mine"] and outcomes["a"].status == "done"


@pytest.mark.slow
def test_an_interrupt_is_not_the_childrens_to_answer(tmp_path):
    tasks = [Task("a", pool_tasks.end_by_interrupt, (str(tmp_path),)), Task("b", pool_tasks.note, (str(tmp_path), "b"))]
    assert {outcome.status for outcome in run_tasks(tasks, workers=2).values()} == {"done"}


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import pool_tasks
from physode.comparison.pool import Task, run_tasks
print("main runs")
tasks = [Task(name, getattr(pool_tasks, function), ({target!r}, *more)) for name, function, more in {tasks!r}]
print(sorted((k, v.status) for k, v in run_tasks(tasks, workers=2).items()))
"""


def script(tmp_path, tasks):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(folder=str(Path(__file__).parent), target=str(tmp_path), tasks=tasks))
    return path


@pytest.mark.slow
def test_a_script_without_a_guard_runs_once(tmp_path):
    path = script(tmp_path, [("a", "note", ("a",)), ("b", "note", ("b",))])
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
    assert done.stdout == "main runs\n[('a', 'done'), ('b', 'done')]\n", done.stderr


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, number):
    path = script(tmp_path, [("a", "wait_forever", ()), ("b", "note", ("b",))])
    parent = subprocess.Popen([sys.executable, path], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        started = tmp_path / "started"
        _until(lambda: started.exists() and started.read_text(), 60)
        parent.send_signal(number)
        parent.wait(timeout=10)
        worker = int(started.read_text())
        _until(lambda: not Path(f"/proc/{worker}").exists(), 10)
    finally:
        parent.kill()


def _until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
