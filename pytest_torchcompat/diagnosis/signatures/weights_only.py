"""What torch refuses under ``weights_only=True``."""

from __future__ import annotations

import re

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    Signature,
    advice,
    allow,
    edit,
    pin,
)
from pytest_torchcompat.diagnosis.signatures.remedies import AUTHOR, CONVERT, SCAN, TRUST
from pytest_torchcompat.scan.dangerous import MODULES, NAMES

_SOURCE = "https://github.com/pytorch/pytorch/blob/v2.10.0/torch/"
_UNPICKLER = f"{_SOURCE}_weights_only_unpickler.py"
_SERIALIZATION = f"{_SOURCE}serialization.py"
_MANUAL = "https://docs.pytorch.org/docs/stable/notes/serialization.html"

_ALLOW = allow("Allow what the file names, and keep weights_only=True.")


def _refused(names: str) -> str:
    return rf"GLOBAL (?P<g>{names}) was not an allowed global by default"


def _running_code() -> str:
    """Return the names with which a pickle can run code, as torch spells them when it refuses."""
    names = (re.escape(name) for name in sorted(NAMES) if name != "builtins.getattr")
    spelled = [name.replace(r"builtins\.", r"(?:builtins\.)?") for name in names]
    modules = "|".join(map(re.escape, sorted(MODULES)))
    return rf"(?:{'|'.join(spelled)}|(?:{modules})\.[\w.]+)"


def _saved_anew(kind: str) -> str:
    return (
        "import torch\n\n"
        "checkpoint = torch.load(path, weights_only=False)  # executes the file\n"
        f"checkpoint[key] = {kind}(checkpoint[key])  # wherever it holds one\n"
        "torch.save(checkpoint, new_path)"
    )


_GUARDED_GETATTR = """\
import inspect

import torch


def method_of_module(owner, name):
    if isinstance(owner, type) and issubclass(owner, torch.nn.Module) and name[:1] != "_":
        return inspect.getattr_static(owner, name)
    raise TypeError(f"{name!r} of {owner!r} is not a method of a module")


torch.serialization.add_safe_globals([(method_of_module, "builtins.getattr")])"""

_NUMPY = """\
import numpy
import torch
from MULTIARRAY import _reconstruct, scalar

kinds = [type(numpy.dtype(kind)) for kind in ("float32", "float64", "int64")]
torch.serialization.add_safe_globals(
    [_reconstruct, scalar, numpy.dtype, numpy.ndarray, *kinds]
)"""

_PATCH = """\
import functools

import torch

_load = torch.load


@functools.wraps(_load)
def load(*args, **kwargs):  # executes every file whose reader does not choose itself
    return _load(*args, **{"weights_only": False, **kwargs})


torch.load = load"""

