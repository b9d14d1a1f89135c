"""What CPython's own unpickler asks for, recorded without importing anything."""

from __future__ import annotations

import contextlib
import io
import pickle
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

from scan_corpus import torch_zip

from pytest_torchcompat.scan import Limits, Verdict, scan_file

# An unpickler allocates its memo by the largest key: what asks for more is refused here too.
LIMITS = Limits(memo=100_000)


class Inert:
    """What stands for each global: it takes everything and does nothing."""

    def __init__(self, *_, **__):
        pass

    def __call__(self, *_, **__):
        return Inert()

    def __setstate__(self, state):
        pass

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def add(self, item):
        pass

    def __setitem__(self, key, value):
        pass


class Recorder(pickle.Unpickler):
    """Reads a pickle as torch does, and records each look-up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.asked: list[tuple[str, str]] = []

    def find_class(self, module, name):
        self.asked.append((module, name))
        return Inert

    def persistent_load(self, key):
        return Inert()


def asked(data: bytes) -> list[tuple[str, str]]:
    """Return the look-ups up to where the pickle ends or breaks."""
    recorder = Recorder(data)
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recorder.load()
    return recorder.asked


def renamed(module: str, name: str) -> str:
    """Return the name that Python 3 has for one of Python 2."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def silent(data: bytes) -> list[tuple[str, str]]:
    """Return what a pickle asks for and a scan of it, as a data.pkl, does not tell."""
    scan = scan_file(io.BytesIO(torch_zip(data)), hashed=False, limits=LIMITS)
    if scan.verdict is Verdict.REFUSED:
        return []
    listed = set(scan.globals)
    return [each for each in asked(data) if not {".".join(each), renamed(*each)} & listed]
