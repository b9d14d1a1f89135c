"""torchaudio, torchcodec, torchvision and soundfile, beside a torch."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import CASE, Signature, advice, edit, pin, run, shim

_REMOVED = "https://github.com/pytorch/audio/issues/3902"
_SPEECHBRAIN = "https://github.com/speechbrain/speechbrain/pull/2988"
_TORCHCODEC = "https://github.com/meta-pytorch/torchcodec#installing-torchcodec"
_SOUNDFILE = "https://python-soundfile.readthedocs.io/en/latest/"

# The names that our shim gives back, and those that nothing does.
_RESTORED = "AudioMetaData|info|(?:list|get|set)_audio_backends?|backend"
_GONE = "io|sox_effects|kaldi_io|prototype|utils\\.(?:sox|ffmpeg)_utils|(?:sox|ffmpeg)_utils"

_LEGACY = shim(
    "torchaudio-legacy",
    says="Give torchaudio back what it lost, over soundfile (python -m pip install soundfile).",
)
_PYANNOTE_4 = pin(
    "pyannote.audio>=4",
    says="Where pyannote.audio asks for it: 4 reads through torchcodec.",
    when=("pyannote.audio<4",),
)
_SPEECHBRAIN_1_1 = pin(
    "speechbrain>=1.1",
    says="Where speechbrain asks for it: 1.1 does without.",
    when=("speechbrain<1.1",),
)
_TORCH_2_8 = pin(
    "torch==2.8.*",
    "torchaudio==2.8.*",
    says="Else go back to the last torchaudio that has it, with its torch.",
)
_OF_THIS_TORCH = pin(
    "torchaudio{torchaudio_spec}",
    says="Install the torchaudio that goes with torch {torch}.",
)
_CODEC_OF_THIS_TORCH = pin(
    "torchcodec{torchcodec_spec}",
    says="Install the torchcodec that goes with torch {torch}.",
)
_FFMPEG = run(
    "apt-get install ffmpeg  # or: conda install -c conda-forge ffmpeg",
    says="Install FFmpeg's shared libraries, which torchcodec loads and does not bring.",
)
_BY_SOUNDFILE = edit(
    'import soundfile\nimport torch\n\nsamples, rate = soundfile.read("FILE", dtype="float32",'
    " always_2d=True)\nwaveform = torch.from_numpy(samples.T)",
    says="Read WAV, FLAC, Ogg and MP3 with soundfile, which brings what it needs.",
)

_REMOVALS = (
    Signature(
        id="ta-attr",
        exceptions=("AttributeError",),
        pattern=rf"module 'torchaudio' has no attribute '(?P<name>{_RESTORED})'",
        cause="torchaudio 2.9 removed {name}, which a library or program written before asks for.",
        remedies=(_SPEECHBRAIN_1_1, _PYANNOTE_4, _LEGACY, _TORCH_2_8),
        link=_SPEECHBRAIN,
        applies=("torchaudio>=2.9",),
    ),
    Signature(
        id="ta-attr-gone",
        exceptions=("AttributeError",),
        pattern=rf"module 'torchaudio(?:\.utils)?' has no attribute '(?P<name>{_GONE})'",
        cause="torchaudio 2.9 removed {name}: reading and writing media is torchcodec's now.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Read with torchcodec.decoders.AudioDecoder, of the release for this torch.",
            ),
            _TORCH_2_8,
        ),
        link=_REMOVED,
    ),
    Signature(
        id="ta-import-name",
        exceptions=("ImportError",),
        pattern=rf"cannot import name '(?P<name>{_RESTORED})' from 'torchaudio'",
        cause="torchaudio 2.9 removed {name}, which a library or program written before imports.",
        remedies=(_PYANNOTE_4, _LEGACY, _TORCH_2_8),
        link=_REMOVED,
    ),
    Signature(
        id="ta-backend-module",
        exceptions=("ModuleNotFoundError",),
        pattern=r"No module named 'torchaudio\.backend'",
        cause="torchaudio 2.9 removed torchaudio.backend; pyannote.audio up to 3.1 imports it.",
        remedies=(_PYANNOTE_4, _LEGACY, _TORCH_2_8),
        link="https://github.com/pyannote/pyannote-audio/issues/1952",
        knows=CASE,
    ),
    Signature(
        id="ta-module-gone",
        exceptions=("ModuleNotFoundError",),
        pattern=rf"No module named 'torchaudio\.(?P<name>{_GONE})[.\w]*'",
        cause="torchaudio 2.9 removed torchaudio.{name}: media files are torchcodec's now.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Read with torchcodec.decoders.AudioDecoder, of the release for this torch.",
            ),
            _TORCH_2_8,
        ),
        link=_REMOVED,
        knows=CASE,
    ),
    Signature(
        id="ta-deprecation",
        exceptions=("UserWarning",),
        pattern=(
            r"torchaudio\.[\w.]+ has been deprecated\. This deprecation is part of a large"
            r"|In 2\.9, this function's implementation will be changed to use torchaudio\.load_with"
            r"|In 2\.9, this function's implementation will be changed to use torchaudio\.save_with"
        ),
        cause="torchaudio 2.8 warns of what 2.9 changes; it is an error where warnings are.",
        remedies=(
            edit(
                'import warnings\n\nwarnings.filterwarnings("ignore", module="torchaudio")',
                says="Let the warning pass: 2.8 still does what it did.",
                when=("torchaudio<2.9",),
            ),
            _BY_SOUNDFILE,
        ),
        link=_REMOVED,
    ),
    Signature(
        id="ta-torchcodec-required",
        exceptions=("ImportError",),
        pattern=r"TorchCodec is required for (?P<act>load|save)_with_torchcodec",
        cause="torchaudio.{act} is done by torchcodec since 2.9, and torchcodec is not installed.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Install the torchcodec that goes with torch {torch}; it loads FFmpeg.",
            ),
            shim(
                "torchaudio-legacy",
                says="Do without FFmpeg: load and save over soundfile.",
                when=("torchaudio>=2.9",),
            ),
            _BY_SOUNDFILE,
        ),
        link="https://github.com/OpenBMB/VoxCPM/issues/86",
    ),
)

_PAIRS = (
    Signature(
        id="ta-cuda-mismatch",
        exceptions=("RuntimeError",),
        pattern=(
            r"PyTorch and TorchAudio were compiled with different CUDA versions\. PyTorch has CUDA"
            r" version (?P<t>[\d.]+) whereas TorchAudio has CUDA version (?P<a>\d[\d.]*\d)"
        ),
        cause="torch was built for CUDA {t} and torchaudio for {a}, and torchaudio refuses.",
        remedies=(
            shim(
                "torchaudio-cuda",
                says="Import torchaudio all the same: what runs on the CPU works.",
                when=("torch>=2.12", "torchaudio>=2.11"),
            ),
            run(
                "python -m pip install --force-reinstall torch torchaudio"
                " --index-url https://download.pytorch.org/whl/cpu",
                says="Without a GPU, take the CPU's builds of both, which compare nothing.",
            ),
            pin(
                "torch>=2.11,<2.15",
                "torchaudio==2.11.*",
                says="Take a torch that is built for CUDA 13.0, as torchaudio 2.11 on PyPI is.",
                when=("torch>=2.15",),
            ),
            advice(
                "Install both at once from one index, so that they have the same CUDA.",
                when=("torch<2.15",),
            ),
        ),
        link="https://github.com/pytorch/audio/issues/4194",
    ),
    Signature(
        id="ta-cpu-torch-cuda-audio",
        exceptions=("OSError",),
        pattern=r"libc10_cuda\.so: cannot open shared object file",
        cause="torch is a build without CUDA; a library beside it, such as torchaudio, has CUDA.",
        remedies=(
            run(
                "python -m pip install --force-reinstall --no-deps"
                ' "torchaudio{torchaudio_spec}" --index-url https://download.pytorch.org/whl/cpu',
                says="Take torchaudio from the index that has the CPU's builds, too.",
            ),
            advice("Install torch and torchaudio at once from one index."),
        ),
        link="https://pytorch.org/get-started/locally/",
        knows=CASE,
    ),
    Signature(
        id="cuda-runtime-missing",
        exceptions=("OSError", "ImportError"),
        pattern=r"^libcudart\.so\.(?P<major>\d+)(?:\.\d+)*: cannot open shared object file",
        cause=(
            "A library was built for CUDA {major}, which is not here: beside a torch that brings"
            " another CUDA or none, they are of different releases or different indexes."
        ),
        remedies=(
            pin(
                "torchaudio{torchaudio_spec}",
                says="Where it is torchaudio, install the one that goes with torch {torch}.",
            ),
            advice("Install the library and torch at once from one index."),
        ),
        link="https://github.com/pytorch/audio/pull/4212",
        knows=CASE,
    ),
    Signature(
        id="ta-abi",
        exceptions=("OSError",),
        pattern=r"torchaudio\S*\.so: undefined symbol: (?P<symbol>\S+)",
        cause="torchaudio was built for another torch: {symbol} is not in this one.",
        remedies=(_OF_THIS_TORCH, advice("Install torch and torchaudio in one command.")),
        link="https://github.com/pytorch/audio/pull/4212",
        knows=CASE,
    ),
    Signature(
        id="ta-load",
        exceptions=("OSError",),
        pattern=r"Could not load this library: \S*torchaudio\S*\.(?:so|pyd|dll|dylib)",
        cause="torchaudio's own library does not load: it was built for another torch or CUDA.",
        remedies=(_OF_THIS_TORCH, advice("Install torch and torchaudio in one command.")),
        link="https://github.com/pytorch/audio/pull/4212",
    ),
    Signature(
        id="torchvision-nms",
        exceptions=("RuntimeError",),
        pattern=r"operator torchvision::nms does not exist",
        cause="torchvision was built for another torch, so its operators are not registered.",
        remedies=(
            pin(
                "torch=={torch}",
                "torchvision",
                says="Name torch's version: torchvision asks for one torch, which decides its own.",
            ),
            advice("Install torch and torchvision in one command, from one index."),
        ),
        link="https://github.com/pytorch/pytorch/issues/157648",
    ),
)

_CODEC = (
    Signature(
        id="torchcodec-load",
        exceptions=("RuntimeError",),
        pattern=r"Could not load libtorchcodec\. Likely causes:",
        cause="torchcodec finds no FFmpeg's libraries, or was built for another torch.",
        remedies=(_CODEC_OF_THIS_TORCH, _FFMPEG, _BY_SOUNDFILE),
        link="https://github.com/meta-pytorch/torchcodec/issues/912",
    ),
    Signature(
        id="torchcodec-abi",
        exceptions=("RuntimeError",),
        pattern=r"Could not load libtorchcodec\. [\s\S]*undefined symbol: (?P<symbol>\w+)",
        cause="torchcodec was built for another torch: {symbol} is not in this one.",
        remedies=(_CODEC_OF_THIS_TORCH, _BY_SOUNDFILE),
        link=_TORCHCODEC,
        knows=CASE,
    ),
    Signature(
        id="torchcodec-no-ffmpeg",
        exceptions=("RuntimeError",),
        # Of each FFmpeg that it tries the libraries are missing, and nothing else is.
        pattern=(
            r"Could not load libtorchcodec\. (?![\s\S]*undefined symbol)"
            r"(?![\s\S]*\blib(?!av|sw)[\w-]+\.so[.\d]*: cannot open)"
            r"[\s\S]*\blibav\w+\.so[.\d]*: cannot open"
        ),
        cause="torchcodec finds no libraries of an FFmpeg that it knows.",
        remedies=(_FFMPEG, _BY_SOUNDFILE),
        link=_TORCHCODEC,
        knows=CASE,
    ),
    Signature(
        id="torchcodec-no-audio",
        exceptions=("ImportError",),
        pattern=r"cannot import name '(?P<name>Audio\w+)' from 'torchcodec\.\w+'",
        cause="This torchcodec is too old to have {name}.",
        remedies=(
            pin(
                "torchcodec{torchcodec_spec}",
                says="Install the torchcodec that goes with torch {torch}.",
                when=("torch>=2.7",),
            ),
            advice(
                "The torchcodec of this torch only reads video: read with torchaudio.load instead.",
                when=("torch<2.6",),
            ),
            _BY_SOUNDFILE,
        ),
        link="https://github.com/facebookresearch/perception_models/issues/120",
    ),
    Signature(
        id="torchcodec-open",
        exceptions=("RuntimeError",),
        pattern=(
            r"Failed to create AudioDecoder for (?P<f>[\s\S]+?): [\s\S]*Could not open input file:"
            r" (?P=f) (?P<why>.+)"
        ),
        cause="FFmpeg cannot open {f} for torchcodec: {why}.",
        remedies=(advice("Look at the path, and whether the file is sound: `ffprobe FILE` says."),),
        link=_TORCHCODEC,
    ),
)

_FILES = (
    Signature(
        id="ta-no-backend",
        exceptions=("RuntimeError",),
        pattern=r"Couldn't find appropriate backend to handle uri (?P<f>.+) and format (?P<k>\w+)",
        cause="torchaudio finds nothing here that reads {f}: neither soundfile nor FFmpeg.",
        remedies=(
            run(
                "python -m pip install soundfile",
                says="Install soundfile, which reads WAV, FLAC, Ogg and MP3.",
            ),
            run(
                'apt-get install ffmpeg  # or: conda install -c conda-forge "ffmpeg<7"',
                says="For other formats install FFmpeg, of which torchaudio knows 4 to 6.",
            ),
        ),
        link="https://docs.pytorch.org/audio/2.8/torchaudio.html",
        applies=("torchaudio<2.9",),
    ),
    Signature(
        id="ta-unsupported-backend",
        exceptions=("ValueError",),
        pattern=r"Unsupported backend '(?P<backend>\w+)' specified; .*please select one of",
        cause="torchaudio was asked for {backend}, which is not among the backends that load here.",
        remedies=(
            run(
                "python -m pip install soundfile",
                says="Install soundfile, where that is the one.",
            ),
            edit('torchaudio.load("FILE")', says="Let torchaudio choose: leave backend= out."),
        ),
        link="https://docs.pytorch.org/audio/2.8/torchaudio.html",
    ),
    Signature(
        id="ta-open",
        exceptions=("RuntimeError",),
        pattern=r'Failed to open the input "(?P<f>[^"]*)" \((?P<why>[^)]+)\)',
        cause="FFmpeg cannot open {f} for torchaudio: {why}.",
        remedies=(advice("Look at the path, and whether the file is sound: `ffprobe FILE` says."),),
        link="https://docs.pytorch.org/audio/2.8/torchaudio.html",
    ),
    Signature(
        id="soundfile-missing",
        exceptions=("ModuleNotFoundError", "ImportError"),
        pattern=r"No module named 'soundfile'|file functions need soundfile here",
        cause="soundfile reads and writes the sound files here, and is not installed.",
        remedies=(
            run(
                "python -m pip install soundfile",
                says="Install it: its wheels bring libsndfile.",
            ),
        ),
        link=_SOUNDFILE,
    ),
    Signature(
        id="soundfile-open",
        exceptions=("LibsndfileError",),
        pattern=r"Error opening (?P<f>.+?): (?P<why>System error|Format not recognised)\.",
        cause='libsndfile cannot open {f} and says "{why}".',
        remedies=(
            advice(
                'It is no such file where it says "System error". What it does not recognise is no'
                " sound, or in a format that it lacks, such as M4A: `ffmpeg -i FILE out.wav`."
            ),
        ),
        link=_SOUNDFILE,
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_REMOVALS, *_PAIRS, *_CODEC, *_FILES)
