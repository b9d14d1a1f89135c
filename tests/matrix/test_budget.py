"""What a machine has for us, and who waits for room on it."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix import budget
from matrix.budget import BYTES_A_JOB, GB, Budget, Machine, default_jobs
from matrix.processes import StoppedError

GIB = 2**30
MEMINFO = "MemTotal:  33554432 kB\nMemFree: 1 kB\nMemAvailable:  16777216 kB\n"
PATIENCE = 60  # a test that hangs ends; no test that passes waits as long


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Make a machine of 8 cores and 32 GiB, half of it free, from the files that it would have."""
    cores = set(range(8))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)

    def make(group="", **files):
        files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": group, **files}
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Machine(tmp_path)

    return make


def seen(machine):
    return machine.cores(), machine.memory() / GIB, machine.free_memory() / GIB


def test_a_machine_without_limits_is_as_large_as_it_is(machine):
    assert seen(machine()) == (8, 32, 16)
    assert default_jobs(machine()) == 8


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        (
            "0::/\n",
            {
                "cpu.max": "250000 100000\n",
                "memory.max": f"{8 * GIB}\n",
                "memory.current": f"{5 * GIB}\n",
                "memory.stat": f"anon 1\ninactive_file {2 * GIB}\n",
            },
            (2, 8, 5),
        ),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, (8, 32, 16)),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, (4, 32, 16)),
        ("0::/a/b\n", {"a/b/memory.max": f"{4 * GIB}", "a/memory.max": f"{6 * GIB}"}, (8, 4, 4)),
        ("0::/a\n", {"memory.max": f"{GIB}"}, (8, 1, 1)),
        ("0::/../a\n", {"cpu.max": "50000 100000"}, (1, 32, 16)),
        (
            "5:cpu,cpuacct:/d\n4:memory:/d\n",
            {
                "cpu/d/cpu.cfs_quota_us": "300000\n",
                "cpu/d/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": f"{12 * GIB}\n",
                "memory/memory.usage_in_bytes": f"{9 * GIB}\n",
                "memory/memory.stat": f"total_inactive_file {GIB}\n",
            },
            (3, 12, 4),
        ),
        (
            "5:cpu,cpuacct:/\n4:memory:/\n",
            {
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            (8, 32, 16),
        ),
    ],
    ids=[
        "v2",
        "v2 open",
        "of a parent",
        "the least",
        "a path of the host",
        "above",
        "v1",
        "v1 open",
    ],
)
def test_the_limits_of_a_container_count(machine, group, files, expected):
    placed = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    assert seen(machine(group, **placed)) == expected


def test_a_container_of_little_memory_runs_few_cells_and_always_one(machine):
    for gigabytes, jobs in ((9, 2), (1, 1)):
        made = machine("0::/\n", **{"sys/fs/cgroup/memory.max": f"{gigabytes * GIB}"})
        assert default_jobs(made) == jobs
    assert BYTES_A_JOB == 4 * GIB


