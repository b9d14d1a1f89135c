"""Where ``torch.load`` was called from, and what to call the file."""

from __future__ import annotations

import os
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SITE_PACKAGES = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
_TORCH = str(Path("torch", "serialization.py"))
_WRAPPED = 8  # patches one over the other that are looked through
_OWN = str(Path(__file__).parents[1]) + os.sep


def call_sites(root: Path | None) -> tuple[str, str]:
    """
    Return where ``torch.load`` was called, and the project's own line that led there.

    A patch of ``torch.load`` in the project did not lead there by itself: its caller did. Each is
    empty where nobody's code is there but pytest's, which asked one of our fixtures for the file.
    """
    own = list(own_frames(root))
    own = [frame for frame in own if not _is_patch(frame)] or own
    frame = next((frame for frame in _frames() if not _is_machinery(frame)), None)
    site = "" if frame is None or _is_pytests(frame) else _place(frame, root)
    return (site, _place(own[0], root) if own else site)


def own_frames(root: Path | None) -> Iterator[types.FrameType]:
    """Yield the project's own frames among those that led here, the innermost first."""
    frames = (frame for frame in _frames() if not _is_machinery(frame))
    return (frame for frame in frames if _is_project(frame, root))


def _frames() -> Iterator[types.FrameType]:
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.stack reads every source file
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_machinery(frame: types.FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_OWN) or file.endswith(_TORCH)


def _is_pytests(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(("_pytest.", "pluggy."))


def _is_patch(frame: types.FrameType) -> bool:
    """Whether a frame is of what somebody put in the place of ``torch.load``."""
    load: Any = getattr(sys.modules.get("torch"), "load", None)
    for _ in range(_WRAPPED):
        if getattr(load, "__code__", None) is frame.f_code:
            return True
        load = getattr(load, "__wrapped__", None)
    return False


def _is_project(frame: types.FrameType, root: Path | None) -> bool:
    file = frame.f_code.co_filename
    inside = root is not None and file.startswith(str(root) + os.sep)
    return inside and not file.startswith(_SITE_PACKAGES)


def _place(frame: types.FrameType, root: Path | None) -> str:
    return f"{_short(frame.f_code.co_filename, root)}:{frame.f_lineno}"


def file_name(f: Any, root: Path | None) -> str:
    """Return what to call the thing that ``torch.load`` was given."""
    if isinstance(f, (str, os.PathLike)):
        return _short(os.fspath(f), root)
    name = getattr(f, "name", None)
    return _short(name, root) if isinstance(name, str) else f"<{type(f).__name__}>"


def _short(path: str, root: Path | None) -> str:
    """Return a path relative to the project or to site-packages, where it lies in one."""
    for folder in (*_SITE_PACKAGES, *([str(root)] if root else [])):
        if path.startswith(folder + os.sep):
            return path[len(folder) + 1 :].replace(os.sep, "/")
    return path
