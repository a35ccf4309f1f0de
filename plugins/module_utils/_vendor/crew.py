# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes that turn pages into lines, on all cores.

This module is private to the collection and may change at any time.

Threads wait for a service in parallel, but only one at a time runs Python. So the work between the bytes of a page and
the lines of a file is done by a pure function in forked processes, while the threads of this process send requests.

Each worker has two pipes. A thread takes an idle worker, writes a page, and waits for the result, so there are never
more pages in memory than threads, and every caller gets its own result. A worker ends when it reads the end of its
pipe, which also happens when this process is killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import pickle
import signal
import struct
import sys
import threading
import traceback
import typing as t

from .._base.errors import PerimeterError, WorkerLost
from .cores import usable_cores

A = t.TypeVar("A")
R = t.TypeVar("R")

MOST_WORKERS = 4
"""More workers would only wait for the network, and each takes memory."""
_SIZES = struct.Struct(">QQ")
_PIPE_BYTES = 1 << 20
"""Size of a pipe. The default of 64 kB means 16 switches between the processes for each MB."""
_F_SETPIPE_SZ = 1031
_BETWEEN_COLLECTIONS = 100_000
"""New objects between two runs of a worker's garbage collector. A parsed page has many objects and no cycles."""
_VALUE, _ERROR = 0, 1

_Failure = tuple[type[BaseException], dict[str, t.Any], str]
"""An error on its way to the parent: its class, its attributes if it is one of ours, and where it was raised."""


class _Worker:
    """One process, and the parent's ends of its pipes. Used by one thread at a time."""

    def __init__(self, pid: int, pages: int, results: int) -> None:
        self._pid = pid
        self._pages = pages
        self._results = results

    def ask(self, about: t.Any, page: bytes) -> tuple[int, t.Any]:
        """Send one page to the worker, and return its result.

        Raises:
            OSError, EOFError: the process has ended.
        """
        head = pickle.dumps(about, pickle.HIGHEST_PROTOCOL)
        _write(self._pages, _SIZES.pack(len(head), len(page)), head, page)
        kind, size = _SIZES.unpack(_read(self._results, _SIZES.size))
        return kind, pickle.loads(_read(self._results, size))  # noqa: S301 (written by our own child)

    def close(self) -> None:
        """Close the pipes, which ends the process."""
        os.close(self._pages)
        os.close(self._results)

    def wait(self) -> None:
        """Wait for the end of the process."""
        with contextlib.suppress(ChildProcessError):  # if SIGCHLD is ignored, the system has reaped it already
            os.waitpid(self._pid, 0)


class Crew(t.Generic[A, R]):
    """A function that is applied to pages in worker processes, or in place. A context manager.

    Enter it before the first request, thread, lock or socket: a forked process inherits them, but not the threads that
    hold the locks. If it is too late for that, or workers would not help, the function runs in the calling thread.

    Args:
        work: receives the caller's data about the page, and its bytes. It must be pure: each process has a copy of
            everything it refers to, and in place several threads call it concurrently.
        cores: how many processes to use at most; by default as many as this process may use.
    """

    def __init__(self, work: t.Callable[[A, bytes], R], *, cores: int | None = None) -> None:
        self._work = work
        self._cores = usable_cores() if cores is None else cores
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._changed = threading.Condition()
        self._lost = False

    def __enter__(self) -> Crew[A, R]:
        wanted = min(self._cores, MOST_WORKERS)
        if wanted > 1 and sys.platform == "linux" and not _has_threads():
            for _number in range(wanted):
                worker = _fork(self._work)
                if worker is None:
                    self.dismiss()
                    break
                self._workers.append(worker)
            self._idle = list(self._workers)
        return self

    def __exit__(self, *_details: object) -> None:
        self.dismiss()

    @property
    def size(self) -> int:
        """Number of worker processes; 0 when the function runs in place."""
        return len(self._workers)

    def dismiss(self) -> None:
        """End the workers; from now on the function runs in place. No other thread may use the crew meanwhile."""
        workers, self._workers, self._idle = self._workers, [], []
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.wait()

    def do(self, about: A, page: bytes) -> R:
        """Return the function's result for one page. Thread-safe; waits for an idle worker.

        Raises:
            WorkerLost: a worker ended without a result. Every later call raises it too.
            PerimeterError: what the function raised.
            Exception: a defect of the function, without its text, which may quote the page.
        """
        if not self._workers:
            return self._work(about, page)
        with self._lent() as worker:
            try:
                kind, found = worker.ask(about, page)
            except (OSError, EOFError):
                self._lost = True
                raise _lost() from None
            except BaseException:
                # Interrupted halfway: the next data in these pipes would be mistaken for another page's result.
                self._lost = True
                raise
        if kind == _ERROR:
            raise _error_of(found)
        return t.cast(R, found)

    @contextlib.contextmanager
    def _lent(self) -> t.Iterator[_Worker]:
        with self._changed:
            while not self._idle and not self._lost:
                self._changed.wait()
            if self._lost:
                raise _lost()
            worker = self._idle.pop()
        try:
            yield worker
        finally:
            self._take_back(worker)

    def _take_back(self, worker: _Worker) -> None:
        with self._changed:
            self._idle.append(worker)
            # Wake all of them: when a worker is lost, nobody may keep waiting.
            self._changed.notify_all()


