"""The torch that is installed still fails in the words that the signatures know."""

from __future__ import annotations

import argparse
import collections
import decimal
import io
import pathlib
import pickle
import platform
import sys
import tarfile
import zipfile

import pytest
from packaging.version import Version

from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import normalised
from pytest_torchcompat.diagnosis.raised import errors_of, stage_of

torch = pytest.importorskip("torch")
RELEASE = Version(Version(torch.__version__).base_version)
VERSIONS = {"torch": torch.__version__, "python": platform.python_version()}
PAGE, POINTER = b"<!DOCTYPE html><html></html>", b"version https://git-lfs.github.com/spec/v1\n"
FOREIGN = "PosixPath" if sys.platform == "win32" else "WindowsPath"
TENSORS = {"a": torch.zeros(1000), "b": torch.zeros(1000)}
# What torch warns of besides is not what is asked here.
pytestmark = pytest.mark.filterwarnings("ignore")


class Config:
    def __init__(self):
        self.rate = 16000


def checked(path, **options):
    return torch.load(path, weights_only=True, **options)


def unchecked(path, **options):
    return torch.load(path, weights_only=False, **options)


def saved(content, **options):
    torch.save(content, "file.pt", **options)
    return "file.pt"


def old(content):
    return saved(content, _use_new_zipfile_serialization=False)


def written(content):
    pathlib.Path("file.pt").write_bytes(content)
    return "file.pt"


def cut(path, length):
    return written(pathlib.Path(path).read_bytes()[:length])


def naming(module, name, then=b""):
    """Return a file of torch.save whose pickle names a global, and goes on with what follows."""
    return repacked({"data.pkl": f"\x80\x02c{module}\n{name}\n".encode("latin1") + then + b"."})


