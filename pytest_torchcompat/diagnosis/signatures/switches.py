"""Switches about ``weights_only``, and what patches of ``torch.load`` get wrong."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    GENERAL,
    Signature,
    advice,
    allow,
    edit,
    pin,
    run,
)
from pytest_torchcompat.diagnosis.signatures.remedies import AUTHOR, CONVERT, JIT, SCAN, TAR, TRUST

_SOURCE = "https://github.com/pytorch/pytorch/blob/v2.10.0/torch/"
_UNPICKLER = f"{_SOURCE}_weights_only_unpickler.py"
_SERIALIZATION = f"{_SOURCE}serialization.py"

_PATCH = """\
import functools

import torch

_load = torch.load


@functools.wraps(_load)
def load(*args, **kwargs):  # executes every file whose reader does not choose itself
    return _load(*args, **{"weights_only": False, **kwargs})


torch.load = load"""

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="wo-future-warning",
        exceptions=("FutureWarning",),
        pattern=r"You are using `torch\.load` with `weights_only=False` \(the current default",
        cause=(
            "The call does not say weights_only; torch 2.4 and 2.5 execute the file then, and"
            " torch 2.6 and later refuse all but weights."
        ),
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
                says="Say what is meant: True for weights, which loads alike on every torch.",
            ),
            run(
                "torchcompat audit .",
                says="Find all such calls of a code base, and what later torch makes of them.",
            ),
            TRUST,
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.5.1/torch/serialization.py",
    ),
    Signature(
        id="tar-weights-only",
        exceptions=("RuntimeError",),
        pattern=r"Cannot use ``weights_only=True`` with files saved in the\s+legacy \.tar format",
        cause=(
            "It is a tar archive: a checkpoint of torch before 0.1.10, which weights_only=True does"
            " not read since the fix of CVE-2025-32434, or an archive with the checkpoint in it."
        ),
        remedies=(
            run(
                "tar -tf FILE",
                says="List what is in it: sys_info, pickle and storages are torch's.",
            ),
            run("tar -xf FILE", says="Where it is an archive of other files, unpack it."),
            TAR,
        ),
        link="https://github.com/openvinotoolkit/open_model_zoo/pull/3997",
    ),
    Signature(
        id="torchscript-weights-only",
        exceptions=("RuntimeError",),
        pattern=r"Cannot use ``weights_only=True`` with TorchScript archives passed to",
        cause=(
            "It is a TorchScript archive, a program with its weights; torch 2.6 and later open one"
            " with torch.load only where weights_only=False."
        ),
        remedies=(
            JIT,
            AUTHOR,
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="torchscript-dispatched",
        exceptions=("UserWarning",),
        pattern=r"'torch\.load' received a zip file that looks like a TorchScript archive",
        cause="It is a TorchScript archive, which torch.load hands to torch.jit.load.",
        remedies=(JIT,),
        link=_SERIALIZATION,
    ),
    Signature(
        id="pickle-module-weights-only",
        exceptions=("RuntimeError",),
        pattern=r"Can not safely load weights when explicit pickle_module is specified",
        cause=(
            "The call passes pickle_module, which weights_only=True excludes, or"
            " TORCH_FORCE_WEIGHTS_ONLY_LOAD, which is as good as it."
        ),
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
                says="Leave pickle_module out where the file holds weights.",
            ),
            run(
                "unset TORCH_FORCE_WEIGHTS_ONLY_LOAD",
                says="Where the environment forces it and you trust the files, do not force it.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="force-env-both",
        exceptions=("RuntimeError",),
        pattern=(
            r"Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD`"
            r"\s+should be set"
        ),
        cause="Both of the environment's switches are set, and they contradict each other.",
        remedies=(
            run(
                "unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
                says="Keep the one that refuses; the other executes every file.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="force-no-warning",
        exceptions=("UserWarning",),
        pattern=r"Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected",
        cause=(
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set, so that torch executes every file whose"
            " reader does not say weights_only."
        ),
        remedies=(
            run(
                "unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD",
                says="Take it back, and decide for each file.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="patch-kwarg-clash",
        exceptions=("TypeError",),
        pattern=(
            r"^(?:torch\.serialization\.)?\w*load\(\) got multiple values for keyword argument"
            r" 'weights_only'"
        ),
        cause=(
            "torch.load was replaced by a function that always passes weights_only, and this"
            " caller passes it too."
        ),
        remedies=(
            allow("Take the replacement away, and allow what the file names instead."),
            edit(
                _PATCH,
                says="Where you trust all files: let the replacement keep what a caller chose.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="patch-unknown-keyword",
        exceptions=("TypeError",),
        pattern=r"(?P<f>\S+)\(\) got an unexpected keyword argument 'weights_only'",
        cause=(
            "{f} does not know weights_only: it stands in for torch.load, or is of a library older"
            " than the argument."
        ),
        remedies=(
            edit(
                _PATCH,
                says="Where you trust all files: let the replacement pass on what it is given.",
            ),
        ),
        link=_SERIALIZATION,
        knows=GENERAL,
    ),
    Signature(
        id="load-unknown-keyword",
        exceptions=("TypeError",),
        pattern=(
            r"'\w+' is an invalid keyword argument for Unpickler\(\)"
            r"|Unpickler\.__init__\(\) got an unexpected keyword argument '(?!weights_only')\w+'"
        ),
        cause=(
            "torch.load hands what it does not know to pickle, which does not know it either:"
            " mostly a misspelt argument, such as weight_only."
        ),
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
                says="Spell the argument as torch does.",
            ),
        ),
        link="https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        stages=("load",),
    ),
    Signature(
        id="load-arguments-warning",
        exceptions=("UserWarning",),
        pattern=r"pickle_load_args only works if `weights_only=False`",
        cause=(
            "The call passes an argument for pickle, such as encoding, beside weights_only=True;"
            " this torch heeds the encoding all the same."
        ),
        remedies=(
            edit(
                "import warnings\n\n"
                'warnings.filterwarnings("ignore", "pickle_load_args only works")',
                says="Where it is encoding, leave it in and silence the warning.",
            ),
            advice("Where it is another argument, leave it out."),
        ),
        link="https://docs.pytorch.org/docs/stable/generated/torch.load.html",
    ),
    Signature(
        id="safe-globals-tuple-2.5",
        exceptions=("AttributeError",),
        pattern=r"'tuple' object has no attribute '__module__'",
        cause="A pair (class, name) was allowed, which torch takes from 2.6 on.",
        remedies=(
            edit(
                "torch.serialization.add_safe_globals([Class])  # the class alone",
                says="Where the file calls the class by its own name, allow the class itself.",
            ),
            pin("torch>=2.6", says="torch 2.6 and later take pairs.", when=("torch<2.6",)),
            CONVERT,
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.5.1/torch/_weights_only_unpickler.py",
        applies=("torch<2.6",),
        stages=("load",),
    ),
    Signature(
        id="safe-globals-string",
        exceptions=("AttributeError",),
        pattern=r"'str' object has no attribute '__module__'",
        cause="A name was allowed as a string, where torch needs the object itself.",
        remedies=(
            run(
                "torchcompat allowlist FILE",
                says="Print the lines that allow what the file names, imports included.",
            ),
            edit(
                "import torch\nfrom argparse import Namespace  # say\n\n"
                "torch.serialization.add_safe_globals([Namespace])",
                says="Import what is allowed, and give torch that.",
            ),
        ),
        link=_UNPICKLER,
        stages=("load",),
    ),
    Signature(
        id="safe-globals-dtype",
        exceptions=("AttributeError",),
        pattern=r"'numpy\.dtypes?\S*' object has no attribute '__(?:module|qualname|name)__'",
        cause="A dtype of numpy was allowed in the place of its class.",
        remedies=(
            edit(
                "import numpy\nimport torch\n\n"
                'torch.serialization.add_safe_globals([type(numpy.dtype("float64"))])',
                says="Allow its class.",
            ),
        ),
        link=_UNPICKLER,
    ),
    Signature(
        id="no-get-unsafe",
        exceptions=("AttributeError", "ImportError"),
        pattern=(
            r"module 'torch\.serialization' has no attribute 'get_unsafe_globals_in_checkpoint'"
            r"|cannot import name 'get_unsafe_globals_in_checkpoint' from 'torch\.serialization'"
        ),
        cause="torch has get_unsafe_globals_in_checkpoint from 2.6 on.",
        remedies=(
            SCAN,
            pin("torch>=2.6", says="torch 2.6 and later have it.", when=("torch<2.6",)),
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.6.0/torch/serialization.py",
    ),
    Signature(
        id="get-unsafe-legacy",
        exceptions=("ValueError",),
        pattern=r"Expected input to be a checkpoint returned by torch\.save",
        cause=(
            "get_unsafe_globals_in_checkpoint reads zip files of torch.save alone: neither those"
            " of torch before 1.6, nor tar, nor TorchScript."
        ),
        remedies=(SCAN,),
        link=_SERIALIZATION,
    ),
)