def _lost() -> WorkerLost:
    return WorkerLost(
        "A worker process of this module has ended unexpectedly.",
        hint="Most often the system was out of memory. What was written before is unchanged; run the task again.",
    )


def _has_threads() -> bool:
    """Whether this process has more than one thread, including those of libraries; it must not be forked then."""
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:
        return True


def _fork(work: t.Callable[[t.Any, bytes], t.Any]) -> _Worker | None:
    """Start one worker; None if the system allows no further process or pipe."""
    opened: list[int] = []
    try:
        pages = os.pipe()
        opened += pages
        results = os.pipe()
        opened += results
        for pipe in (pages, results):
            _enlarge(pipe[1])
        pid = os.fork()
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        return None
    if pid == 0:
        _live(work, pages[0], results[1])
    os.close(pages[0])
    os.close(results[1])
    return _Worker(pid, pages[1], results[0])


def _enlarge(descriptor: int) -> None:
    import fcntl  # only on Linux

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, _F_SETPIPE_SZ, _PIPE_BYTES)


# In the worker


def _live(work: t.Callable[[t.Any, bytes], t.Any], pages: int, results: int) -> t.NoReturn:
    """Work until the pipe ends. Whatever happens, the process must not return into its parent's code."""
    try:
        _serve(work, pages, results)
    finally:
        os._exit(0)


def _serve(work: t.Callable[[t.Any, bytes], t.Any], pages: int, results: int) -> None:
    _let_go((pages, results))
    gc.freeze()
    gc.set_threshold(_BETWEEN_COLLECTIONS)
    while True:
        try:
            head, size = _SIZES.unpack(_read(pages, _SIZES.size))
            about, page = _read(pages, head), _read(pages, size)
        except EOFError:
            return
        kind, answer = _answer(work, about, page)
        del page
        _write(results, _SIZES.pack(kind, len(answer)), answer)
        del answer


def _answer(work: t.Callable[[t.Any, bytes], t.Any], about: bytes, page: bytes) -> tuple[int, bytes]:
    try:
        found = work(pickle.loads(about), page)  # noqa: S301 (written by our own parent)
        return _VALUE, pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        return _ERROR, _failure(error)


def _let_go(own: tuple[int, int]) -> None:
    """Keep nothing of the parent except our ends of our pipes: no lock, no socket, no sibling's pipe, no terminal.

    Interrupts are handled by the parent. Nothing that is written here, such as a fault handler's report, may reach a
    log.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    # Not every number up to the limit, as closerange does on systems without a call for it: there may be millions.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in own:
            with contextlib.suppress(OSError):  # the descriptor of the listing is closed already
                os.close(int(name))


def _failure(error: Exception) -> bytes:
    kept = error.__dict__ if isinstance(error, PerimeterError) else {}
    frames = traceback.extract_tb(error.__traceback__)
    places = "; ".join(f"{pathlib.PurePath(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames)
    failure: _Failure = (type(error), kept, places)
    try:
        return pickle.dumps(failure, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001 (a class that cannot be pickled)
        return pickle.dumps((RuntimeError, {}, places), pickle.HIGHEST_PROTOCOL)


def _error_of(failure: _Failure) -> BaseException:
    kind, attributes, places = failure
    error = kind.__new__(kind)
    error.__dict__.update(attributes)
    if isinstance(error, PerimeterError):
        error.args = (error.message,)
    else:
        error.add_note(f"In a worker process, at {places}.")
    return error


# Pipes


def _read(descriptor: int, size: int) -> bytes:
    """Read exactly this many bytes.

    Raises:
        EOFError: the other side has closed the pipe.
    """
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        got = os.readv(descriptor, [view[done:]])
        if not got:
            raise EOFError
        done += got
    view.release()
    return bytes(data)


def _write(descriptor: int, *pieces: bytes) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
