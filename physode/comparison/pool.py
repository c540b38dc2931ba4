"""Runs tasks one after the other or in spawned processes; a task that fails, or whose process dies, harms no other."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from physode.errors import PhysodeError

__all__ = ["Listener", "Outcome", "Task", "available_cores", "run_tasks"]

Listener = Callable[[str, Mapping[str, Any]], None]
"""Called with a task's key and what it reported; a last call carries ``{"status": ...}``."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One piece of work: ``function(*arguments, notify)``, where ``notify(mapping)`` tells how far it is."""

    key: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """How a task ended: ``done``, ``failed`` (it raised; the message says what) or ``killed`` (its process died)."""

    status: str
    message: str = ""


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(tasks: Sequence[Task], *, workers: int = 1, listener: Listener | None = None) -> dict[str, Outcome]:
    """Run all tasks and say how each ended.

    Parameters
    ----------
    tasks : sequence of Task
        With different keys. In more than one process, function and arguments must be picklable.
    workers : int, default 1
        Number of processes; 1 runs in this one. Either way a task computes with one thread, so that the numbers are the same.
    listener : callable, optional
        Hears what the tasks report. It is called from another thread when there are several workers.

    Returns
    -------
    dict of str to Outcome
        One per key.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C ends the task that is running, and all that were to follow.
    """
    heard = listener or (lambda key, payload: None)
    if workers <= 1 or not tasks:
        with _one_thread(), _interruptible():
            return {task.key: _run_here(task, heard) for task in tasks}
    outcomes: dict[str, Outcome] = {}
    rest, suspects = deque(tasks), deque[Task]()
    while rest or suspects:
        alone = bool(suspects)
        queue = deque([suspects.popleft()]) if alone else rest
        running = _run_pool(queue, 1 if alone else min(workers, len(queue)), heard, outcomes)
        if alone and running:
            outcomes[running[0].key] = Outcome("killed", "its process died (out of memory, or a crash in compiled code)")
            heard(running[0].key, {"status": "killed"})
        else:
            suspects.extend(running)
    return outcomes


def _run_here(task: Task, heard: Listener) -> Outcome:
    outcome = _attempt(task, lambda payload: heard(task.key, payload))
    heard(task.key, {"status": outcome.status})
    return outcome


def _attempt(task: Task, notify: Callable[[Mapping[str, Any]], None]) -> Outcome:
    try:
        task.function(*task.arguments, notify)
    except PhysodeError as error:
        return Outcome("failed", str(error))
    except (Exception, SystemExit) as error:
        _log.warning("%s failed\n%s", task.key, traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}")
    return Outcome("done")


def _run_pool(queue: deque[Task], workers: int, heard: Listener, outcomes: dict[str, Outcome]) -> list[Task]:
    """Work the queue down; if a process dies, stop and return the tasks that were running."""
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    alive, lifeline = context.Pipe(duplex=False)
    ear = threading.Thread(target=_listen, args=(reports, heard), daemon=True)
    ear.start()
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_child, initargs=(reports, alive))
    running: dict[Future[Outcome], Task] = {}
    broken: list[Task] = []
    try:
        while (queue or running) and not broken:
            try:
                while queue and len(running) < workers:
                    with _child_environment():
                        running[executor.submit(_run_in_child, queue[0])] = queue[0]
                    queue.popleft()
            except BrokenProcessPool:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    broken.append(task)
                    continue
                if isinstance(error, KeyboardInterrupt):
                    raise error
                outcomes[task.key] = future.result() if error is None else Outcome("failed", f"{type(error).__name__}: {error}")
                heard(task.key, {"status": outcomes[task.key].status})
        executor.shutdown(wait=True, cancel_futures=True)
        return broken + list(running.values())
    finally:
        lifeline.close()
        executor.shutdown(wait=True, cancel_futures=True)
        alive.close()
        reports.cancel_join_thread()
        reports.put(None)
        ear.join(timeout=2.0)
        reports.close()


def _listen(reports: Any, heard: Listener) -> None:
    while (message := reports.get()) is not None:
        heard(*message)


_wire: dict[str, Any] = {}  # a child's way to its parent


def _start_child(reports: Any, alive: Connection) -> None:
    """Set up a child: a way to report, and an end when the parent stops or dies. One thread comes from its environment.

    Ctrl-C reaches the children of a terminal as well; it is the parent's to answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _wire["reports"] = reports
    reports.cancel_join_thread()

    def watch() -> None:
        alive.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run_in_child(task: Task) -> Outcome:
    last = [0.0]

    def notify(payload: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - last[0] > 0.1:
            last[0] = now
            _wire["reports"].put((task.key, dict(payload)))

    return _attempt(task, notify)


@contextmanager
def _child_environment() -> Iterator[None]:
    """Start children with one thread each, and without running the user's script again in them.

    A spawned child imports the parent's main script; one without an ``if __name__ == "__main__"`` guard would start the whole
    work again. What a task names must therefore live in a module, not in that script.
    """
    main = sys.modules["__main__"]
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    file, spec = main.__dict__.pop("__file__", None), main.__spec__
    main.__spec__ = None
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Interrupted(BaseException):
    """Ctrl-C that no fit takes for its own end, as it takes a KeyboardInterrupt: what it has by then would count as a result."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """End by Ctrl-C, whatever is running; a handler of the user's is left alone."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(*_: object) -> None:
        raise _Interrupted

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except _Interrupted:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute with one thread, if it is there."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
