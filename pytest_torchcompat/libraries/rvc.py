"""RVC: its pitch estimator, voices' base models and separators, in its own inference code."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import MismatchError
from pytest_torchcompat.libraries.inputs import FLOAT32, not_offered, placed, repeated

RMVPE = "rvc/rmvpe"
GENERATOR = "rvc/f0g"
DISCRIMINATOR = "rvc/f0d"
ECHO = "rvc/uvr5-deecho"
SAMPLE_RATE = 16000
SECONDS = 2
FRAMES = 16  # of 10 ms: the synthesizer's time
WINDOW = 32  # frames; RVC shows a separator 512 at once, which take it ten seconds here
OTHER_WEIGHTS = "Error(s) in loading state_dict"
_OF_PITCH = ("float32", "float16")  # its estimator casts what its net gets to one of these
AGGRESSION = 10  # per cent, RVC's own default; of no meaning to a load


class Rvc:
    """
    Loads as RVC does: its classes for pitch and separation read their file themselves.

    What a voice is trained from, RVC's trainer reads with ``torch.load`` and takes strictly.
    """

    name = "rvc"
    distribution = "rvc"

    def import_(self) -> None:
        """Import what holds the models."""
        import rvc.lib.infer_pack.models
        import rvc.lib.rmvpe
        import rvc.modules.uvr5.vr  # noqa: F401 - the imports are the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """
        Return the model of a checkpoint, in float32 on the CPU.

        Raises ``MismatchError`` where the file holds the weights of another.
        """
        with _naming(checkpoint, path):
            if checkpoint.id == RMVPE:
                return _pitch_estimator(path)
            if checkpoint.id.startswith((GENERATOR, DISCRIMINATOR)):
                return _pretrained(checkpoint.id, path)
            return _separator(checkpoint.id, path)

    def forward(
        self,
        checkpoint: Checkpoint,
        model: Any,
        device: str,
        *,
        batch: int = 1,
        dtype: str = FLOAT32,
    ) -> Callable[[], Any]:
        """Return what the model makes of seeded noise, seeded anew at each call where it draws."""
        if checkpoint.id == RMVPE:
            return _pitch(model, device, batch, dtype)
        model = placed(model, device, dtype)
        if checkpoint.id.startswith(GENERATOR):
            return _voice(model, device, batch, dtype)
        if checkpoint.id.startswith(DISCRIMINATOR):
            return _judgement(model, device, batch, dtype)
        return _mask(model, device, batch, dtype)


@contextlib.contextmanager
def _naming(checkpoint: Checkpoint, path: Path) -> Iterator[None]:
    """Let torch's error over other keys or shapes name the file."""
    try:
        yield
    except RuntimeError as error:
        if OTHER_WEIGHTS not in str(error):
            raise
        message = f"{path} does not hold the weights of {checkpoint.id}. {error}"
        raise MismatchError(message) from error


def _pitch_estimator(path: Path) -> Any:
    from rvc.lib import rmvpe

    return rmvpe.RMVPE(str(path), is_half=False, device="cpu")


def _pretrained(identifier: str, path: Path) -> Any:
    import torch

    model = _discriminator(identifier) if DISCRIMINATOR in identifier else _generator(identifier)
    content = torch.load(path, map_location="cpu")
    if "model" not in content:
        message = f"{path} has no key 'model', under which RVC's trainer saves the weights"
        raise MismatchError(message)
    model.load_state_dict(content["model"])
    return model.eval()


def _discriminator(identifier: str) -> Any:
    from rvc.lib.infer_pack import models

    second = identifier.endswith("-v2")
    kind = models.MultiPeriodDiscriminatorV2 if second else models.MultiPeriodDiscriminator
    return kind(use_spectral_norm=False)


def _generator(identifier: str) -> Any:
    """Build a generator for 40 kHz; both versions have the first one's settings."""
    from rvc.lib.infer_pack import models

    second = identifier.endswith("-v2")
    kind = models.SynthesizerTrnMs768NSFsid if second else models.SynthesizerTrnMs256NSFsid
    config = json.loads((_package() / "configs" / "v1" / "40k.json").read_text("utf-8"))
    data, segment = config["data"], config["train"]["segment_size"]
    sizes = (data["filter_length"] // 2 + 1, segment // data["hop_length"])
    return kind(*sizes, **config["model"], sr=data["sampling_rate"], is_half=False)


def _package() -> Path:
    import rvc

    return Path(rvc.__path__[0])


def _separator(identifier: str, path: Path) -> Any:
    from rvc.modules.uvr5 import vr

    kind = vr.AudioPreDeEcho if identifier.startswith(ECHO) else vr.AudioPre
    file = str(path.absolute())
    with _working_in(_package().parent):
        return kind(AGGRESSION, file, "cpu", is_half=False).model


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Change the working directory: the separators read ``rvc/...`` as a path of it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _noise(*shape: int) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _pitch(model: Any, device: str, batch: int, dtype: str) -> Callable[[], Any]:
    """Return how likely each of 360 pitches is in each moment of two seconds: no decision."""
    if dtype not in _OF_PITCH:
        raise not_offered("RVC's pitch estimator", f"{dtype=}")
    if dtype != FLOAT32:
        model = copy.copy(model)
        model.is_half = True  # it then casts what its net gets
    model.device = device
    model.mel_extractor = model.mel_extractor.to(device)
    model.model = placed(model.model, device, dtype)
    wave = repeated((_noise(1, SECONDS * SAMPLE_RATE) * 0.1).to(device), batch)
    return lambda: model.mel2hidden(model.mel_extractor(wave, center=True))


def _voice(model: Any, device: str, batch: int, dtype: str) -> Callable[[], Any]:
    """Return a sixth of a second of speech from features and a rising pitch."""
    import torch

    features = _noise(1, FRAMES, model.enc_p.emb_phone.in_features).to(device)
    lengths = torch.tensor([FRAMES], device=device)
    coarse = torch.arange(50, 50 + FRAMES, device=device)[None]
    pitch = torch.linspace(110, 220, FRAMES, device=device)[None]
    speaker = torch.tensor([0], device=device)
    rest = [repeated(each, batch) for each in (lengths, coarse, pitch, speaker)]
    features = repeated(features, batch, dtype)

    def run() -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the code draws the voice's breath
            return model.infer(features, *rest)[0]

    return run


def _judgement(model: Any, device: str, batch: int, dtype: str) -> Callable[[], Any]:
    """Return the scores of a seeded wave, those of every period in one row."""
    import torch

    wave = repeated((_noise(1, 1, SAMPLE_RATE) * 0.1).to(device), batch, dtype)

    def run() -> Any:
        scores, *_ = model(wave, wave)
        return torch.cat([score.flatten() for score in scores])

    return run


def _mask(model: Any, device: str, batch: int, dtype: str) -> Callable[[], Any]:
    """Return what is left of a seeded spectrogram, or which part of it: echo's nets say that."""
    one = _noise(1, 2, model.output_bin, WINDOW).abs().to(device)
    spectrogram = repeated(one, batch, dtype)
    return lambda: model(spectrogram)
