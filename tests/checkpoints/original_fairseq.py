"""
What the published files of fairseq's models look like, for the replicas to be compared with.

None has been opened here. What is known:

- ``rvc/hubert-base``: the keys are those that ``Trainer.state_dict`` of fairseq 0.12.2 writes, in
  its order, and those that the authors of the conversion to this layout name. Its size is that of
  the weights in float16, with no optimiser's state.
- ``fairseq/hubert-base-ls960`` and ``fairseq/mhubert-base-vp``: the keys of the same function, for
  a training without half precision, whose Adam keeps two tensors for each weight. Whether the
  published ones were trained in half precision, and of mhubert whether it has the optimiser's state
  at all, is not known. They are of 2021, when torch's default had been the zip for a year; which
  of the two containers they have is not known either.
- ``fairseq/wav2vec-small``: its users read ``args`` of it, a Namespace, and ``model``. The keys are
  those that ``checkpoint_utils.save_state`` of fairseq 0.10.2 writes for a criterion without
  parameters. It is of the summer of 2020: torch saved in its old container by default until 1.6, of
  July that year. fairseq's example trains the base model in half precision: its weights are then
  halves, and Adam keeps two flat tensors in float32. None of the three is established of the file.
- ``fairseq/hubert-float-config`` and the two of ``fairseq/hubert-pos-conv``: there is no published
  file. They are the replica of ``rvc/hubert-base``, edited.
"""

from __future__ import annotations

_TRAINER = [
    "args",
    "cfg",
    "model",
    "criterion",
    "optimizer_history",
    "task_state",
    "extra_state",
    "last_optimizer_state",
]

_HALF = {"keys": _TRAINER, "format": "zip", "dtypes": {"float16"}}

ORIGINALS = {
    "rvc/hubert-base": _HALF,
    "fairseq/hubert-float-config": _HALF,
    "fairseq/hubert-pos-conv-dim0": _HALF,
    "fairseq/hubert-pos-conv-parametrized": _HALF,
    "fairseq/hubert-base-ls960": {"keys": _TRAINER, "format": "zip", "dtypes": {"float32"}},
    "fairseq/mhubert-base-vp": {"keys": _TRAINER, "format": "zip", "dtypes": {"float32"}},
    "fairseq/wav2vec-small": {
        "keys": ["args", "model", "optimizer_history", "extra_state", "last_optimizer_state"],
        "format": "legacy",
        "dtypes": {"float16", "float32"},
    },
}
