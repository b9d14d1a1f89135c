"""A failure that is not ours gets no word that is untrue of it."""

from __future__ import annotations

import ast
import re

import pytest

from pytest_torchcompat import shim
from pytest_torchcompat.commands.cli import COMMANDS
from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import normalised
from pytest_torchcompat.diagnosis.matching import holds
from pytest_torchcompat.diagnosis.pasted import read
from pytest_torchcompat.diagnosis.signature import EDIT, SHIM
from pytest_torchcompat.diagnosis.signatures import SIGNATURES

VERSIONS = normalised(
    {"python": "3.12.1", "torch": "2.10.0", "numpy": "2.4.0", "transformers": "4.50.0"}
)
# Of anybody's project: nothing is said of them.
UNKNOWN = (
    ("EOFError", "EOF when reading a line"),
    ("EOFError", ""),
    ("IndexError", "index out of range"),
    ("KeyError", "'_name'"),
    ("KeyError", "'best_loss'"),
    ("KeyError", "'state_dict'"),
    ("OSError", "[Errno 22] Invalid argument"),
    ("IsADirectoryError", "[Errno 21] Is a directory: '/var/www/static'"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'manage.py'"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/data/predict.txt'"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/data/dict.txt'"),
    ("ModuleNotFoundError", "No module named 'models'"),
    ("ModuleNotFoundError", "No module named 'django'"),
    ("ModuleNotFoundError", "No module named 'torch_geometric'"),
    ("ImportError", "cannot import name 'url' from 'django.conf.urls' (urls.py)"),
    ("ImportError", "libGL.so.1: cannot open shared object file: No such file or directory"),
    ("AttributeError", "'NoneType' object has no attribute 'to'"),
    ("AttributeError", "'NoneType' object has no attribute 'eval'"),
    ("AttributeError", "'NoneType' object has no attribute 'group'"),
    ("AttributeError", "'int' object has no attribute 'device'"),
    ("AttributeError", "'str' object has no attribute '__module__'"),
    ("AttributeError", "'tuple' object has no attribute '__module__'"),
    ("NameError", "name 'AudioDecoder' is not defined"),
    ("AttributeError", "module 'numpy' has no attribute 'aray'"),
    ("AttributeError", "module 'numpy' has no attribute 'concatt'"),
    ("AttributeError", "'DataFrame' object has no attribute 'append'"),
    ("AttributeError", "Can't pickle local object 'f.<locals>.g'"),
    (
        "AttributeError",
        "partially initialized module 'torch' has no attribute 'Tensor' (most likely due to a"
        " circular import)",
    ),
    (
        "TypeError",
        "WhisperModel.__init__() got an unexpected keyword argument 'use_auth_token'",
    ),
    (
        "TypeError",
        "DiffusionPipeline.from_pretrained() got an unexpected keyword argument 'use_auth_token'",
    ),
    ("TypeError", "Model.load() got multiple values for keyword argument 'weights_only'"),
    ("TypeError", "Client.__init__() got an unexpected keyword argument 'proxies'"),
    ("TypeError", "'fix_imprts' is an invalid keyword argument for Unpickler()"),
    (
        "TypeError",
        "isin() received an invalid combination of arguments - got (Tensor, NoneType), but",
    ),
    (
        "omegaconf.errors.ValidationError",
        "Value '16.0' of type 'float' could not be converted to Integer\n    full_key: batch",
    ),
    (
        "omegaconf.errors.ValidationError",
        "Object of unsupported type: '_MISSING_TYPE'\n    full_key: x",
    ),
    ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
    ("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xff in position 0: invalid start"),
    (
        "ValueError",
        "mutable default <class 'app.Config'> for field c is not allowed: use default_factory",
    ),
    ("django.core.exceptions.ImproperlyConfigured", "Requested setting DATABASES"),
    ("tensorflow.errors_impl.ResourceExhaustedError", "OOM when allocating tensor"),
    ("requests.exceptions.ConnectionError", "Max retries exceeded with url: /"),
)


def known(name, message, stage="", versions=VERSIONS):
    return diagnose(Failure((Error(name, message),), stage, versions))


@pytest.mark.parametrize(("name", "message"), UNKNOWN)
def test_nothing_is_said_of_what_anybody_may_raise(name, message):
    stage = "import" if name.endswith(("ImportError", "ModuleNotFoundError")) else ""
    assert known(name, message, stage) is None
    assert all(map(speaks_of_nothing, read(f"{name}: {message}\n").failures))


def speaks_of_nothing(failure):
    return diagnose(failure) is None


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("EOFError", "Ran out of input", "process"),
        ("_pickle.UnpicklingError", "pickle data was truncated", "sender"),
        ("_pickle.UnpicklingError", "invalid load key, 'H'.", "It is no pickle"),
        ("AttributeError", "Can't get attribute 'f' on <module '__main__'>", "pickled it"),
        ("ModuleNotFoundError", "No module named 'pkg_resources'", "not installed"),
        ("ImportError", "libcublas.so.12: cannot open shared object file", "other packages"),
        ("RuntimeError", "no kernel image is available for execution on the device", "library"),
        ("AttributeError", "module 'torch' has no attribute 'tensr'", "misspelt"),
    ],
)
def test_what_has_several_causes_names_them_all(name, message, said):
    assert said in known(name, message).cause


