"""What a signature is: how a known failure is recognised, why it happens and what helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from pytest_torchcompat.diagnosis.literals import literals

# How much a signature knows. The one that knows most wins; a test fails where two are equal.
GENERAL = 0  # a wording that any file or library may cause
LIBRARY = 1  # what it means for one library or kind of file
CASE = 2  # one cause alone

# The kinds of remedy. What stands behind each as code is complete enough to paste.
ALLOW, PIN, SHIM, RUN, EDIT, ADVICE = KINDS = ("allow", "pin", "shim", "run", "edit", "advice")


@dataclass(frozen=True)
class Remedy:
    """
    What helps, where the versions fit.

    ``says`` is a sentence and ``code`` what is pasted; in both ``{name}`` stands for a group of the
    signature's pattern, a distribution's version (``{torch}``, with ``_`` for ``-``) or what goes
    with this torch (``{torchaudio_spec}``, ``{torchcodec_spec}``: ``==0.7.*``). A remedy with a
    blank that nothing fills is left out. ``when`` are requirements that all have to hold, such as
    ``torch>=2.6`` or ``python<3.11``; ``code`` of ``allow`` is made from the file's globals.
    """

    kind: str
    says: str
    code: str = ""
    when: tuple[str, ...] = ()


def allow(says: str, *, when: tuple[str, ...] = ()) -> Remedy:
    """Register what the file names, and keep ``weights_only=True``."""
    return Remedy(ALLOW, says, when=when)


def pin(*requirements: str, says: str, when: tuple[str, ...] = ()) -> Remedy:
    """Install these versions."""
    return Remedy(PIN, says, installing(*requirements), when)


def installing(*requirements: str) -> str:
    """Return the command that installs these."""
    quoted = " ".join(f'"{requirement}"' for requirement in requirements)
    return f"python -m pip install {quoted}"


def shim(name: str, *, says: str, when: tuple[str, ...] = ()) -> Remedy:
    """Put the code of one of our shims at the top of the program."""
    return Remedy(SHIM, says, f"torchcompat shims {name}", when)


def run(*commands: str, says: str, when: tuple[str, ...] = ()) -> Remedy:
    """Run these commands of a shell."""
    return Remedy(RUN, says, "\n".join(commands), when)


def edit(code: str, *, says: str, when: tuple[str, ...] = ()) -> Remedy:
    """Change a program of one's own: ``code`` is what it becomes."""
    return Remedy(EDIT, says, code, when)


def advice(says: str, *, when: tuple[str, ...] = ()) -> Remedy:
    """What no code can say."""
    return Remedy(ADVICE, says, when=when)


@dataclass(frozen=True)
class Signature:
    """
    A failure that others have met before.

    ``exceptions`` are the names that it goes by, without their modules; ``pattern`` is searched in
    the message, free of terminal colours. ``applies`` are requirements that all have to hold as far
    as the versions are known. ``among``, where there are any, are distributions of which one has to
    be known to be there: the words alone are anybody's. ``stages``, where there are any, are those
    it is about: of a failure whose stage is unknown it says nothing. ``cause`` may have the blanks
    of a remedy, and says ``?`` where nothing fills one; ``link`` leads to a report, or to the
    source that was read.
    """

    id: str
    exceptions: tuple[str, ...]
    pattern: str
    cause: str
    remedies: tuple[Remedy, ...]
    link: str
    knows: int = LIBRARY
    applies: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.pattern)

    @cached_property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """Of each tuple, one word is in each message that the pattern matches."""
        return literals(self.pattern)

    def search(self, message: str) -> re.Match[str] | None:
        """Search the pattern in a message, where its words are there at all."""
        for words in self.words:
            for word in words:
                if word in message:
                    break
            else:
                return None
        return self.regex.search(message)
