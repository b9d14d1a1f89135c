"""Which builds run on which GPUs, as the page has it: the doctor's rule, worked out beforehand."""

from __future__ import annotations

import pytest

from matrix.page.gpus import fits
from pytest_torchcompat.gpus import ARCHITECTURES, covers

OLD = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
NEW = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


def cells(*archs):
    return [{"torch_build": "2.8.0+cu128", "cuda": "12.8", "gpu_archs": each} for each in archs]


def test_every_card_has_its_architecture_and_every_architecture_itself():
    names = fits([])["names"]
    assert names["RTX 5080"] == "sm_120"
    assert names["sm_120"] == "sm_120"
    assert names.keys() == {*ARCHITECTURES, *ARCHITECTURES.values()}


def test_each_build_is_there_once_and_each_cell_has_its_number():
    found = fits(cells(OLD, NEW, OLD))
    assert [build["archs"] for build in found["builds"]] == [OLD, NEW]
    assert found["cells"] == [0, 1, 0]


def test_a_cell_whose_torch_did_not_say_has_no_build():
    assert fits(cells([], OLD))["cells"] == [-1, 0]


def test_a_cell_that_has_no_torch_has_no_build():
    (bare,) = cells([])
    assert fits([bare | {"torch_build": None, "cuda": None}])["cells"] == [-1]


def test_a_build_without_cuda_runs_on_no_gpu():
    (cpu,) = cells([])
    found = fits([cpu | {"torch_build": "2.8.0+cpu", "cuda": None}])
    assert found["cells"] == [0]
    assert found["builds"] == [{"archs": [], "fits": []}]


@pytest.mark.parametrize(
    "archs", [OLD, NEW, ["sm_80", "compute_80"], ["sm_90a"], ["sm_100f"], ["gfx90a:sramecc+"]]
)
def test_a_build_fits_what_the_doctor_says_it_does(archs):
    found = fits(cells(archs))
    (build,) = found["builds"]
    devices = dict.fromkeys(found["names"].values())
    assert build["fits"] == [each for each in devices if covers(archs, each)]
    assert build["fits"]


def test_an_architecture_that_no_card_has_is_known_by_the_builds_that_are_compiled_for_it():
    names = fits(cells(["gfx1100", "sm_130"]))["names"]
    assert names["gfx1100"] == "gfx1100"
    assert names["sm_130"] == "sm_130"