def repacked(other, folder="archive/"):
    with zipfile.ZipFile(saved(TENSORS)) as file:
        content = {name.partition("/")[2]: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile("file.pt", "w") as file:
        for name, data in {**content, **other}.items():
            if data is not None:
                file.writestr(folder + name, data)
    return "file.pt"


def on_device(tag):
    with zipfile.ZipFile(saved(TENSORS)) as file:
        body = next(file.read(name) for name in file.namelist() if name.endswith("data.pkl"))
    length = len(tag).to_bytes(4, "little")
    renamed = body.replace(b"X\x03\0\0\0cpu", b"X" + length + tag.encode())
    return repacked({"data.pkl": renamed})


def tar():
    with tarfile.open("file.tar", "w") as file:
        file.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    return "file.tar"


def script():
    torch.jit.script(torch.nn.Linear(1, 1)).save("file.pt")
    return "file.pt"


def allowing(*classes):
    return torch.serialization.safe_globals(list(classes))


def a_filled_deque():
    with allowing(collections.deque):
        checked(saved({"a": collections.deque([1, 2])}))


def a_filled_defaultdict():
    with allowing(collections.defaultdict, int):
        checked(saved({"a": collections.defaultdict(int, b=1)}))


def an_old_module():
    with allowing(torch.nn.Linear, set):
        checked(old(torch.nn.Linear(1, 1)))


def a_number_of_numpy():
    numpy = pytest.importorskip("numpy")
    checked(saved({"a": numpy.float64(1)}))


def a_string_allowed():
    with allowing("argparse.Namespace"):
        checked(saved({"a": argparse.Namespace()}))


def a_pair_allowed():
    with allowing((Config, "project.Config")):
        checked(saved({"a": decimal.Decimal(1)}))


def a_patch_that_clashes():
    def load(*args, **kwargs):
        return torch.serialization.load(*args, weights_only=False, **kwargs)

    load(saved({}), weights_only=True)


def an_open_file_mapped():
    with pathlib.Path(saved({})).open("rb") as file:
        checked(file, mmap=True)


def a_file_of_torch_read_by_pickle():
    with pathlib.Path(saved(TENSORS)).open("rb") as file:
        pickle.load(file)


def a_global():
    checked(saved({"a": decimal.Decimal(1)}))


A_GLOBAL = (
    "wo-global-2.5"
    if Version("2.6") > RELEASE
    else "wo-global-2.6"
    if Version("2.7") > RELEASE
    else "wo-global-2.7"
)
FAILURES = {
    "a global": (a_global, A_GLOBAL),
    "a namespace": (lambda: checked(saved(argparse.Namespace())), "wo-argparse-namespace"),
    "a whole model": (lambda: checked(saved(torch.nn.Linear(1, 1))), "wo-torch-module"),
    "an old whole model": (an_old_module, "wo-legacy-module"),
    "a number of numpy": (a_number_of_numpy, "wo-numpy"),
    "getattr": (lambda: checked(naming("__builtin__", "getattr")), "wo-getattr"),
    "eval": (lambda: checked(naming("__builtin__", "eval")), "wo-dangerous"),
    "os.system": (lambda: checked(naming("os", "system")), "wo-blocked-module"),
    "a class of the script": (lambda: checked(naming("__main__", "Net")), "wo-main"),
    "a path": (lambda: checked(naming("pathlib", "WindowsPath")), "wo-path"),
    "a filled deque": (a_filled_deque, "wo-list-subclass"),
    "protocol 4": (lambda: checked(saved({}, pickle_protocol=4)), "wo-operand"),
    "pickle_module": (
        lambda: checked(saved({}), pickle_module=pickle),
        "pickle-module-weights-only",
    ),
    "a clash of patches": (a_patch_that_clashes, "patch-kwarg-clash"),
    "a string allowed": (a_string_allowed, "safe-globals-string"),
    "a page, checked": (lambda: checked(written(PAGE)), "file-html"),
    "a page": (lambda: unchecked(written(PAGE)), "file-html"),
    "a pointer, checked": (lambda: checked(written(POINTER)), "file-lfs-pointer-strict"),
    "a pointer": (lambda: unchecked(written(POINTER)), "file-lfs-pointer"),
    "an empty file": (lambda: unchecked(written(b"")), "file-empty"),
    "an empty file, checked": (lambda: checked(written(b"")), "file-ends-early"),
    "a cut zip": (lambda: checked(cut(saved(TENSORS), 300)), "file-truncated-zip"),
    "a cut old file": (lambda: checked(cut(old(TENSORS), 1000)), "file-truncated-legacy"),
    "a zip without a record": (
        lambda: unchecked(repacked({"data/1": None})),
        "file-record-missing",
    ),
    "a zip without a folder": (lambda: unchecked(repacked({}, folder="")), "file-zip-flat"),
    "a pickle": (lambda: unchecked(written(pickle.dumps({"a": 1}))), "file-plain-pickle"),
    "pickle.load": (a_file_of_torch_read_by_pickle, "file-read-with-pickle"),
    "an unknown module": (lambda: unchecked(naming("absent", "Config")), "pickle-module-missing"),
    "an unknown class": (
        lambda: unchecked(naming("torch.nn", "Absent")),
        "pickle-attribute-missing",
    ),
    "a string of Python 2": (
        lambda: unchecked(naming("collections", "OrderedDict", b")R0U\x01\xe9")),
        "pickle-python-2",
    ),
    "an unknown device": (lambda: checked(on_device("xla:0")), "load-device-unknown"),
    "mmap of an old file": (lambda: checked(old(TENSORS), mmap=True), "load-mmap-legacy"),
    "mmap of an open file": (an_open_file_mapped, "load-mmap-file-object"),
    "bytes": (lambda: checked(b"content"), "load-not-a-file"),
    "nothing": (lambda: checked(None), "load-none"),
    "no file": (lambda: checked("absent.pt"), "file-missing"),
}
SINCE_2_6 = {
    "tar": (lambda: checked(tar()), "tar-weights-only"),
    "TorchScript": (lambda: checked(script()), "torchscript-weights-only"),
    "get_unsafe_globals_in_checkpoint of an old file": (
        lambda: torch.serialization.get_unsafe_globals_in_checkpoint(old({})),
        "get-unsafe-legacy",
    ),
}
BEFORE_2_6 = {
    "a set": (lambda: checked(saved({"a": {1}})), "wo-set-2.5"),
    "a pair allowed": (a_pair_allowed, "safe-globals-tuple-2.5"),
    "get_unsafe_globals_in_checkpoint": (
        lambda: torch.serialization.get_unsafe_globals_in_checkpoint(saved({})),
        "no-get-unsafe",
    ),
}
SINCE_2_10 = {"a filled defaultdict": (a_filled_defaultdict, "wo-setitem-subclass")}

before_2_6 = pytest.mark.skipif(Version("2.6") <= RELEASE, reason="torch before 2.6")
since_2_6 = pytest.mark.skipif(Version("2.6") > RELEASE, reason="torch 2.6 or later")
since_2_10 = pytest.mark.skipif(Version("2.10") > RELEASE, reason="torch 2.10 or later")


def cases():
    groups = ((FAILURES, ()), (BEFORE_2_6, before_2_6), (SINCE_2_6, since_2_6))
    for failures, marks in (*groups, (SINCE_2_10, since_2_10)):
        for name, (act, expected) in failures.items():
            yield pytest.param(act, expected, id=name, marks=marks)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _with_nothing_allowed_afterwards():
    allowed = list(torch.serialization.get_safe_globals())
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(allowed)


def diagnosis_of(act):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what is asked
        act()
    error = errors_of(raised.value)[0]
    return diagnose(Failure((error,), "load", normalised(VERSIONS)))


@pytest.mark.parametrize(("act", "expected"), list(cases()))
def test_torch_still_fails_in_words_that_are_known(act, expected):
    found = diagnosis_of(act)
    assert found is not None
    assert found.id == expected


def test_the_tensors_of_another_device_are_recognised():
    if torch.cuda.is_available():
        pytest.skip("torch finds a GPU here")
    assert diagnosis_of(lambda: checked(on_device("cuda:0"))).id == "load-device-missing"


@pytest.mark.skipif(Version("2.6") <= RELEASE, reason="torch before 2.6")
def test_the_warning_before_the_default_changed_is_recognised():
    with pytest.warns(FutureWarning) as warned:
        torch.load(saved({}))
    error = Error("FutureWarning", str(warned[0].message))
    assert diagnose(Failure((error,), "load")).id == "wo-future-warning"


def test_the_allow_list_that_is_proposed_lets_the_file_load():
    path = saved({"a": decimal.Decimal(1)})
    code = code_of(diagnosis_of(lambda: checked(path)), "allow")
    exec(code, {})
    assert checked(path) == {"a": decimal.Decimal(1)}


def code_of(diagnosis, kind):
    return next(remedy.code for remedy in diagnosis.remedies if remedy.kind == kind)


def test_the_class_of_numpy_that_is_proposed_lets_the_file_load():
    numpy = pytest.importorskip("numpy")
    multiarray = pytest.importorskip("numpy._core.multiarray")
    path = saved({"a": numpy.float64(1)})
    torch.serialization.add_safe_globals([multiarray.scalar, numpy.dtype])
    found = diagnosis_of(lambda: checked(path))
    assert found.id == "wo-numpy-dtype"
    exec(code_of(found, "edit"), {})
    assert checked(path) == {"a": 1.0}


@since_2_6
def test_the_getattr_that_is_proposed_gives_methods_of_modules_and_nothing_else():
    wanted = naming("__builtin__", "getattr", b"ctorch.nn\nModule\nU\x04eval\x86R")
    torch.serialization.add_safe_globals([torch.nn.Module, (torch.nn.Module, "torch.nn.Module")])
    exec(code_of(diagnosis_of(lambda: checked(wanted)), "edit"), {})
    assert checked(wanted, encoding="ascii") is torch.nn.Module.eval
    other = naming("__builtin__", "getattr", b"ccollections\nOrderedDict\nU\x08fromkeys\x86R")
    with pytest.raises(TypeError, match="is not a method of a module"):
        checked(other, encoding="ascii")


@since_2_6
def test_the_path_that_is_proposed_can_be_made_on_every_system():
    path = naming("pathlib", "WindowsPath", b"X\x01\0\0\0a\x85R")
    exec(code_of(diagnosis_of(lambda: checked(path)), "edit"), {})
    assert checked(path) == pathlib.PureWindowsPath("a")


def test_the_folder_that_is_proposed_lets_a_flat_zip_load():
    path = repacked({}, folder="")
    code = code_of(diagnosis_of(lambda: checked(path)), "edit")
    exec(code, {"path": path, "new_path": "new.pt"})
    assert checked("new.pt").keys() == TENSORS.keys()


def test_the_encoding_that_is_proposed_reads_strings_of_python_2():
    path = repacked({"data.pkl": b"\x80\x02U\x01\xe9."})
    code = code_of(diagnosis_of(lambda: checked(path)), "edit")
    names = {"torch": torch, "path": path}
    exec(code, names)
    assert names["checkpoint"] == "é"


def test_the_path_that_is_proposed_stands_in_for_that_of_another_system(monkeypatch):
    monkeypatch.setattr(pathlib, FOREIGN, getattr(pathlib, FOREIGN))
    path = naming("pathlib", FOREIGN, b"X\x01\0\0\0a\x85R")
    found = diagnosis_of(lambda: unchecked(path))
    assert found.id == "pickle-path-of-other-system"
    exec(code_of(found, "edit"), {})
    assert unchecked(path) == getattr(pathlib, f"Pure{FOREIGN}")("a")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python before 3.13")
def test_the_name_that_is_proposed_lets_a_path_of_python_3_13_load(monkeypatch):
    monkeypatch.setitem(sys.modules, "pathlib._local", None)
    monkeypatch.delitem(sys.modules, "pathlib._local")
    path = naming("pathlib._local", "PurePosixPath", b"X\x01\0\0\0a\x85R")
    found = diagnosis_of(lambda: unchecked(path))
    assert found.id == "pickle-pathlib-local"
    exec(code_of(found, "edit"), {})
    assert unchecked(path) == pathlib.PurePosixPath("a")


def test_what_fails_as_a_file_is_saved_is_no_failure_of_a_load(tmp_path):
    with pytest.raises(Exception, match="") as saved:  # noqa: PT011 - another in each release
        torch.save({"weight": 1}, tmp_path / "missing" / "model.pt")
    with pytest.raises(FileNotFoundError) as loaded:
        torch.load(tmp_path / "missing.pt", weights_only=True)
    assert (stage_of(saved.value), stage_of(loaded.value)) == ("", "load")