_GLOBALS = (
    Signature(
        id="wo-global-2.5",
        exceptions=("UnpicklingError",),
        pattern=(
            _refused(r"[\w.]+") + r"\. Please use"
            r" `torch\.serialization\.add_safe_globals\(\[[\w.]+\]\)` to allowlist"
        ),
        cause="The file names {g}, which torch does not import under weights_only=True.",
        remedies=(_ALLOW, CONVERT, TRUST),
        link="https://github.com/pytorch/pytorch/blob/v2.5.1/torch/_weights_only_unpickler.py",
        knows=GENERAL,
    ),
    Signature(
        id="wo-global-2.6",
        exceptions=("UnpicklingError",),
        pattern=(
            _refused(r"\w[\w.]*\.\w+") + r"\. Please use"
            r" `torch\.serialization\.add_safe_globals\(\[(?!(?P=g)\])[\w.]+\]\)` or the"
        ),
        cause="The file names {g}, which torch does not import under weights_only=True.",
        remedies=(_ALLOW, CONVERT, TRUST),
        link="https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI/issues/2419",
        knows=GENERAL,
    ),
    Signature(
        id="wo-global-2.7",
        exceptions=("UnpicklingError",),
        pattern=(
            _refused(r"[\w.]+") + r"\. Please use"
            r" `torch\.serialization\.add_safe_globals\(\[(?P=g)\]\)` or the"
        ),
        cause="The file names {g}, which torch does not import under weights_only=True.",
        remedies=(_ALLOW, CONVERT, TRUST),
        link="https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI/issues/2575",
        knows=GENERAL,
    ),
    Signature(
        id="wo-argparse-namespace",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"argparse\.Namespace"),
        cause=(
            "The file holds the options of its training run, an {g}, as those of older fairseq do;"
            " torch does not import it under weights_only=True."
        ),
        remedies=(_ALLOW, CONVERT, TRUST),
        link="https://github.com/facebookresearch/fairseq/issues/5610",
    ),
    Signature(
        id="wo-torch-module",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"torch\.nn\.modules\.[\w.]+"),
        cause=(
            "The file holds a whole model and not its state dict, so it names every class of it;"
            " {g} is but the first that torch refused."
        ),
        remedies=(
            allow("Allow all classes of the model at once, and keep weights_only=True."),
            CONVERT,
            edit(
                'torch.save(model.state_dict(), "weights.pt")',
                says="Where you have the model, save its state dict, which names no classes.",
            ),
            TRUST,
        ),
        link="https://github.com/ultralytics/ultralytics/issues/19778",
    ),
    Signature(
        id="wo-omegaconf",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"omegaconf\.[\w.]+"),
        cause=(
            "The file holds its configuration as an object of omegaconf; {g} is but the first of"
            " several classes that it names."
        ),
        remedies=(
            allow("Allow all that the file names, and keep weights_only=True."),
            CONVERT,
            TRUST,
        ),
        link="https://github.com/pyannote/pyannote-audio/issues/1908",
    ),
    Signature(
        id="wo-numpy",
        exceptions=("UnpicklingError",),
        pattern=_refused(
            r"(?:(?P<old>numpy\.core\.multiarray)|(?P<new>numpy\._core\.multiarray))"
            r"\.(?:scalar|_reconstruct)"
        ),
        cause=(
            "The file holds a number or an array of numpy, under the name that it had in the numpy"
            " which saved it: {g}."
        ),
        remedies=(
            allow("Allow it under the name in the file.", when=("torch>=2.6",)),
            edit(
                _NUMPY.replace("MULTIARRAY", "{old}"),
                says="torch 2.5 takes this name beside numpy 1 alone.",
                when=("torch<2.6", "numpy<2"),
            ),
            edit(
                _NUMPY.replace("MULTIARRAY", "{new}"),
                says="torch 2.5 takes this name beside numpy 2 alone.",
                when=("torch<2.6", "numpy>=2"),
            ),
            CONVERT,
            TRUST,
        ),
        link="https://github.com/suno-ai/bark/issues/656",
    ),
    Signature(
        id="wo-numpy-dtype",
        exceptions=("UnpicklingError",),
        pattern=(
            r"Can only build Tensor.* but got <class '(?:numpy\.dtypes\.(?P<type>\w+DType)"
            r"|numpy\.dtype\[(?P<kind>\w+)\])'>"
        ),
        cause="numpy's numbers have a class for each kind, and this one is not allowed yet.",
        remedies=(
            edit(
                "import numpy.dtypes\nimport torch\n\n"
                "torch.serialization.add_safe_globals([numpy.dtypes.{type}])",
                says="Allow this class as well; the file itself does not name it.",
            ),
            edit(
                "import numpy\nimport torch\n\n"
                'torch.serialization.add_safe_globals([type(numpy.dtype("{kind}"))])',
                says="Allow this class as well; the file itself does not name it.",
            ),
            CONVERT,
        ),
        link="https://github.com/suno-ai/bark/issues/656",
    ),
    Signature(
        id="wo-getattr",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"(?:builtins\.)?getattr"),
        cause=(
            "The file looks up a method, a nested class or an enum's member by getattr; allowed as"
            " it is, getattr would let a pickle reach everything."
        ),
        remedies=(
            CONVERT,
            edit(
                _GUARDED_GETATTR,
                says="Where it looks up methods of modules, allow a getattr of these alone.",
                when=("torch>=2.6",),
            ),
            AUTHOR,
            TRUST,
        ),
        link="https://github.com/ultralytics/ultralytics/issues/19778",
        knows=CASE,
    ),
    Signature(
        id="wo-dangerous",
        exceptions=("UnpicklingError",),
        pattern=_refused(_running_code()),
        cause="The file names {g}, with which a pickle can run any code.",
        remedies=(
            advice("Do not load it, and do not allow this name: no state dict needs it."),
            SCAN,
            CONVERT,
        ),
        link="https://github.com/pytorch/pytorch/blob/main/SECURITY.md#untrusted-models",
        knows=CASE,
    ),
    Signature(
        id="wo-blocked-module",
        exceptions=("UnpicklingError",),
        pattern=r"Trying to load unsupported GLOBAL (?P<g>\S+) whose module (?P<m>\w+) is blocked",
        cause=(
            "The file names {g}. torch blocks the module {m} whatever is allowed, since a pickle"
            " that names it mostly attacks whoever loads it."
        ),
        remedies=(
            advice("Do not load it: no checkpoint needs this, and weights_only=False runs it."),
            SCAN,
            CONVERT,
        ),
        link="https://github.com/pytorch/pytorch/issues/189445",
    ),
    Signature(
        id="wo-set-2.5",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"builtins\.(?:set|complex)"),
        cause="The file holds a {g}, which torch allows of itself from 2.6 on.",
        remedies=(
            _ALLOW,
            pin("torch>=2.6", says="torch 2.6 and later read it as it is."),
        ),
        link="https://github.com/pytorch/pytorch/issues/138851",
        applies=("torch<2.6",),
    ),
    Signature(
        id="wo-builtin",
        exceptions=("UnpicklingError",),
        pattern=r"GLOBAL (?P<name>\w+) was not an allowed global by default",
        cause="The file names builtins.{name}, which torch does not allow of itself.",
        remedies=(
            edit(
                "import torch\n\ntorch.serialization.add_safe_globals([{name}])",
                says="Allow it; `torchcompat allowlist FILE` prints what else the file names.",
            ),
            CONVERT,
            TRUST,
        ),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-main",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"__(?:mp_)?main__\.(?P<name>\w+)"),
        cause=(
            "{name} was defined in the very script that saved the file, so the file looks for it"
            " in whatever script runs now."
        ),
        remedies=(
            CONVERT,
            edit(
                "import torch\nfrom your_module import {name}  # where the class is defined\n\n"
                'torch.serialization.add_safe_globals([({name}, "{g}")])',
                says="Where you have the class, allow it under the name in the file.",
                when=("torch>=2.6",),
            ),
            edit(
                "torch.serialization.add_safe_globals([{name}])",
                says="Define the class in the script that you run, and allow it there.",
                when=("torch<2.6",),
            ),
            TRUST,
        ),
        link=_MANUAL,
    ),
    Signature(
        id="wo-path",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"pathlib(?:\._local)?\.(?:Pure)?(?P<flavour>Posix|Windows)Path"),
        cause="The file holds a path of the machine that saved it, a {g}.",
        remedies=(
            edit(
                "import pathlib\n\nimport torch\n\n"
                'torch.serialization.add_safe_globals([(pathlib.Pure{flavour}Path, "{g}")])',
                says="Let a path without a file system stand in, which every machine can make.",
                when=("torch>=2.6",),
            ),
            allow("Allow it.", when=("torch<2.6", "python<3.13")),
            CONVERT,
        ),
        link="https://docs.python.org/3/library/pathlib.html#pure-paths",
    ),
    Signature(
        id="wo-dict-subclass",
        exceptions=("UnpicklingError",),
        pattern=_refused(
            r"collections\.defaultdict|addict\.addict\.Dict|easydict\.EasyDict|munch\.Munch"
            r"|yacs\.config\.CfgNode"
        ),
        cause="The file holds a {g}, which torch 2.10 and later do not fill even if it is allowed.",
        remedies=(
            allow("Allow it; with torch 2.10 and later this ends.", when=("torch<2.10",)),
            CONVERT,
            edit(
                _saved_anew("dict"),
                says="Where you trust the file, save it anew with a plain dict in its place.",
                when=("torch>=2.10",),
            ),
        ),
        link="https://github.com/idiap/coqui-ai-TTS/pull/545",
    ),
    Signature(
        id="wo-deque",
        exceptions=("UnpicklingError",),
        pattern=_refused(r"collections\.deque"),
        cause="The file holds a {g}, which torch fills under no policy but weights_only=False.",
        remedies=(
            CONVERT,
            edit(
                _saved_anew("list"),
                says="Where you trust the file, save it anew with a plain list in its place.",
            ),
        ),
        link=_UNPICKLER,
    ),
)

