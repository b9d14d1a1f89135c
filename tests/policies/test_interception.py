"""torch.load under each policy: every reference to it, and undone exactly."""

from __future__ import annotations

import argparse
import functools
import inspect
import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import load as captured_before_any_policy  # noqa: E402 - after the skip
from torch import serialization  # noqa: E402 - as above

from pytest_torchcompat.policies import (  # noqa: E402 - as above
    FORCE,
    FORCE_NOT,
    Policy,
    call_sites,
)
from pytest_torchcompat.policies.interception import applied  # noqa: E402
from pytest_torchcompat.policies.refusals import BrokenFileError, PolicyRefusedError  # noqa: E402 - as above
from pytest_torchcompat.policies.rules import Rules  # noqa: E402 - as above
from pytest_torchcompat.policies.safe_globals import registered  # noqa: E402 - as above

NAMESPACE = "argparse.Namespace"
TORCH_DEFAULTS_TO_SAFE = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)


class Custom:
    """Something that no torch allows by itself."""


class Other:
    """Another."""


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.pt"
    torch.save({"weight": torch.arange(3)}, path)
    return path


@pytest.fixture
def pickled(tmp_path):
    path = tmp_path / "pickled.pt"
    torch.save({"args": argparse.Namespace(layers=2)}, path)
    return path


@pytest.fixture
def loads():
    return []


@pytest.fixture(autouse=True)
def no_switches(monkeypatch):
    for name in (FORCE, FORCE_NOT):
        monkeypatch.delenv(name, raising=False)


def rules_for(path: Path, **changes) -> Rules:
    from pytest_torchcompat.scan import scan_path

    sha256 = scan_path(path).sha256
    return Rules(known={sha256: (NAMESPACE,)}, verified=frozenset([sha256]), **changes)


EVERY_WAY = {
    "the attribute": lambda *a, **k: torch.load(*a, **k),  # noqa: PLW0108 - looked up late
    "a name captured before": captured_before_any_policy,
    "torch.serialization": lambda *a, **k: serialization.load(*a, **k),  # noqa: PLW0108 - as above
    "a partial": functools.partial(captured_before_any_policy, map_location="cpu"),
    "an explicit False": lambda *a, **k: torch.load(*a, weights_only=False, **k),
}


@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.ALLOWLISTED])
@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_an_enforcing_policy_refuses_however_torch_load_was_imported(way, policy, pickled, loads):
    with applied(policy, Rules(), loads.append), pytest.raises(pickle.UnpicklingError):
        EVERY_WAY[way](pickled)
    assert [(load.outcome, load.globals) for load in loads] == [("refused", (NAMESPACE,))]


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_patched_loads_a_verified_file_however_torch_load_was_imported(way, pickled, loads):
    with applied(Policy.PATCHED, rules_for(pickled), loads.append):
        assert EVERY_WAY[way](pickled)["args"].layers == 2
    assert loads[0].outcome == "ok"


@pytest.mark.parametrize("value", [None, "absent"])
def test_patched_treats_none_as_not_chosen(value, pickled, loads):
    chosen = {} if value == "absent" else {"weights_only": None}
    with applied(Policy.PATCHED, rules_for(pickled), loads.append):
        assert torch.load(pickled, **chosen)["args"].layers == 2


def test_patched_leaves_an_explicit_true_alone(pickled, loads):
    with applied(Policy.PATCHED, rules_for(pickled), loads.append):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(pickled, weights_only=True)


def test_patched_stops_at_an_untrusted_file_and_says_how_to_trust_it(pickled, loads):
    sentence = (
        r"patched would execute the pickle in .*pickled\.pt, which is neither verified nor "
        r"trusted\. If you trust it, name it: --torchcompat-trust=[0-9a-f]{64}$"
    )
    with applied(Policy.PATCHED, Rules(), loads.append):
        with pytest.raises(PolicyRefusedError, match=sentence):
            torch.load(pickled)


