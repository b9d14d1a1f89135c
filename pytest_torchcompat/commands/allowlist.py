"""``torchcompat allowlist``: the smallest allow-list of a checkpoint, as code to paste."""

from __future__ import annotations

import argparse
import keyword
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_torchcompat.commands.display import escaped
from pytest_torchcompat.commands.scan import beyond_any
from pytest_torchcompat.errors import MissingFileError, TorchcompatError
from pytest_torchcompat.scan import Scan, Verdict, scan_path
from pytest_torchcompat.scan.allowlists import MEASURED, spelled

_TUPLES_SINCE = (2, 6)
# sys.stdlib_module_names came with Python 3.10; before it, what checkpoints are known to name.
_STANDARD = frozenset(
    getattr(sys, "stdlib_module_names", ())
    or ("_codecs", "argparse", "builtins", "collections", "copyreg", "datetime", "pathlib")
)
_NUMPY_DTYPES = (
    "# The file does not name numpy's dtype classes. Add those that torch asks for next, such as",
    "#   torch.serialization.add_safe_globals([type(numpy.dtype('float64'))])",
)


class _Import(NamedTuple):
    """One global: where it is imported from, and the name that the file calls it by."""

    module: str
    name: str
    alias: str
    pickled: str  # empty where it is the name that the object itself has

    @property
    def line(self) -> str:
        """The import statement."""
        as_alias = f" as {self.alias}" if self.alias != self.name else ""
        return f"from {self.module} import {self.name}{as_alias}"

    @property
    def item(self) -> str:
        """The element of the allow-list."""
        return f'({self.alias}, "{self.pickled}")' if self.pickled else self.alias


def add_parser(subparsers: Any) -> None:
    """Add the command and its options."""
    about = "Print the smallest allow-list of a checkpoint, as code to paste"
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "allowlist", help=about, description=f"{about}."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="The checkpoint")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the code; raises ``TorchcompatError`` for a file that no allow-list should open."""
    scan = _scanned(args.file)
    sys.stdout.write("\n".join(code(scan)) + "\n")
    return 0


def _scanned(path: Path) -> Scan:
    try:
        return scan_path(path)
    except OSError as error:
        message = f"{escaped(os.fspath(path))} cannot be read: {error.strerror or error}."
        raise MissingFileError(message) from error


def code(scan: Scan) -> list[str]:
    """Return lines of Python that let torch load a scanned file with ``weights_only=True``."""
    _refuse(scan)
    wanted = beyond_any(scan.globals)
    if not wanted:
        return ["# Nothing to allow: every torch loads this file with weights_only=True."]
    imports = list(_imports(name for name in wanted if not _comes_with_torch(name)))
    items = ", ".join(each.item for each in imports)
    return [
        _head(wanted, imports),
        "import torch",
        *(each.line for each in imports if each.module != "builtins"),
        *(_NUMPY_DTYPES if "numpy.dtype" in wanted else ()),
        *([f"torch.serialization.add_safe_globals([{items}])"] if items else []),
    ]


def _refuse(scan: Scan) -> None:
    path = escaped(scan.path)
    if scan.verdict in (Verdict.DANGEROUS, Verdict.REFUSED):
        message = f"no allow-list for {path}. {scan.cause} {scan.next_step}"
        raise TorchcompatError(escaped(message))
    if not scan.weights_only:
        message = (
            f"no allow-list for {path}. weights_only=True reads neither a plain pickle nor the"
            " opcodes of pickle protocols 0, 1, 4 and 5, whatever is allowed. Where you trust it,"
            " save it with torch.save(..., pickle_protocol=2)."
        )
        raise TorchcompatError(message)


def _comes_with_torch(name: str) -> bool:
    """Whether newer releases of torch allow a name that older ones do not even have."""
    newest = MEASURED[max(MEASURED)]
    return name.startswith("torch.") and name in newest


def _imports(names: Iterable[str]) -> Iterator[_Import]:
    taken: set[str] = {"torch"}
    for dotted in names:
        module, _, name = dotted.rpartition(".")
        _check_importable(dotted)
        alias, number = name, 2
        while alias in taken:
            alias, number = f"{name}_{number}", number + 1
        taken.add(alias)
        yield _numpy_of_any_version(_Import(module, name, alias, ""), dotted)


def _check_importable(dotted: str) -> None:
    """Refuse a name that would be something else than a name in the code that we print."""
    parts = dotted.split(".")
    plain = all(part.isascii() and part.isidentifier() for part in parts)
    if not plain or any(map(keyword.iskeyword, parts)) or len(parts) == 1:
        message = f"no allow-list: {escaped(dotted)} is not a name that Python can import."
        raise TorchcompatError(message)


def _numpy_of_any_version(each: _Import, dotted: str) -> _Import:
    # numpy 2 renamed numpy.core; a file calls it as the numpy did that saved it.
    for moved in ("numpy.core.", "numpy._core."):
        if dotted.startswith(moved):
            module = "numpy._core." + each.module[len(moved) :]
            return each._replace(module=module, pickled=dotted)
    return each


def _head(wanted: Sequence[str], imports: Sequence[_Import]) -> str:
    needed = sorted({each.module.partition(".")[0] for each in imports} - _STANDARD - {"torch"})
    needs = f"; needs {' and '.join(needed)} installed" if needed else ""
    return (
        "# Lets torch.load read this file with weights_only=True. Works on torch"
        f" {spelled(_since(wanted, imports))} and later{needs}."
    )


def _since(wanted: Sequence[str], imports: Sequence[_Import]) -> tuple[int, int]:
    releases = [min(MEASURED)]
    releases += [_TUPLES_SINCE] * any(each.pickled for each in imports)
    for name in filter(_comes_with_torch, wanted):
        releases.append(min(release for release, names in MEASURED.items() if name in names))
    return max(releases)