def test_cores_that_the_process_may_not_use_do_not_count(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert machine().cores() == 1


def test_a_system_without_these_files_says_what_python_knows(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    found = Machine(tmp_path)
    assert found.cores() == 3
    assert found.memory() == found.free_memory() == budget._physical_memory() > 0


class Watched(Budget):
    """A budget that notes, in order, who got in and who waits."""

    def __init__(self, disk, memory):
        self.events = queue.Queue()
        super().__init__(disk, memory, self._told, recheck=None)

    def _told(self, sentence):
        self.events.put(("waiting", sentence.partition(":")[0]))

    def _let_in(self, ticket, asked):
        super()._let_in(ticket, asked)
        self.events.put(("in", ticket.who))


class Actor:
    """Somebody who takes rooms one inside the other, each when told to, and then leaves."""

    def __init__(self, name, needs, rooms):
        self.name = name
        self.needs = needs
        self.taken = 0
        self.used = 0
        self._go = queue.Queue()
        self._rooms = rooms
        self.thread = threading.Thread(target=self._live, name=name, daemon=True)
        self.thread.start()

    def _live(self):
        with ExitStack() as rooms:
            for need in self.needs:
                self._go.get()
                rooms.enter_context(self._rooms.room(**need, who=self.name))
            self._go.get()  # for ever, in a thread that ends with the process

    def go_on(self):
        self._go.put(None)

    def held(self, kind):
        return sum(need[kind] for need in self.needs[: self.taken])

    @property
    def wanted(self):
        return self.needs[self.taken]


class Story:
    """Actors in a budget, beside a model of it that knows no threads."""

    def __init__(self, disk, memory):
        self.size = {"disk": disk, "memory": memory}
        self.left_behind = 0
        self.actors = {}
        self.waiting = []
        self.rooms = Watched(self.free_disk, self.free_memory)

    def free_disk(self):
        used = sum(actor.used for actor in self.actors.values())
        return self.size["disk"] - self.left_behind - used

    def free_memory(self):
        return self.size["memory"]

    def lacking(self, actor):
        free = {"disk": self.free_disk(), "memory": self.free_memory()}
        held = {kind: sum(a.held(kind) for a in self.actors.values()) for kind in free}
        wanted = actor.wanted
        return [k for k in free if wanted[k] > max(0, free[k] - held[k])]

    def may_go(self, actor):
        """Whether it fits, or nobody would give back what is lacking."""
        lacking = self.lacking(actor)
        others = [a for a in self.actors.values() if a is not actor and a.taken]
        holders = [a for a in others if any(a.held(kind) for kind in lacking)]
        return not (lacking and holders and any(a not in self.waiting for a in others))

    def next_event(self):
        kind, name = self.rooms.events.get(timeout=PATIENCE)
        return kind, self.actors[name]

    def come(self, name, needs):
        self.actors[name] = Actor(name, needs, self.rooms)
        self.advance(self.actors[name])

    def advance(self, actor):
        if actor.taken == len(actor.needs):
            self.leave(actor)
            return
        self.waiting.append(actor)
        actor.go_on()
        self.settle()
        if actor in self.waiting:
            assert self.next_event() == ("waiting", actor)

    def leave(self, actor):
        actor.go_on()
        actor.thread.join(PATIENCE)
        assert not actor.thread.is_alive()
        while actor.taken:  # one room after the other
            actor.taken -= 1
            self.settle()
        del self.actors[actor.name]
        self.left_behind += actor.used

    def settle(self):
        """Let in those who may go, who came first before the others."""
        for actor in list(self.waiting):
            if self.may_go(actor):
                assert self.next_event() == ("in", actor)
                self.waiting.remove(actor)
                actor.taken += 1

    def use(self, actor):
        """Fill the disk with what was promised to it."""
        actor.used = max(actor.used, actor.held("disk"))

    def ready(self):
        return [actor for actor in self.actors.values() if actor not in self.waiting]


some_bytes = st.integers(0, 6)
one_need = st.fixed_dictionaries({"disk": some_bytes, "memory": some_bytes})
some_actors = st.lists(st.lists(one_need, min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=150)
@given(actors=some_actors, data=st.data())
def test_all_get_in_and_only_who_is_alone_with_too_little_takes_what_is_promised(actors, data):
    story = Story(disk=8, memory=8)
    coming = {str(number): needs for number, needs in enumerate(actors)}
    while coming or story.actors:
        # Never all wait: whoever is under way and does not wait can be told to go on.
        assert coming or story.ready()
        names = [*coming, *(actor.name for actor in story.ready())]
        name = data.draw(st.sampled_from(names))
        if name in coming:
            story.come(name, coming.pop(name))
        elif data.draw(st.booleans()):
            story.use(story.actors[name])
        else:
            story.advance(story.actors[name])
    assert story.rooms.events.empty()


@settings(max_examples=50)
@given(needs=st.lists(st.integers(1, 8), min_size=1, max_size=8))
def test_what_cells_take_of_memory_together_is_never_more_than_there_is(needs):
    taken, most, lock = [0], [0], threading.Lock()
    rooms = Budget(lambda: 0, lambda: 8 - taken[0], recheck=None)

    def run(need):
        with rooms.room(memory=need):
            with lock:
                taken[0] += need
                most[0] = max(most[0], taken[0])
            os.sched_yield()
            with lock:
                taken[0] -= need

    threads = [threading.Thread(target=run, args=(need,), daemon=True) for need in needs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert most[0] <= 8


def test_who_waits_says_once_for_what_and_is_let_in_when_there_is_room():
    free, said = [9 * GB], queue.Queue()
    rooms = Budget(lambda: free[0], lambda: 0, said.put, recheck=None)
    entered = threading.Event()

    def second():
        with rooms.room(disk=int(5.5 * GB), who="a-cell"):
            entered.set()

    thread = threading.Thread(target=second, daemon=True)
    with rooms.room(disk=int(5.9 * GB)):
        thread.start()
        words = said.get(timeout=PATIENCE)
        with rooms.room():  # Whoever leaves wakes it, and it does not say so again.
            pass
        assert not entered.is_set()
    thread.join(PATIENCE)
    assert entered.is_set()
    assert words == "a-cell: waiting for 5.5 GB of disk; 3.1 GB free"
    assert said.empty()


def test_who_is_alone_goes_on_with_what_there_is():
    said = []
    rooms = Budget(lambda: 1, lambda: 1, said.append)
    with rooms.room(disk=GB, memory=GB):
        with rooms.room(disk=GB):
            assert said == []


def test_a_need_is_asked_anew_while_it_waits():
    needs, said = [9], queue.Queue()
    rooms = Budget(lambda: 10, lambda: 0, said.put, recheck=None)
    entered = threading.Event()

    def second():
        with rooms.room(disk=lambda: needs[0]):
            entered.set()

    thread = threading.Thread(target=second, daemon=True)
    with rooms.room(disk=2):
        thread.start()
        said.get(timeout=PATIENCE)
        needs[0] = 1
        with rooms.room():
            pass
        assert entered.wait(PATIENCE)
    thread.join(PATIENCE)


def test_room_that_others_make_is_found_without_being_told():
    free, said = [2], queue.Queue()
    rooms = Budget(lambda: free[0], lambda: 0, said.put, recheck=0.001)
    entered = threading.Event()

    def second():
        with rooms.room(disk=2):
            entered.set()

    thread = threading.Thread(target=second, daemon=True)
    with rooms.room(disk=1):
        thread.start()
        said.get(timeout=PATIENCE)
        free[0] = 3
        assert entered.wait(PATIENCE)
    thread.join(PATIENCE)


@pytest.fixture
def waiting():
    """Make a thread that waits in a budget, and a queue with how that ended."""
    threads = []

    def start(rooms, said):
        ended = queue.Queue()

        def live():
            try:
                with rooms.room(disk=1):
                    ended.put("got in")
            except StoppedError:
                ended.put("stopped")

        threads.append(threading.Thread(target=live, daemon=True))
        threads[-1].start()
        said.get(timeout=PATIENCE)
        return ended

    yield start
    for thread in threads:
        thread.join(PATIENCE)


def test_a_stop_of_the_sweep_ends_all_waiting_and_lets_nobody_in(waiting):
    said, stopped = queue.Queue(), threading.Event()
    rooms = Budget(lambda: 1, lambda: 0, said.put, stopped.is_set, recheck=0.001)
    with rooms.room(disk=1):
        ended = waiting(rooms, said)
        stopped.set()
        assert ended.get(timeout=PATIENCE) == "stopped"
    with pytest.raises(StoppedError), rooms.room():
        pass


def test_without_limits_nobody_waits():
    rooms = budget.unlimited()
    with rooms.room(disk=10**15, memory=10**15):
        with rooms.room(disk=10**15, memory=10**15):
            pass


def test_memory_that_was_promised_and_is_taken_counts_once():
    free, said = [10], []
    rooms = Budget(lambda: 0, lambda: free[0], said.append)
    with rooms.room(memory=4):
        free[0] = 6
        entered = threading.Event()

        def second():
            with rooms.room(memory=5):
                entered.set()

        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert entered.is_set()
    assert said == []
