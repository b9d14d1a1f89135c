"""NumPy's names that are other spellings of names it still has."""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

# By the release that removed them, as its notes say what each stood for.
BUILTINS = {  # 1.24
    **{name: name for name in ("bool", "int", "float", "complex", "object", "str")},
    "long": "int",
    "unicode": "str",
}
RENAMED = {
    # 2.0
    **dict.fromkeys(["Inf", "Infinity", "PINF", "infty"], "inf"),
    "NaN": "nan",
    "float_": "float64",
    "complex_": "complex128",
    "cfloat": "complex128",
    "singlecomplex": "complex64",
    "longfloat": "longdouble",
    "clongfloat": "clongdouble",
    "longcomplex": "clongdouble",
    "string_": "bytes_",
    "unicode_": "str_",
    "bool8": "bool_",
    "object0": "object_",
    "int0": "intp",
    "uint0": "uintp",
    "str0": "str_",
    "bytes0": "bytes_",
    "void0": "void",
    "product": "prod",
    "cumproduct": "cumprod",
    "sometrue": "any",
    "alltrue": "all",
    "round_": "round",
    "mat": "asmatrix",
    # Deprecated in 2.0, removed later.
    "row_stack": "vstack",
    "trapz": "trapezoid",
}


class NumpyAliases:
    """
    Puts back names that NumPy removed from 1.24 on, where this NumPy lacks them.

    Each stands for what NumPy's release notes say. A name that is there stays what it is: the
    ``np.bool`` and ``np.long`` of NumPy 2 are types of its own. Functions that went without another
    of the same arguments, such as ``np.asfarray``, are not restored, and code that was compiled for
    NumPy 1 stays broken.
    """

    name = "numpy-aliases"
    restores = "names that NumPy 1.24 and 2.0 removed, such as np.int, np.NaN and np.trapz"
    retired_when = "no library in use writes NumPy's removed names"
    at_import = False
    libraries = ("fairseq", "pyannote.audio", "ultralytics", "coqui-tts")
    modules = ("numpy",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply from NumPy 1.24 on."""
        numbers = re.findall(r"\d+", versions.get("numpy", ""))
        return tuple(map(int, numbers[:2])) >= (1, 24)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the names that are missing into numpy."""
        numpy = importlib.import_module("numpy")
        aliases = _missing(numpy)
        vars(numpy).update(aliases)
        try:
            yield
        finally:
            for name in aliases:
                vars(numpy).pop(name, None)


def _missing(numpy: Any) -> dict[str, Any]:
    builtins = importlib.import_module("builtins")
    known = {name: getattr(builtins, original) for name, original in BUILTINS.items()}
    for name, original in RENAMED.items():
        if hasattr(numpy, original):
            known[name] = getattr(numpy, original)
    known.update(NINF=-numpy.inf, PZERO=0.0, NZERO=-0.0, in1d=_in1d)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy warns of names that it is about to remove
        return {name: value for name, value in known.items() if not hasattr(numpy, name)}


def _in1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False, **kind: Any
) -> Any:
    """Say which elements of one array, flattened, are in another."""
    numpy = importlib.import_module("numpy")
    flat = numpy.asarray(ar1).ravel()
    return numpy.isin(flat, ar2, assume_unique=assume_unique, invert=invert, **kind)