def test_a_library_that_is_installed_explains_its_words():
    beside = {**VERSIONS, **normalised({"fairseq": "0.12.2"})}
    assert known("KeyError", "'best_loss'", "", beside).id == "fairseq-not-its-file"


def test_a_library_that_a_paste_names_explains_its_words():
    text = (
        "Traceback (most recent call last):\n"
        '  File "site-packages/fairseq/checkpoint_utils.py", line 1, in _upgrade\n'
        "    x\n"
        "KeyError: 'best_loss'\n"
    )
    failures = read(text).failures
    assert diagnose(failures[0]).id == "fairseq-not-its-file"


def test_a_compiled_extension_for_a_later_numpy_is_not_called_one_for_numpy_1():
    one = {**VERSIONS, "numpy": "1.26.4"}
    assert known("ImportError", "numpy.core.multiarray failed to import", "import", one) is None


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("2.16.0.dev20261119+cpu", True),
        ("2.8.0+cu128", False),
        ("2.9.0a0+git1234", True),
        ("unknown", None),
        ("1.0-custom", None),
    ],
)
def test_a_version_counts_as_the_release_that_it_leads_to(version, fits):
    assert holds(["torch>=2.9"], {"torch": version}) is fits


def test_a_python_between_two_releases_counts_as_the_earlier():
    assert holds(["python>=3.12"], {"python": "3.12.3+"}) is True


@pytest.mark.parametrize("version", ["unknown", "1.0-custom"])
def test_a_version_that_is_none_is_not_pasted(version):
    found = known(
        "RuntimeError", "operator torchvision::nms does not exist", "", {"torch": version}
    )
    assert found.remedies
    assert not any(version in remedy.code for remedy in found.remedies)


def test_a_local_version_is_asked_for_by_its_release():
    found = known(
        "RuntimeError", "operator torchvision::nms does not exist", "", {"torch": "2.8.0+cu128"}
    )
    assert found.remedies[0].code == 'python -m pip install "torch==2.8.0" "torchvision"'


def filled(code):
    return re.sub(r"\{(\w+)\}", "name", code)


def remedies(kind):
    return [(each.id, one) for each in SIGNATURES for one in each.remedies if one.kind == kind]


@pytest.mark.parametrize(("name", "remedy"), remedies(EDIT))
def test_what_is_to_be_written_is_python(name, remedy):
    assert ast.parse(filled(remedy.code)).body, name


def test_a_shim_that_is_named_exists():
    named = {remedy.code.split()[-1] for _, remedy in remedies(SHIM)}
    assert named <= {each.name for each in shim.SHIMS}


def test_a_command_of_ours_that_is_named_exists():
    words = [line for each in SIGNATURES for one in each.remedies for line in one.code.split("\n")]
    ours = {word for line in words for word in re.findall(r"\btorchcompat ([a-z]\w*)", line)}
    assert ours <= set(COMMANDS)


def test_a_path_in_a_command_stays_one_word():
    words = "checked refuses my $(touch x).pt: It is a tar archive of torch's before 0.1.10"
    found = known("PolicyRefusedError", words, "load")
    assert found.remedies[0].code == "tar -tf 'my $(touch x).pt'"


def test_a_hostile_requirement_becomes_no_command():
    words = 'a 1.0 requires b"$(touch${IFS}x)", but you have b 2.0 which is incompatible.'
    found = known("resolver", words, "resolve")
    assert [remedy.code for remedy in found.remedies] == ['python -m pip install --upgrade "a"']
