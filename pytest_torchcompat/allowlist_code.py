"""The smallest allow-list of a checkpoint, as lines of Python to paste."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import TorchcompatError
from pytest_torchcompat.scan import Scan, Verdict
from pytest_torchcompat.scan.allowlists import MEASURED, beyond_any, spelled

ENTRY_POINT, SITECUSTOMIZE = PLACES = ("entry-point", "sitecustomize")
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
_PAIRS = "# A pair says under which name the file has a class; torch 2.5 does not take pairs."
SCRIPTS: Final = ("__main__", "__mp_main__")  # every program has its own
_OF_A_SCRIPT = (
    "# The file names {names} by the script that saved it, and does not say where else it is.",
    "#   On torch 2.5, define it in the script that runs, and allow it there without a pair.",
)
# Classes that releases of their library have in different modules: below the first by its own name
# alone, since ultralytics 8.0.98 made it a package; the others moved in coqui-tts 0.28.
_MOVED: Final = re.compile(
    r"ultralytics\.nn\.modules\.\w+|TTS\.tts\.models\.xtts\.Xtts(?:Args|AudioConfig)"
)
_NAMED = (
    "def named(kind, name):",
    '    itself = f"{kind.__module__}.{kind.__qualname__}"',
    "    return kind if itself == name else (kind, name)",
)
_MAY_HAVE_MOVED = (
    "# Where a class has moved within its library, a pair says under which name the file has it;",
    "#   torch 2.5 does not take pairs, and reads the file beside a library of its time alone.",
)
# Classes of known libraries that are dicts; collections.OrderedDict and Counter torch does fill.
_DICTS: Final = frozenset(
    [
        "addict.addict.Dict",
        "collections.defaultdict",
        "easydict.EasyDict",
        "munch.Munch",
        "yacs.config.CfgNode",
    ]
)
_DEFERRED = """\
import sys


class AllowAtFirstLoad:
    looking = False

    def find_spec(self, name, path=None, target=None):
        if name != "torch" or self.looking:
            return None
        import importlib.util

        self.looking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.looking = False
        if spec:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda torch: (execute(torch), self.wrap(torch))
        return spec

    def wrap(self, torch):
        import functools

        original, waiting = torch.load, [self.allow]

        @functools.wraps(original)
        def load(*args, **kwargs):
            while waiting:
                waiting.pop()(torch)
            return original(*args, **kwargs)

        torch.load = torch.serialization.load = load

    def allow(self, torch):
        try:
{imports}
        except ImportError:  # without its library no program can use the file
            return
        torch.serialization.add_safe_globals([{items}])


