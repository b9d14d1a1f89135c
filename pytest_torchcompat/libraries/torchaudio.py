"""torchaudio: the API that its callers were written for, reading a file, and resampling."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.libraries.inputs import FLOAT32, not_offered, repeated

LEGACY_API = "torchaudio/legacy-api"
RESAMPLE = "torchaudio/resample"
INFO = "info"
# Names that voice and diarisation code calls, removed in 2.9 (pytorch/audio#3902).
LEGACY_NAMES = (
    "AudioMetaData",
    "info",
    "load",
    "save",
    "list_audio_backends",
    "get_audio_backend",
    "set_audio_backend",
)
FIELDS = ("sample_rate", "num_frames", "num_channels", "bits_per_sample", "encoding")
TONE = (16000, 8000, 1, 16, "PCM_S")  # what the file of the legacy API's row is
OFFSET, FRAMES = 1000, 4000
SAMPLE_RATE = 16000
NOT_LOADED = "Could not load libtorchcodec"  # its error says what to do, and it is not the file


class Torchaudio:
    """
    Not a pickle in sight: its subjects are checked under ``stock`` alone.

    Reading a file and computing on a waveform are subjects apart.
    """

    name = "torchaudio"
    distribution = "torchaudio"

    def import_(self) -> None:
        """Import torchaudio with what the checks call."""
        import torchaudio
        import torchaudio.functional
        import torchaudio.transforms  # noqa: F401 - imported for its names

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Read the file, or make the waveform that needs none; return which it is."""
        if checkpoint.id == RESAMPLE:
            return _waveform()
        with _naming(path):
            if checkpoint.id == LEGACY_API:
                _call_the_legacy_api(path)
            _read(path)
        return path

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any]:
        """Return the samples of the file, those of a part of it, or a waveform at half its rate."""
        if checkpoint.id == RESAMPLE:
            return _resampled(repeated(model.to(device), batch, dtype))
        if (batch, dtype) != (1, FLOAT32):
            who = f"{checkpoint.id}, which reads a file,"
            raise not_offered(who, f"{batch=} and {dtype=}")
        part = {"frame_offset": OFFSET, "num_frames": FRAMES}
        return lambda: _read(model, **part if checkpoint.id == LEGACY_API else {})[0]

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return what ``info`` says of the file, as numbers: rate, length, channels and bits."""
        if name != INFO:
            raise unknown_name("use", name, [INFO])
        return lambda: _numbers(model)


def _waveform() -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, SAMPLE_RATE, generator=generator) * 0.1


def _resampled(waveform: Any) -> Callable[[], Any]:
    import torchaudio

    return lambda: torchaudio.functional.resample(waveform, SAMPLE_RATE, SAMPLE_RATE // 2)


def _read(path: Path, **options: Any) -> Any:
    import torchaudio

    return torchaudio.load(str(path), **options)


def _numbers(path: Path) -> Any:
    import torch
    import torchaudio

    with _naming(path):
        found = torchaudio.info(str(path))
    return torch.tensor([float(getattr(found, name)) for name in FIELDS[:-1]])


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error over what a file holds name the file, which torchcodec's do not."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if str(path) in str(error) or NOT_LOADED in str(error):
            raise
        message = f"torchaudio cannot read {path}: {error}. Is it a sound file?"
        raise RuntimeError(message) from error


def _call_the_legacy_api(path: Path) -> None:
    """Call what the removed names stand for, and look at what they return."""
    import torchaudio

    missing = [name for name in LEGACY_NAMES if not hasattr(torchaudio, name)]
    if missing:
        message = f"module 'torchaudio' has no attribute {', '.join(map(repr, missing))}"
        raise AttributeError(message)
    common = importlib.import_module("torchaudio.backend.common")
    _expect(path, "AudioMetaData", _fields(common.AudioMetaData(*TONE)), TONE)
    _expect(path, "info", _fields(torchaudio.info(str(path))), TONE)
    torchaudio.set_audio_backend("soundfile")
    torchaudio.get_audio_backend()
    if not torchaudio.list_audio_backends():
        _expect(path, "list_audio_backends", [], ["soundfile"])
    options = {"normalize": False, "channels_first": False}
    part, rate = _read(path, frame_offset=OFFSET, num_frames=FRAMES, **options)
    found = (str(part.dtype), tuple(part.shape), rate)
    _expect(path, "load", found, ("torch.int16", (FRAMES, 1), SAMPLE_RATE))


def _fields(found: Any) -> tuple[Any, ...]:
    return tuple(getattr(found, name) for name in FIELDS)


def _expect(path: Path, name: str, found: Any, due: Any) -> None:
    if found != due:
        message = f"torchaudio.{name} gives {found} for {path}, where {due} is due"
        raise RuntimeError(message)
