from __future__ import annotations

import os
import resource
import select
import sys
import threading

import pytest

from matrix.processes import Finished, Processes, StoppedError, limited, uv

WAIT = "import threading; threading.Event().wait()"
# A child that starts a child of its own, which says hello and then holds the pipe open.
FAMILY = f"""
import subprocess, sys
held = open(sys.argv[1], "w")
held.write("x")
held.flush()
subprocess.run([sys.executable, "-c", {WAIT!r}], pass_fds=[held.fileno()])
"""


def test_a_process_gives_its_output_and_exit_code():
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
    assert Processes().run([sys.executable, "-c", code]) == Finished(3, "out\nerr\n")


def test_a_process_that_runs_out_of_its_time_is_killed():
    assert Processes().run([sys.executable, "-c", WAIT], timeout=0.1) == Finished(None)


def test_stopping_kills_a_process_with_its_children(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    processes = Processes()
    seen = []

    def run():
        try:
            processes.run([sys.executable, "-c", FAMILY, str(fifo)])
        except StoppedError as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b"x"
    processes.stop()
    thread.join()
    # The end of the pipe: nobody is left who holds it.
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert len(seen) == 1


def test_nothing_is_started_once_stopped():
    processes = Processes()
    processes.stop()
    with pytest.raises(StoppedError):
        processes.run([sys.executable, "-c", ""])


def test_uv_is_the_one_beside_this_python():
    done = Processes().run(uv("--version"))
    assert done.output.startswith("uv ")


def test_a_stage_that_is_killed_says_so():
    words = ["sh", "-c", "echo Resolved; kill -9 $$"]
    done = limited(Processes(), "installation", words)
    assert done == Finished(-9, "the installation was not done: signal 9 ended it\nResolved")


def test_a_sweep_with_a_thousand_open_files_still_hears_of_an_end():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        done = Processes().run([sys.executable, "-c", "print(7)"])
    finally:
        for each in files:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert done == Finished(0, "7\n")
