"""The rule of Python 3.10 and older on dataclass instances as defaults of fields."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any


class DataclassDefaults:
    """
    Lets a dataclass instance be the default of a field again.

    Python 3.11 widened its guard against mutable defaults from list, dict and set to everything
    without a hash, which a dataclass with ``eq`` and without ``frozen`` is. fairseq and hydra 1.0
    declare their configurations that way (facebookresearch/fairseq#5634). Such a default gets a
    hash while its field is made, so that the guard lets it by; its type is left as it was.
    """

    name = "dataclass-defaults"
    restores = "dataclass instances as defaults of fields, refused since Python 3.11"
    retired_when = "fairseq and hydra-core declare such defaults with default_factory"
    at_import = True
    libraries = ("fairseq",)
    modules = ("hydra", "fairseq")

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply from Python 3.11 on."""
        python = versions.get("python", "{}.{}".format(*sys.version_info))
        return tuple(int(number) for number in python.split(".")[:2]) >= (3, 11)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Wrap the private function of ``dataclasses`` that makes a field."""
        get_field = dataclasses._get_field  # type: ignore[attr-defined]  # noqa: SLF001

        def tolerant(cls: type, name: str, *rest: Any) -> Any:
            with _hashable(_default_of(cls, name)):
                return get_field(cls, name, *rest)

        dataclasses._get_field = tolerant  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            yield
        finally:
            dataclasses._get_field = get_field  # type: ignore[attr-defined]  # noqa: SLF001


def _default_of(cls: type, name: str) -> Any:
    default = getattr(cls, name, dataclasses.MISSING)
    return default.default if isinstance(default, dataclasses.Field) else default


@contextlib.contextmanager
def _hashable(default: Any) -> Iterator[None]:
    kind = type(default)
    guarded = dataclasses.is_dataclass(kind) and kind.__hash__ is None
    own = "__hash__" in vars(kind)  # a plain subclass of a dataclass has its parent's
    if guarded:
        kind.__hash__ = object.__hash__  # type: ignore[assignment]
    try:
        yield
    finally:
        if guarded and own:
            kind.__hash__ = None  # type: ignore[assignment]
        elif guarded:
            del kind.__hash__
