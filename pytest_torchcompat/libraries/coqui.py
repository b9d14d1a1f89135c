"""coqui TTS: XTTS, whose configuration and speakers lie beside its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint

SAMPLE_RATE = 22050
SECONDS = 2
TOKENS = 16
CODES = 16


class Coqui:
    """Loads through ``Xtts.load_checkpoint``, as coqui-tts and the older TTS both have it."""

    name = "coqui-tts"
    distribution = "coqui-tts"

    def import_(self) -> None:
        """Import XTTS; newer versions register their globals with torch as they are imported."""
        import TTS.tts.configs.xtts_config
        import TTS.tts.models.xtts  # noqa: F401 - the imports are the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """Return the model, built by ``config.json`` and with the speakers of its folder."""
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

        config = XttsConfig()
        config.load_json(str(path.with_name("config.json")))
        model = Xtts(config)
        with _nothing_saved():
            model.load_checkpoint(
                config, checkpoint_dir=str(path.parent), checkpoint_path=str(path)
            )
        return model

    def forward(self, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """
        Return the waveform of seeded text and audio codes in the voice of seeded noise.

        It is what ``inference`` does save that the codes are given: sampled ones would differ.
        """
        import torch

        model = model.to(device)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, SECONDS * SAMPLE_RATE, generator=generator) * 0.1
        text = torch.randint(0, model.args.gpt_number_text_tokens, (1, TOKENS), generator=generator)
        codes = torch.randint(0, model.args.gpt_start_audio_token, (1, CODES), generator=generator)
        return lambda: _voice(model, noise.to(device), text.to(device), codes.to(device))


def _voice(model: Any, noise: Any, text: Any, codes: Any) -> Any:
    import torch

    length = torch.tensor([TOKENS], device=text.device)
    frames = torch.tensor([CODES * model.gpt.code_stride_len], device=text.device)
    voice = model.get_gpt_cond_latents(noise, SAMPLE_RATE)
    speaker = model.get_speaker_embedding(noise, SAMPLE_RATE)
    latents = model.gpt(text, length, codes, frames, cond_latents=voice, return_latent=True)
    return model.hifigan_decoder(latents, g=speaker)


@contextlib.contextmanager
def _nothing_saved() -> Iterator[None]:
    """
    Hold ``torch.save`` still.

    coqui-tts 0.28 saves what it has read over the very file, without its pickled classes: the next
    check would find another file, and so would whoever shares the cache that it lies in.
    """
    import torch

    save = torch.save
    torch.save = _ignored
    try:
        yield
    finally:
        torch.save = save


def _ignored(*_args: Any, **_kwargs: Any) -> None:
    pass