@pytest.mark.parametrize("glob", ["*.pt", "pickled.pt", "sha256"])
def test_patched_runs_what_the_user_trusts(glob, pickled, loads):
    from pytest_torchcompat.scan import scan_path

    trusted = scan_path(pickled).sha256 if glob == "sha256" else glob
    with applied(Policy.PATCHED, Rules(trust=(trusted,)), loads.append):
        assert torch.load(pickled)["args"].layers == 2


def test_allowlisted_registers_what_a_known_file_needs(pickled, loads):
    with applied(Policy.ALLOWLISTED, rules_for(pickled), loads.append):
        assert torch.load(pickled)["args"].layers == 2
        assert torch.load(pickled, weights_only=False)["args"].layers == 2
    assert [load.overridden for load in loads] == [False, True]


def test_allowlisted_registers_what_the_user_allows(pickled, loads):
    with applied(Policy.ALLOWLISTED, Rules(allow=(NAMESPACE,)), loads.append):
        assert torch.load(pickled)["args"].layers == 2


def test_allowlisted_allows_on_old_torch_what_newer_torch_allows_by_itself(tmp_path, loads):
    torch.save({"names": {"a"}}, tmp_path / "set.pt")
    with applied(Policy.ALLOWLISTED, Rules(), loads.append):
        assert torch.load(tmp_path / "set.pt") == {"names": {"a"}}


def test_strict_registers_nothing_even_for_a_known_file(pickled, loads):
    with applied(Policy.STRICT, rules_for(pickled), loads.append):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(pickled)


def test_strict_loads_a_plain_state_dict(plain, loads):
    with applied(Policy.STRICT, Rules(), loads.append):
        assert torch.load(plain)["weight"].tolist() == [0, 1, 2]
    assert loads[0].outcome == "ok"


def test_stock_does_what_torch_does_by_itself(pickled, loads):
    with applied(Policy.STOCK, Rules(), loads.append):
        if TORCH_DEFAULTS_TO_SAFE:
            with pytest.raises(pickle.UnpicklingError):
                torch.load(pickled)
        else:
            with pytest.warns(FutureWarning):
                assert torch.load(pickled)["args"].layers == 2
        assert torch.load(pickled, weights_only=False)["args"].layers == 2
    assert loads[0].outcome == ("fail" if TORCH_DEFAULTS_TO_SAFE else "ok")


def torchscript(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)), str(path))


def tar(path):
    import tarfile

    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("policy", [Policy.STRICT, Policy.ALLOWLISTED])
@pytest.mark.parametrize("make", [torchscript, tar])
def test_what_torch_2_5_would_run_under_weights_only_is_refused_before_torch(
    make, policy, tmp_path, loads, monkeypatch
):
    make(tmp_path / "evil.pt")
    monkeypatch.setattr(serialization, "_open_file_like", None)  # torch.load's first step
    with applied(policy, Rules(), loads.append):
        with pytest.raises(PolicyRefusedError, match="CVE-2025-32434"):
            torch.load(tmp_path / "evil.pt")


def test_a_file_object_is_screened_from_where_it_stands_and_loaded(plain, loads):
    buffer = io.BytesIO(plain.read_bytes())
    with applied(Policy.STRICT, Rules(), loads.append):
        assert torch.load(buffer)["weight"].tolist() == [0, 1, 2]
    assert loads[0].file == "<BytesIO>"


class Odd(io.BytesIO):
    """A file object that the reader cannot measure, and torch can read."""

    def __init__(self, data):
        super().__init__(data)
        self.reads = 0

    def read(self, size=-1):
        self.reads += 1
        if self.reads == 1:
            raise OSError("not now")
        return super().read(size)


def test_stock_touches_nothing_not_even_where_reading_ahead_fails(plain, loads):
    with applied(Policy.STOCK, Rules(), loads.append):
        assert torch.load(Odd(plain.read_bytes()), weights_only=True)["weight"].tolist() == [
            0,
            1,
            2,
        ]
    assert (loads[0].outcome, loads[0].sha256) == ("ok", "")


