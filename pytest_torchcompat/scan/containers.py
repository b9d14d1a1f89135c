"""What container a file is, and the globals of the pickles that torch would unpickle from it."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from typing import BinaryIO

from pytest_torchcompat.scan.archives import archive_of
from pytest_torchcompat.scan.extras import beside, trailing
from pytest_torchcompat.scan.limits import LIMITS, Limits
from pytest_torchcompat.scan.names import Found
from pytest_torchcompat.scan.opcodes import ANY, MAGIC, PROTOCOL
from pytest_torchcompat.scan.refusals import Reason, RefusedError
from pytest_torchcompat.scan.stream import Stream
from pytest_torchcompat.scan.walk import walk
from pytest_torchcompat.scan.zips import Window, stream_of

# In torch's legacy format: system information, the saved object, the keys of its storages.
_AFTER_PROTOCOL = 3
_HEAD = 512
_LONGEST_HEADER = 100_000_000  # safetensors' own bound on its header

_FORMATS = (
    (b"GGUF", "gguf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b", "gzip"),
    (b"version https://git-lfs.github.com/spec/", "git-lfs"),
)
_FAULTS = {
    "git-lfs": "It is a git-lfs pointer, which stands for a file that was not downloaded.",
    "html": "It is a web page, most likely an error or a login page saved under this name.",
    "json": "It is JSON text, most likely a server's error saved under this name.",
}


@dataclass
class Contents:
    """
    What reading found, as far as it got; ``refusal`` says why it went no further.

    ``extras`` are sentences about what torch would not read; ``plain`` tells a plain pickle, which
    torch.load unpickles whole before it refuses it.
    """

    format: str = "unknown"
    found: Found = field(default_factory=Found)
    extras: tuple[str, ...] = ()
    plain: bool = False
    refusal: RefusedError | None = None


def read(file: BinaryIO, start: int, size: int, limits: Limits = LIMITS) -> Contents:
    """Read a file from ``start`` on as torch does; what is refused is said and not raised."""
    contents = Contents(found=Found(limits))
    try:
        _read(Window(file, start, size), contents)
    except RefusedError as error:
        contents.refusal = error
    return contents


def _read(window: Window, contents: Contents) -> None:
    head = window.read(0, min(window.size, _HEAD))
    contents.format = _named(head, window.size)
    if contents.format == "zip":
        _read_zip(window, contents)
    elif contents.format == "unknown":
        _read_pickles(window, contents)
    else:
        raise _other_format(contents.format)


def _named(head: bytes, size: int) -> str:
    # torch asks in this order: these four bytes, then tar, then pickles.
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if _is_tar(head):
        return "tar"
    if not head:
        return "empty"
    for magic, name in _FORMATS:
        if head.startswith(magic):
            return name
    return _named_text(head) or _named_safetensors(head, size) or "unknown"


def _is_tar(head: bytes) -> bool:
    if head == bytes(_HEAD):
        return True
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def _named_text(head: bytes) -> str:
    # No pickle begins with one of these characters: they are no opcodes.
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"<": "html", b"{": "json", b"[": "json"}.get(first, "")


def _named_safetensors(head: bytes, size: int) -> str:
    header = int.from_bytes(head[:8], "little")
    is_one = head[8:9] == b"{" and header <= min(size - 8, _LONGEST_HEADER)
    return "safetensors" if is_one else ""


def _other_format(name: str) -> RefusedError:
    if name == "empty":
        return RefusedError(Reason.EMPTY, "The file is empty.")
    if name in _FAULTS:
        return RefusedError(Reason.DOWNLOAD_FAULT, _FAULTS[name])
    if name == "tar":
        cause = (
            "It is a tar archive of torch before 0.1.10 or made to look like one; torch 2.5 and"
            " older unpack one even with weights_only=True (CVE-2025-32434)."
        )
        return RefusedError(Reason.TAR, cause)
    return RefusedError(
        Reason.NOT_A_CHECKPOINT, f"It is a {name} file, which torch.load does not read."
    )


def _read_zip(window: Window, contents: Contents) -> None:
    limits = contents.found.limits
    try:
        archive = archive_of(window, limits)
    except RefusedError as error:
        if error.reason is Reason.TORCHSCRIPT:
            contents.format = "torchscript"
        raise
    stream = stream_of(window, archive.pickle, limits)
    walk(stream, contents.found)
    others = beside(window, archive.others, limits)
    contents.extras = (*trailing(stream, limits), *others)


def _read_pickles(window: Window, contents: Contents) -> None:
    stream = Stream(window.file, window.start, window.start + window.size)
    first = _walk_first(stream, contents)
    contents.format = "legacy" if first == MAGIC else "pickle"
    if first == MAGIC:
        _walk_others(stream, contents)
    elif first == ANY and stream.left:
        _walk_unsure(stream, contents)
    else:
        contents.plain = True
        contents.extras = tuple(trailing(stream, contents.found.limits))


def _walk_first(stream: Stream, contents: Contents) -> int:
    try:
        return walk(stream, contents.found)
    except RefusedError as error:
        # Text and noise often begin with an opcode or two; a pickle that names nothing and
        # breaks in its first bytes is no pickle.
        if (
            error.reason is Reason.MALFORMED
            and not contents.found.globals
            and stream.position < _HEAD
        ):
            cause = "It is no zip, tar or pickle, which is what torch.load reads."
            raise RefusedError(Reason.NOT_A_CHECKPOINT, cause) from error
        contents.format = "pickle"
        raise


def _walk_others(stream: Stream, contents: Contents) -> None:
    if walk(stream, contents.found) not in (PROTOCOL, ANY):
        raise RefusedError(Reason.MALFORMED, "The legacy format's protocol is not 1001.")
    for _ in range(_AFTER_PROTOCOL):
        walk(stream, contents.found)


def _walk_unsure(stream: Stream, contents: Contents) -> None:
    """Walk what torch would read if the first pickle's computed value were its magic number."""
    try:
        _walk_others(stream, contents)
    except RefusedError as error:
        cause = "Its first pickle computes its value, so what torch reads after it is not known."
        raise RefusedError(Reason.AMBIGUOUS_PICKLE, cause) from error
