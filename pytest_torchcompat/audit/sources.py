"""The files of a code base: which are read, and their text, with nothing of it imported."""

from __future__ import annotations

import io
import json
import os
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from pytest_torchcompat.errors import TorchcompatError

PYTHON = (".py", ".pyw")
NOTEBOOK = ".ipynb"
# Where variables of the environment are set outside of Python.
SETTINGS = (
    *(".bash", ".bat", ".cfg", ".cmd", ".conf", ".dockerfile", ".env", ".fish", ".ini"),
    *(".ps1", ".sh", ".toml", ".yaml", ".yml", ".zsh"),
)
_SETTINGS_NAMES = ("Dockerfile*", "Containerfile*", "Makefile", ".env*")
_SKIPPED = frozenset(
    (
        *("__pycache__", "__pypackages__", "build", "dist-packages", "node_modules"),
        *("site-packages", "venv"),
    )
)
_HIDDEN_BUT_READ = frozenset((".circleci", ".devcontainer", ".github"))
# 4 MiB of source are more than any hand has written, and parse in about 1 GB.
MAX_BYTES = 4 << 20


class NothingToReadError(TorchcompatError):
    """An audit that was given no file."""


class UnreadableError(TorchcompatError):
    """A file that cannot be read; it stays in this package and becomes a finding."""

    def __init__(self, cause: str, line: int = 1, column: int = 1) -> None:
        super().__init__(cause)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Source:
    """A file's text, as one; a notebook's cells follow each other and begin at these lines."""

    path: str
    text: str
    cells: tuple[tuple[int, int], ...] = ()

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines, without their ends."""
        return tuple(self.text.split("\n"))

    @cached_property
    def is_ascii(self) -> bool:
        """Whether bytes and characters are the same."""
        return self.text.isascii()

    def character(self, line: int, offset: int) -> int:
        """Return how many characters of a line lie before a byte of it."""
        if self.is_ascii:
            return offset
        if line not in self._starts:
            sizes = (len(each.encode("utf-8", "surrogatepass")) for each in self.lines[line - 1])
            self._starts[line] = list(accumulate(sizes))
        return bisect_right(self._starts[line], offset)

    @cached_property
    def _starts(self) -> dict[int, list[int]]:
        return {}

    def cell(self, line: int) -> tuple[int | None, int]:
        """Return the cell that a line is in and the line in it; no cell in a plain file."""
        for number, first in reversed(self.cells):
            if first <= line:
                return number, line - first + 1
        return None, line


def files(path: Path, exclude: Sequence[str] = ()) -> Iterator[Path]:
    """Yield a file, or those of a folder that are read; links to folders are not followed."""
    if not path.is_dir():
        yield path
        return
    for parent, folders, names in os.walk(path):
        here = Path(parent)
        folders[:] = sorted(each for each in folders if _walked(here / each, path, exclude))
        for name in sorted(names):
            file = here / name
            if is_read(name) and not _excluded(file, path, exclude) and file.is_file():
                yield file


def is_read(name: str) -> bool:
    """Say whether a file of this name in a folder is read."""
    return name.lower().endswith((*PYTHON, NOTEBOOK)) or is_settings(name)


def is_settings(name: str) -> bool:
    """Say whether a file of this name sets variables of the environment and is no Python."""
    patterns = any(fnmatch(name, pattern) for pattern in _SETTINGS_NAMES)
    return patterns or name.lower().endswith(SETTINGS)


def _walked(folder: Path, root: Path, exclude: Sequence[str]) -> bool:
    # Hidden folders hold no code of the project's own: .git, .venv, .tox, caches.
    hidden = folder.name.startswith(".") and folder.name not in _HIDDEN_BUT_READ
    if hidden or folder.name in _SKIPPED:
        return False
    return not (_excluded(folder, root, exclude) or (folder / "pyvenv.cfg").exists())


def _excluded(path: Path, root: Path, exclude: Sequence[str]) -> bool:
    relative = path.relative_to(root).as_posix()
    return any(fnmatch(relative, glob.rstrip("/")) or fnmatch(path.name, glob) for glob in exclude)


def read(path: Path) -> Source:
    """
    Return a file's text, decoded as Python decodes it.

    Raises:
        UnreadableError: It is no regular file, too large, or not in its encoding.

    """
    data = _bytes(path)
    if path.name.lower().endswith(NOTEBOOK):
        return _notebook(str(path), data)
    if is_settings(path.name):
        return Source(str(path), with_newlines(data.decode("utf-8", "replace")))
    return Source(str(path), _decoded(data))


def _bytes(path: Path) -> bytes:
    # A pipe or a device could be read for ever.
    if not path.exists():
        raise UnreadableError("there is no such file.")
    if not path.is_file():
        raise UnreadableError("it is not a regular file.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"{error.strerror or error}."
        raise UnreadableError(message) from error
    if len(data) > MAX_BYTES:
        message = f"it is larger than {MAX_BYTES >> 20} MiB."
        raise UnreadableError(message)
    return data


def _decoded(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return with_newlines(data.decode(encoding))
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        message = f"its text is not in its encoding ({error})."
        raise UnreadableError(message) from error


def with_newlines(text: str) -> str:
    """Return text whose lines end as those of ast do."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _notebook(path: str, data: bytes) -> Source:
    try:
        cells = json.loads(data.decode("utf-8"))["cells"]
        texts = [_code(each) for each in cells]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableError("it is not a notebook of format 4.") from error
    lines: list[str] = []
    places: list[tuple[int, int]] = []
    for number, text in enumerate(texts, 1):
        if text:
            places.append((number, len(lines) + 1))
            lines.extend(text.split("\n"))
    return Source(path, "\n".join(lines), tuple(places))


def _code(cell: Any) -> str:
    """Return a code cell's Python; what only IPython reads becomes empty lines."""
    source = cell["source"]
    text = with_newlines(source if isinstance(source, str) else "".join(source))
    if cell["cell_type"] != "code" or text.lstrip().startswith("%%"):
        return ""
    return "\n".join(map(_python, text.split("\n")))


def _python(line: str) -> str:
    bare = line.strip()
    if not (bare.startswith(("%", "!", "?")) or bare.endswith("?")):
        return line
    # An indented magic may be all that its block has.
    return line[: len(line) - len(line.lstrip())] + "pass"
