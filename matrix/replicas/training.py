"""One step of fairseq's own trainer, and its own saving: what its files hold beyond weights."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

# As fairseq's examples train the base models of HuBERT and of wav2vec 2.0.
LEARNING_RATE = 0.0005
UPDATES = 400_000
WARM_UP = 32_000


def base_configuration(seed: int) -> Any:
    """Return fairseq's whole configuration, with the optimiser that speech models are made by."""
    from fairseq.dataclass.configs import FairseqConfig
    from fairseq.optim.adam import FairseqAdamConfig
    from fairseq.optim.lr_scheduler.polynomial_decay_schedule import PolynomialDecayLRScheduleConfig
    from omegaconf import OmegaConf

    cfg = OmegaConf.create(_plain(FairseqConfig()))
    cfg.common.cpu = True
    cfg.common.seed = seed
    cfg.optimization.lr = [LEARNING_RATE]
    cfg.optimization.max_update = UPDATES
    adam = FairseqAdamConfig(adam_betas="(0.9,0.98)", adam_eps=1e-6, weight_decay=0.01)
    cfg.optimizer = named("adam", adam)
    schedule = PolynomialDecayLRScheduleConfig(warmup_updates=WARM_UP)
    cfg.lr_scheduler = named("polynomial_decay", schedule)
    return cfg


def named(name: str, settings: Any) -> dict[str, Any]:
    """Return a part of the configuration under the name by which fairseq knows what it sets."""
    return {**_plain(settings), "_name": name}


def _plain(settings: Any) -> dict[str, Any]:
    from omegaconf import OmegaConf

    container: dict[str, Any] = OmegaConf.to_container(
        OmegaConf.structured(settings), enum_to_str=True
    )
    return container


def trained_one_step(cfg: Any, task: Any, sample: Mapping[str, Any]) -> Any:
    """Build a model and train it on one sample; return fairseq's trainer, ready to save."""
    import numpy as np
    import torch
    from fairseq.logging import metrics
    from fairseq.trainer import Trainer
    from omegaconf import OmegaConf

    metrics.reset()  # they are the process's, and another replica may have been saved by it
    OmegaConf.set_struct(cfg, True)  # as fairseq-train does
    torch.set_num_threads(1)  # more would add in another order on another machine
    torch.manual_seed(cfg.common.seed)
    np.random.seed(cfg.common.seed)  # noqa: NPY002 - fairseq draws its masks from this generator
    model, criterion = task.build_model(cfg.model), task.build_criterion(cfg.criterion)
    trainer = Trainer(cfg, task, model, criterion)
    # In half precision one flat copy of the weights lies on each device; None is the CPU's number.
    with mock.patch("torch.cuda.current_device", return_value=None):
        trainer.train_step([sample])
    trainer.consolidate_optimizer()
    return trainer


@contextlib.contextmanager
def stopped_clock() -> Iterator[None]:
    """Let the trainer's meters count calls for seconds, so that the same bytes come out."""
    calls = itertools.count()  # no two equal: the meters divide by what has passed
    counted = mock.patch("time.perf_counter", side_effect=calls)
    with counted, mock.patch("time.time", return_value=0.0):
        yield


def progress() -> dict[str, Any]:
    """Return what fairseq-train adds to the trainer's state, of its data and its best loss."""
    iterator = {"epoch": 1, "iterations_in_epoch": 1, "shuffle": True}
    return {"train_iterator": iterator, "val_loss": None}
