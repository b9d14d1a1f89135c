"""wav2vec 2.0 as fairseq saved it in 2020: its arguments in a Namespace, in torch's old format."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from matrix.replicas.training import (
    LEARNING_RATE,
    UPDATES,
    WARM_UP,
    progress,
    stopped_clock,
    trained_one_step,
)

SAMPLES = 8000
# What fairseq 0.10.2 saves where the criterion has no parameters: it has neither a configuration
# nor the task's state.
KEYS = ("args", "model", "optimizer_history", "extra_state", "last_optimizer_state")


def wav2vec_small(path: Path) -> None:
    """
    Save wav2vec 2.0 after one step of its training in half precision.

    fairseq of 2020 has no wheel for this Python: 0.12.2 parses the arguments, builds and trains;
    the keys and the container are of 2020.
    """
    import torch
    from fairseq import tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    arguments = _arguments()
    cfg = convert_namespace_to_omegaconf(arguments)
    with stopped_clock():
        state = trained_one_step(cfg, tasks.setup_task(cfg.task), _sample()).state_dict()
    state["args"] = arguments
    state["extra_state"].update(progress())
    with _numbered_storages():
        kept = {key: state[key] for key in KEYS}
        torch.save(kept, path, _use_new_zipfile_serialization=False)


def _arguments() -> argparse.Namespace:
    from fairseq import options

    parser = options.get_training_parser(default_task="audio_pretraining")
    words = [word for option, value in _OPTIONS.items() for word in (f"--{option}", str(value))]
    arguments: argparse.Namespace = options.parse_args_and_arch(parser, [".", *_FLAGS, *words])
    return arguments


def _sample() -> Mapping[str, Any]:
    import torch

    torch.manual_seed(0)
    return {"id": torch.tensor([0]), "net_input": {"source": torch.randn(1, SAMPLES)}}


@contextlib.contextmanager
def _numbered_storages() -> Iterator[None]:
    """Let torch name storages by number: the old file names and sorts them by their addresses."""
    import torch

    address = torch.UntypedStorage._cdata  # noqa: SLF001 - what torch names them by
    first = 10**14  # as long as an address
    numbers: dict[int, int] = {}

    def number(storage: Any) -> int:
        return numbers.setdefault(address.__get__(storage), first + len(numbers))

    with mock.patch.object(torch.UntypedStorage, "_cdata", property(number)):
        yield


_FLAGS = ("--cpu", "--fp16", "--quantize-targets", "--infonce")
# Those of fairseq's own example for the base model, with fewer and narrower layers.
_OPTIONS = {
    "arch": "wav2vec2",
    "criterion": "wav2vec",
    "log-keys": '["prob_perplexity","code_perplexity","temp"]',
    "extractor-mode": "default",
    # The strides of the real extractor (320 samples a frame), with 8 channels for 512.
    "conv-feature-layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2",
    "final-dim": 8,
    "latent-vars": 8,
    "latent-groups": 2,
    "latent-temp": "(2,0.5,0.999995)",
    "optimizer": "adam",
    "adam-betas": "(0.9,0.98)",
    "adam-eps": 1e-06,
    "lr-scheduler": "polynomial_decay",
    "max-update": UPDATES,
    "total-num-update": UPDATES,
    "lr": LEARNING_RATE,
    "warmup-updates": WARM_UP,
    "mask-length": 10,
    "mask-prob": 0.65,
    "encoder-layerdrop": 0,  # with one layer, a dropped one trains nothing
    "dropout-input": 0.1,
    "dropout-features": 0.1,
    "feature-grad-mult": 0.1,
    "loss-weights": "[0.1, 10]",
    "conv-pos": 16,
    "conv-pos-groups": 4,
    "num-negatives": 10,
    "max-sample-size": 250000,
    "min-sample-size": 32000,
    "weight-decay": 0.01,
    "max-tokens": 1400000,
    "encoder-layers": 1,
    "encoder-embed-dim": 16,
    "encoder-ffn-embed-dim": 32,
    "encoder-attention-heads": 2,
}


SAVES = {"fairseq/wav2vec-small": wav2vec_small}