_OBJECTS = (
    Signature(
        id="wo-setitem-subclass",
        exceptions=("UnpicklingError",),
        pattern=(
            r"Can only SETITEMS? for dict, collections\.OrderedDict, collections\.Counter, but got"
            r" <class '(?P<c>[^']+)'>"
        ),
        cause=(
            "Since the fix of CVE-2026-24747 in 2.10, torch fills no dict of another class than its"
            " own three, not even the allowed {c}."
        ),
        remedies=(
            CONVERT,
            edit(
                _saved_anew("dict"),
                says="Where you trust the file, save it anew with a plain dict in its place.",
            ),
            AUTHOR,
        ),
        link="https://github.com/pytorch/pytorch/pull/170085",
        applies=("torch>=2.10",),
    ),
    Signature(
        id="wo-list-subclass",
        exceptions=("UnpicklingError",),
        pattern=r"Can only (?:append to|extend) lists, but got <class '(?P<c>[^']+)'>",
        cause="Under weights_only=True torch fills plain lists alone, not even the allowed {c}.",
        remedies=(
            CONVERT,
            edit(
                _saved_anew("list"),
                says="Where you trust the file, save it anew with a plain list in its place.",
            ),
            AUTHOR,
        ),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-build",
        exceptions=("UnpicklingError",),
        pattern=r"Can only build Tensor, Parameter, .* but got <class '(?P<g>[\w.]+)'>",
        cause="What makes the object is allowed, but not its class, {g}, which is to get a state.",
        remedies=(
            allow("Allow the class as well."),
            CONVERT,
            TRUST,
        ),
        link=_UNPICKLER,
        knows=GENERAL,
    ),
    Signature(
        id="wo-new-object",
        exceptions=("UnpicklingError",),
        pattern=r"Can only create new object for nn\.Parameter or classes allowlisted",
        cause="The file makes an object in a way that this torch knows for other classes only.",
        remedies=(
            pin("torch>=2.6", says="torch 2.6 and later allow it.", when=("torch<2.6",)),
            CONVERT,
            TRUST,
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.5.1/torch/_weights_only_unpickler.py",
    ),
    Signature(
        id="wo-call",
        exceptions=("UnpicklingError",),
        pattern=r"to call reduce for unrecognized function (?P<f>.+?)(?: which belongs|\s*$)",
        cause="The file calls {f}, which it did not get by a name that is allowed.",
        remedies=(CONVERT, AUTHOR, TRUST),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-legacy-module",
        exceptions=("UnpicklingError",),
        pattern=r"Only persistent_load of storage is allowed, but got (?:module|<class 'str'>)",
        cause=(
            "The file is a whole model in the format of torch before 1.6, with the source code of"
            " its classes; under weights_only=True no allow-list opens it."
        ),
        remedies=(
            CONVERT,
            edit(
                "import torch\n\n"
                "model = torch.load(path, weights_only=False)  # executes the file\n"
                "torch.save(model.state_dict(), new_path)",
                says="Where you trust the file, save its state dict anew.",
            ),
        ),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-not-imported",
        exceptions=("UnpicklingError",),
        pattern=r"``(?P<m>torch\.[\w.]+)``.* must be imported to load (?P<what>\w+)",
        cause="The file holds {what}, whose module this program has not imported.",
        remedies=(edit("import {m}", says="Import it before torch.load."),),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-operand",
        exceptions=("UnpicklingError",),
        pattern=r"Unsupported operand (?:14[0-35689]|15[01])\b",
        cause=(
            "It is a pickle of protocol 4 or 5, which weights_only=True does not read: saved with"
            " torch.save(..., pickle_protocol=4), or by pickle.dump and no checkpoint of torch."
        ),
        remedies=(
            CONVERT,
            edit(
                "torch.save(checkpoint, path)  # without pickle_protocol, which is then 2",
                says="Save it with the protocol that torch reads.",
            ),
            SCAN,
            TRUST,
        ),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-bytes",
        exceptions=("UnpicklingError",),
        pattern=r"Unsupported operand 6[67]\b",
        cause=(
            "The file holds bytes as pickle protocol 3 writes them, which weights_only=True does"
            " not read; or it is a text that begins with B or C."
        ),
        remedies=(SCAN, CONVERT, TRUST),
        link=_UNPICKLER,
    ),
    Signature(
        id="wo-protocol-3",
        exceptions=("UserWarning",),
        pattern=r"Detected pickle protocol (?P<n>\d+) in the checkpoint",
        cause=(
            "The file was saved with pickle protocol {n}; weights_only=True is made for protocol 2"
            " and may not know all of it."
        ),
        remedies=(
            edit(
                "torch.save(checkpoint, path)  # without pickle_protocol, which is then 2",
                says="Save it again with the protocol that torch reads.",
            ),
        ),
        link=_UNPICKLER,
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_GLOBALS, *_OBJECTS)
