"""The rules of an audit: a stable code for each, how serious it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Level(str, Enum):
    """How serious a finding is; a note asks for a look and is no failure."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Rule:
    """What a code stands for."""

    code: str
    name: str
    level: Level
    summary: str
    remedy: str
    link: str | None = None


_DOCS: Final = "https://pytorch.org/docs/stable/generated/torch.load.html"
_PAIRS: Final = "https://github.com/pytorch/pytorch/blob/v2.5.1/torch/_weights_only_unpickler.py"
_ALLOW: Final = "What a file needs besides tensors is told by: torchcompat allowlist FILE"

DEFAULT: Final = Rule(
    "TC001",
    "default-weights-only",
    Level.WARNING,
    "A load that does not choose weights_only means two things, by the version of torch.",
    f"Pass weights_only=True. {_ALLOW}",
    _DOCS,
)
EXECUTES: Final = Rule(
    "TC002",
    "weights-only-false",
    Level.ERROR,
    "A load with weights_only=False executes the file's pickle.",
    f"Pass weights_only=True, or verify the file's sha256 before the load. {_ALLOW}",
    _DOCS,
)
PICKLE_MODULE: Final = Rule(
    "TC003",
    "pickle-module",
    Level.ERROR,
    "A load with a pickle_module cannot be weights-only.",
    "Drop pickle_module and pass weights_only=True.",
    _DOCS,
)
NOT_KNOWN: Final = Rule(
    "TC004",
    "weights-only-not-known",
    Level.NOTE,
    "Whether this load is weights-only is decided at run time.",
    "See that its default is True and that no caller passes False.",
    _DOCS,
)
MMAP: Final = Rule(
    "TC005",
    "mmap",
    Level.NOTE,
    "mmap=True takes the path of a zip file and nothing else.",
    "Give a path, and save legacy files anew with torch.save.",
    _DOCS,
)
DOWNLOAD: Final = Rule(
    "TC006",
    "download-unpickles",
    Level.ERROR,
    "torch.hub.load_state_dict_from_url executes pickles unless told otherwise.",
    "Pass weights_only=True.",
    "https://pytorch.org/docs/stable/hub.html",
)
LIGHTNING: Final = Rule(
    "TC007",
    "lightning-default",
    Level.WARNING,
    "A load through lightning that does not choose means two things, by lightning's version.",
    "Pass weights_only=True with lightning 2.4 or later.",
)
SWALLOWED: Final = Rule(
    "TC010",
    "failure-swallowed",
    Level.WARNING,
    "A failed load is caught and not told.",
    "Let it raise, or catch the one error that you expect and stop with its message.",
)
FALLS_BACK: Final = Rule(
    "TC011",
    "falls-back",
    Level.ERROR,
    "A refused load is tried again in a way that executes pickles.",
    "Never fall back: refuse, and name the option by which a user says that a file is trusted.",
)
UNSET: Final = Rule(
    "TC012",
    "attribute-left-unset",
    Level.WARNING,
    "A swallowed failure leaves an attribute unset that is used elsewhere.",
    "Set it before the try, or let the failure raise.",
)
REPLACED: Final = Rule(
    "TC020",
    "torch-load-replaced",
    Level.WARNING,
    "torch.load is replaced for the whole process.",
    "Pass weights_only where you load, or restore torch.load right after the one call.",
)
PATCHED: Final = Rule(
    "TC021",
    "torch-load-patched",
    Level.NOTE,
    "torch.load is replaced while a patch lasts.",
    "See that no check of the real torch.load is hidden by it.",
)
STRINGS: Final = Rule(
    "TC030",
    "safe-globals-strings",
    Level.ERROR,
    "torch's allow-list takes objects and no names of objects.",
    "Import the class and give the class itself: add_safe_globals([Dictionary])",
    "https://pytorch.org/docs/stable/notes/serialization.html",
)
NO_LIST: Final = Rule(
    "TC031",
    "safe-globals-no-list",
    Level.ERROR,
    "torch's allow-list is extended by a list.",
    "Put it into a list: add_safe_globals([Dictionary])",
    "https://pytorch.org/docs/stable/notes/serialization.html",
)
PAIRS: Final = Rule(
    "TC032",
    "safe-globals-pairs",
    Level.NOTE,
    "Pairs of an object and a name are read from torch 2.6 on.",
    "Require torch>=2.6, or give the class itself.",
    _PAIRS,
)
UNKNOWN_VARIABLE: Final = Rule(
    "TC040",
    "unknown-variable",
    Level.WARNING,
    "torch reads no environment variable of this name.",
    "torch reads TORCH_FORCE_WEIGHTS_ONLY_LOAD and, from 2.6 on, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD.",
    _DOCS,
)
SWITCHED_OFF: Final = Rule(
    "TC041",
    "weights-only-switched-off",
    Level.ERROR,
    "An environment variable makes every load execute pickles that does not choose.",
    "Leave it unset and choose at the one call whose file is trusted.",
    _DOCS,
)
VARIABLE_VALUE: Final = Rule(
    "TC042",
    "variable-value",
    Level.WARNING,
    "The value of this variable is not read alike by every torch.",
    "Write 1, which every torch takes.",
    _DOCS,
)
TORCHAUDIO: Final = Rule(
    "TC050",
    "torchaudio-removed",
    Level.WARNING,
    "This part of torchaudio was removed in 2.9.",
    "Read audio files with soundfile or torchcodec, or require torchaudio<2.9.",
    "https://github.com/pytorch/audio/issues/3902",
)
UNREADABLE: Final = Rule(
    "TC090",
    "could-not-be-read",
    Level.WARNING,
    "A file could not be read, so nothing is known about its loads.",
    "Check the file with the Python that it is written for, or leave it out with --exclude.",
)

RULES: Final = (
    *(DEFAULT, EXECUTES, PICKLE_MODULE, NOT_KNOWN, MMAP, DOWNLOAD, LIGHTNING),
    *(SWALLOWED, FALLS_BACK, UNSET, REPLACED, PATCHED, STRINGS, NO_LIST, PAIRS),
    *(UNKNOWN_VARIABLE, SWITCHED_OFF, VARIABLE_VALUE, TORCHAUDIO, UNREADABLE),
)
