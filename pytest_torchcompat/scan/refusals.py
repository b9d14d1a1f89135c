"""Why a file is not read on: a stable code for each reason, and what to do next."""

from __future__ import annotations

from enum import Enum
from typing import Final

from pytest_torchcompat.errors import TorchcompatError


class Reason(str, Enum):
    """
    The codes of refusals, and what is wrong with the file.

    ``torchscript``: is a TorchScript archive, which is a program.

    ``tar``: is a tar archive, as torch wrote them before 2017.

    ``ambiguous-zip``: is a zip that torch and other readers read differently.

    ``ambiguous-pickle``: computes a value by which torch decides what it reads next.

    ``unsupported-zip``: is a zip that is encrypted, or packed in a way that torch can't read.

    ``unresolved-global``: computes the name of what it imports, or imports it by a number.

    ``malformed``: is no valid pickle or archive.

    ``truncated``: ends before its content does.

    ``too-large``: goes beyond a limit of the reader, which ``--limit`` can raise.

    ``not-a-checkpoint``: is of another format.

    ``download-fault``: is what came instead of a download: a web page, an error, a pointer of LFS.

    ``empty``: has no bytes.

    ``unreadable``: is not there, is no regular file, or may not be read.
    """

    TORCHSCRIPT = "torchscript"
    TAR = "tar"
    AMBIGUOUS_ZIP = "ambiguous-zip"
    AMBIGUOUS_PICKLE = "ambiguous-pickle"
    UNSUPPORTED_ZIP = "unsupported-zip"
    UNRESOLVED_GLOBAL = "unresolved-global"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TOO_LARGE = "too-large"
    NOT_A_CHECKPOINT = "not-a-checkpoint"
    DOWNLOAD_FAULT = "download-fault"
    EMPTY = "empty"
    UNREADABLE = "unreadable"


_ASK = "Ask whoever made it for a state dict saved with torch.save or safetensors."
_AGAIN = "Download it again, and compare its size and sha256 with the publisher's."
_RESAVE = "Where you trust it, load it in an isolated process and save its state dict anew."

NEXT_STEPS: Final = {
    Reason.TORCHSCRIPT: f"{_RESAVE} Or call torch.jit.load, which runs code from the file.",
    Reason.TAR: _RESAVE,
    Reason.AMBIGUOUS_ZIP: f"Do not load it: torch.save writes no such file. {_ASK}",
    Reason.AMBIGUOUS_PICKLE: f"Do not load it. {_ASK}",
    Reason.UNSUPPORTED_ZIP: "Unpack it and zip it again, stored and not encrypted.",
    Reason.UNRESOLVED_GLOBAL: f"Do not load it: it hides what it imports. {_ASK}",
    Reason.MALFORMED: _AGAIN,
    Reason.TRUNCATED: _AGAIN,
    Reason.TOO_LARGE: f"Do not load it unless you know its origin. {_ASK}",
    Reason.NOT_A_CHECKPOINT: "Open it with what its format belongs to, or check the path.",
    Reason.DOWNLOAD_FAULT: f"{_AGAIN} In a git repository, run: git lfs pull",
    Reason.EMPTY: _AGAIN,
    Reason.UNREADABLE: "Check the path and its permissions.",
}


class RefusedError(TorchcompatError):
    """Bytes that are not read on; it stays in this package and becomes a verdict."""

    def __init__(self, reason: Reason, cause: str, next_step: str = "") -> None:
        super().__init__(cause)
        self.reason = reason
        self.cause = cause
        self.next_step = next_step or NEXT_STEPS[reason]
