"""Files that are no checkpoint, or none that is whole."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    GENERAL,
    Signature,
    advice,
    edit,
    run,
)
from pytest_torchcompat.diagnosis.signatures.remedies import JIT, SCAN, TAR

_SERIALIZATION = "https://github.com/pytorch/pytorch/blob/v2.10.0/torch/serialization.py"
_READER = "https://github.com/pytorch/pytorch/blob/v2.10.0/caffe2/serialize/inline_container.cc"
_PICKLE = "https://docs.python.org/3/library/pickle.html"
_LOAD = "https://docs.pytorch.org/docs/stable/generated/torch.load.html"

_AGAIN = advice(
    "Download it again, and compare its size and sha256 with those that its publisher states."
)
_SENDER = advice("Between processes, look at the first error that any of them printed.")
_SIZE = run("ls -l FILE", says="Compare its size with the publisher's.")

_BEGINNINGS = (
    Signature(
        id="file-lfs-pointer-strict",
        exceptions=("UnpicklingError",),
        pattern=r"Unsupported operand 118\b",
        cause=(
            "The file begins with a v, as a pointer of git-lfs does, the few lines that stand for"
            " a large file which was not fetched."
        ),
        remedies=(run("git lfs install", "git lfs pull", says="Fetch the large files."), SCAN),
        link="https://github.com/matatonic/openedai-speech/issues/98",
    ),
    Signature(
        id="file-lfs-pointer",
        exceptions=("UnpicklingError",),
        pattern=r"invalid load key, 'v'\.",
        cause=(
            "The file begins with a v, as a pointer of git-lfs does, the few lines that stand for"
            " a large file which was not fetched."
        ),
        remedies=(run("git lfs install", "git lfs pull", says="Fetch the large files."), SCAN),
        link="https://github.com/matatonic/openedai-speech/issues/98",
    ),
    Signature(
        id="file-html",
        exceptions=("UnpicklingError",),
        pattern=r"invalid load key, '<'\.|Unsupported operand 60\b",
        cause="It is a page of a web site, such as a login or an error, in the file's place.",
        remedies=(
            run("head -c 300 FILE", says="Read what the page says."),
            advice(
                "Download the file itself: on a hub its address has /resolve/ or /raw/ where that"
                " of its page has /blob/."
            ),
        ),
        link="https://huggingface.co/docs/huggingface_hub/guides/download",
    ),
    Signature(
        id="file-text-error",
        exceptions=("UnpicklingError",),
        pattern=r"invalid load key, '[{AE4]'\.|Unsupported operand (?:123|69|65|73|52)\b",
        cause=(
            "It begins as an answer of a server does that refused the download, such as Entry not"
            " found, Access to model ... is restricted, or JSON."
        ),
        remedies=(
            run("head -c 300 FILE", says="Read what the server said."),
            advice("Check the file's name and your access token, and download it again."),
        ),
        link="https://huggingface.co/docs/huggingface_hub/guides/download",
    ),
    Signature(
        id="file-gzip",
        exceptions=("UnpicklingError",),
        pattern=r"invalid load key, '\\x1f'\.|Unsupported operand 31\b",
        cause="The file is compressed with gzip.",
        remedies=(
            run("gzip -dc FILE > OUT", says="Unpack it, and load what was in it."),
            run("tar -xzf FILE", says="Where it is a .tar.gz, unpack the archive."),
        ),
        link="https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1",
    ),
    Signature(
        id="file-npy",
        exceptions=("UnpicklingError",),
        pattern=r"Unsupported operand 147\b",
        cause="It begins as an array of numpy does, a .npy file.",
        remedies=(
            edit(
                "array = numpy.load(path, allow_pickle=False)",
                says="Read it with numpy.",
            ),
            SCAN,
        ),
        link="https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html",
    ),
    Signature(
        id="file-other-format",
        exceptions=("UnpicklingError",),
        pattern=(
            r"invalid load key, '|^unpickling stack underflow$|^could not find MARK$"
            r"|Unsupported operand \d+\b"
        ),
        cause=(
            "It is no pickle, and no zip of torch.save: it is of another format, a text, or broken."
        ),
        remedies=(
            run("torchcompat scan FILE", says="See which format it is; nothing is executed."),
            edit(
                "from safetensors.torch import load_file\n\nstate_dict = load_file(path)",
                says="Where it is safetensors, under whatever name, read it with its library.",
            ),
            _AGAIN,
        ),
        link=_LOAD,
        knows=GENERAL,
    ),
    Signature(
        id="file-plain-pickle",
        exceptions=("RuntimeError",),
        pattern=r"Invalid magic number; corrupt file\?",
        cause="It is a pickle, but not of torch.save: pickle.dump or joblib.dump wrote it, say.",
        remedies=(
            SCAN,
            edit(
                'import pickle\n\nwith open(path, "rb") as file:\n'
                "    content = pickle.load(file)  # executes the file",
                says="Where you trust whoever made it, read it with what wrote it.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="file-read-with-pickle",
        exceptions=("UnpicklingError",),
        pattern=(
            r"A load persistent id instruction was encountered,\s+but no persistent_load function"
            r"|^unsupported persistent id encountered$"
        ),
        cause=(
            "pickle was given a file of torch.save, whose tensors it cannot read; torch.load says"
            " the same of a file that begins with a P and is no whole zip."
        ),
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
                says="Read it with torch.",
            ),
            SCAN,
        ),
        link=f"{_PICKLE}#persistence-of-external-objects",
    ),
)

_CUT = (
    Signature(
        id="file-empty",
        exceptions=("EOFError",),
        pattern=r"^Ran out of input$",
        cause="There is nothing to unpickle: the file is empty, or the process that sends it died.",
        remedies=(_AGAIN, _SIZE, _SENDER),
        link=_PICKLE,
        knows=GENERAL,
    ),
    Signature(
        id="file-ends-early",
        exceptions=("EOFError", "IndexError"),
        pattern=r"^$|^index out of range$",
        cause="The file is empty or ends within a pickle: a download that was cut.",
        remedies=(_AGAIN, _SIZE),
        link="https://github.com/pytorch/pytorch/blob/v2.10.0/torch/_weights_only_unpickler.py",
        knows=GENERAL,
        stages=("load",),
    ),
    Signature(
        id="file-truncated-zip",
        exceptions=("RuntimeError",),
        pattern=(
            r"PytorchStreamReader failed reading zip archive: (?:failed finding central directory"
            r"|not a ZIP archive)"
        ),
        cause=(
            "The end of the zip is missing, where its contents are listed: a download that was cut,"
            " or what torch.jit.load was given is no zip at all."
        ),
        remedies=(_AGAIN, _SIZE, SCAN),
        link=_READER,
    ),
    Signature(
        id="file-truncated-seek",
        exceptions=("OSError",),
        pattern=r"^\[Errno 22\] Invalid argument$",
        cause="The zip is so short that torch looks for its end before its beginning: it was cut.",
        remedies=(_AGAIN, _SIZE),
        link=_READER,
        knows=GENERAL,
        stages=("load",),
    ),
    Signature(
        id="file-truncated-legacy",
        exceptions=("RuntimeError",),
        pattern=r"unexpected EOF, expected (?P<n>\d+) more bytes\. The file might be corrupted",
        cause="The file ends within its tensors, {n} bytes before the end of one: it was cut.",
        remedies=(_AGAIN, _SIZE),
        link=_SERIALIZATION,
    ),
    Signature(
        id="file-truncated-pickle",
        exceptions=("UnpicklingError",),
        pattern=r"pickle data was truncated",
        cause="A pickle has no end: the file was cut, is the text of an error, or its sender died.",
        remedies=(_AGAIN, SCAN, _SENDER),
        link=_PICKLE,
    ),
    Signature(
        id="file-corrupt-zip",
        exceptions=("RuntimeError",),
        pattern=r"PytorchStreamReader failed reading file (?P<f>[^\s:]+)",
        cause="The zip's list of contents is there, but {f} in it is damaged.",
        remedies=(_AGAIN, run("unzip -t FILE", says="Test the whole zip.")),
        link=_READER,
    ),
    Signature(
        id="file-record-missing",
        exceptions=("RuntimeError",),
        pattern=r"PytorchStreamReader failed locating file (?P<f>(?!constants\.pkl)[^\s:]+)",
        cause="It is a zip, but without {f}: not as torch.save writes one.",
        remedies=(
            run("unzip -l FILE", says="See what is in it: the checkpoint may lie in it as a file."),
            _AGAIN,
        ),
        link=_READER,
    ),
    Signature(
        id="file-not-torchscript",
        exceptions=("RuntimeError",),
        pattern=r"PytorchStreamReader failed locating file constants\.pkl",
        cause="torch.jit.load was given a checkpoint of torch.save, which holds no program.",
        remedies=(
            edit(
                'checkpoint = torch.load(path, map_location="cpu", weights_only=True)',
                says="Read it with torch.load.",
            ),
            SCAN,
        ),
        link=_READER,
    ),
    Signature(
        id="file-zip-flat",
        exceptions=("RuntimeError",),
        pattern=r"file in archive is not in a subdirectory: (?P<f>.+)",
        cause=(
            "It is a zip, but torch.save puts all into one folder of it, and {f} lies in none: an"
            " .npz, an archive with the checkpoint in it, or a checkpoint that was packed again."
        ),
        remedies=(
            run("unzip -l FILE", says="See what is in it."),
            edit(
                "import zipfile\n\n"
                'with zipfile.ZipFile(path) as old, zipfile.ZipFile(new_path, "w") as new:\n'
                "    for name in old.namelist():\n"
                '        new.writestr("archive/" + name, old.read(name))',
                says="Where data.pkl and version are in it, put them into a folder again.",
            ),
        ),
        link=_READER,
    ),
    Signature(
        id="file-zip-foreign",
        exceptions=("RuntimeError",),
        pattern=r'Expected hasRecord\("version"\) to be true, but got false',
        cause="It is a zip that torch.save did not write.",
        remedies=(
            run("unzip -l FILE", says="See what is in it: the checkpoint may lie in it as a file."),
            SCAN,
        ),
        link=_READER,
    ),
    Signature(
        id="file-tar-foreign",
        exceptions=("KeyError",),
        pattern=r"filename 'storages' not found",
        cause="It is a tar archive that torch did not write; the checkpoint may lie in it.",
        remedies=(
            run("tar -tf FILE", says="See what is in it."),
            run("tar -xf FILE", says="Unpack it, and load the file that was in it."),
        ),
        link=_SERIALIZATION,
    ),
)

_POLICIES = (
    Signature(
        id="policy-untrusted",
        exceptions=("PolicyRefusedError",),
        pattern=r"would execute the pickle in (?P<f>.+), which is neither.*trust=(?P<trust>\S+)",
        cause="The policy patched executes only files that are verified or that you trust by name.",
        remedies=(
            run("torchcompat scan {f}", says="See what the file would import first."),
            run(
                "pytest --torchcompat-policy=patched --torchcompat-trust={trust}",
                says="Where you trust whoever made the file, name it.",
            ),
        ),
        link=_SERIALIZATION,
    ),
    Signature(
        id="policy-torchscript",
        exceptions=("PolicyRefusedError",),
        pattern=r"^\w+ refuses (?P<f>.+?): It is a TorchScript archive",
        cause="The file is a program with its weights, which this policy does not run.",
        remedies=(JIT,),
        link=_SERIALIZATION,
    ),
    Signature(
        id="policy-tar",
        exceptions=("PolicyRefusedError",),
        pattern=r"^\w+ refuses (?P<f>.+?): It is a tar archive",
        cause="torch 2.5 executes code from tar archives even under weights_only=True.",
        remedies=(
            run("tar -tf {f}", says="See whether it is an archive with the checkpoint in it."),
            TAR,
        ),
        link="https://github.com/pytorch/pytorch/security/advisories/GHSA-53q9-r3pm-6pq6",
    ),
    Signature(
        id="policy-broken-file",
        exceptions=("BrokenFileError",),
        pattern=r"^\w+ refuses (?P<f>.+?): ",
        cause="{f} is empty, cut or no checkpoint, which no policy changes.",
        remedies=(
            _AGAIN,
            run("torchcompat scan {f}", says="See what it is."),
        ),
        link=_LOAD,
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_BEGINNINGS, *_CUT, *_POLICIES)