@pytest.mark.parametrize("policy", [Policy.PATCHED, Policy.STRICT])
def test_a_folder_or_a_missing_file_is_torchs_to_judge(policy, tmp_path, loads):
    for path, error in ((tmp_path, OSError), (tmp_path / "nowhere.pt", FileNotFoundError)):
        with applied(policy, Rules(), loads.append), pytest.raises(error):
            torch.load(path)
    assert {load.outcome for load in loads} == {"fail"}


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>", b"version https://git-lfs"])
def test_a_broken_file_fails_and_is_no_refusal_of_the_policy(content, tmp_path, loads):
    (tmp_path / "broken.pt").write_bytes(content)
    with applied(Policy.STRICT, Rules(), loads.append), pytest.raises(BrokenFileError):
        torch.load(tmp_path / "broken.pt")
    assert loads[0].outcome == "fail"


def test_what_is_refused_before_torch_is_told_with_its_hash(tmp_path, loads):
    tar(tmp_path / "evil.pt")
    with applied(Policy.STRICT, Rules(), loads.append), pytest.raises(PolicyRefusedError):
        torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (len(loads[0].sha256), loads[0].overridden, loads[0].outcome) == (64, True, "refused")


def test_a_trusted_file_may_be_named_by_its_absolute_path(pickled, loads):
    rules = Rules(trust=(str(pickled),), root=pickled.parent)
    with applied(Policy.PATCHED, rules, loads.append):
        assert torch.load(pickled)["args"].layers == 2


def test_a_path_that_leads_out_of_a_trusted_folder_is_not_trusted(pickled, loads):
    root = pickled.parent
    (root / "assets").mkdir()
    rules = Rules(trust=("assets/*",), root=root)
    with applied(Policy.PATCHED, rules, loads.append), pytest.raises(PolicyRefusedError):
        torch.load(root / "assets" / ".." / pickled.name)


def test_the_name_of_an_archives_member_is_trusted_by_no_path(pickled, loads):
    with zipfile.ZipFile(pickled.parent / "archive.zip", "w") as archive:
        archive.write(pickled, "assets/voice.pt")
        rules = Rules(trust=("assets/*", "voice.pt"))
        with applied(Policy.PATCHED, rules, loads.append), pytest.raises(PolicyRefusedError):
            with archive.open("assets/voice.pt") as member:
                torch.load(member)


def test_an_open_file_is_trusted_by_its_path(pickled, loads):
    rules = Rules(trust=(pickled.name,))
    with applied(Policy.PATCHED, rules, loads.append), pickled.open("rb") as file:
        assert torch.load(file)["args"].layers == 2


def test_a_closure_in_the_place_of_torch_load_is_held_too(pickled, loads, monkeypatch):
    original = serialization.load

    def pasted(*args, **kwargs):
        return original(*args, **{"weights_only": False, **kwargs})

    monkeypatch.setattr(torch, "load", pasted)
    monkeypatch.setattr(serialization, "load", pasted)
    with applied(Policy.STRICT, Rules(), loads.append), pytest.raises(pickle.UnpicklingError):
        torch.load(pickled)
    assert torch.load is pasted


def test_mmap_still_works(plain, loads):
    with applied(Policy.STRICT, Rules(), loads.append):
        assert torch.load(plain, mmap=True)["weight"].tolist() == [0, 1, 2]


def test_a_missing_file_is_torchs_own_error(tmp_path, loads):
    with applied(Policy.STRICT, Rules(), loads.append), pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "nowhere.pt")
    assert loads[0].outcome == "fail"


def test_a_swap_between_screening_and_loading_changes_nothing(plain, pickled, loads, monkeypatch):
    """The file that is loaded is the open one that was screened, not what its name means by now."""
    from pytest_torchcompat.policies import interception

    screen = interception.scan_file

    def swap_after(file, name):
        found = screen(file, name)
        pickled.replace(plain)
        return found

    monkeypatch.setattr(interception, "scan_file", swap_after)
    with applied(Policy.STRICT, Rules(), loads.append):
        assert torch.load(plain)["weight"].tolist() == [0, 1, 2]


