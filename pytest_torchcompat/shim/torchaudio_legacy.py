"""What torchaudio 2.9 removed of reading and writing sound files, over soundfile."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any


class TorchaudioLegacy:
    """
    Gives torchaudio 2.9 and later the file functions that 2.8 had, with soundfile as their backend.

    ``info``, ``AudioMetaData``, the functions about backends and ``torchaudio.backend`` are gone
    since 2.9, which also ignores ``normalize=False`` and ``backend=`` and reads through torchcodec
    alone; so ``load`` and ``save`` are replaced too. What soundfile cannot read,
    ``torchaudio.load_with_torchcodec`` still may. Where torchcodec is installed and soundfile is
    not, ``load`` and ``save`` stay torchaudio's own. ``torchaudio.io``, ``sox_effects`` and
    ``kaldi_io`` are not restored.
    """

    name = "torchaudio-legacy"
    restores = "torchaudio's info, load, save, AudioMetaData and backends, removed in 2.9"
    retired_when = "no library in use calls what torchaudio 2.9 removed"
    at_import = True
    libraries = ("torchaudio", "pyannote.audio", "coqui-tts", "speechbrain")
    modules = ("torchaudio",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply from torchaudio 2.9 on."""
        numbers = re.findall(r"\d+", versions.get("torchaudio", ""))
        return tuple(map(int, numbers[:2])) >= (2, 9)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the names into torchaudio, and the modules of ``torchaudio.backend`` beside it."""
        torchaudio = importlib.import_module("torchaudio")
        modules = _backend_modules()
        names = {"backend": modules["torchaudio.backend"], "AudioMetaData": AudioMetaData}
        functions = [info, list_audio_backends, get_audio_backend, set_audio_backend]
        if _is_installed("soundfile") or not _is_installed("torchcodec"):
            functions += [load, save]
        names.update((each.__name__, each) for each in functions)
        with _holding(vars(torchaudio), names), _holding(sys.modules, modules):
            yield


class AudioMetaData:
    """What ``torchaudio.info`` tells of a file."""

    # A pickle of one names the place where torchaudio had it, and needs nothing of ours.
    __module__ = "torchaudio.backend.common"
    __qualname__ = "AudioMetaData"

    def __init__(
        self,
        sample_rate: int,
        num_frames: int,
        num_channels: int,
        bits_per_sample: int,
        encoding: str,
    ) -> None:
        self.sample_rate = sample_rate
        self.num_frames = num_frames
        self.num_channels = num_channels
        self.bits_per_sample = bits_per_sample
        self.encoding = encoding

    def __str__(self) -> str:
        fields = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"AudioMetaData({fields})"


def info(
    uri: Any,
    format: Any = None,  # noqa: A002, ARG001 - torchaudio's signature; soundfile looks for itself
    buffer_size: int = 4096,  # noqa: ARG001
    backend: Any = None,
) -> AudioMetaData:
    """Return the rate, length, channels, depth and encoding of a sound file."""
    with _opened(uri, backend) as file:
        return AudioMetaData(
            file.samplerate,
            file.frames,
            file.channels,
            _bits(file.subtype),
            "FLAC" if file.format == "FLAC" else _ENCODINGS.get(file.subtype, "UNKNOWN"),
        )


def load(  # noqa: PLR0913, PLR0917 - torchaudio's signature
    uri: Any,
    frame_offset: int = 0,
    num_frames: int = -1,
    normalize: bool = True,
    channels_first: bool = True,
    format: Any = None,  # noqa: A002, ARG001
    buffer_size: int = 4096,  # noqa: ARG001
    backend: Any = None,
) -> Any:
    """Return a tensor, shaped [channel, time] with ``channels_first``, and the sample rate."""
    import torch

    with _opened(uri, backend) as file:
        kind = "float32" if normalize or file.format != "WAV" else _kind(uri, file.subtype)
        if file.seekable():  # also to 0: an MP3 decodes otherwise by a bit without
            file.seek(slice(frame_offset, None).indices(file.frames)[0])
        samples = file.read(num_frames, "int16" if kind == "uint8" else kind, always_2d=True)
        rate = file.samplerate
    if kind == "uint8":  # soundfile gives 8 bits as the upper half of signed 16
        samples = ((samples >> 8) + 128).astype(kind)
    waveform = torch.from_numpy(samples)
    return (waveform.t() if channels_first else waveform), rate


def save(  # noqa: PLR0913, PLR0917
    uri: Any,
    src: Any,
    sample_rate: int,
    channels_first: bool = True,
    format: Any = None,  # noqa: A002
    encoding: Any = None,
    bits_per_sample: Any = None,
    buffer_size: int = 4096,  # noqa: ARG001
    backend: Any = None,
    compression: Any = None,
) -> None:
    """Write a tensor of two dimensions as WAV, FLAC, Ogg or MP3."""
    _check_backend(backend)
    if src.ndim != 2:  # noqa: PLR2004 - channels and time
        message = f"torchaudio.save wants a tensor of 2 dimensions, and got one of {src.ndim}."
        raise ValueError(message)
    if compression:
        message = "torchaudio.save over soundfile has no compression to choose: leave it out."
        raise ValueError(message)
    kind = _format_of(uri, format)
    subtype = _subtype(kind, str(src.dtype), encoding, bits_per_sample)
    samples = (src.t() if channels_first else src).numpy()
    if samples.dtype == "uint8":  # the way back from what load does
        samples = (samples.astype("int16") - 128) << 8
    container = "OGG" if kind == "vorbis" else kind.upper()
    with _named(uri, "write"):
        _soundfile().write(uri, samples, sample_rate, subtype=subtype, format=container)


def list_audio_backends() -> list[str]:
    """Return the only backend, or none where it is not installed."""
    return ["soundfile"] if _is_installed("soundfile") else []


def get_audio_backend() -> None:
    """Return None, as torchaudio did since it chose a backend for each call."""


def set_audio_backend(backend: Any) -> None:
    """Do nothing, as torchaudio did since it chose a backend for each call."""


_ENCODINGS = {
    **dict.fromkeys(["PCM_S8", "PCM_16", "PCM_24", "PCM_32"], "PCM_S"),
    **dict.fromkeys(["FLOAT", "DOUBLE"], "PCM_F"),
    **{each: each for each in ("ULAW", "ALAW", "VORBIS", "OPUS")},
    "PCM_U8": "PCM_U",
    "MPEG_LAYER_III": "MP3",
}
# torch has no 24 bits: such samples are the upper part of 32.
_UNNORMALIZED = {
    "PCM_U8": "uint8",
    "PCM_16": "int16",
    "PCM_24": "int32",
    "PCM_32": "int32",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
_BY_DTYPE = {
    "torch.uint8": "PCM_U8",
    "torch.int16": "PCM_16",
    "torch.int32": "PCM_32",
    "torch.float32": "FLOAT",
    "torch.float64": "DOUBLE",
}
# By encoding and bits per sample, either of which may be left open.
_WAV: dict[Any, str] = {
    **dict.fromkeys([(None, 8), ("PCM_U", None), ("PCM_U", 8)], "PCM_U8"),
    **{(name, bits): f"PCM_{bits}" for name in (None, "PCM_S") for bits in (16, 24, 32)},
    **{(name, bits): name for name in ("ULAW", "ALAW") for bits in (None, 8)},
    **dict.fromkeys([("PCM_F", None), ("PCM_F", 32)], "FLOAT"),
    ("PCM_S", None): "PCM_32",
    ("PCM_F", 64): "DOUBLE",
}
_FLAC = {(None, None): "PCM_16", (None, 8): "PCM_S8", (None, 16): "PCM_16", (None, 24): "PCM_24"}
_OGG = {(None, None): "VORBIS", ("vorbis", None): "VORBIS", ("opus", None): "OPUS"}
_SUBTYPES: dict[str, dict[Any, str]] = {
    "wav": _WAV,
    "flac": _FLAC,
    "ogg": _OGG,
    "vorbis": _OGG,
}


@contextlib.contextmanager
def _opened(uri: Any, backend: Any) -> Iterator[Any]:
    _check_backend(backend)
    soundfile = _soundfile()
    with _named(uri, "read"), soundfile.SoundFile(uri) as file:
        yield file


def _check_backend(backend: Any) -> None:
    if backend not in (None, "soundfile"):
        message = f"torchaudio has no backend {backend!r} here: soundfile is the only one."
        raise ValueError(message)


def _soundfile() -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: it does not find libsndfile
        message = (
            f"torchaudio's file functions need soundfile here, which cannot be imported ({error})."
            " Install it: python -m pip install soundfile"
        )
        raise ImportError(message) from error


@contextlib.contextmanager
def _named(uri: Any, act: str) -> Iterator[None]:
    """Let soundfile's errors name the file, and be of the class that torchaudio's were."""
    try:
        yield
    except RuntimeError as error:
        message = f"soundfile cannot {act} {_name_of(uri)}: {_cause(uri, error)}"
        if act == "read":
            message += " Is it a sound file? torchaudio.load_with_torchcodec may read others."
        raise RuntimeError(message) from error


def _cause(uri: Any, error: RuntimeError) -> str:
    if isinstance(uri, (str, bytes, os.PathLike)) and not os.path.exists(uri):  # noqa: PTH110
        return "there is no such file or folder."
    return str(getattr(error, "error_string", error))


def _name_of(uri: Any) -> str:
    known = isinstance(uri, (str, bytes, os.PathLike))
    return repr(os.fspath(uri)) if known else str(getattr(uri, "name", uri))


def _bits(subtype: str) -> int:
    """Return the bits per sample, or 0 where the encoding has no such number."""
    pcm = re.fullmatch(r"(?:PCM|DPCM|DWVW|ALAC)_[SU]?(\d+)", subtype)
    floats_and_laws = {"FLOAT": 32, "DOUBLE": 64, "ULAW": 8, "ALAW": 8}
    return int(pcm.group(1)) if pcm else floats_and_laws.get(subtype, 0)


def _kind(uri: Any, subtype: str) -> str:
    if subtype not in _UNNORMALIZED:
        message = f"{_name_of(uri)} has {subtype} samples, which need normalize=True."
        raise ValueError(message)
    return _UNNORMALIZED[subtype]


def _format_of(uri: Any, given: Any) -> str:
    if given is None and hasattr(uri, "write"):
        message = "torchaudio.save to a file object needs format=, such as 'wav'."
        raise RuntimeError(message)
    return str(given or os.fspath(uri).rpartition(".")[2]).lower()


def _subtype(kind: str, dtype: str, encoding: Any, bits: Any) -> str:
    if kind == "mp3":  # torchaudio took any encoding and depth, of which an MP3 has none
        return "MPEG_LAYER_III"
    choices = _SUBTYPES.get(kind, {})
    if kind == "wav" and encoding is None and bits is None and dtype in _BY_DTYPE:
        return _BY_DTYPE[dtype]
    if (encoding, bits) not in choices:
        asked = f"{kind!r} with encoding {encoding} and {bits} bits per sample, from {dtype}"
        message = f"torchaudio.save over soundfile writes wav, flac, ogg and mp3, but not {asked}."
        raise ValueError(message)
    return choices[encoding, bits]


def _backend_modules() -> dict[str, types.ModuleType]:
    package = _module("torchaudio.backend", is_package=True)
    common = _module("torchaudio.backend.common", AudioMetaData=AudioMetaData)
    soundfile = _module("torchaudio.backend.soundfile_backend", info=info, load=load, save=save)
    vars(package).update(__path__=[], __all__=[], common=common, soundfile_backend=soundfile)
    return {each.__name__: each for each in (package, common, soundfile)}


def _module(name: str, is_package: bool = False, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    # importlib.util.find_spec raises for a module without.
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=is_package)
    vars(module).update(contents)
    return module


def _is_installed(module: str) -> bool:
    return bool(sys.modules.get(module) or importlib.util.find_spec(module))


@contextlib.contextmanager
def _holding(place: Any, entries: Mapping[str, Any]) -> Iterator[None]:
    """Put entries into a dict, and put back what was there, or nothing."""
    before = {name: place[name] for name in entries if name in place}
    place.update(entries)
    try:
        yield
    finally:
        for name in entries:
            if name in before:
                place[name] = before[name]
            else:
                place.pop(name, None)
