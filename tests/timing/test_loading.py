"""What torch.load alone takes: three ways, each in a process of its own, none of them a danger."""

from __future__ import annotations

import fractions
import hashlib
import json
import pickle
import shutil
import weakref
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from pytest_torchcompat.attempt import Attempts, Check  # noqa: E402
from pytest_torchcompat.checkpoints.catalogue import (  # noqa: E402
    Checkpoint,
    CheckpointFile,
    Edition,
)
from pytest_torchcompat.isolation import Died, Returned, TimedOut  # noqa: E402
from pytest_torchcompat.libraries.plain import PlainTorch  # noqa: E402
from pytest_torchcompat.outcome import Outcome  # noqa: E402
from pytest_torchcompat.policies import FORCE, Policy  # noqa: E402
from pytest_torchcompat.policies.rules import Rules  # noqa: E402
from pytest_torchcompat.timing import loading, memory  # noqa: E402
from pytest_torchcompat.timing.loading import Asked, Loads, Readings  # noqa: E402

WAYS = ("policy", "plain", "mmap")
MEGABYTE = 10**6
pytestmark = pytest.mark.filterwarnings("ignore:You are using `torch.load`:FutureWarning")
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "matrix" / "matrix.schema.json").read_text("utf-8")
)

on_linux = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the system opens no file by its descriptor"
)
told = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(),
    reason="the system does not say what a process held at its peak",
)


class Undaunted(PlainTorch):
    """A library that goes on without a file that it could not read."""

    def load(self, checkpoint, path):
        try:
            return super().load(checkpoint, path)
        except pickle.UnpicklingError:
            return None


class Insistent(PlainTorch):
    """A library that says itself that it wants everything."""

    def load(self, checkpoint, path):
        return torch.load(path, map_location="cpu", weights_only=False)


class Allowing(PlainTorch):
    """A library that registers what its files need just before it reads one."""

    def load(self, checkpoint, path):
        torch.serialization.add_safe_globals([fractions.Fraction])
        return super().load(checkpoint, path)


class Runs:
    """Pickles as a call of exec."""

    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return exec, (self.code,)


@pytest.fixture(autouse=True)
def no_switches(monkeypatch):
    monkeypatch.delenv(FORCE, raising=False)


@pytest.fixture
def saved(tmp_path):
    def save(value, name="a.pt", **how):
        torch.save(value, tmp_path / name, **how)
        return tmp_path / name

    return save


@pytest.fixture
def record(monkeypatch):
    """Return the record of a file's check in processes of its library."""
    opened = []

    def make(path, policy=Policy.STRICT, library=None, *, verified=True, runs=None, **rules):
        library, sha256 = library or PlainTorch(), sha256_of(path)
        if runs is None:
            runs = Attempts(library, {"torch": torch.__version__}, "off", 60.0)
            opened.append(runs)
        file = CheckpointFile(Checkpoint("a/b", "torch", "a test"), path, Edition.REPLICA, sha256)
        known = frozenset({sha256}) if verified else frozenset()
        return runs.record(Check(file, policy, library, Rules(verified=known, **rules)))

    yield make
    for each in opened:
        each.close()


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def had(found):
    return [way for way in WAYS if found[way] is not None]


@pytest.mark.parametrize("policy", [each for each in Policy if each is not Policy.STOCK])
def test_a_file_is_loaded_in_three_ways_under_each_policy(policy, saved, record):
    path = saved({"w": torch.ones(1000)})
    found = record(path, policy).loading
    assert (had(found), found["remarks"]) == (list(WAYS), [])
    assert found["bytes"] == path.stat().st_size
    assert found["method"] == "perf_counter, 1 thread, file cached"
    assert all(0 < found[way]["min"] <= found[way]["median"] for way in WAYS)


def test_what_is_found_follows_the_schema_of_a_matrix(saved, record):
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/loading"}
    whole = record(saved({"w": torch.ones(10)})).loading
    lacking = record(saved({"w": 1}, "b.pt", _use_new_zipfile_serialization=False)).loading
    assert [len(had(each)) for each in (whole, lacking)] == [3, 2]
    for each in (whole, lacking):
        jsonschema.validate(json.loads(json.dumps(each)), schema)


@told
def test_the_memory_is_that_of_the_file_and_a_mapped_file_takes_next_to_none(saved, record):
    found = record(saved({"w": torch.ones(16 * 2**20)})).loading
    assert min(found[way]["memory"] for way in ("policy", "plain")) >= 64 * MEGABYTE
    assert found["mmap"]["memory"] < 8 * MEGABYTE


@told
def test_the_memory_of_next_to_nothing_is_not_that_of_torchs_own_code(saved, record):
    found = record(saved({"w": torch.ones(1)})).loading
    assert max(found[way]["memory"] for way in WAYS) < 5 * MEGABYTE


def test_where_the_system_does_not_say_there_is_no_memory(saved, record, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MARK", tmp_path / "nowhere" / "mark")
    found = record(saved({"w": torch.ones(1)})).loading
    assert [found[way]["memory"] for way in WAYS] == [None] * 3


def test_a_file_of_the_old_format_is_not_mapped_and_torch_says_why(saved, record):
    found = record(saved({"w": torch.ones(3)}, _use_new_zipfile_serialization=False)).loading
    assert had(found) == ["policy", "plain"]
    (remark,) = found["remarks"]
    assert remark.startswith("mmap: RuntimeError: mmap can only be used with files saved with")
    assert "/proc" not in remark  # by which the file was opened; torch 2.5 says it


def test_an_untrusted_file_is_loaded_under_the_policy_alone(saved, record):
    path = saved({"w": torch.ones(3)})
    found = record(path, verified=False).loading
    assert had(found) == ["policy"]
    why = (
        f"torch.load would execute the pickle in {path}, which is neither verified nor trusted."
        f" If you trust it, name it: --torchcompat-trust={sha256_of(path)}"
    )
    assert found["remarks"] == [f"plain: {why}", f"mmap: {why}"]


@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.ALLOWLISTED, Policy.PATCHED])
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_of_an_untrusted_file_is_ever_executed(policy, zipped, saved, record, tmp_path):
    canary = tmp_path / "canary"
    hostile = Runs(f"open({str(canary)!r}, 'w').close()")
    path = saved(hostile, _use_new_zipfile_serialization=zipped)
    found = record(path, policy, Undaunted(), verified=False)
    assert found.outcome is Outcome.PASS
    assert (had(found.loading), len(found.loading["remarks"])) == ([], 3)
    assert not canary.exists()
    record(path, policy, Undaunted(), verified=False, trust=(str(path),))
    assert canary.exists()  # so it would have been seen


