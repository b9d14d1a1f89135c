"""coqui-tts and TTS, with transformers."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature, advice, allow, pin, run, shim

_COQUI = ("coqui-tts", "tts")
_ISIN = "https://github.com/huggingface/transformers/issues/31040"
_COMMANDS = ("python -m pip uninstall -y TTS", 'python -m pip install "coqui-tts[codec]"')
_GOES_ON = "Take coqui-tts, which goes on with TTS under the same module name."
_TO_COQUI_TTS = run(*_COMMANDS, says=_GOES_ON)
_OLD_TRANSFORMERS = pin(
    "transformers<4.41",
    says="Take a transformers that TTS 0.22 was written for.",
    when=("transformers>=4.41",),
)

_XTTS = (
    Signature(
        id="wo-xtts",
        exceptions=("UnpicklingError",),
        pattern=r"GLOBAL (?P<g>(?:TTS|trainer\.trainer|coqpit)\.[\w.]+) was not an allowed global",
        cause="The file pickles {g}: a model of coqui's holds its configuration as objects.",
        remedies=(
            pin(
                "coqui-tts>=0.24.3",
                says="Take coqui-tts from 0.24.3 on, which allows the classes of XTTS.",
                when=("coqui-tts<0.24.3",),
            ),
            allow("Allow what the file names, and keep weights_only=True."),
            _TO_COQUI_TTS,
            advice("Pass weights_only=False, where you trust whoever made the file."),
        ),
        link="https://github.com/coqui-ai/TTS/issues/4121",
    ),
    Signature(
        id="coqui-license",
        exceptions=("EOFError",),
        pattern=r"^EOF when reading a line$",
        cause=(
            "A question was asked where nobody can answer, as coqui asks before it fetches XTTS"
            " whether you agree to its license."
        ),
        remedies=(
            run(
                "export COQUI_TOS_AGREED=1",
                says="Where it is coqui that asks and you do agree, say so in the environment.",
            ),
        ),
        link="https://docs.coqui.ai/en/latest/models/xtts.html",
        among=_COQUI,
    ),
)

_IMPORTS = (
    Signature(
        id="coqui-torchcodec",
        exceptions=("ImportError",),
        pattern=r"From Pytorch 2\.9, the torchcodec library is required for audio IO",
        cause="coqui-tts wants torchcodec beside torch 2.9 and later, and it is not installed.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Install the torchcodec that goes with torch {torch}, beside FFmpeg.",
            ),
            pin("coqui-tts[codec]", says="Or ask for it by coqui-tts's extra."),
        ),
        link="https://github.com/dudarenok-maker/Castwright/issues/1586",
    ),
    Signature(
        id="coqui-torch-extra",
        exceptions=("ImportError",),
        pattern=r"Coqui TTS requires the PyTorch and Torchaudio libraries but they were not found",
        cause="coqui-tts does not ask for torch and torchaudio, and one of them is not installed.",
        remedies=(
            pin(
                "torchaudio{torchaudio_spec}",
                says="Install the torchaudio that goes with torch {torch}.",
            ),
            run(
                "python -m pip install torch torchaudio torchcodec",
                says="Install them yourself; torchcodec is asked for beside torch 2.9 and later.",
            ),
        ),
        link="https://github.com/idiap/coqui-ai-TTS/blob/dev/TTS/__init__.py",
    ),
    Signature(
        id="tts-coqpit",
        exceptions=("ImportError",),
        pattern=r"coqui-tts switched to a forked version of Coqpit",
        cause="coqpit is installed over coqpit-config, which coqui-tts needs instead of it.",
        remedies=(
            run(
                "python -m pip uninstall -y coqpit",
                "python -m pip install --force-reinstall --no-deps coqpit-config",
                says="Remove the one, and install the other anew: both own the same files.",
            ),
        ),
        link="https://github.com/idiap/coqui-ai-TTS/blob/dev/TTS/__init__.py",
    ),
    Signature(
        id="coqui-isin-mps",
        exceptions=("ImportError",),
        pattern=r"cannot import name 'isin_mps_friendly' from 'transformers\.pytorch_utils'",
        cause=(
            "transformers 5 removed isin_mps_friendly, which libraries written for 4 import,"
            " coqui-tts up to 0.27.5 among them."
        ),
        remedies=(
            pin(
                "coqui-tts>=0.28",
                says="Take a coqui-tts that was written for transformers 5.",
                when=("coqui-tts<0.28",),
            ),
            pin("transformers<5", says="Or stay with transformers 4."),
        ),
        link="https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md",
    ),
    Signature(
        id="hf-beamsearchscorer",
        exceptions=("ImportError",),
        pattern=(
            r"cannot import name '(?P<name>BeamSearchScorer|LogitsWarper|SampleOutput)'"
            r" from 'transformers"
        ),
        cause=(
            "This transformers no longer has {name}, which older libraries import; TTS 0.22 does"
            " so to stream."
        ),
        remedies=(
            run(*_COMMANDS, says=_GOES_ON, when=("tts<1",)),
            pin("transformers<4.41", says="Or take a transformers that still has all of them."),
        ),
        link="https://github.com/coqui-ai/TTS/issues/4388",
    ),
    Signature(
        id="hf-hub-version",
        exceptions=("ImportError",),
        pattern=(
            r"(?P<name>huggingface[-_]hub|tokenizers)(?P<spec>[<>=!][^\s]+) is required for a"
            r" normal functioning of this module,? but found (?P=name)==(?P<found>\d[\w.]*\w)"
        ),
        cause="transformers checks at its import: it needs {name}{spec}, and here is {found}.",
        remedies=(pin("{name}{spec}", says="Install the {name} that this transformers needs."),),
        link="https://github.com/huggingface/transformers/blob/main/src/transformers/"
        "dependency_versions_check.py",
    ),
)

_STREAMING = (
    Signature(
        id="hf-isin",
        exceptions=("TypeError",),
        pattern=(
            r"isin\(\) received an invalid combination of arguments - got"
            r" \((?:\w+=)?(?:int|NoneType|Tensor), (?:\w+=)?(?:int|NoneType|Tensor)\b"
        ),
        cause=(
            "transformers 4.41 to 4.44 hand a token to torch.isin, and the streaming of TTS 0.22"
            " gives them a number where they expect a tensor: no torch takes it."
        ),
        remedies=(
            shim(
                "isin-numbers",
                says="Let torch.isin take numbers while you stream.",
                when=("transformers>=4.41,<4.44",),
            ),
            pin(
                "coqui-tts>=0.24.2",
                says="Take a coqui-tts that hands tensors over.",
                when=("coqui-tts<0.24.2",),
            ),
            _OLD_TRANSFORMERS,
            _TO_COQUI_TTS,
        ),
        link=_ISIN,
        among=_COQUI,
    ),
    Signature(
        id="hf-int-device",
        exceptions=("AttributeError",),
        pattern=r"^'int' object has no attribute 'device'$",
        cause=(
            "A number came where a tensor was expected, as where the streaming of TTS 0.22 hands"
            " the token that pads to transformers, which ask it for its device since 4.45."
        ),
        remedies=(_TO_COQUI_TTS, _OLD_TRANSFORMERS),
        link="https://github.com/anhnh2002/XTTSv2-Finetuning-for-New-Languages/issues/49",
        among=_COQUI,
    ),
    Signature(
        id="hf-logits-warper",
        exceptions=("TypeError",),
        pattern=r"_get_logits_warper\(\) missing 1 required positional argument: 'device'",
        cause="transformers 4.42 asks for a device, and its caller, as TTS 0.22 does, gives none.",
        remedies=(
            shim(
                "isin-numbers",
                says="Give it the model's, and let torch.isin take numbers.",
                when=("transformers>=4.41,<4.44",),
            ),
            _OLD_TRANSFORMERS,
            _TO_COQUI_TTS,
        ),
        link="https://github.com/coqui-ai/TTS/issues/3786",
    ),
    Signature(
        id="hf-generate",
        exceptions=("AttributeError",),
        pattern=r"'(?P<name>GPT2InferenceModel)' object has no attribute '(?P<a>generate\w*)'",
        cause=(
            "Models of this transformers get generate from a class that {name}, of TTS 0.22 or"
            " tortoise, does not name as its base."
        ),
        remedies=(
            _TO_COQUI_TTS,
            pin("transformers<4.50", says="Or take a transformers that gave it to every model."),
        ),
        link="https://github.com/coqui-ai/TTS/issues/4290",
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_XTTS, *_IMPORTS, *_STREAMING)