def test_the_call_site_and_the_projects_own_line_are_named(plain, loads):
    with applied(Policy.STRICT, Rules(root=Path(__file__).parent), loads.append):
        torch.load(plain)
    line = inspect.currentframe().f_lineno - 1
    assert (loads[0].site, loads[0].caller) == (f"test_interception.py:{line}",) * 2


@pytest.mark.parametrize("wrap", [lambda patch: patch, functools.wraps(torch.load)])
def test_a_patch_of_the_project_is_the_site_and_not_who_led_there(plain, loads, monkeypatch, wrap):
    load = torch.load

    @wrap
    def patch(*args, **kwargs):
        return load(*args, **{**kwargs, "weights_only": False})

    within = inspect.currentframe().f_lineno - 2
    monkeypatch.setattr(torch, "load", patch)
    with applied(Policy.STRICT, Rules(root=Path(__file__).parent), loads.append):
        torch.load(plain)
    line = inspect.currentframe().f_lineno - 1
    assert loads[0].site == f"test_interception.py:{within}"
    assert loads[0].caller == f"test_interception.py:{line}"


def test_eight_patches_one_over_the_other_are_looked_through_and_no_more(monkeypatch):
    def patch():
        return call_sites._is_patch(inspect.currentframe())

    found, load = [], patch
    for _ in range(10):
        monkeypatch.setattr(torch, "load", load)
        found.append(patch())
        load = functools.wraps(load)(lambda: None)
    assert found == [True] * 8 + [False] * 2


def test_the_environment_switches_reach_child_processes_and_are_put_back(monkeypatch, loads):
    monkeypatch.setenv(FORCE_NOT, "1")
    program = f"import os; print(os.getenv({FORCE!r}), os.getenv({FORCE_NOT!r}))"
    read = [sys.executable, "-c", program]
    with applied(Policy.STRICT, Rules(), loads.append):
        assert subprocess.check_output(read, text=True).split() == ["1", "None"]
    assert (os.environ.get(FORCE), os.environ[FORCE_NOT]) == (None, "1")


def test_patched_takes_no_orders_from_the_environment(pickled, loads, monkeypatch):
    monkeypatch.setenv(FORCE, "1")
    with applied(Policy.PATCHED, rules_for(pickled), loads.append):
        assert torch.load(pickled)["args"].layers == 2
    assert os.environ[FORCE] == "1"


def test_a_name_that_was_registered_as_a_string_is_told_as_it_is(pickled, loads):
    before = list(serialization.get_safe_globals())
    serialization.add_safe_globals(["argparse.Namespace"])
    try:
        with applied(Policy.STRICT, Rules(), loads.append), pytest.raises(AttributeError):
            torch.load(pickled)
    finally:
        serialization.clear_safe_globals()
        serialization.add_safe_globals(before)
    assert "argparse.Namespace" in loads[0].allowed_by_library
    assert loads[0].outcome == "fail"


def state_of_torch_load():
    load = serialization.load
    namespace = {name for name in vars(serialization) if "torchcompat" in name}
    return (load.__code__, load.__defaults__, load.__kwdefaults__, dict(vars(load)), namespace)


@pytest.mark.parametrize("policy", list(Policy))
def test_torch_load_is_put_back_exactly_also_after_an_error(policy, loads):
    before = state_of_torch_load()
    with pytest.raises(ZeroDivisionError), applied(policy, Rules(), loads.append):
        1 / 0  # noqa: B018 - the error is the point
    assert state_of_torch_load() == before


def test_libraries_still_see_the_signature_of_torch_load(loads):
    before = inspect.signature(torch.load)
    with applied(Policy.STRICT, Rules(), loads.append):
        assert inspect.signature(torch.load) == before


