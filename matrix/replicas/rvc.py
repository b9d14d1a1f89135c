"""
RVC: the published state dicts with all their keys, shapes and dtypes, and few values.

How those were saved follows from three things: the classes that read them, the imports that the
hub's scan of each pickle lists (HalfStorage alone of all storages, so counters are halves too), and
the sizes, which these layouts give to the byte in the form that torch 1 writes: the pitch
estimator, the four pretrained models and HP5. Of the other separators only rounded sizes are
known, and they fit. Unlike in a published file, all weights are views of one small storage: with
one each, the zip's records alone would take a megabyte more. Its values let a model compute:
with all of one sign and size, voices saturate and separators end in NaN.

Whether the bare state dicts are an OrderedDict or a dict no size tells; here they are a dict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable
from unittest import mock

Save = Callable[[Path], None]

# The sizes of weights that the storage has seeded values for, each a few times the next.
SCALES = (0.3, 0.1, 0.03, 0.01)


def rmvpe(path: Path) -> None:
    """Save what estimates the pitch, as the class that reads it is built for it."""
    from rvc.lib.rmvpe import E2E

    _save_bare(E2E(4, 1, (2, 2)), path, seed=0)


def generator(path: Path, kind: str, seed: int) -> None:
    """Save a generator for 40 kHz with pitch; both versions have the first one's settings."""
    import rvc
    from rvc.lib.infer_pack import models

    settings = Path(rvc.__path__[0]) / "configs" / "v1" / "40k.json"
    config = json.loads(settings.read_text("utf-8"))
    data, segment = config["data"], config["train"]["segment_size"]
    sizes = (data["filter_length"] // 2 + 1, segment // data["hop_length"])
    rest = {"sr": data["sampling_rate"], "is_half": False}
    _save_pretrained(getattr(models, kind)(*sizes, **config["model"], **rest), path, seed)


def discriminator(path: Path, kind: str, seed: int) -> None:
    """Save what a generator is trained against."""
    from rvc.lib.infer_pack import models

    _save_pretrained(getattr(models, kind)(use_spectral_norm=False), path, seed)


def vocals(path: Path, seed: int) -> None:
    """Save a separator of voice and instruments."""
    from rvc.lib.uvr5_pack.lib_v5.nets_61968KB import CascadedASPPNet

    _save_bare(CascadedASPPNet(_frequencies("4band_v2")), path, seed)


def echo(path: Path, width: int, seed: int) -> None:
    """Save a remover of echo; the one of reverberation is wider."""
    from rvc.lib.uvr5_pack.lib_v5.nets_new import CascadedNet

    _save_bare(CascadedNet(_frequencies("4band_v3"), width), path, seed)


def _frequencies(name: str) -> int:
    import rvc
    from rvc.lib.uvr5_pack.lib_v5.model_param_init import ModelParameters

    folder = Path(rvc.__path__[0]) / "lib" / "uvr5_pack" / "lib_v5" / "modelparams"
    bins: int = ModelParameters(str(folder / f"{name}.json")).param["bins"]
    return 2 * bins


def _save_bare(model: Any, path: Path, seed: int) -> None:
    weights = _small(model.state_dict(), seed)
    with _said_to_be_on("cuda:0"):
        _save(weights, path)


def _save_pretrained(model: Any, path: Path, seed: int) -> None:
    """Save what RVC's trainer does, without the optimizer, for which the sizes have no room."""
    weights = model.state_dict()
    # Its metadata stays, as in a published file.
    weights.update(_small(weights, seed))
    _save({"model": weights, "iteration": 1, "learning_rate": 1e-4}, path)


def _small(weights: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """
    Return views of one storage of halves in place of the weights.

    An element lies as many values behind the view's first as its indices sum up to, so that a
    weight varies along each of its dimensions.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    reaches = [0] * (len(SCALES) + 1)
    for name, weight in weights.items():
        region = _region(name, weight)
        reaches[region] = max(reaches[region], _reach(weight.shape))
    values = torch.cat([_values(region, reach, generator) for region, reach in enumerate(reaches)])
    small: dict[str, Any] = {}
    for name, weight in weights.items():
        region = _region(name, weight)
        places = reaches[region] - _reach(weight.shape) + 1
        first = sum(reaches[:region]) + int(torch.randint(places, (), generator=generator))
        small[name] = values.as_strided(weight.shape, [1] * weight.dim(), first)
    return small


def _values(region: int, count: int, generator: Any) -> Any:
    import torch

    if region == len(SCALES):
        return (torch.rand(count, generator=generator) / 2 + 0.25).half()
    return (torch.randn(count, generator=generator) * SCALES[region]).half()


def _region(name: str, weight: Any) -> int:
    """Return which part of the storage suits a weight: the last is for gains and variances."""
    if weight.dim() == 1 and name.endswith((".weight", ".gamma", ".running_var")):
        return len(SCALES)
    if name.endswith(".weight_g") or weight.dim() == 0:
        return len(SCALES)
    inputs = weight.numel() / weight.shape[0] if weight.dim() > 1 else 100
    return min(range(len(SCALES)), key=lambda place: abs(math.log(SCALES[place] ** 2 * inputs)))


def _reach(shape: Sequence[int]) -> int:
    return 1 + sum(size - 1 for size in shape)


def _save(content: dict[str, Any], path: Path) -> None:
    import torch

    # Into an open file, which names the zip's folder "archive": so it is named in the originals.
    with path.open("wb") as file:
        torch.save(content, file)


@contextmanager
def _said_to_be_on(device: str) -> Iterator[None]:
    """Let storages be saved as those of a device that this machine may lack."""
    import torch

    with mock.patch.object(torch.serialization, "location_tag", return_value=device):
        yield


SAVES: dict[str, Save] = {
    "rvc/rmvpe": rmvpe,
    "rvc/f0g40k-v1": partial(generator, kind="SynthesizerTrnMs256NSFsid", seed=1),
    "rvc/f0g40k-v2": partial(generator, kind="SynthesizerTrnMs768NSFsid", seed=2),
    "rvc/f0d40k-v1": partial(discriminator, kind="MultiPeriodDiscriminator", seed=3),
    "rvc/f0d40k-v2": partial(discriminator, kind="MultiPeriodDiscriminatorV2", seed=4),
    "rvc/uvr5-hp2": partial(vocals, seed=5),
    "rvc/uvr5-hp3": partial(vocals, seed=6),
    "rvc/uvr5-hp5": partial(vocals, seed=7),
    "rvc/uvr5-deecho-aggressive": partial(echo, width=48, seed=8),
    "rvc/uvr5-deecho-dereverb": partial(echo, width=64, seed=9),
    # With 10 to 12 it says nearly the same of each moment and pitch.
    "rvc/uvr5-deecho-normal": partial(echo, width=48, seed=13),
}
