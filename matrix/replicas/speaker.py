"""speechbrain: a narrow ECAPA-TDNN with the files that it is published with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matrix.replicas.weights import make_small

MELS = 80
WIDTH = 16  # of the published 1024 channels
LAST = 48  # of 3072
VECTOR = 16  # of 192
SPEAKERS = 4  # of 7205

# The published file's structure: a model, what normalises its input, and what is read into both.
HYPERPARAMETERS = f"""\
pretrained_path: speechbrain/spkrec-ecapa-voxceleb

compute_features: !new:speechbrain.lobes.features.Fbank
  n_mels: {MELS}
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
  norm_type: sentence
  std_norm: False
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
  norm_type: global
  std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
  input_size: {MELS}
  channels: {[*[WIDTH] * 4, LAST]}
  kernel_sizes: [5, 3, 3, 3, 1]
  dilations: [1, 2, 3, 4, 1]
  attention_channels: {WIDTH}
  se_channels: {WIDTH}
  lin_neurons: {VECTOR}
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
  input_size: {VECTOR}
  out_neurons: {SPEAKERS}
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

modules:
  compute_features: !ref <compute_features>
  mean_var_norm: !ref <mean_var_norm>
  embedding_model: !ref <embedding_model>
  mean_var_norm_emb: !ref <mean_var_norm_emb>
  classifier: !ref <classifier>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>
    label_encoder: !ref <label_encoder>
  paths:
    embedding_model: !ref <pretrained_path>/embedding_model.ckpt
    mean_var_norm_emb: !ref <pretrained_path>/mean_var_norm_emb.ckpt
    classifier: !ref <pretrained_path>/classifier.ckpt
    label_encoder: !ref <pretrained_path>/label_encoder.txt
"""


def ecapa(path: Path) -> None:
    """Save what the YAML file describes, each part by speechbrain's own saver of it."""
    import torch
    from hyperpyyaml import load_hyperpyyaml
    from speechbrain.utils.checkpoints import torch_save

    torch.manual_seed(0)
    built = load_hyperpyyaml(HYPERPARAMETERS)
    folder = path.parent
    (folder / "hyperparams.yaml").write_text(HYPERPARAMETERS, "utf-8")
    for name in ("embedding_model", "classifier"):
        torch_save(_Small(built[name]), folder / f"{name}.ckpt")
    vectors, whole = torch.randn(SPEAKERS, 1, VECTOR), torch.ones(SPEAKERS)
    built["mean_var_norm_emb"](vectors, whole)  # it keeps the mean of what it has seen
    built["mean_var_norm_emb"]._save(folder / "mean_var_norm_emb.ckpt")  # noqa: SLF001
    labels = built["label_encoder"]
    labels.update_from_iterable([f"id{number}" for number in range(SPEAKERS)])
    labels.save(folder / "label_encoder.txt")


class _Small:
    """Hands speechbrain's saver a state dict of few values; what counts batches stays."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def state_dict(self) -> Any:
        import torch

        weights = self.module.state_dict()
        floats = {name: each for name, each in weights.items() if each.is_floating_point()}
        make_small(floats, torch.float32, seed=0)
        weights.update(floats)
        return weights


SAVES = {"speechbrain/spkrec-ecapa-voxceleb": ecapa}
