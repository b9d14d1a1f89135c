"""coqui TTS: XTTS, whose configuration and speakers lie beside its weights."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import REPLICAS, Checkpoint
from pytest_torchcompat.errors import MismatchError, MissingFileError, unknown_name

SAMPLE_RATE = 22050
SECONDS = 1
TOKENS = 16
CODES = 4

SPOKEN = "hello, how are you today?"
LANGUAGE = "en"
CHUNK = 4  # audio codes; few, so that chunks are put together
WAV = REPLICAS / "torchaudio-tone.wav"

CONFIG = "config.json"
VOCABULARY = "vocab.json"
# XTTS passes over a key that it does not know, so that a misspelt one leaves a default in its place
# without a word. These it does not know and are right all the same: fine-tuning writes them, or
# another version knows them.
OF_FINE_TUNING = {
    "": ("optimizer_wd_only_on_weights", "weighted_loss_attrs", "weighted_loss_multipliers"),
    "model_args": (
        "debug_loading_failures",
        "dvae_checkpoint",
        "gpt_loss_mel_ce_weight",
        "gpt_loss_text_ce_weight",
        "max_conditioning_length",
        "max_text_length",
        "max_wav_length",
        "mel_norm_file",
        "min_conditioning_length",
        "vocoder",
        "xtts_checkpoint",
    ),
    "audio": ("dvae_sample_rate",),
}
OF_OTHER_VERSIONS = ("model_dir", "speakers", "_supports_cloning")


class _Installed:
    """The distribution that brings the module TTS here: coqui-tts, or the older TTS alone."""

    def __get__(self, instance: object, owner: type) -> str:
        return "TTS" if _is_there("TTS") and not _is_there("coqui-tts") else "coqui-tts"


def _is_there(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    with contextlib.suppress(PackageNotFoundError):
        return bool(version(distribution))
    return False


class Coqui:
    """Loads through ``Xtts.load_checkpoint``, as coqui-tts and the older TTS both have it."""

    name = "coqui-tts"
    distribution = _Installed()

    def import_(self) -> None:
        """Import XTTS; newer versions register their globals with torch as they are imported."""
        import TTS.tts.configs.xtts_config
        import TTS.tts.models.xtts  # noqa: F401 - the imports are the point

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """
        Return the model, built by ``config.json`` and with the speakers of its folder.

        Raises ``MissingFileError`` where the folder lacks what XTTS reads, and ``MismatchError``
        where the configuration has keys that XTTS does not know.
        """
        from TTS.tts.models.xtts import Xtts

        config = _configuration(path)
        _require_vocabulary(path, config)
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

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """
        Return what the library's own way of ``clone``, ``inference`` or ``stream`` gives.

        The two that speak take the likeliest audio code each time: sampled ones would differ.
        """
        if name not in _USES:
            raise unknown_name("use", name, _USES)
        model = model.to(device)
        return lambda: _USES[name](model)


def _voice(model: Any, noise: Any, text: Any, codes: Any) -> Any:
    import torch

    length = torch.tensor([TOKENS], device=text.device)
    frames = torch.tensor([CODES * model.gpt.code_stride_len], device=text.device)
    latents, speaker = _heard(model, noise)
    spoken = model.gpt(text, length, codes, frames, cond_latents=latents, return_latent=True)
    return model.hifigan_decoder(spoken, g=speaker)


def _heard(model: Any, noise: Any) -> tuple[Any, Any]:
    """Return the voice of a waveform, without a file."""
    latents = model.get_gpt_cond_latents(noise, SAMPLE_RATE)
    return latents, model.get_speaker_embedding(noise, SAMPLE_RATE)


def _of_noise(model: Any) -> tuple[Any, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, SECONDS * SAMPLE_RATE, generator=generator) * 0.1
    return _heard(model, noise.to(model.device))


def _cloned(model: Any) -> Any:
    """Return the voice of a WAV file, which the library opens and reads."""
    import torch

    latents, speaker = model.get_conditioning_latents(audio_path=[str(WAV)])
    return torch.cat([latents.flatten(), speaker.flatten()])


def _spoken(model: Any) -> Any:
    import torch

    found = model.inference(SPOKEN, LANGUAGE, *_of_noise(model), do_sample=False)
    return torch.as_tensor(found["wav"])


def _streamed(model: Any) -> Any:
    import torch

    # Streaming samples whatever do_sample says; of one candidate there is nothing to choose.
    chunks = model.inference_stream(
        SPOKEN, LANGUAGE, *_of_noise(model), stream_chunk_size=CHUNK, top_k=1
    )
    return torch.cat(list(chunks))


_USES: Mapping[str, Callable[[Any], Any]] = {
    "clone": _cloned,
    "inference": _spoken,
    "stream": _streamed,
}


def _configuration(path: Path) -> Any:
    """Return the configuration beside a checkpoint, all of which the library knows."""
    from TTS.tts.configs.xtts_config import XttsConfig

    file = path.with_name(CONFIG)
    config = XttsConfig()
    _require_known(file, _read(file, path), config)
    config.load_json(str(file))
    return config


def _read(file: Path, path: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise MissingFileError(_missing(CONFIG, path)) from None
    except ValueError as error:  # of the text's encoding, or of what it says
        message = f"{file} is not JSON in UTF-8 ({error}). Fetch it again."
        raise MismatchError(message) from error
    if not isinstance(said, dict):
        message = (
            f"{file} holds no configuration of XTTS but a {type(said).__name__}. Fetch it again."
        )
        raise MismatchError(message)
    return said


def _require_known(file: Path, said: Mapping[str, Any], config: Any) -> None:
    """Refuse keys that the library would pass over."""
    unknown = [
        *_unknown("", said, config),
        *_unknown("model_args", said.get("model_args"), config.model_args),
        *_unknown("audio", said.get("audio"), config.audio),
    ]
    if unknown:
        message = (
            f"{file} has keys that XTTS does not know and would pass over: {', '.join(unknown)}. "
            "Correct or remove them."
        )
        raise MismatchError(message)


def _unknown(part: str, said: Any, config: Any) -> Iterator[str]:
    known = {each.name for each in dataclasses.fields(config)}
    known.update(OF_FINE_TUNING[part], OF_OTHER_VERSIONS)
    for key in said if isinstance(said, dict) else ():
        if key not in known:
            yield repr(f"{part}.{key}" if part else key)


def _require_vocabulary(path: Path, config: Any) -> None:
    """Refuse a folder without a vocabulary, which TTS 0.22 would do without until it speaks."""
    elsewhere = config.model_args.tokenizer_file
    if not path.with_name(VOCABULARY).is_file() and not (elsewhere and Path(elsewhere).is_file()):
        raise MissingFileError(_missing(VOCABULARY, path))


def _missing(name: str, path: Path) -> str:
    return f"XTTS reads {name} beside {path}, where it is not. Put the one there that came with it."


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
