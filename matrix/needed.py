"""What has to be installed for ``python -m matrix``, and what is said where it is not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

# What the dependency group matrix brings, as it is imported.
MODULES: Final = frozenset(
    [
        *("filelock", "huggingface_hub", "jinja2", "packaging", "pooch", "pypi_simple"),
        *("pytest", "requests", "rich", "tqdm", "uv"),
    ]
)
_COULD_NOT_RUN = 2


@contextlib.contextmanager
def told_where_missing() -> Iterator[None]:
    """Say how to install what imports in the block lack, and end; ours are not what is meant."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in MODULES:
            raise
        sys.stderr.write(
            f"error: python -m matrix needs {error.name}, which is not installed."
            " In the clone, run: python -m pip install --group matrix . (pip 25.1 or later)\n"
        )
        raise SystemExit(_COULD_NOT_RUN) from None
