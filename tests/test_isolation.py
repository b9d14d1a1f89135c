"""A task in a child: data, a signal or a timeout comes back, and nothing else."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from pytest_torchcompat import isolation, machine, reaping
from pytest_torchcompat.isolation import TAIL, Died, Nursery, Returned, TimedOut

STATE = {"prepared": 0, "touched": False}


def prepare():
    STATE["prepared"] += 1


def die_in_preparation():
    os.kill(os.getpid(), signal.SIGSEGV)


def hang_in_preparation():
    signal.pause()


def look(say):
    return dict(STATE), os.getpid()


def touch(say):
    STATE["touched"] = True


def segfault(say):
    say("forward")
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(say):
    say("load")
    signal.pause()


def leave_a_session_behind(say):
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    return subprocess.Popen(command, start_new_session=True).pid


def score(say):
    with open("/proc/self/oom_score_adj") as file:
        return int(file.read())


def allocate_a_gigabyte(say):
    bytearray(2**30)


def print_much_and_die(say):
    for _ in range(64):
        os.write(1, b"x" * 2**20)
    os.write(1, b"the end")
    os.abort()


def take_too_much_memory(say):
    limit = 512 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    bytearray(2 * limit)


def be_killed(say, counter):
    if counter:
        counter.write_text("oom_kill 4\n")
    os.kill(os.getpid(), signal.SIGKILL)


def raise_in_task(say):
    raise ValueError("nobody hears this")


def leave_a_child_behind(say):
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    return child.pid


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().split()[2] != "Z"


@pytest.fixture(params=["fork", "spawn"])
def nursery(request):
    with Nursery(prepare, request.param) as found:
        yield found


def test_a_task_returns_its_value(nursery):
    result = nursery.run(look, timeout=60)
    assert isinstance(result, Returned)
    assert result.value[0] == {"prepared": 1, "touched": False}


def test_what_one_task_changes_the_next_does_not_see(nursery):
    nursery.run(touch, timeout=60)
    assert nursery.run(look, timeout=60).value[0]["touched"] is False


def test_tasks_share_one_preparation_and_run_in_processes_of_their_own():
    with Nursery(prepare, "fork") as nursery:
        answers = [nursery.run(look, timeout=60).value for _ in range(3)]
    assert [state["prepared"] for state, _ in answers] == [1, 1, 1]
    assert len({pid for _, pid in answers} | {os.getpid()}) == 4


def test_a_segfault_is_told_with_its_signal_stage_and_last_output(nursery):
    result = nursery.run(segfault, timeout=60)
    assert isinstance(result, Died)
    assert result.reason == "signal SIGSEGV"
    assert result.stage == "forward"
    assert "last words" in result.output


def test_after_a_crash_the_next_task_runs(nursery):
    nursery.run(segfault, timeout=60)
    assert isinstance(nursery.run(look, timeout=60), Returned)


def test_a_hang_is_told_with_its_stage_and_killed(nursery):
    result = nursery.run(hang, timeout=1)
    assert isinstance(result, TimedOut)
    assert result.stage in ("load", None)  # spawning may take the second that it has


def test_a_hang_in_preparation_is_a_timeout_without_a_stage():
    with Nursery(hang_in_preparation, "fork") as nursery:
        result = nursery.run(look, timeout=0.5)
    assert isinstance(result, TimedOut)
    assert result.stage is None


def test_a_crash_in_preparation_is_told_with_its_signal():
    with Nursery(die_in_preparation, "fork") as nursery:
        assert nursery.run(look, timeout=60).reason == "signal SIGSEGV"


def test_a_preparation_that_failed_is_not_waited_for_again():
    with Nursery(hang_in_preparation, "fork") as nursery:
        first = nursery.run(look, timeout=0.5)
        assert nursery.run(look, timeout=60) is first


def test_too_much_memory_ends_that_task_alone():
    with Nursery(prepare, "fork") as nursery:
        result = nursery.run(take_too_much_memory, timeout=60)
        assert isinstance(result, Died)
        assert "MemoryError" in result.output
        assert isinstance(nursery.run(look, timeout=60), Returned)


def test_a_task_may_allocate_as_much_as_it_is_given_and_no_more():
    with Nursery(prepare, "fork", memory=2**29) as nursery:
        result = nursery.run(allocate_a_gigabyte, timeout=60)
        assert "MemoryError" in result.output
        assert isinstance(nursery.run(look, timeout=60), Returned)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's scale is Linux's")
def test_the_kernel_is_asked_to_kill_a_task_before_all_else(nursery):
    assert nursery.run(score, timeout=60).value == 1000


def test_of_a_long_output_the_end_is_kept(nursery):
    result = nursery.run(print_much_and_die, timeout=60)
    assert len(result.output) <= TAIL
    assert "xxthe end" in result.output


@pytest.mark.parametrize("rose", [True, False])
def test_a_kill_while_the_kernel_kills_for_want_of_memory_is_told_apart(
    tmp_path, monkeypatch, rose
):
    counter = tmp_path / "vmstat"
    counter.write_text("oom_kill 3\n")
    monkeypatch.setattr(machine.kills, "__defaults__", ((counter,),))
    with Nursery(prepare, "fork") as nursery:
        assert nursery.run(be_killed, counter if rose else None, timeout=60).starved is rose


def test_a_kill_by_the_system_is_named_with_a_guess():
    assert Died(-signal.SIGKILL, None, "").reason == "signal SIGKILL (out of memory?)"
    assert Died(3, None, "").reason == "exit code 3"


def test_a_signal_that_has_no_name_is_told_by_its_number():
    assert Died(-40, None, "").reason == "signal 40"


def test_an_exception_in_a_task_is_in_its_output(nursery):
    result = nursery.run(raise_in_task, timeout=60)
    assert isinstance(result, Died)
    assert "ValueError: nobody hears this" in result.output


def test_what_a_task_started_goes_with_it():
    with Nursery(prepare, "fork") as nursery:
        pid = nursery.run(leave_a_child_behind, timeout=60).value
    assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans up")
def test_what_a_task_started_in_a_session_of_its_own_goes_with_it_too(nursery):
    assert not alive(nursery.run(leave_a_session_behind, timeout=60).value)


def test_children_go_when_the_parent_is_killed(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from pytest_torchcompat.isolation import Nursery
        def nothing(): pass
        def tell(say):
            print("child", os.getpid(), os.getppid(), file=open(sys.argv[1], "w"), flush=True)
            signal.pause()
        Nursery(nothing, "fork").run(tell, timeout=60)
        """)
    )
    told = tmp_path / "told"
    parent = subprocess.Popen([sys.executable, str(program), str(told)])
    until(lambda: told.exists() and told.read_text().endswith("\n"))
    pids = [int(word) for word in told.read_text().split()[1:]]
    parent.kill()
    parent.wait()
    until(lambda: not any(map(alive, pids)))


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_a_task_that_has_ended_is_not_killed_later_when_its_id_may_be_anothers(monkeypatch):
    killed, kill = [], isolation.kill_group

    def noted(pid):
        killed.append(pid)
        kill(pid)

    monkeypatch.setattr(isolation, "kill_group", noted)
    with Nursery(prepare, "fork") as nursery:
        _, pid = nursery.run(look, timeout=60).value
    assert killed
    assert pid not in killed


def test_where_the_system_has_no_such_calls_a_child_does_without_them(monkeypatch):
    monkeypatch.setattr(reaping, "LINUX", False)
    monkeypatch.delattr(signal, "SIGKILL")
    monkeypatch.delattr(os, "waitid", raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(machine, "SCORE", machine.Path("/not/there"))
    reaping.die_with_parent()
    machine.confine(2**30)
    assert not reaping.has_children()


def test_a_limit_that_is_there_already_is_kept(monkeypatch):
    limits = []
    monkeypatch.setattr(machine, "SCORE", machine.Path("/not/there"))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**20, 2**20))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    machine.confine(2**30)
    assert limits == [(2**20, 2**20)]


def test_a_process_that_is_not_ours_to_kill_is_not_waited_for(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(reaping, "below", lambda *_: [1])
    reaping.kill_below(os.getpid())
