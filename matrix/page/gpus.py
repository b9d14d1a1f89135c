"""Which builds of torch run on which GPUs, worked out for every architecture that has a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.gpus import ARCHITECTURES, architecture, covers


def fits(cells: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the architecture of every card by its name, and the architectures that each build runs.

    ``cells`` has the number of each cell's build, -1 where nobody looked into its torch.
    """
    said = [archs_of(cell) for cell in cells]
    builds = [archs for archs in dict.fromkeys(said) if archs is not None]
    names = _names(builds)
    devices = list(dict.fromkeys(names.values()))
    numbers = {archs: number for number, archs in enumerate(builds)}
    return {
        "names": names,
        "builds": [_build(archs, devices) for archs in builds],
        "cells": [-1 if archs is None else numbers[archs] for archs in said],
    }


def archs_of(cell: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what the torch of a cell was compiled for; ``None`` where nobody looked into it."""
    # A build without CUDA is for no GPU; of one with it, a process that died noted nothing.
    unknown = not cell["torch_build"] or (cell["cuda"] and not cell["gpu_archs"])
    return None if unknown else tuple(cell["gpu_archs"])


def _names(builds: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return the cards, then their architectures and those that a build was compiled for."""
    compiled = (device for archs in builds for each in archs if (device := _device(each)))
    devices = dict.fromkeys([*ARCHITECTURES.values(), *compiled])
    return {**ARCHITECTURES, **{device: device for device in devices}}


def _device(compiled: str) -> str:
    """Return the architecture that something is compiled for; empty where the name says none."""
    try:
        return architecture(compiled.partition(":")[0])
    except UnknownNameError:
        return ""


def _build(archs: Sequence[str], devices: Iterable[str]) -> dict[str, Any]:
    return {"archs": list(archs), "fits": [each for each in devices if covers(archs, each)]}
