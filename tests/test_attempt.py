"""An attempt is data, and its verdict a function over that data."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
from dataclasses import replace

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.attempt import Attempt, Attempts, Check, classify, record_of
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, CheckpointFile, Edition, Use
from pytest_torchcompat.isolation import Died, Returned, TimedOut
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.policies import Policy
from pytest_torchcompat.policies.rules import Load, Rules

REFUSAL = (
    "Weights only load failed. ... WeightsUnpickler error: Unsupported global: GLOBAL "
    "a.B was not an allowed global by default."
)


def load(outcome, policy=Policy.STRICT):
    return Load(policy, "app.py:1", "app.py:1", "a.pt", "ff", ("a.B",), outcome=outcome)


def failed(message="", chain=(), loads=()):
    return Attempt(Stage.LOAD, "UnpicklingError", message, chain, loads)


@pytest.mark.parametrize(
    ("found", "policy", "shimmed", "outcome"),
    [
        (Attempt(Stage.FORWARD), Policy.STOCK, False, Outcome.PASS),
        (Attempt(Stage.FORWARD), Policy.STRICT, True, Outcome.SHIMMED),
        (Attempt(Stage.FORWARD, lost=("a layer",)), Policy.STRICT, True, Outcome.DEGRADED),
        (failed(loads=(load("refused"),)), Policy.STRICT, False, Outcome.REFUSED),
        (failed(chain=(f"TypeError: {REFUSAL}",)), Policy.ALLOWLISTED, False, Outcome.REFUSED),
        (failed(chain=(f"UnpicklingError: {REFUSAL}",)), Policy.STOCK, False, Outcome.FAIL),
        (failed(chain=("KeyError: 'model'",)), Policy.STRICT, False, Outcome.FAIL),
        (
            Attempt(Stage.FORWARD, "AttributeError", "", (), (load("refused"), load("ok"))),
            Policy.STRICT,
            False,
            Outcome.FAIL,
        ),
        (Attempt(Stage.LOAD, "RuntimeError", infra=True), Policy.STRICT, False, Outcome.INFRA),
        (
            failed(chain=("Weights only load failed. Can only SETITEM for dict, OrderedDict",)),
            Policy.ALLOWLISTED,
            False,
            Outcome.FAIL,
        ),
    ],
    ids=[
        "all stages",
        "all stages with a shim",
        "all stages with a shim that lost something",
        "a load that was refused",
        "a refusal that the library wrapped in another error",
        "what torch refuses by default is a failure of stock",
        "any other error",
        "a refusal that the library got over",
        "a device that is not there",
        "a limit of the reader is no refusal of a name",
    ],
)
def test_the_verdict_follows_from_what_the_attempt_says(found, policy, shimmed, outcome):
    assert classify(found, policy, shimmed) is outcome


class Library:
    """A library that does what the name of the checkpoint says."""

    name = distribution = "fairseq"  # a name that a shim is for, on every Python from 3.11

    def __init__(self, broken=False):
        self.broken = broken

    def import_(self):
        if self.broken == "segfault":
            import os

            os.abort()
        if self.broken:
            raise ValueError("mutable default <class 'Config'> for field common is not allowed")

    def load(self, checkpoint, path):
        if checkpoint.id == "hangs":
            import signal

            signal.pause()
        if checkpoint.id == "dies":
            import os

            os.abort()
        if checkpoint.id == "lacks":
            raise KeyError("model")
        if checkpoint.id == "refused by default":
            raise pickle.UnpicklingError(REFUSAL)
        needed = checkpoint.id.split("+") if checkpoint.id.startswith("needs") else []
        missing = [name for name in needed[1:] if name not in APPLIED]
        if missing:
            raise KeyError(missing[0])
        return checkpoint.id

    def forward(self, checkpoint, model, device):
        return None

    def use(self, name, checkpoint, model, device):
        import torch

        return lambda: torch.ones(3)


APPLIED = []


class Stub:
    """A shim that only says that it is there."""

    restores = retired_when = "what a test asks for"
    libraries = ("fairseq",)

    def __init__(self, name, at_import=False, loses=()):
        self.name = name
        self.at_import = at_import
        self.loses = list(loses)
        self.lost = []

    def applies(self, versions):
        return True

    @contextlib.contextmanager
    def applied(self):
        self.lost[:] = self.loses
        APPLIED.append(self.name)
        yield
        APPLIED.remove(self.name)


@pytest.fixture
def shims(monkeypatch):
    def use(*stubs):
        monkeypatch.setattr(shim, "SHIMS", stubs)

    return use


def check(tmp_path, name="works", library=None, **values):
    row = Checkpoint(name, "fairseq", "a test", uses=(Use("counts", "why", experiment=True),))
    file = CheckpointFile(row, tmp_path, Edition.REPLICA, "ff")
    return Check(file, Policy.STRICT, library or Library(), **values)


def test_a_check_travels_to_another_process(tmp_path):
    assert pickle.loads(pickle.dumps(check(tmp_path))).policy is Policy.STRICT


def test_a_process_that_died_is_a_crash_at_the_stage_that_it_told(tmp_path):
    record = record_of(check(tmp_path), Died(-11, "forward", "Fatal Python error"))
    assert (record.outcome, record.stage) == (Outcome.CRASH, Stage.FORWARD)
    assert record.message == "the process died: signal SIGSEGV"
    assert record.output == "Fatal Python error"


def test_a_process_that_hung_is_a_timeout_and_before_any_stage_it_was_importing(tmp_path):
    record = record_of(check(tmp_path), TimedOut(600, None, ""))
    assert (record.outcome, record.stage) == (Outcome.TIMEOUT, Stage.IMPORT)
    assert record.message == "not done after 600 s, and killed"


def test_what_was_printed_of_a_disk_excuses_a_process_that_died_and_no_error(tmp_path):
    printed = "no cache: [Errno 30] Read-only file system: '/x'"
    found = Attempt(Stage.LOAD, "KeyError", "'model'")
    assert record_of(check(tmp_path), Returned(found, printed)).outcome is Outcome.FAIL
    assert record_of(check(tmp_path), Died(-6, "load", printed)).outcome is Outcome.INFRA


def test_only_the_file_itself_speaks_for_the_globals(tmp_path):
    other = Load(Policy.STRICT, "app.py:2", "app.py:2", "other.pt", "00", ("c.D",))
    found = Attempt(Stage.FORWARD, loads=(other, load("ok")))
    assert record_of(check(tmp_path), Returned(found, "")).globals == ("a.B",)


def test_the_last_read_of_the_file_says_what_the_library_allowed(tmp_path):
    allowing = Load(
        *(Policy.STRICT, "app.py:2", "app.py:2", "a.pt", "ff", ("a.B",)),
        allowed_by_library=("a.B",),
    )
    found = Attempt(Stage.FORWARD, loads=(load("refused"), allowing))
    record = record_of(check(tmp_path), Returned(found, ""))
    assert (record.outcome, record.allowed_by_library) == (Outcome.PASS, ("a.B",))


@pytest.fixture
def attempts():
    pytest.importorskip("torch")
    opened = []

    def make(library, chosen="auto", seconds=60.0):
        opened.append(Attempts(library, {"torch": "2.5.1"}, chosen, seconds))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_one_bad_check_leaves_the_others_alone(attempts, tmp_path):
    library = Library()
    runs = attempts(library, "off")
    outcomes = [runs.record(check(tmp_path, n)).outcome.value for n in ("dies", "lacks", "works")]
    assert outcomes == ["crash", "fail", "pass"]


def test_a_hang_in_loading_is_a_timeout_of_that_check(attempts, tmp_path):
    runs = attempts(Library(), "off", seconds=10.0)
    assert runs.record(check(tmp_path)).outcome is Outcome.PASS
    record = runs.record(check(tmp_path, "hangs"))
    assert (record.outcome, record.stage) == (Outcome.TIMEOUT, Stage.LOAD)


def test_an_import_that_fails_is_told_of_each_check(attempts, tmp_path):
    library = Library(broken=True)
    record = attempts(library, "off").record(check(tmp_path, library=library))
    assert (record.outcome, record.stage) == (Outcome.FAIL, Stage.IMPORT)
    assert record.exception == "ValueError"
    assert record.message.startswith("mutable default")


def test_the_description_of_torch_is_plain_data(attempts):
    described = attempts(Library(), "off").environment()
    assert type(described["torch_build"]) is str
    assert json.loads(json.dumps(described)) == described


def test_the_description_names_the_variables_that_torch_itself_reads(attempts):
    named = attempts(Library(), "off").environment()["load_variables"]
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" in named
    assert "TORCH_LOAD_WEIGHTS_ONLY" not in named


def test_a_library_that_dies_as_it_is_imported_is_a_crash_of_each_check(attempts, tmp_path):
    library = Library(broken="segfault")
    runs = attempts(library, "off")
    records = [runs.record(check(tmp_path, library=library)) for _ in range(2)]
    assert [(r.outcome, r.stage) for r in records] == [(Outcome.CRASH, Stage.IMPORT)] * 2
    assert runs.environment()["torch"] is None


def test_the_attempt_without_shims_counts_where_they_change_nothing(attempts, tmp_path):
    record = attempts(Library()).record(check(tmp_path, "lacks"))
    assert (record.outcome, record.shims) == (Outcome.FAIL, ())


@pytest.mark.parametrize("at_import", [True, False])
def test_only_the_shims_that_a_check_needs_are_named(attempts, shims, tmp_path, at_import):
    shims(*(Stub(name, at_import) for name in ("a", "b", "c", "d")))
    record = attempts(Library()).record(check(tmp_path, "needs+c"))
    assert (record.outcome, record.shims) == (Outcome.SHIMMED, ("c",))


def test_shims_that_help_only_together_are_found_and_the_others_left_out(attempts, shims, tmp_path):
    shims(Stub("a", at_import=True), Stub("b"), Stub("c"), Stub("d", at_import=True))
    record = attempts(Library()).record(check(tmp_path, "needs+b+d"))
    assert (record.outcome, record.shims) == (Outcome.SHIMMED, ("b", "d"))


def test_no_shim_is_tried_on_what_torch_refuses_by_default(attempts, shims, tmp_path, monkeypatch):
    shims(Stub("a"), Stub("b", at_import=True))
    runs, tried = attempts(Library()), []
    attempt = runs._attempt
    monkeypatch.setattr(runs, "_attempt", lambda *given: tried.append(given[1]) or attempt(*given))
    stock = replace(check(tmp_path, "refused by default"), policy=Policy.STOCK)
    record = runs.record(stock)
    assert (record.outcome, record.shims, tried) == (Outcome.FAIL, (), [()])


def test_what_a_shim_could_not_carry_over_is_degraded_and_said(attempts, shims, tmp_path):
    shims(Stub("a", loses=["layer.0: shape [1, 2]"]))
    record = attempts(Library()).record(check(tmp_path, "needs+a"))
    assert (record.outcome, record.message) == (Outcome.DEGRADED, "layer.0: shape [1, 2]")


def test_a_further_use_has_a_fingerprint_and_no_benchmark(attempts, tmp_path):
    record = attempts(Library(), "off").record(check(tmp_path, use="counts"))
    assert (record.outcome, record.use, record.experiment) == (Outcome.PASS, "counts", True)
    assert record.fingerprint["shape"] == [3]
    assert record.benchmark is None
    assert record.sentence == "works (replica), counts, under strict: pass"


class Reading(Library):
    """A library that reads the file itself, and uses what is in it."""

    def load(self, checkpoint, path):
        import torch

        return torch.load(path, map_location="cpu")


@pytest.fixture
def read(tmp_path):
    """Return the check of a file that torch.load reads."""
    torch = pytest.importorskip("torch")

    def make(value, policy=Policy.PATCHED, **values):
        path = tmp_path / "read.pt"
        torch.save(value, path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        made = check(tmp_path, library=Reading(), rules=Rules(verified=frozenset({sha256})))
        file = replace(made.file, path=path, sha256=sha256)
        return replace(made, file=file, policy=policy, **values)

    return make


def ways(record):
    return [way for way in ("policy", "plain", "mmap") if (record.loading or {}).get(way)]


def test_loading_is_measured_under_each_policy_and_without_one_for_all(attempts, read):
    runs = attempts(Reading(), "off")
    strict, patched = (
        runs.record(read({"a": 1}, each)) for each in (Policy.STRICT, Policy.PATCHED)
    )
    assert ways(strict) == ways(patched) == ["policy", "plain", "mmap"]
    assert strict.loading["plain"] == patched.loading["plain"]
    assert strict.loading["policy"] != patched.loading["policy"]
    assert json.loads(json.dumps(strict.to_dict()))["loading"] == strict.loading


@pytest.mark.parametrize("values", [{"loading": False}, {"use": "counts"}])
def test_loading_is_not_measured_where_nobody_asks_for_it(attempts, read, values):
    record = attempts(Reading(), "off").record(read({"a": 1}, **values))
    assert (record.outcome, record.loading) == (Outcome.PASS, None)


def test_a_file_that_torch_load_never_read_has_no_time_of_loading(attempts, tmp_path):
    record = attempts(Library(), "off").record(check(tmp_path))
    assert (record.outcome, record.loading) == (Outcome.PASS, None)


def test_what_does_not_work_has_no_time_of_loading(attempts, read):
    record = attempts(Reading(), "off").record(read(Library(), Policy.STRICT))
    assert (record.outcome, record.loading) == (Outcome.REFUSED, None)


class Lent:
    """Pickles as the call of a function that is there as long as a shim is."""

    def __reduce__(self):
        return exec, ("import fractions; fractions.lent",)


@pytest.mark.parametrize("at_import", [True, False])
def test_loading_is_measured_with_the_shims_that_the_check_needs(attempts, shims, read, at_import):
    class Lending(Stub):
        @contextlib.contextmanager
        def applied(self):
            import fractions

            fractions.lent = self
            yield
            del fractions.lent

    shims(Stub("a"), Lending("b", at_import))
    record = attempts(Reading()).record(read(Lent()))
    assert (record.outcome, record.shims) == (Outcome.SHIMMED, ("b",))
    assert (ways(record), record.loading["remarks"]) == (["policy", "plain", "mmap"], [])


class Tiring(Library):
    """A forward pass that fails when it is timed, in the words given."""

    def __init__(self, words):
        super().__init__()
        self.words = words

    def forward(self, checkpoint, model, device):
        calls = []

        def run():
            calls.append(1)
            if len(calls) > 3:
                raise RuntimeError(self.words)
            import torch

            return torch.ones(2)

        return run


def test_a_machine_that_can_not_time_a_pass_takes_nothing_from_its_verdict(attempts, tmp_path):
    pytest.importorskip("torch")
    library = Tiring("CUDA out of memory. Tried to allocate 2.00 GiB")
    record = attempts(library, "off").record(check(tmp_path, library=library))
    assert (record.outcome, record.benchmark) == (Outcome.PASS, None)
    assert record.message.startswith("it was not timed: CUDA out of memory. 2.00 GiB were asked")


def test_a_pass_that_fails_the_fourth_time_is_a_failure(attempts, tmp_path):
    pytest.importorskip("torch")
    library = Tiring("no more")
    record = attempts(library, "off").record(check(tmp_path, library=library))
    assert (record.outcome, record.stage) == (Outcome.FAIL, Stage.FORWARD)
    assert record.message == "no more (in call 3 of the benchmark)"
