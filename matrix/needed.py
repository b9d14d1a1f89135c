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
OLDEST: Final = (3, 11)
STOPPED: Final = "Stopped."
COULD_NOT_RUN: Final = 2
INTERRUPTED: Final = 130


@contextlib.contextmanager
def told_where_missing() -> Iterator[None]:
    """
    Say how to install what imports in the block lack, and end; ours are not what is meant.

    So where Python itself is too old for them, and where they are interrupted.
    """
    if sys.version_info < OLDEST:
        here, due = (".".join(map(str, each[:2])) for each in (sys.version_info, OLDEST))
        sys.stderr.write(
            f"error: python -m matrix needs Python {due} or later, and this is {here};"
            f" run it as python{due} -m matrix\n"
        )
        raise SystemExit(COULD_NOT_RUN)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"{STOPPED}\n")
        raise SystemExit(INTERRUPTED) from None
    except ModuleNotFoundError as error:
        if error.name not in MODULES:
            raise
        sys.stderr.write(
            f"error: python -m matrix needs {error.name}, which is not installed."
            " In the clone, run: python -m pip install --group matrix . (pip 25.1 or later)\n"
        )
        raise SystemExit(COULD_NOT_RUN) from None
