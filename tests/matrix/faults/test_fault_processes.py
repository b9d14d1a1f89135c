"""Processes of the sweep: what they leave dies, what they print is bounded, hangs end."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from matrix import processes as module
from matrix.processes import LIMITS, Finished, Kept, Processes, StoppedError, limited
from matrix.verdicts import classify, no_interpreter
from pytest_torchcompat import machine
from pytest_torchcompat.outcome import Outcome

DAEMON = """
import os, subprocess, sys
print(os.getpid(), flush=True)
for elsewhere in (False, True):
    subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"],
                     start_new_session=elsewhere)
"""

MEETS = """
import os, signal
open(os.environ["STUB_MEETING"], "w").write("here")
signal.pause()
"""


def test_what_a_process_leaves_behind_is_dead_when_it_has_ended(traces):
    assert Processes().run([sys.executable, "-c", DAEMON]).returncode == 0
    assert traces.processes() == []


def test_a_process_that_kills_its_group_does_not_kill_its_guard(traces):
    code = f"{DAEMON}\nos.killpg(0, 9)"
    assert Processes().run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    assert traces.processes() == []


def test_a_command_dies_with_its_guard(traces):
    code = "import os, signal; os.kill(os.getppid(), 9); signal.pause()"
    assert Processes().run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


def test_a_stopped_guard_is_killed_with_all_below_it(traces, monkeypatch, clock, beside, meeting):
    monkeypatch.setattr(module, "GRACE", 0.1)
    code = f"{DAEMON}\nos.kill(os.getppid(), 19)\n{MEETS}"
    running = beside(Processes().run, [sys.executable, "-c", code], timeout=60)
    meeting.wait()
    clock.ahead = 60
    assert running.result().returncode is None
    assert traces.processes() == []


def test_a_process_that_hangs_in_a_stop_is_killed_when_its_time_is_over(traces):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    assert Processes().run([sys.executable, "-c", code], timeout=0.5).returncode is None
    assert traces.processes() == []


def test_what_a_process_printed_before_its_time_was_over_is_kept(clock, beside, meeting):
    code = f"print('so far', flush=True)\n{MEETS}"
    running = beside(Processes().run, [sys.executable, "-c", code], timeout=60)
    meeting.wait()
    clock.ahead = 60
    assert running.result() == Finished(None, "so far\n")


def test_signals_that_python_ignores_are_as_usual_in_what_it_starts():
    done = Processes().run(["sh", "-c", "kill -PIPE $$; echo not killed"])
    assert done == Finished(-signal.SIGPIPE)


def test_a_command_that_is_not_there_is_an_error_of_the_machine():
    with pytest.raises(FileNotFoundError, match="there is no such command"):
        Processes().run(["/no/such/command"])


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (0, b""),
        (10, b"0123456789"),
        (12, b"0123456789ab"),
        (16, b"012345\n[... 4 bytes left out ...]\nabcdef"),
    ],
)
def test_of_a_long_output_the_beginning_and_the_end_are_kept(tmp_path, size, kept):
    printed = b"0123456789abcdef"[:size]
    with (tmp_path / "output.txt").open("w") as file:
        output = Kept(file, limit=12)
        for place in range(0, size, 2):
            output.write(printed[place : place + 2])
        text = output.close()
    assert text.encode() == kept
    assert (tmp_path / "output.txt").read_bytes() == kept


def test_a_chunk_is_cut_where_the_beginning_ends():
    output = Kept(None, limit=8)
    output.write(b"0123456789")
    assert output.close() == "0123456789"


def test_a_full_disk_under_an_output_ends_nothing():
    with open("/dev/full", "w") as full:
        done = Processes().run([sys.executable, "-c", "print('said')"], output=full)
    assert (done.returncode, done.output) == (0, "said\n")


def test_a_stage_that_hangs_is_infra_and_says_so():
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    done = limited(Processes(), "installation", command, {"installation": 0.2})
    assert done.returncode is None
    found = classify(done.output)
    sentence = "the installation was not done after 0 s, and was killed"
    assert (found.outcome, found.reason) == (Outcome.INFRA, sentence)
    assert no_interpreter("3.12", done.output).outcome is Outcome.INFRA


def test_each_stage_has_a_limit():
    assert set(LIMITS) == {*("interpreter", "installation", "build", "listing", "cleaning")}
    assert all(seconds > 0 for seconds in LIMITS.values())


def test_a_kill_while_the_kernel_kills_for_want_of_memory_is_told_apart(tmp_path, monkeypatch):
    counter = tmp_path / "vmstat"
    counter.write_text("pgfault 7\noom_kill 3\n")
    monkeypatch.setattr(machine.kills, "__defaults__", ((counter,),))
    kill = "import os; os.kill(os.getpid(), 9)"
    raise_it = f"open({str(counter)!r}, 'w').write('oom_kill 4\\n'); {kill}"
    assert not Processes().run([sys.executable, "-c", kill]).starved
    assert Processes().run([sys.executable, "-c", raise_it]).starved


def test_a_wait_ends_when_the_sweep_is_stopped():
    processes = Processes()
    ended = []
    thread = threading.Thread(target=lambda: ended.append(processes.wait(3600)))
    thread.start()
    processes.stop()
    thread.join()
    assert ended == [True]
    with pytest.raises(StoppedError):
        processes.run([sys.executable, "-c", ""])
