from __future__ import annotations

import pytest

from pytest_torchcompat.errors import UnknownNameError
from pytest_torchcompat.gpus import ARCHITECTURES, architecture, covers, specifier_for


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RTX 5080", "sm_120"),
        ("NVIDIA GeForce RTX 5080", "sm_120"),
        ("rtx5080", "sm_120"),
        ("5080", "sm_120"),
        ("1080 Ti", "sm_61"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "sm_89"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "sm_120"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "sm_120"),
        ("NVIDIA RTX 6000 Ada Generation", "sm_89"),
        ("Quadro RTX 6000", "sm_75"),
        ("NVIDIA RTX A6000", "sm_86"),
        ("NVIDIA A100-SXM4-80GB", "sm_80"),
        ("NVIDIA A100 80GB PCIe", "sm_80"),
        ("NVIDIA H100 80GB HBM3", "sm_90"),
        ("NVIDIA H100 NVL", "sm_90"),
        ("NVIDIA GH200 480GB", "sm_90"),
        ("NVIDIA H200", "sm_90"),
        ("NVIDIA B200", "sm_100"),
        ("NVIDIA GB10", "sm_121"),
        ("DGX Spark", "sm_121"),
        ("NVIDIA L40S", "sm_89"),
        ("Tesla T4", "sm_75"),
        ("Tesla V100-SXM2-16GB", "sm_70"),
        ("Tesla P100-PCIE-16GB", "sm_60"),
        ("NVIDIA GeForce GTX 1650 Ti with Max-Q Design", "sm_75"),
        ("Jetson AGX Orin Developer Kit", "sm_87"),
        ("sm_120", "sm_120"),
        ("compute_120", "sm_120"),
        ("SM_90a", "sm_90"),
        ("12.0", "sm_120"),
        ("8.6", "sm_86"),
        ("gfx90a", "gfx90a"),
    ],
)
def test_a_gpu_is_known_by_the_names_that_drivers_and_people_give_it(name, expected):
    assert architecture(name) == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_name_of_the_table_is_found_by_itself(name):
    assert architecture(name) == ARCHITECTURES[name]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("RTX 5808", " Did you mean 'RTX 5080'?"),
        ("H10O", " Did you mean 'H100'?"),
        ("RTX 6000", " Did you mean 'RTX A6000'?"),
        ("", ""),
        ("a potato", ""),
    ],
)
def test_a_name_that_is_not_known_is_told_with_the_nearest(name, near):
    with pytest.raises(UnknownNameError) as told:
        architecture(name)
    assert str(told.value) == (
        f"{name!r} is not a known GPU. Name it as its maker does, such as 'RTX 5080', or by its"
        f" architecture, such as 'sm_120'.{near}"
    )


@pytest.mark.parametrize(
    ("archs", "device", "runs"),
    [
        (["sm_86"], "sm_86", True),
        (["sm_86"], "sm_89", True),  # the same major version and a later minor one
        (["sm_86"], "sm_80", False),  # an earlier one
        (["sm_50", "sm_90"], "sm_120", False),  # torch 2.5 and an RTX 5080
        (["sm_120"], "sm_121", True),
        (["sm_75", "sm_80"], "sm_70", False),
        (["sm_90", "compute_90"], "sm_120", True),  # compiled by the driver
        (["compute_120"], "sm_90", False),
        (["sm_90a"], "sm_90", True),
        (["compute_90a"], "sm_120", False),
        (["sm_100a"], "sm_103", False),
        (["sm_100f"], "sm_103", True),
        (["compute_100f"], "sm_120", False),
        (["gfx90a", "gfx1100"], "gfx1100", True),
        (["gfx942:sramecc+:xnack-"], "gfx942", True),
        (["gfx90a"], "gfx1100", False),
        (["sm_90"], "gfx1100", False),
        (["nonsense"], "sm_90", False),
        ([], "sm_90", False),
    ],
)
def test_a_build_runs_where_the_programming_guide_says_so(archs, device, runs):
    assert covers(archs, device) is runs


@pytest.mark.parametrize(
    ("device", "specifier"),
    [
        ("sm_120", ">=2.8.0"),
        ("sm_121", ">=2.8.0"),
        ("sm_86", ">=2.5.1"),
        ("sm_70", "==2.8.0"),
        ("sm_61", "==2.6.0"),
        ("sm_35", None),
    ],
)
def test_the_torch_for_a_gpu_is_one_whose_wheel_was_read(device, specifier):
    assert specifier_for(device) == specifier