def test_of_two_nested_policies_the_inner_one_holds(pickled, loads):
    with applied(Policy.STRICT, Rules(), loads.append):
        with applied(Policy.PATCHED, rules_for(pickled), loads.append):
            assert torch.load(pickled)["args"].layers == 2
        with pytest.raises(pickle.UnpicklingError):
            torch.load(pickled)


@pytest.fixture
def safe_globals():
    before = list(serialization.get_safe_globals())
    yield serialization.get_safe_globals
    serialization.clear_safe_globals()
    serialization.add_safe_globals(before)


def test_registering_takes_back_just_what_it_added(safe_globals):
    serialization.add_safe_globals([Custom])
    with registered([f"{__name__}.Custom", NAMESPACE]):
        assert argparse.Namespace in safe_globals()
        serialization.add_safe_globals([Other])  # as a library does when it is imported
    assert Custom in safe_globals()
    assert Other in safe_globals()
    assert argparse.Namespace not in safe_globals()


def test_what_a_library_registers_as_it_is_imported_stays(tmp_path, monkeypatch, safe_globals):
    (tmp_path / "registering.py").write_text(
        "import torch\nclass Own: pass\ntorch.serialization.add_safe_globals([Own])"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with registered(["registering.Own"]):
        pass
    assert "Own" in [getattr(item, "__name__", "") for item in safe_globals()]


def test_what_a_library_registered_is_told_and_holds_under_strict(pickled, loads, safe_globals):
    serialization.add_safe_globals([argparse.Namespace])
    with applied(Policy.STRICT, Rules(), loads.append):
        assert torch.load(pickled)["args"].layers == 2
    assert loads[0].allowed_by_library == (NAMESPACE,)


def test_a_name_that_does_not_exist_here_is_passed_over(safe_globals):
    before = list(safe_globals())
    with registered(["no_such_module.Thing", "argparse.NoSuchThing"]):
        assert safe_globals() == before


class Method:
    """Pickles as the call of getattr that finds a name in a class."""

    def __init__(self, owner, name):
        self.found = (owner, name)

    def __reduce__(self):
        return getattr, self.found


@pytest.fixture
def reaching(tmp_path):
    def make(owner, name):
        path = tmp_path / "reaching.pt"
        torch.save({"method": Method(owner, name)}, path)
        return path

    return make


RENAMES = hasattr(serialization, "get_unsafe_globals_in_checkpoint")
OWNERS = ("torch.nn.modules.linear.Linear", "argparse.Namespace", "builtins.getattr")


@pytest.mark.skipif(not RENAMES, reason="torch before 2.6 cannot be given a guarded getattr")
def test_a_getattr_that_was_allowed_finds_methods_of_modules(reaching, loads):
    path = reaching(torch.nn.Linear, "forward")
    with applied(Policy.ALLOWLISTED, Rules(allow=OWNERS), loads.append):
        assert torch.load(path)["method"] is torch.nn.Linear.forward


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch.nn.Linear, "__init__"),
        (torch.nn.Linear, "__mro__"),
        (torch.nn.Linear, "nothing"),
        (argparse.Namespace, "__init__"),
        (argparse.Namespace, "mro"),
    ],
)
def test_a_getattr_that_was_allowed_finds_nothing_else(reaching, loads, owner, name):
    path = reaching(owner, name)
    with applied(Policy.ALLOWLISTED, Rules(allow=OWNERS), loads.append):
        with pytest.raises(pickle.UnpicklingError, match=r"getattr.* was not an allowed global"):
            torch.load(path)
    assert loads[-1].outcome == "refused"


@pytest.mark.skipif(RENAMES, reason="torch from 2.6 on is given a guarded getattr")
def test_a_getattr_is_never_allowed_where_it_cannot_be_guarded(reaching, loads):
    path = reaching(torch.nn.Linear, "forward")
    with applied(Policy.ALLOWLISTED, Rules(allow=OWNERS), loads.append):
        with pytest.raises(pickle.UnpicklingError, match=r"getattr was not an allowed global"):
            torch.load(path)
