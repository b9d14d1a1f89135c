"""What a file's unpickling lacks, and what its reader asks for in vain."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    Signature,
    advice,
    edit,
    pin,
    run,
)
from pytest_torchcompat.diagnosis.signatures.remedies import CONVERT, SCAN

_SERIALIZATION = "https://github.com/pytorch/pytorch/blob/v2.10.0/torch/serialization.py"
_PICKLE = "https://docs.python.org/3/library/pickle.html"
_LOAD = "https://docs.pytorch.org/docs/stable/generated/torch.load.html"

_TO_CPU = edit(
    'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
    says="Read it into memory, and move the model to your device afterwards.",
)
_WITHOUT_MMAP = edit(
    'checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=False)',
    says="Read it without mmap.",
)
_CONVERT_CHECKPOINT = run(
    CONVERT.code,
    says="Of a checkpoint, take the tensors out: nothing in it is executed, no class is needed.",
)
_NAMES = (
    Signature(
        id="pickle-module-missing",
        exceptions=("ModuleNotFoundError",),
        pattern=(
            r"^No module named '(?P<m>(?P<package>fairseq|ultralytics|omegaconf|pytorch_lightning"
            r"|lightning|transformers|timm)|(?P<coqui>TTS)|(?P<audio>pyannote)|\w+)'$"
        ),
        cause=(
            "Loading the file imports {m}, which is not installed: mostly the library whose"
            " objects the pickle holds."
        ),
        remedies=(
            CONVERT,
            pin("{package}", says="Install the library that the file was saved with."),
            pin("coqui-tts", says="Install the library; {coqui} is coqui-tts on PyPI."),
            pin("pyannote.audio", says="Install the library; {audio} is a part of pyannote.audio."),
            advice("Install what {m} is a part of, in the release that saved the file."),
        ),
        link=f"{_PICKLE}#what-can-be-pickled-and-unpickled",
        knows=GENERAL,
        stages=("load",),
    ),
    Signature(
        id="pickle-module-moved",
        exceptions=("ModuleNotFoundError",),
        pattern=r"^No module named '(?P<m>(?P<library>\w+)\.[\w.]+)'",
        cause=(
            "The file names {m}, which the installed release of {library} does not have: it was"
            " moved or removed, or is newer."
        ),
        remedies=(
            CONVERT,
            advice("Install the release of {library} that saved the file."),
        ),
        link=f"{_PICKLE}#what-can-be-pickled-and-unpickled",
        knows=GENERAL,
        stages=("load",),
    ),
    Signature(
        id="pickle-project-missing",
        exceptions=("ModuleNotFoundError",),
        pattern=r"^No module named '(?P<m>models|utils|src|nets|networks|modules)(?:\.[\w.]+)?'$",
        cause=(
            "The pickle holds objects of {m}, a folder of the project that saved it (YOLOv5 and"
            " YOLOv7 have models and utils), and no package to install."
        ),
        remedies=(
            CONVERT,
            edit(
                'import sys\n\nsys.path.insert(0, "PROJECT")  # the folder that has {m} in it',
                says="Where you have the project, let Python find it before torch.load.",
            ),
        ),
        link=f"{_PICKLE}#what-can-be-pickled-and-unpickled",
        stages=("load",),
    ),
    Signature(
        id="pickle-pathlib-local",
        exceptions=("ModuleNotFoundError",),
        pattern=r"No module named 'pathlib\._local'",
        cause="Python 3.13 saved a path in the file, under a name that older Python does not have.",
        remedies=(
            edit(
                'import pathlib\nimport sys\n\nsys.modules["pathlib._local"] = pathlib',
                says="Give the name to pathlib before torch.load.",
            ),
            CONVERT,
        ),
        link="https://github.com/python/cpython/blob/3.13/Lib/pathlib/__init__.py",
        knows=CASE,
    ),
    Signature(
        id="pickle-path-of-other-system",
        exceptions=("NotImplementedError", "UnsupportedOperation"),
        pattern=r"cannot instantiate '(?P<flavour>Posix|Windows)Path' on your system",
        cause=(
            "A {flavour}Path is asked for, mostly by the file, which only a system of that kind can"
            " make."
        ),
        remedies=(
            edit(
                "import pathlib\n\n"
                "pathlib.{flavour}Path = pathlib.Pure{flavour}Path  # before torch.load",
                says="Let a path without a file system stand in.",
            ),
            CONVERT,
        ),
        link="https://docs.python.org/3/library/pathlib.html#pure-paths",
    ),
    Signature(
        id="pickle-main-attribute",
        exceptions=("AttributeError",),
        pattern=r"Can't get attribute '(?P<name>\w+)' on <module '(?P<m>__(?:mp_)?main__)'",
        cause=(
            "{name} was defined in the very script that pickled it, so pickle looks for it in"
            " whatever script runs now."
        ),
        remedies=(
            _CONVERT_CHECKPOINT,
            edit(
                "import {m}\nfrom your_module import {name}  # where the class is defined\n\n"
                "{m}.{name} = {name}  # before torch.load",
                says="Where you have the class, put it where pickle looks.",
            ),
            advice("Between processes, define it in a module that each of them imports."),
        ),
        link=f"{_PICKLE}#what-can-be-pickled-and-unpickled",
        knows=CASE,
    ),
    Signature(
        id="pickle-attribute-missing",
        exceptions=("AttributeError",),
        pattern=r"Can't get attribute '(?P<name>[\w.]+)' on <module '(?P<m>[\w.]+)'",
        cause=(
            "The pickle names {m}.{name}, which {m} does not have here: it was renamed or removed,"
            " or is newer."
        ),
        remedies=(
            _CONVERT_CHECKPOINT,
            advice("Install the release of the library that wrote it, or a newer one."),
        ),
        link=f"{_PICKLE}#what-can-be-pickled-and-unpickled",
        knows=GENERAL,
    ),
    Signature(
        id="pickle-python-2",
        exceptions=("UnicodeDecodeError",),
        pattern=r"'(?:utf-8|ascii)' codec can't decode byte 0x\w\w in position \d+",
        cause=(
            "A text in the file is not of this encoding: mostly Python 2 wrote the pickle, whose"
            " strings are bytes."
        ),
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True,'
                ' encoding="latin1")',
                says="Read its strings as latin1, which takes every byte.",
            ),
            CONVERT,
            SCAN,
        ),
        link=f"{_PICKLE}#pickle.Unpickler",
        knows=GENERAL,
        stages=("load",),
    ),
    Signature(
        id="load-source-changed",
        exceptions=("SourceChangeWarning",),
        pattern=r"source code of class '(?P<c>[^']+)' has changed",
        cause=(
            "The file is a whole model in the format of torch before 1.6, and the source code of"
            " {c} that it carries is not that of the installed release."
        ),
        remedies=(
            edit(
                "model = Model()  # as the installed release makes it\n"
                "model.load_state_dict(checkpoint.state_dict())",
                says="Take its state dict into a model that the installed release made.",
            ),
            CONVERT,
        ),
        link=_SERIALIZATION,
    ),
)

_CALLS = (
    Signature(
        id="load-device-missing",
        exceptions=("RuntimeError",),
        pattern=(
            r"Attempting to deserialize object on an? (?P<d>\w+)\s+device but"
            r" torch\.\w+\.is_available\(\) is False"
        ),
        cause="The tensors were saved on a {d} device, and torch finds none here.",
        remedies=(_TO_CPU, advice("Where there is one, see whether torch is a build for {d}.")),
        link=_LOAD,
    ),
    Signature(
        id="load-device-number",
        exceptions=("RuntimeError",),
        pattern=(
            r"Attempting to deserialize object on (?P<d>\w+) device\s+(?P<i>\d+) but"
            r" torch\.\w+\.device_count\(\) is (?P<n>\d+)"
        ),
        cause="The tensors were saved on {d} device {i}, and there are {n} here, counted from 0.",
        remedies=(_TO_CPU,),
        link=_LOAD,
    ),
    Signature(
        id="load-device-unknown",
        exceptions=("RuntimeError",),
        pattern=(
            r"don't know how to restore data location of \S+ \(tagged with (?P<tag>[^)]+)\)"
            r"|The (?P<d>\w+) device module is not registered"
            r"|UntypedStorage\(\): Storage device not recognized"
        ),
        cause="The tensors were saved on a device that torch knows by its plugin alone.",
        remedies=(_TO_CPU,),
        link=_LOAD,
    ),
    Signature(
        id="load-mmap-legacy",
        exceptions=("RuntimeError",),
        pattern=r"mmap can only be used with files saved with\s+`torch\.save\(",
        cause="mmap=True maps zips of torch.save; this file is older or of another kind.",
        remedies=(
            _WITHOUT_MMAP,
            edit(
                "import torch\n\n"
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)\n'
                "torch.save(checkpoint, new_path)",
                says="Save it anew once, and map that.",
            ),
        ),
        link=_LOAD,
    ),
    Signature(
        id="load-mmap-file-object",
        exceptions=("ValueError",),
        pattern=r"f must be a file path in order to use the mmap argument",
        cause="mmap=True needs the path of a file, and was given an open file or bytes.",
        remedies=(
            edit(
                "checkpoint = torch.load(file.name, weights_only=True, mmap=True)",
                says="Pass the path.",
            ),
            _WITHOUT_MMAP,
        ),
        link=_LOAD,
    ),
    Signature(
        id="load-not-a-file",
        exceptions=("AttributeError",),
        pattern=(
            r"'(?P<t>(?!NoneType')[\w.]+)' object has no attribute '(?:seek|tell)'\. You can only"
            r" torch\.load from a file that is seekable"
        ),
        cause="torch.load takes a path or an open file that can seek, and was given {t}.",
        remedies=(
            edit(
                "import io\n\n"
                'checkpoint = torch.load(io.BytesIO(content), map_location="cpu",'
                " weights_only=True)",
                says="Where it is the content of a file, as bytes, let it look like one.",
            ),
        ),
        link=_LOAD,
    ),
    Signature(
        id="load-none",
        exceptions=("AttributeError",),
        pattern=(
            r"'NoneType' object has no attribute '(?:seek|tell)'\. You can only torch\.load from a"
            r" file that is seekable"
        ),
        cause="torch.load was given None: whatever looks for the file, or fetches it, found none.",
        remedies=(
            advice("Look at what returns the path: a search without a hit, a failed download."),
        ),
        link=_LOAD,
    ),
    Signature(
        id="load-skip-data",
        exceptions=("RuntimeError",),
        pattern=r"`torch\.load` called within a torch\.serialization\.skip_data context manager",
        cause="This torch does not load files within skip_data.",
        remedies=(
            advice("Call torch.load before the block of skip_data."),
            pin("torch>=2.8", says="torch 2.8 and later do.", when=("torch<2.8",)),
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.5.1/torch/serialization.py",
    ),
    Signature(
        id="safetensors-missing",
        exceptions=("RuntimeError",),
        pattern=r"Attempting to load a safetensors file but safetensors is not installed",
        cause="The path ends in .safetensors, which torch.load hands to a library that is missing.",
        remedies=(pin("safetensors", says="Install it."),),
        link="https://github.com/huggingface/safetensors",
    ),
    Signature(
        id="file-missing",
        exceptions=("FileNotFoundError",),
        pattern=(
            r"\[Errno 2\] No such file or directory: '(?P<p>[^']*"
            r"\.(?:pth?|ckpt|bin|pkl|safetensors|tar))'"
        ),
        cause="There is no file {p}; a relative path counts from the current folder.",
        remedies=(
            edit(
                "from pathlib import Path\n\nprint(Path(path).resolve())",
                says="See where it was looked for.",
            ),
            advice("Check whether the step that downloads it has run and succeeded."),
        ),
        link=_LOAD,
        knows=GENERAL,
    ),
    Signature(
        id="file-is-folder",
        exceptions=("IsADirectoryError",),
        pattern=r"\[Errno 21\] Is a directory: '(?P<p>[^']*)'",
        cause="{p} is a folder, such as a sharded checkpoint or a whole model of a hub.",
        remedies=(
            run("ls -l FOLDER", says="See which file in it holds the weights, and name that."),
            edit(
                "import torch.distributed.checkpoint as checkpoints\n\n"
                "checkpoints.load(state_dict, checkpoint_id=path)",
                says="Where .metadata is in it, it is a distributed checkpoint.",
            ),
        ),
        link="https://docs.pytorch.org/docs/stable/distributed.checkpoint.html",
        knows=GENERAL,
        stages=("load",),
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_NAMES, *_CALLS)
