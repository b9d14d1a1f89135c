"""HuBERT of fairseq: the keys that its trainer writes, around models of one small layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix.replicas.training import (
    base_configuration,
    named,
    progress,
    stopped_clock,
    trained_one_step,
)

SAMPLE_RATE = 16000
LABEL_RATE = 50.0
LABELS = 504  # the clusters of the second iteration of HuBERT base, from its paper
FEWER_LABELS = 16
FRAMES = 25
POS_CONV = "encoder.pos_conv.0"
OLD = ("weight_g", "weight_v")
NEW = ("parametrizations.weight.original0", "parametrizations.weight.original1")


def rvc_hubert_base(path: Path) -> None:
    """Save what voice conversion calls hubert_base.pt."""
    _save(_state(), path)


def float_config(path: Path) -> None:
    """Save the same with two integers of the configuration stored as floats."""
    state = _state()
    for part, key in (("task", "sample_rate"), ("model", "encoder_layers")):
        state["cfg"][part][key] = float(state["cfg"][part][key])
    _save(state, path)


def pos_conv_dim0(path: Path) -> None:
    """Save the same with the weight norm of the positional convolution over the channels."""
    import torch

    state = _state()
    norms, directions = (state["model"][f"{POS_CONV}.{name}"].float() for name in OLD)
    weight = torch._weight_norm(directions, norms, 2)  # noqa: SLF001 - as the module computes it
    state["model"][f"{POS_CONV}.weight_g"] = torch.norm_except_dim(weight, 2, 0).half()
    state["model"][f"{POS_CONV}.weight_v"] = weight.half()
    _save(state, path)


def pos_conv_parametrized(path: Path) -> None:
    """Save the same with the keys of torch's parametrization in the positional convolution."""
    state = _state()
    names = {f"{POS_CONV}.{old}": f"{POS_CONV}.{new}" for old, new in zip(OLD, NEW)}
    weights = state["model"].items()
    state["model"] = {names.get(name, name): tensor for name, tensor in weights}
    _save(state, path)


def _save(state: Mapping[str, Any], path: Path) -> None:
    from fairseq import checkpoint_utils

    checkpoint_utils.torch_persistent_save(state, str(path))


def _state() -> dict[str, Any]:
    cfg, task, model = _tiny_hubert()
    return {
        "args": None,
        "cfg": cfg,
        "model": {name: tensor.half() for name, tensor in model.state_dict().items()},
        "criterion": None,
        "optimizer_history": [_OPTIMIZER],
        "task_state": {"dictionaries": task.state.dictionaries},
        "extra_state": {"epoch": 1, "train_iterator": {"epoch": 1}, "val_loss": None},
        "last_optimizer_state": None,
    }


def hubert_base_ls960(path: Path) -> None:
    """Save HuBERT after one step of its training."""
    _train_and_save(path, seed=1)


def mhubert_base_vp(path: Path) -> None:
    """Save the multilingual HuBERT, which differs from HuBERT in its weights alone."""
    _train_and_save(path, seed=2)


def _train_and_save(path: Path, seed: int) -> None:
    from fairseq import tasks

    cfg = _configuration(seed)
    task = tasks.setup_task(cfg.task)
    task.state.add_factory("dictionaries", lambda: _dictionaries(FEWER_LABELS))
    with stopped_clock():
        trained_one_step(cfg, task, _sample(seed)).save_checkpoint(str(path), progress())


def _configuration(seed: int) -> Any:
    from fairseq.criterions.hubert_criterion import HubertCriterionConfig
    from fairseq.models.hubert import HubertConfig
    from fairseq.tasks.hubert_pretraining import HubertPretrainingConfig

    cfg = base_configuration(seed)
    cfg.task = named("hubert_pretraining", HubertPretrainingConfig(data=".", **_TASK))
    cfg.model = named("hubert", HubertConfig(**{**_MODEL, **_NARROWER}))
    cfg.criterion = named("hubert", HubertCriterionConfig(loss_weights=[10.0]))
    return cfg


def _sample(seed: int) -> Mapping[str, Any]:
    import torch

    torch.manual_seed(seed)
    source = torch.randn(1, SAMPLE_RATE // 2)
    padding = torch.zeros_like(source, dtype=torch.bool)
    return {
        "id": torch.tensor([0]),
        "net_input": {"source": source, "padding_mask": padding},
        "target_list": [torch.randint(FEWER_LABELS, (1, FRAMES))],
        "target_lengths_list": [torch.tensor([FRAMES])],
        "ntokens_list": [FRAMES],
        "ntokens": FRAMES,
    }


_OPTIMIZER = {
    "criterion_name": "HubertCriterion",
    "optimizer_name": "FP16Optimizer",
    "lr_scheduler_state": {"best": None},
    "num_updates": 1,
}


def _tiny_hubert() -> tuple[dict[str, Any], Any, Any]:
    import torch
    from fairseq.models.hubert import HubertConfig, HubertModel
    from fairseq.tasks.hubert_pretraining import HubertPretrainingConfig, HubertPretrainingTask
    from omegaconf import OmegaConf

    torch.manual_seed(0)
    task_cfg = OmegaConf.structured(HubertPretrainingConfig(data=".", **_TASK))
    model_cfg = OmegaConf.structured(HubertConfig(**_MODEL))
    task = HubertPretrainingTask(task_cfg)
    task.state.add_factory("dictionaries", _dictionaries)
    model = HubertModel(model_cfg, task_cfg, task.state.dictionaries)
    return _plain_cfg(task_cfg, model_cfg), task, model


def _dictionaries(labels: int = LABELS) -> list[Any]:
    from fairseq.data import Dictionary

    dictionary = Dictionary()
    for label in range(labels):
        dictionary.add_symbol(str(label))
    return [dictionary]


def _plain_cfg(task: Any, model: Any) -> dict[str, Any]:
    """Return the configuration as the trainer saves it: plain containers, enums as strings."""
    from omegaconf import OmegaConf

    def plain(cfg: Any, name: str) -> dict[str, Any]:
        container = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
        return {**container, "_name": name}

    return {
        "_name": None,
        "common": {"_name": None, "fp16": True, "seed": 1337},
        "task": plain(task, "hubert_pretraining"),
        "model": plain(model, "hubert"),
        "criterion": {"_name": "hubert", "pred_masked_weight": 1.0, "loss_weights": [10.0]},
    }


_TASK = {
    "fine_tuning": False,
    "labels": ["km"],
    "label_rate": LABEL_RATE,
    "sample_rate": SAMPLE_RATE,
    "max_sample_size": 250000,
    "min_sample_size": 32000,
}
_MODEL = {
    "label_rate": LABEL_RATE,
    # The strides of the real extractor (320 samples a frame), with 16 channels for 512.
    "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    "encoder_layers": 1,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 64,
    "encoder_attention_heads": 2,
    "final_dim": 16,
    "untie_final_proj": True,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "dropout_input": 0.1,
    "dropout_features": 0.1,
}
# The optimiser's state takes twice what the weights do.
_NARROWER = {
    "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2",
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "final_dim": 8,
}


SAVES = {
    "rvc/hubert-base": rvc_hubert_base,
    "fairseq/hubert-base-ls960": hubert_base_ls960,
    "fairseq/mhubert-base-vp": mhubert_base_vp,
    "fairseq/hubert-float-config": float_config,
    "fairseq/hubert-pos-conv-dim0": pos_conv_dim0,
    "fairseq/hubert-pos-conv-parametrized": pos_conv_parametrized,
}
