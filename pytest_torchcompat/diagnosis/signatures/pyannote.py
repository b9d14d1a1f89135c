"""pyannote.audio, lightning and the hub that its models come from."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    Signature,
    advice,
    allow,
    edit,
    pin,
    run,
    shim,
)

_GATED = "https://huggingface.co/docs/hub/models-gated"
_LOGIN = run(
    "hf auth login",
    says="Accept the conditions on the model's page, and log in with a token that may read it.",
)

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="wo-pyannote",
        exceptions=("UnpicklingError",),
        pattern=(
            r"GLOBAL (?P<g>pyannote\.[\w.]+|torch\.torch_version\.TorchVersion)"
            r" was not an allowed global"
        ),
        cause=(
            "The file keeps {g}, as pyannote.audio's checkpoints do, and lightning before 2.4 and"
            " from 2.6 on leaves weights_only to torch."
        ),
        remedies=(
            pin(
                "pyannote.audio>=4.0.3",
                says="Let pyannote.audio pass weights_only=False itself, as it does from 4.0.3 on.",
                when=("pyannote.audio>=4,<4.0.3",),
            ),
            pin(
                "lightning>=2.4,<2.6",
                "pytorch-lightning>=2.4,<2.6",
                says="Take a lightning that passes weights_only=False: files you trust alone.",
                when=("pyannote.audio<4.0.3",),
            ),
            allow("Allow what the file names, and keep weights_only=True."),
            advice("Pass weights_only=False to the call, where you trust whoever made the file."),
        ),
        link="https://github.com/m-bain/whisperX/pull/1313",
    ),
    Signature(
        id="pyannote4-audiodecoder",
        exceptions=("NameError", "RuntimeError"),
        pattern=(
            r"name 'AudioDecoder' is not defined"
            r"|torchcodec is not available\. Cannot (?:read|crop|decode)"
        ),
        cause="torchcodec did not load, and pyannote.audio 4 reads files by nothing else.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Install the torchcodec that goes with torch {torch}, beside FFmpeg.",
            ),
            edit(
                'import soundfile\nimport torch\n\nsamples, rate = soundfile.read("FILE",'
                ' dtype="float32", always_2d=True)\n'
                'pipeline({"waveform": torch.from_numpy(samples.T), "sample_rate": rate})',
                says="Read the file yourself, and hand over its samples.",
            ),
        ),
        link="https://github.com/pyannote/pyannote-audio/pull/2016",
        among=("pyannote-audio",),
    ),
    Signature(
        id="pyannote-np-nan",
        exceptions=("AttributeError",),
        pattern=r"`np\.NaN` was removed in the NumPy 2\.0 release",
        cause="NumPy 2 removed np.NaN, by which pyannote.audio up to 3.3.1 spells its defaults.",
        remedies=(
            pin(
                "pyannote.audio>=3.3.2",
                says="3.3.2 is the first that NumPy 2 can import.",
                when=("pyannote.audio<3.3.2",),
            ),
            pin("numpy<2", says="Stay with NumPy 1."),
            shim("numpy-aliases", says="Or give NumPy its old names back."),
        ),
        link="https://numpy.org/doc/stable/numpy_2_0_migration_guide.html",
        knows=CASE,
        applies=("pyannote.audio<3.4", "numpy>=2"),
        among=("pyannote-audio",),
        stages=("import",),
    ),
    Signature(
        id="lightning-pkg-resources",
        exceptions=("ModuleNotFoundError",),
        pattern=r"No module named 'pkg_resources'",
        cause=(
            "pkg_resources was a part of setuptools up to 81. Here setuptools is newer, or is not"
            " installed, as in a new environment since Python 3.12."
        ),
        remedies=(
            pin(
                "lightning>=2.4,<2.6",
                "pytorch-lightning>=2.4,<2.6",
                says="Take a lightning that does without.",
                when=("lightning<2.4",),
            ),
            pin("setuptools<82", says="Install a setuptools that has it."),
        ),
        link="https://setuptools.pypa.io/en/latest/pkg_resources.html",
    ),
    Signature(
        id="hub-use-auth-token",
        exceptions=("TypeError",),
        pattern=(
            r"^(?:hf_hub_download|snapshot_download|cached_file)\(\) got an unexpected keyword"
            r" argument 'use_auth_token'"
        ),
        cause=(
            "huggingface_hub 1 removed use_auth_token, which older libraries still pass,"
            " pyannote.audio 3 and speechbrain 1.0 among them."
        ),
        remedies=(
            pin("huggingface_hub<1", says="Keep the hub's client before 1."),
            pin(
                "speechbrain>=1.1",
                says="speechbrain 1.1 passes token instead.",
                when=("speechbrain<1.1",),
            ),
            pin(
                "pyannote.audio>=4",
                says="pyannote.audio 4 passes token instead.",
                when=("pyannote.audio<4", "torch>=2.8"),
            ),
            shim("hub-auth-token", says="Or give the hub's client its older argument back."),
        ),
        link="https://huggingface.co/docs/huggingface_hub/concepts/migration",
    ),
    Signature(
        id="pyannote-use-auth-token",
        exceptions=("TypeError",),
        pattern=(
            r"^(?P<f>(?:Pipeline|Model|Inference)\.\w+)\(\) got an unexpected keyword argument"
            r" 'use_auth_token'"
        ),
        cause="pyannote.audio 4 calls the argument of {f} token, which was use_auth_token before.",
        remedies=(
            edit('{f}("NAME", token="hf_...")', says="Pass token instead."),
            advice("Where the call is another library's, take a release of it for pyannote 4."),
        ),
        link="https://github.com/pyannote/pyannote-audio/releases/tag/4.0.0",
        among=("pyannote-audio",),
    ),
    Signature(
        id="pyannote-none",
        exceptions=("AttributeError",),
        pattern=r"^'NoneType' object has no attribute '(?P<name>to|eval|instantiate)'$",
        cause=(
            "The object is None. Where a model or pipeline was to be loaded: pyannote.audio 3"
            ' returns that, after a printed "Could not download", where its conditions are not'
            " accepted."
        ),
        remedies=(
            _LOGIN,
            advice("Look above the traceback for what was printed as it was loaded."),
        ),
        link=_GATED,
        knows=GENERAL,
        applies=("pyannote.audio<4",),
        among=("pyannote-audio",),
    ),
    Signature(
        id="hf-gated",
        exceptions=("GatedRepoError",),
        pattern=r"Cannot access gated repo for url (?P<url>\S+?)\.?\s",
        cause="The model at {url} is given to those alone who accept its conditions.",
        remedies=(_LOGIN, advice("A pipeline may need further models: accept those of each.")),
        link=_GATED,
    ),
)
