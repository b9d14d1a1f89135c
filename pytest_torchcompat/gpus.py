"""Which architecture a GPU has, and which builds run on it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType

from pytest_torchcompat.errors import UnknownNameError

# As NVIDIA's table of compute capabilities has them, developer.nvidia.com/cuda-gpus and its page of
# older ones. A name here is one of a driver without the words that _NOISE takes out of it.
_NAMES = {
    "sm_121": "GB10, DGX Spark",
    "sm_120": "RTX 5090, RTX 5090 D, RTX 5080, RTX 5070 Ti, RTX 5070, RTX 5060 Ti, RTX 5060,"
    " RTX 5050, RTX PRO 6000 Blackwell, RTX PRO 5000 Blackwell, RTX PRO 4500 Blackwell,"
    " RTX PRO 4000 Blackwell, RTX PRO 4000 SFF Blackwell, RTX PRO 3000 Blackwell,"
    " RTX PRO 2000 Blackwell, RTX PRO 1000 Blackwell, RTX PRO 500 Blackwell, RTX PRO 6000",
    "sm_110": "Jetson T5000, Jetson T4000, Jetson AGX Thor, Jetson Thor",
    "sm_103": "B300, GB300",
    "sm_100": "B200, GB200, B100",
    "sm_90": "H100, H200, H800, H20, GH200",
    "sm_89": "L4, L20, L40, L40S, RTX 6000 Ada, RTX 5880 Ada, RTX 5000 Ada, RTX 4500 Ada,"
    " RTX 4000 Ada, RTX 4000 SFF Ada, RTX 3500 Ada, RTX 3000 Ada, RTX 2000 Ada, RTX 1000 Ada,"
    " RTX 500 Ada, RTX 4090, RTX 4090 D, RTX 4080 SUPER, RTX 4080, RTX 4070 Ti SUPER, RTX 4070 Ti,"
    " RTX 4070 SUPER, RTX 4070, RTX 4060 Ti, RTX 4060, RTX 4050",
    "sm_87": "Jetson AGX Orin, Jetson Orin NX, Jetson Orin Nano, Jetson Orin, Orin",
    "sm_86": "A40, A10, A10G, A16, A2, RTX A6000, RTX A5500, RTX A5000, RTX A4500, RTX A4000,"
    " RTX A3000, RTX A2000, RTX A1000, RTX A500, RTX A400, RTX 3090 Ti, RTX 3090, RTX 3080 Ti,"
    " RTX 3080, RTX 3070 Ti, RTX 3070, RTX 3060 Ti, RTX 3060, RTX 3050 Ti, RTX 3050, MX570",
    "sm_80": "A100, A100X, A30, A30X, A800",
    "sm_75": "T4, T4G, TITAN RTX, RTX 2080 Ti, RTX 2080 SUPER, RTX 2080, RTX 2070 SUPER, RTX 2070,"
    " RTX 2060 SUPER, RTX 2060, GTX 1660 Ti, GTX 1660 SUPER, GTX 1660, GTX 1650 Ti,"
    " GTX 1650 SUPER, GTX 1650, GTX 1630, MX450, Quadro RTX 8000, Quadro RTX 6000,"
    " Quadro RTX 5000, Quadro RTX 4000, Quadro RTX 3000, T1200, T1000, T600, T500, T400",
    "sm_72": "Jetson AGX Xavier, Jetson Xavier NX, Xavier",
    "sm_70": "V100, TITAN V, Quadro GV100",
    "sm_62": "Jetson TX2",
    "sm_61": "TITAN Xp, TITAN X (Pascal), P40, P4, P6, GTX 1080 Ti, GTX 1080, GTX 1070 Ti,"
    " GTX 1070, GTX 1060, GTX 1050 Ti, GTX 1050, GT 1030, GT 1010, MX150, MX250, MX350,"
    " Quadro P6000, Quadro P5000, Quadro P4000, Quadro P2200, Quadro P2000, Quadro P1000,"
    " Quadro P620, Quadro P600, Quadro P400",
    "sm_60": "P100, Quadro GP100",
    "sm_53": "Jetson Nano, Jetson TX1",
    "sm_52": "GTX TITAN X, GTX 980 Ti, GTX 980, GTX 970, GTX 960, GTX 950, M60, M40, M6, M4,"
    " Quadro M6000, Quadro M5000, Quadro M4000, Quadro M2000",
    "sm_50": "GTX 750 Ti, GTX 750, M10, Quadro K2200, Quadro M1200",
    "sm_37": "K80",
    "sm_35": "K40, K20, GTX 780 Ti, GTX 780, GTX TITAN, GTX TITAN Black",
}
ARCHITECTURES = MappingProxyType(
    {name.strip(): arch for arch, names in _NAMES.items() for name in names.split(",")}
)

# For what the wheels on PyPI for Linux are compiled, read in each; newest first.
PYPI = (
    ("2.15.0", "sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"),
    ("2.8.0", "sm_70 sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"),
    ("2.6.0", "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"),
    ("2.5.1", "sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90"),
)

# What drivers and shops put around the name of a chip.
_NOISE = re.compile(
    r"\b(nvidia|geforce|tesla|gpu|laptop|mobile|max-?q|with|design|generation|edition|server"
    r"|workstation|developer|kit|pcie|sxm\d*|nvl|hbm\w*|\d+ ?g[bi]b?)\b|\(tm\)|\(r\)"
)
_ARCHITECTURE = re.compile(r"(?:sm|compute)_?(\d{2,3})[af]?|(\d{1,2})\.(\d)")
_AMD = re.compile(r"gfx[0-9a-f]{3,4}")
_COMPILED = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


def architecture(name: str) -> str:
    """
    Return the architecture of a GPU, such as ``sm_120``, by its name or in another spelling.

    Raises ``UnknownNameError`` with the nearest name that is known.
    """
    plain = name.strip().lower()
    found = _ARCHITECTURE.fullmatch(plain)
    if found:
        return f"sm_{found[1] or found[2] + found[3]}"
    if _AMD.fullmatch(plain):
        return plain
    by_key = {_key(known): known for known in ARCHITECTURES}
    for key in (_key(name), f"rtx{_key(name)}", f"gtx{_key(name)}"):
        if key in by_key:
            return ARCHITECTURES[by_key[key]]
    raise _unknown(name, by_key)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _NOISE.sub(" ", name.lower().replace("_", " ")))


def _unknown(name: str, by_key: dict[str, str]) -> UnknownNameError:
    import difflib  # start-up does not pay for it

    # A list of all would fill a screen.
    near = difflib.get_close_matches(_key(name), by_key, n=1)
    hint = f" Did you mean {by_key[near[0]]!r}?" if near else ""
    return UnknownNameError(
        f"{name!r} is not a known GPU. Name it as its maker does, such as 'RTX 5080', or by its"
        f" architecture, such as 'sm_120'.{hint}"
    )


def covers(archs: Iterable[str], architecture: str) -> bool:
    """
    Whether a build with these compiled architectures has code that runs on a device.

    The rules are those of NVIDIA's CUDA C++ Programming Guide, "Binary Compatibility", "PTX
    Compatibility" and "Feature Set Compiler Targets": a binary (``sm_86``) runs on devices of its
    major version with the same or a later minor one; PTX (``compute_80``) on any later device. With
    the suffix ``a`` either is for that one architecture, with ``f`` for those of its family, which
    are of one major version. Architectures of AMD (``gfx90a``) are compared as they are.
    """
    return any(_runs(compiled.strip().lower(), architecture) for compiled in archs)


def specifier_for(architecture: str) -> str | None:
    """Return which torch on PyPI runs on a device, as far as it was read; ``None`` where none."""
    running = [torch for torch, archs in PYPI if covers(archs.split(), architecture)]
    if not running:
        return None
    newest, *_, oldest = (running[0], *running)
    return f">={oldest}" if newest == PYPI[0][0] else f"=={newest}"


def _runs(compiled: str, architecture: str) -> bool:
    built, device = _COMPILED.fullmatch(compiled), _COMPILED.fullmatch(architecture)
    if not built or not device:
        return compiled.partition(":")[0] == architecture
    has, wants = (int(built[2]), int(built[3])), (int(device[2]), int(device[3]))
    if built[4] == "a":
        return has == wants
    if built[1] == "compute" and not built[4]:
        return has <= wants
    return has[0] == wants[0] and has <= wants
