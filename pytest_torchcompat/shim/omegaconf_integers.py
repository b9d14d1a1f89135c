"""OmegaConf's integers, where a file holds floats for them."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The method that converts a value: of omegaconf 2.0, and of 2.1 and later.
CONVERTING = ("validate_and_convert", "_validate_and_convert_impl")


class OmegaconfIntegers:
    """
    Lets a whole number that was stored as a float be the value of an integer node.

    ``16000.0`` becomes ``16000``. A true float stays an error, which names the file that fairseq
    read last; omegaconf adds the key.
    """

    name = "omegaconf-integers"
    restores = "configurations that store an integer as a float, such as sample_rate: 16000.0"
    retired_when = "the files are saved again with integers in their configurations"
    at_import = False
    libraries = ("fairseq",)
    modules = ("omegaconf",)

    def __init__(self) -> None:
        self.lost: list[str] = []

    def applies(self, versions: Mapping[str, str]) -> bool:
        """Apply with any omegaconf: none converts floats."""
        return "omegaconf" in versions

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Wrap the method by which an integer node converts what it is given."""
        from omegaconf.nodes import IntegerNode

        self.lost.clear()
        name = next(each for each in CONVERTING if each in vars(IntegerNode))
        convert = vars(IntegerNode)[name]
        with _file_read_last() as files:

            def tolerant(node: Any, value: Any) -> Any:
                whole = _whole(value, files) if isinstance(value, float) else value
                return convert(node, whole)

            setattr(IntegerNode, name, tolerant)
            try:
                yield
            finally:
                setattr(IntegerNode, name, convert)


def _whole(value: float, files: list[str]) -> int:
    from omegaconf.errors import ValidationError

    if not value.is_integer():
        where = f"{files[-1]}: " if files else ""
        message = (
            f"{where}{value} stands where the configuration has an integer, and is no whole number;"
            " correct the value of the key named below, or override it when loading"
        )
        raise ValidationError(message)
    return int(value)


@contextlib.contextmanager
def _file_read_last() -> Iterator[list[str]]:
    """Give a list that holds the name of the checkpoint that fairseq read last, if any."""
    files: list[str] = []
    checkpoints: Any = sys.modules.get("fairseq.checkpoint_utils")
    if checkpoints is None:
        yield files
        return
    load = checkpoints.load_checkpoint_to_cpu

    @functools.wraps(load)
    def remembering(path: Any, *rest: Any, **named: Any) -> Any:
        files[:] = [Path(path).name]
        return load(path, *rest, **named)

    checkpoints.load_checkpoint_to_cpu = remembering
    try:
        yield files
    finally:
        checkpoints.load_checkpoint_to_cpu = load