@on_linux
def test_a_swap_between_hashing_and_loading_executes_nothing(saved, record, tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    hostile = saved(Runs(f"open({str(canary)!r}, 'w').close()"), "hostile.pt")
    path = saved({"w": torch.ones(3)})

    def swapped(hashed):
        found = sha256_of(Path(hashed))
        shutil.copy(hostile, tmp_path / "copy.pt")
        (tmp_path / "copy.pt").replace(path)
        return found

    monkeypatch.setattr(loading, "sha256_of", swapped)
    found = record(path).loading
    assert had(found) == ["plain"]  # the others come after the swap, and find another file
    assert sha256_of(path) == sha256_of(hostile)
    assert not canary.exists()


def test_no_switch_of_the_environment_holds_for_a_plain_load(saved, record, monkeypatch):
    monkeypatch.setenv(FORCE, "1")
    found = record(saved({"w": fractions.Fraction(1, 3)}), Policy.PATCHED).loading
    assert had(found) == list(WAYS)


def test_what_the_library_says_to_torch_load_is_said_again(saved, record):
    found = record(saved(fractions.Fraction(1, 3)), Policy.PATCHED, Insistent()).loading
    assert (had(found), found["remarks"]) == (list(WAYS), [])


def test_stock_is_no_policy_whose_loads_could_be_timed(saved, record):
    found = record(saved({"w": 1}), Policy.STOCK)
    assert (found.outcome.works, found.loading) == (True, None)


def test_what_the_library_registers_as_it_loads_is_registered_again(saved, record):
    found = record(saved(fractions.Fraction(1, 3)), Policy.STRICT, Allowing()).loading
    assert (had(found), found["remarks"]) == (list(WAYS), [])


def second(what):
    return (
        f"import os, sys\nsys.loaded = getattr(sys, 'loaded', 0) + 1\nif sys.loaded > 1: {what}\n"
    )


def test_a_load_that_raises_in_the_second_round_is_a_remark_and_changes_no_verdict(saved, record):
    path = saved(Runs(second("raise ValueError('too often\\nor so')")))
    found = record(path, Policy.PATCHED)
    assert (found.outcome, had(found.loading)) == (Outcome.PASS, [])
    assert found.loading["remarks"] == [f"{way}: ValueError: too often" for way in WAYS]


def test_a_load_that_dies_is_a_remark_and_the_next_check_is_none_the_worse(saved, record):
    runs = Attempts(PlainTorch(), {"torch": torch.__version__}, "off", 60.0)
    found = record(saved(Runs(second("os.abort()"))), Policy.PATCHED, runs=runs)
    assert (found.outcome, had(found.loading)) == (Outcome.PASS, [])
    assert found.loading["remarks"] == [f"{way}: the process died: signal SIGABRT" for way in WAYS]
    after = record(saved({"w": 1}, "b.pt"), runs=runs)
    runs.close()
    assert (after.outcome, had(after.loading)) == (Outcome.PASS, list(WAYS))


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (TimedOut(600, None, ""), "not done after 600 s, and killed"),
        (Died(-11, None, ""), "the process died: signal SIGSEGV"),
        (
            Died(-9, None, "", starved=True),
            "the machine ran out of memory, and the kernel killed the process",
        ),
    ],
)
def test_a_measurement_without_an_answer_is_a_remark(result, why, saved):
    found = Readings().of(asked(saved({})), "ff", lambda *_: result)
    assert had(found) == []
    assert found["remarks"] == [f"{way}: {why}" for way in WAYS]


def asked(path, policy=Policy.STRICT):
    return Asked(path, policy, Rules())


def test_what_no_policy_has_a_part_in_is_measured_once_for_a_file(saved):
    done = []

    def run(task, given, way):
        done.append((given.policy.value, way))
        return Returned(({"median": len(done)}, ""), "")

    readings, path = Readings(), saved({})
    strict = readings.of(asked(path), "ff", run)
    patched = readings.of(asked(path, Policy.PATCHED), "ff", run)
    assert sorted(done[:3]) == [("strict", way) for way in sorted(WAYS)]
    assert done[3:] == [("patched", "policy")]
    assert strict["plain"] is patched["plain"]
    assert strict["policy"] != patched["policy"]
    readings.of(asked(path), "another", run)
    assert len(done) == 7  # all three again


def test_a_file_that_is_gone_has_no_figures(tmp_path):
    assert Readings().of(asked(tmp_path / "gone.pt"), "ff", pytest.fail) is None


def test_what_a_load_returned_is_gone_before_the_next_begins():
    class Tensor:
        pass

    held, clock = [], iter(range(100))

    def load():
        assert [each() for each in held] == [None] * len(held)
        found = Tensor()
        found.itself = found  # which only the collector frees
        held.append(weakref.ref(found))
        return found

    assert Loads(load, lambda: next(clock)).take(3) == [1, 1, 1]
