"""Runs inside a cell: ``python write_replicas.py LIBRARY FOLDER`` saves a library's replicas."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.libraries import Libraries


def main(name: str, folder: Path) -> None:
    """Save each replica under the file name that its row gives."""
    library = Libraries().get(name)
    library.import_()
    for row in catalogue().of_library(name):
        if row.replica is not None:
            library.write_replica(row, folder / row.replica.filename)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