sys.meta_path.insert(0, AllowAtFirstLoad())"""


class _Import(NamedTuple):
    """One global: where it is imported from, and the name that the file calls it by."""

    module: str
    name: str
    alias: str
    pickled: str  # empty where it is the name that the object itself has
    moved: bool = False  # whether it is that name hangs on the library's release

    @property
    def lines(self) -> list[str]:
        """The import statement."""
        as_alias = f" as {self.alias}" if self.alias != self.name else ""
        if self.module == "builtins":
            return []
        if self.module in SCRIPTS:
            return [f"# Import {self.name}{as_alias} here, from the module that defines it."]
        line = f"from {self.module} import {self.name}{as_alias}"
        if self.moved or not self.pickled:
            return [line]
        # numpy 2 renamed numpy.core, and numpy before 1.26 does not know the new name.
        older = line.replace("from numpy._core", "from numpy.core")
        return ["try:", f"    {line}", "except ImportError:", f"    {older}"]

    @property
    def item(self) -> str:
        """The element of the allow-list."""
        if not self.pickled:
            return self.alias
        return f'{"named" if self.moved else ""}({self.alias}, "{self.pickled}")'


def code(scan: Scan, place: str = ENTRY_POINT) -> list[str]:
    """
    Return lines of Python that let torch load a scanned file with ``weights_only=True``.

    Raises ``TorchcompatError`` for a file that no allow-list should open.
    """
    _refuse(scan)
    return code_for(scan.globals, place)


def code_for(names: Iterable[str], place: str = ENTRY_POINT) -> list[str]:
    """
    Return lines of Python that let torch load a file with these globals, ``weights_only=True``.

    Raises ``TorchcompatError`` for a name that Python cannot import.
    """
    wanted = beyond_any(names)
    if not wanted:
        return ["# Nothing to allow: every torch loads this file with weights_only=True."]
    imports = list(_imports(name for name in wanted if not _comes_with_torch(name)))
    head = [_head(wanted, imports), *_remarks(wanted, imports)]
    return head + (_at_once(imports) if place == ENTRY_POINT else _deferred(imports))


def of_scripts(names: Iterable[str]) -> list[str]:
    """Return the names of the script that saved the file, which nobody can import from there."""
    return [each.name for each in _imports(beyond_any(names)) if each.module in SCRIPTS]


def _at_once(imports: Sequence[_Import]) -> list[str]:
    items = ", ".join(each.item for each in imports)
    register = [f"torch.serialization.add_safe_globals([{items}])"] if items else []
    return ["import torch", *_lines(imports), *register]


def _lines(imports: Sequence[_Import]) -> list[str]:
    helper = _NAMED if any(each.moved for each in imports) else ()
    return [*(line for each in imports for line in each.lines), *helper]


def _deferred(imports: Sequence[_Import]) -> list[str]:
    """Return code that costs a program without torch nothing, and imports at the first load."""
    if not imports:
        return []
    lines = _lines(imports)
    if all(line.startswith("#") for line in lines):
        lines.append("pass")
    indented = "\n".join(" " * 12 + line for line in lines)
    items = ", ".join(each.item for each in imports)
    return _DEFERRED.format(imports=indented, items=items).split("\n")


def _remarks(wanted: Sequence[str], imports: Sequence[_Import]) -> Iterator[str]:
    if any(each.pickled and not each.moved for each in imports):
        yield _PAIRS
    if any(each.moved for each in imports):
        yield from _MAY_HAVE_MOVED
    unplaced = " and ".join(each.name for each in imports if each.module in SCRIPTS)
    yield from (line.format(names=unplaced) for line in _OF_A_SCRIPT if unplaced)
    if "numpy.dtype" in wanted:
        yield from _NUMPY_DTYPES
    for name in wanted:
        if name in _DICTS:
            yield f"# {name} is a dict of its own kind, which torch 2.10 and later do not fill"
            yield "#   even if it is allowed: save the file anew with a plain dict in its place."
        if name == "collections.deque":
            yield "# torch does not fill a collections.deque, even if it is allowed: save the file"
            yield "#   anew with a plain list in its place."


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
    taken: set[str] = {"torch", "named"}
    for dotted in names:
        module, _, name = dotted.rpartition(".")
        _check_importable(dotted)
        alias, number = name, 2
        while alias in taken:
            alias, number = f"{name}_{number}", number + 1
        taken.add(alias)
        yield _of_any_version(_Import(module, name, alias, ""), dotted)


def _check_importable(dotted: str) -> None:
    """Refuse a name that would be something else than a name in the code that we print."""
    parts = dotted.split(".")
    plain = all(part.isascii() and part.isidentifier() for part in parts)
    if not plain or any(map(keyword.iskeyword, parts)) or len(parts) == 1:
        message = f"no allow-list: {escaped(dotted)} is not a name that Python can import."
        raise TorchcompatError(message)


def _of_any_version(each: _Import, dotted: str) -> _Import:
    # numpy 2 renamed numpy.core; a file calls it as the numpy did that saved it.
    for moved in ("numpy.core.", "numpy._core."):
        if dotted.startswith(moved):
            module = "numpy._core." + each.module[len(moved) :]
            return each._replace(module=module, pickled=dotted)
    if each.module in SCRIPTS:
        return each._replace(pickled=dotted)
    if _MOVED.fullmatch(dotted):
        return each._replace(pickled=dotted, moved=True)
    return each


def _head(wanted: Sequence[str], imports: Sequence[_Import]) -> str:
    roots = {each.module.partition(".")[0] for each in imports}
    needed = sorted(roots - _STANDARD - {"torch", *SCRIPTS})
    needs = f"; needs {' and '.join(needed)} installed" if needed else ""
    return (
        "# Lets torch.load read this file with weights_only=True. Works on torch"
        f" {spelled(_since(wanted, imports))} and later{needs}."
    )


def _since(wanted: Sequence[str], imports: Sequence[_Import]) -> tuple[int, int]:
    releases = [min(MEASURED)]
    releases += [_TUPLES_SINCE] * any(each.pickled and not each.moved for each in imports)
    for name in filter(_comes_with_torch, wanted):
        releases.append(min(release for release, names in MEASURED.items() if name in names))
    return max(releases)
