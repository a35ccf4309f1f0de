# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The crew: the same results as in place, in the order of the callers, and nothing that outlives its parent.

Each case is a small program of its own, since a process with threads, such as that of the tests, is never forked. Every
warning is an error there, so the newer Pythons' warning about forks and threads would fail it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base import errors
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import BadResponse, PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor import crew as crew_module
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor.crew import Crew
from tests.conftest import IMPORT_TREE

START = """
import json, os, sys, threading, time, traceback
from concurrent.futures import ThreadPoolExecutor
ROOM = "ansible_collections.appsec.perimeter.plugins.module_utils"
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import *
from ansible_collections.appsec.perimeter.plugins.module_utils._vendor.crew import Crew

def pids(crew):
    return [worker._pid for worker in crew._workers]

def failure(call, *arguments):
    try:
        call(*arguments)
    except BaseException as error:
        return error
"""
SECRET = "s3cret-in-the-page"


def program(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", START + textwrap.dedent(text), *arguments]


def told(text: str, *arguments: str) -> Any:
    """Run a program; return what it prints last, as JSON. It must say nothing else, warnings included."""
    done = subprocess.run(
        program(text, *arguments), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def environment() -> dict[str, str]:
    return {"PATH": os.defpath, "PYTHONPATH": str(IMPORT_TREE), "LC_ALL": "C.UTF-8"}


def test_every_caller_gets_the_result_of_its_own_page_from_several_processes() -> None:
    found = told("""
        def work(about, page):
            time.sleep(0.001 * (about % 3))
            return about, page, os.getpid()

        pages = [bytes([number % 256]) * (number * 9999) for number in range(60)]
        with Crew(work, cores=2) as crew:
            with ThreadPoolExecutor(6) as threads:
                results = list(threads.map(crew.do, range(60), pages))
            own = pids(crew)
        right = [result[:2] for result in results] == list(enumerate(pages))
        print(json.dumps([right, {result[2] for result in results} == set(own), len(own), os.getpid() in own]))
    """)
    assert found == [True, True, 2, False]


def test_no_more_pages_are_handed_over_than_there_are_workers() -> None:
    found = told("""
        from ansible_collections.appsec.perimeter.plugins.module_utils._vendor import crew as module
        lock, now, most = threading.Lock(), 0, 0
        ask = module._Worker.ask

        def counted(self, about, page):
            global now, most
            with lock:
                now += 1
                most = max(most, now)
            try:
                return ask(self, about, page)
            finally:
                with lock:
                    now -= 1

        module._Worker.ask = counted
        with Crew(lambda about, page: time.sleep(0.002), cores=3) as crew, ThreadPoolExecutor(12) as threads:
            list(threads.map(crew.do, range(60), [b"x"] * 60))
        print(json.dumps(most))
    """)
    assert found == 3


def test_large_pages_and_results_pass_whole() -> None:
    found = told("""
        page = os.urandom(1 << 16) * 130
        with Crew(lambda about, page: page[::-1] * 3, cores=2) as crew:
            print(json.dumps([crew.size, crew.do(None, page) == page[::-1] * 3, crew.do(None, b"") == b""]))
    """)
    assert found == [2, True, True]


def test_a_worker_that_is_killed_is_an_error_for_everybody_and_nobody_waits_for_it() -> None:
    found = told("""
        def work(about, page):
            if page == b"die":
                os.kill(os.getpid(), 9)
            time.sleep(0.05)
            return page

        with Crew(work, cores=2) as crew:
            with ThreadPoolExecutor(8) as threads:
                first = crew.do(0, b"good")
                calls = [threads.submit(crew.do, 0, page) for page in [b"die"] * 2 + [b"good"] * 20]
                ends = {type(call.exception()).__name__ for call in calls}
            later = failure(crew.do, 0, b"good")
            own = pids(crew)
        gone = [not os.path.exists(f"/proc/{pid}") for pid in own]
        print(json.dumps([first.decode(), sorted(ends), later.to_dict(), gone]))
    """)
    first, ends, later, gone = found
    assert first == "good"
    assert set(ends) <= {"NoneType", "WorkerLost"}
    assert "WorkerLost" in ends
    assert later["kind"] == "worker"
    assert later["message"] == "A worker process of this module has ended unexpectedly."
    assert gone == [True, True]


def test_an_interrupted_call_does_not_leave_its_answer_to_the_next_one() -> None:
    found = told("""
        import signal
        def work(about, page):
            time.sleep(0.3)
            return about

        def interrupt(*_details):
            raise KeyboardInterrupt

        with Crew(work, cores=2) as crew:
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            first = failure(crew.do, "first", b"")
            later = [type(failure(crew.do, number, b"")).__name__ for number in range(3)]
        print(json.dumps([type(first).__name__, later]))
    """)
    assert found == ["KeyboardInterrupt", ["WorkerLost"] * 3]


def test_errors_of_the_function_come_back_as_they_would_in_place() -> None:
    found = told(
        """
        def work(about, page):
            if about == "kind":
                raise ServerFault("No.", hint="Wait.", code="X", status=503, body=b"b")
            return {}[page]

        def seen(cores):
            with Crew(work, cores=cores) as crew:
                typed, other = (failure(crew.do, about, sys.argv[1].encode()) for about in ("kind", "defect"))
            return [typed.to_dict(), str(typed), typed.status, typed.sent, typed.body.decode(), type(typed).__name__,
                    list(typed.args), type(other).__name__]

        print(json.dumps([seen(2), seen(1)]))
    """,
        SECRET,
    )
    assert found[0] == found[1]
    assert found[0][5:] == ["ServerFault", ["No."], "KeyError"]


def test_a_defect_tells_its_place_and_nothing_of_the_page() -> None:
    found = told(
        """
        def work(about, page):
            if about == "unsendable":
                return lambda: page
            if about == "own class":
                class Strange(Exception):
                    pass
                raise Strange(page)
            raise ValueError(page.decode())

        texts = []
        with Crew(work, cores=2) as crew:
            for about in ("value", "unsendable", "own class"):
                error = failure(crew.do, about, sys.argv[1].encode())
                texts.append([type(error).__name__, "".join(traceback.format_exception(error))])
            last = failure(crew.do, "value", b"")
        print(json.dumps([texts, type(last).__name__]))
    """,
        SECRET,
    )
    texts, last = found
    assert SECRET not in json.dumps(texts).replace("page.decode()", "")
    assert texts[0][0] == last == "ValueError"
    assert "in work" in texts[0][1]
    assert texts[2][0] == "RuntimeError"
    assert "In a worker process, at crew.py" in texts[1][1]


@pytest.mark.parametrize("kind", [item for item in vars(errors).values() if isinstance(item, type)
                                  and issubclass(item, PerimeterError)], ids=lambda kind: kind.__name__)  # fmt: skip
def test_every_error_of_the_collection_survives_the_way(kind: type[PerimeterError]) -> None:
    error = kind("requests", "trace") if kind is errors.MissingLibrary else kind("M.", hint="H.", code="C")  # type: ignore[call-arg]
    value, data = crew_module._answer(_raises(error), crew_module.pickle.dumps(None), b"")
    again = crew_module._error_of(crew_module.pickle.loads(data))
    assert value == crew_module._ERROR
    assert (type(again), again.__dict__, str(again), again.args) == (kind, error.__dict__, str(error), error.args)


def _raises(error: Exception) -> Any:
    def work(_about: Any, _page: bytes) -> Any:
        raise error

    return work


def test_workers_hold_nothing_of_their_parent_but_their_own_pipes() -> None:
    found = told("""
        import socket
        kept = [socket.socket(), open(os.devnull)]

        def work(about, page):
            places = []
            for name in os.listdir("/proc/self/fd"):
                try:
                    places.append(os.readlink(f"/proc/self/fd/{name}").partition(":")[0])
                except OSError:
                    pass  # that of the listing itself
            return sorted(places)

        with Crew(work, cores=3) as crew:
            seen = [crew.do(None, b"") for _number in range(3)]
        for item in kept:
            item.close()
        print(json.dumps([seen, len(os.listdir("/proc/self/fd"))]))
    """)
    seen, left_in_parent = found
    assert seen == [["/dev/null"] * 3 + ["pipe"] * 2] * 3
    assert left_in_parent == 4, "the standard ones and that of the listing: all ends of pipes are closed"


def gone(pid: int) -> bool:
    """Whether a process has ended; one that its new parent has not waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_leaves_no_child_and_no_lock(tmp_path: Path, number: signal.Signals) -> None:
    lock = tmp_path / "lock"
    running = subprocess.Popen(
        program(
            """
            import fcntl
            lock = open(sys.argv[1], "w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            with Crew(lambda about, page: time.sleep(len(page)), cores=2) as crew:
                for worker in crew._workers:
                    worker.ask(None, b"")  # by now they have begun, and let go of what they were born with
                threading.Thread(target=crew.do, args=(None, b"1"), daemon=True).start()
                print(json.dumps(pids(crew)), flush=True)
                time.sleep(60)
            """,
            str(lock),
        ),
        env=environment(),
        stdout=subprocess.PIPE,
    )
    with running:
        assert running.stdout is not None
        children = json.loads(running.stdout.readline())
        running.send_signal(number)
        running.wait()
        # At once, although one of them is in the middle of a page.
        with lock.open("w") as mine:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert running.stdout.read() == b"", "no child holds the output open"
        deadline = time.monotonic() + 10
        while not all(map(gone, children)) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(children) == 2
    assert all(map(gone, children))


@pytest.mark.parametrize(
    ("before", "cores"), [("", 1), ("threading.Thread(target=time.sleep, args=(9,), daemon=True).start()", 4)]
)
def test_with_one_core_or_where_threads_run_already_the_function_runs_in_place(before: str, cores: int) -> None:
    found = told(f"""
        {before}
        with Crew(lambda about, page: (about, page.decode(), os.getpid() == {"os.getpid()"}), cores={cores}) as crew:
            own = os.getpid()
            print(json.dumps([crew.size, crew.do(1, b"page")]), flush=True)
        os._exit(0)
    """)
    assert found == [0, [1, "page", True]]


@pytest.mark.parametrize("failing", ["os.fork", "os.pipe"])
def test_where_the_system_allows_no_process_the_function_runs_in_place(failing: str) -> None:
    found = told(f"""
        whole, calls = {failing}, 0
        def refuse():
            global calls
            calls += 1
            if calls > 1:
                raise OSError(11, "no")
            return whole()
        {failing} = refuse
        with Crew(lambda about, page: page.decode(), cores=4) as crew:
            print(json.dumps([crew.size, crew.do(None, b"page"), len(os.listdir("/proc/self/fd"))]))
    """)
    assert found == [0, "page", 4]


def test_a_dismissed_crew_goes_on_in_place() -> None:
    found = told("""
        with Crew(lambda about, page: os.getpid(), cores=2) as crew:
            other = crew.do(None, b"")
            crew.dismiss()
            print(json.dumps([other == os.getpid(), crew.do(None, b"") == os.getpid(), crew.size]))
    """)
    assert found == [False, True, 0]


def test_there_are_never_more_than_four_workers() -> None:
    assert (
        told("""
        with Crew(lambda about, page: None, cores=64) as crew:
            print(json.dumps(crew.size))
    """)
        == 4
    )


def test_in_place_the_function_raises_what_it_raises() -> None:
    with Crew(_raises(BadResponse("Odd.")), cores=1) as crew, pytest.raises(BadResponse, match=r"Odd\."):
        crew.do(None, b"")
