"""``torchcompat convert``: the tensors out of a legacy checkpoint, without executing it."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pytest_torchcompat.allowlist_code import SCRIPTS
from pytest_torchcompat.commands.input_files import require_file
from pytest_torchcompat.convert import (
    Contents,
    Flat,
    flatten,
    reading,
    write_safetensors,
    write_state_dict,
)
from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import ConvertError
from pytest_torchcompat.scan import Scan, scan_path
from pytest_torchcompat.scan.allowlists import MEASURED

_WRITERS = {
    ".safetensors": write_safetensors,
    ".pt": write_state_dict,
    ".pth": write_state_dict,
    ".bin": write_state_dict,
}
_MOST_NAMED, _MOST_GROUPS = 20, 3


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Write the tensors of a checkpoint to a new file, without executing the checkpoint"
    codes = "Exit code: 0, or 2 where it could not be converted; then nothing is written."
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "convert", help=about, description=f"{about}. Its library is not needed.", epilog=codes
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="The checkpoint")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="OUT.safetensors, or a state dict OUT.pt"
    )
    parser.add_argument("--force", action="store_true", help="Replace OUT where it exists")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Convert a file; raises ``ConvertError`` for one that cannot be, and writes nothing then."""
    file, out = escaped(str(args.file)), escaped(str(args.out))
    write = _WRITERS.get(args.out.suffix)
    if write is None:
        message = f"{out} has none of the endings {', '.join(_WRITERS)}; name it by one of them"
        raise ConvertError(message)
    _check_place(args.out, force=args.force)
    require_file(args.file)
    try:
        flat, contents = _converted(args.file, args.out, write)
    except (ConvertError, OSError) as error:
        message = f"{file} was not converted: {escaped(str(error))}"
        raise ConvertError(message) from error
    except MemoryError as error:
        message = f"{file} was not converted: it takes more memory than there is"
        raise ConvertError(message) from error
    sys.stdout.write("\n".join(_report(flat, contents, args.out)) + "\n")
    return 0


def _check_place(out: Path, *, force: bool) -> None:
    shown = escaped(str(out))
    # Unlike Path's, it raises nothing where the folder above can't be looked at.
    if not os.path.isdir(out.parent):  # noqa: PTH112
        folder = escaped(str(out.parent))
        message = f"there is no folder {folder} for {shown}; make it, or name a file elsewhere"
        raise ConvertError(message)
    if os.path.isdir(out):  # noqa: PTH112
        message = f"{shown} is a folder; name a file"
        raise ConvertError(message)
    if os.path.lexists(out) and not force:
        message = f"{shown} exists; name another file, or add --force to replace it"
        raise ConvertError(message)


def _converted(file: Path, out: Path, write: Any) -> tuple[Flat, Contents]:
    with reading(file) as contents:
        flat = flatten(contents.value)
        if not flat.tensors:
            message = "it holds no tensor. What it names is told by: torchcompat scan FILE"
            raise ConvertError(message)
        write(flat, contents, out)
    return flat, contents


def _report(flat: Flat, contents: Contents, out: Path) -> Iterator[str]:
    values = sum(record.elements for record in flat.tensors.values())
    origin = ", ".join(dict.fromkeys(_outermost(flat))) or "a state dict"
    needed = sorted({name.partition(".")[0] for name in contents.classes} - _STANDARD)
    unneeded = f"; {' and '.join(needed)} was not needed" if needed else ""
    yield (
        f"{_count(len(flat.tensors), 'tensor')}, {_count(values, 'value')}, from {escaped(origin)}."
        f" Nothing was executed{escaped(unneeded)}."
    )
    if flat.plain:
        where = " (as JSON in its metadata)" if out.suffix == ".safetensors" else ""
        yield f"Not carried: {_named(flat.plain)}{where}"
    for name, what in list(flat.left.items())[:_MOST_NAMED]:
        yield f"Not carried: {escaped(name)}, {escaped(what)}"
    if len(flat.left) > _MOST_NAMED:
        yield f"Not carried: {len(flat.left) - _MOST_NAMED} more"
    yield from _shared(flat.shared(), out)
    yield f"{escaped(str(out))} {_promise(out)}"


def _promise(out: Path) -> str:
    if out.suffix == ".safetensors":
        return "holds no pickle: safetensors reads it beside every torch."
    needed = _not_allowed_everywhere(scan_path(out, hashed=False))
    if needed:
        return f"loads under strict on every torch that allows {' and '.join(needed)}."
    return "loads under strict on every torch."


def _not_allowed_everywhere(scan: Scan) -> list[str]:
    allowed = MEASURED.values()
    return [name for name in scan.globals if not all(name in each for each in allowed)]


def _shared(groups: list[list[str]], out: Path) -> Iterator[str]:
    for group in groups[:_MOST_GROUPS]:
        kept = "written once for each" if out.suffix == ".safetensors" else "shared as before"
        yield f"Share their storage: {_named(group, _MOST_GROUPS)} ({kept})"
    if len(groups) > _MOST_GROUPS:
        yield f"Share their storage: {len(groups) - _MOST_GROUPS} more groups"


_STANDARD = {
    *("torch", "collections", "builtins", "__builtin__", "argparse", "_codecs"),
    *SCRIPTS,  # which belong to no library
}


def _outermost(flat: Flat) -> Iterator[str]:
    for path, named in flat.modules.items():
        parts = path.split(".") if path else []
        above = itertools.accumulate(["", *parts[:-1]], lambda a, b: f"{a}.{b}" if a else b)
        if not path or flat.modules.keys().isdisjoint(above):
            yield f"a pickled {named}"


def _named(names: Collection[str], most: int = _MOST_NAMED) -> str:
    shown = [escaped(name or "the whole value") for name in itertools.islice(names, most)]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown) + more


def _count(number: int, noun: str) -> str:
    return f"{_human(number)} {noun}" + "s" * (number != 1)


def _human(count: int) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)
