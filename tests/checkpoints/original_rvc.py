"""
What the published files of RVC, and two that fine-tuning XTTS reads, look like.

None has been opened here. What is known:

- The hub's scan lists each file's pickled imports: HalfStorage alone of all storages for RVC's, so
  that the counters of BatchNorm are halves too, and FloatStorage alone for XTTS's.
- Sizes. ``torch.save``, less the records that torch 2.1 and later add, gives the published size to
  the byte for the weights of the classes that read them, in a zip whose folder is "archive" (six
  letters for ``rmvpe``):
    - ``rmvpe`` and ``uvr5-hp5``: a bare mapping, its storages said to be on "cuda:0";
    - ``f0[GD]40k``: ``model`` with the metadata of a state dict, and some 46 to 55 bytes of pickle
      more, in all four. ``iteration`` and ``learning_rate`` take 54; with ``optimizer``, the fourth
      key that RVC's trainer writes, it would be 74 and more;
    - ``xtts-v2-mel-stats``: a bare tensor of 80 values.
- The other separators' sizes are known in three digits (63.5, 63.7 and 112 MB) and fit.
- ``xtts-v2-dvae``: the trainer loads its keys with ``strict=False``. Without the loss's counters,
  which no FloatStorage holds, and its history, which the size rules out, the class leaves 30 kB of
  the published size unexplained: there may be more keys.
"""

from __future__ import annotations

from typing import Any

_PRETRAINED: dict[str, Any] = {
    "keys": ["model", "iteration", "learning_rate"],
    "format": "zip",
    "dtypes": {"float16"},
}


def _bare(count: int, first: str, dtype: str = "float16") -> dict[str, Any]:
    return {"keys": (count, first), "format": "zip", "dtypes": {dtype}}


_VOCALS = _bare(459, "stg1_low_band_net.enc1.conv1.conv.0.weight")
_ECHO = _bare(689, "stg1_low_band_net.0.enc1.conv.0.weight")

# "keys" are the top-level keys; of a bare state dict their number and the first; a tensor has none.
ORIGINALS: dict[str, dict[str, Any]] = {
    "rvc/rmvpe": _bare(741, "unet.encoder.bn.weight"),
    "rvc/f0g40k-v1": _PRETRAINED,
    "rvc/f0g40k-v2": _PRETRAINED,
    "rvc/f0d40k-v1": _PRETRAINED,
    "rvc/f0d40k-v2": _PRETRAINED,
    "rvc/uvr5-hp2": _VOCALS,
    "rvc/uvr5-hp3": _VOCALS,
    "rvc/uvr5-hp5": _VOCALS,
    "rvc/uvr5-deecho-aggressive": _ECHO,
    "rvc/uvr5-deecho-dereverb": _ECHO,
    "rvc/uvr5-deecho-normal": _ECHO,
    "coqui/xtts-v2-dvae": _bare(53, "encoder.0.0.weight", "float32"),
    "coqui/xtts-v2-mel-stats": {"keys": [], "format": "zip", "dtypes": {"float32"}},
}
