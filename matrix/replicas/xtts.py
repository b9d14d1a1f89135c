"""XTTS of coqui TTS: a narrow GPT with the published decoder, and what lies beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH = 64
CONDITIONS = 32  # the latents of the perceiver resampler, which its class does not let one choose
SPEAKER = 512
# From this size on, a tensor's values are taken from fewer: see _few_values.
LARGE = 1024
# An untrained GPT passes its input on almost unchanged; with its weights so much larger, the text
# weighs as much in the output as the rest does.
ATTENTION = 10.0

TEXT = ["[STOP]", "[UNK]", "[SPACE]", "[en]", "[START]", *"abcdefghijklmnopqrstuvwxyz", *"!',-.?"]


def xtts_v2(path: Path) -> None:
    """Save model.pth, with its configuration, vocabulary and speakers in the same folder."""
    import torch
    from TTS.tts.models.xtts import Xtts

    torch.manual_seed(0)
    _vocabulary(path.with_name("vocab.json"))
    config = _config()
    model = Xtts(config)
    config.save_json(str(path.with_name("config.json")))
    torch.save(_checkpoint(config, model), path)
    torch.save(_speakers(), path.with_name("speakers_xtts.pth"))


def _checkpoint(config: Any, model: Any) -> dict[str, Any]:
    """
    Return what coqui's trainer writes, as far as that is established of the published file.

    By its size it holds the float32 weights of the model that speaks and nothing else of weight:
    neither the state of an optimizer nor the network that fine-tuning adds. That its configuration
    is an object follows from the globals that it pickles; the trainer itself saves a dictionary, so
    it was converted. Not established: the prefix ``xtts.``, which the library's loader expects of
    its trainer, and that the trainer's other keys outlived the conversion.
    """
    return {
        "config": config,
        "model": {f"xtts.{name}": each for name, each in _few_values(model).items()},
        "optimizer": None,
        "scaler": None,
        "step": 0,
        "epoch": 0,
        "date": "November 01, 2023",
        "model_loss": {"train_loss": 0.0, "eval_loss": None},
    }


def _few_values(model: Any) -> dict[str, Any]:
    """
    Return the weights, each large one as a view that repeats the first values of its seeded start.

    The element at (i, j, k) is value i + j + k, so that rows differ and a forward pass says
    something. The decoder has 23 million parameters whatever the configuration.
    """
    state = dict(model.state_dict())
    for name, parameter in model.named_parameters():
        if parameter.numel() >= LARGE:
            factor = ATTENTION if name.startswith("gpt.gpt.h.") else 1.0
            state[name] = _repeating(parameter.detach() * factor)
    return state


def _repeating(tensor: Any) -> Any:
    span = sum(size - 1 for size in tensor.shape) + 1
    values = tensor.flatten()[:span].clone()
    return values.as_strided(tensor.shape, (1,) * tensor.dim())


def _config() -> Any:
    from TTS.config.shared_configs import BaseDatasetConfig
    from TTS.tts.configs.xtts_config import XttsConfig
    from TTS.tts.models.xtts import XttsArgs

    arguments = XttsArgs(**_NARROW)
    return XttsConfig(model_args=arguments, datasets=[BaseDatasetConfig()])


_NARROW = {
    "gpt_layers": 2,
    "gpt_n_model_channels": WIDTH,
    "gpt_n_heads": 4,
    "gpt_number_text_tokens": len(TEXT),
    "gpt_start_text_token": TEXT.index("[START]"),
    "gpt_stop_text_token": TEXT.index("[STOP]"),
    "gpt_num_audio_tokens": 66,
    "gpt_start_audio_token": 64,
    "gpt_stop_audio_token": 65,
    "gpt_max_audio_tokens": 30,
    "gpt_max_text_tokens": 50,
    "gpt_use_perceiver_resampler": True,  # as version 2 has it
    "decoder_input_dim": WIDTH,
}


def _vocabulary(path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import Whitespace

    numbers = {each: number for number, each in enumerate(TEXT)}
    tokenizer = Tokenizer(BPE(vocab=numbers, merges=[], unk_token="[UNK]"))  # noqa: S106 - of text
    tokenizer.add_special_tokens([each for each in TEXT if len(each) > 1])
    tokenizer.pre_tokenizer = Whitespace()
    path.write_text(json.dumps(json.loads(tokenizer.to_str()), indent=1), "utf-8")


def _speakers() -> dict[str, Any]:
    """Return two voices, in the form that the library's cloning gives them."""
    import torch

    return {
        name: {
            "gpt_cond_latent": torch.randn(1, CONDITIONS, WIDTH),
            "speaker_embedding": torch.nn.functional.normalize(torch.randn(1, SPEAKER, 1), dim=1),
        }
        for name in ("One", "Two")
    }


SAVES = {"coqui/xtts-v2": xtts_v2}
