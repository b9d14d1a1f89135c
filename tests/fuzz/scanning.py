"""
Coverage-guided fuzzing of the reader: ``python tests/fuzz/scanning.py --seconds 300``.

Any bytes are scanned without an exception; and what CPython's own unpickler asks for is listed, or
the file is refused. What it finds lies in the folder as ``crash-*``, and becomes a test.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1] / "scan"), str(Path(__file__).parents[2])]
with atheris.instrument_imports(include=["pytest_torchcompat.scan"]):
    from pytest_torchcompat.scan import Verdict, scan_file

import inert_files  # noqa: E402 - behind what is instrumented, and its folder
from recording import LIMITS, asked, renamed, silent  # noqa: E402

# Of a whole file the recorder reads the first pickle; legacy files have more.
_PICKLES = ("pickle", "legacy")


def check(data: bytes) -> None:
    """Scan the bytes as a whole file and as the data.pkl of one."""
    scan = scan_file(io.BytesIO(data), "file.pt", hashed=False, limits=LIMITS)
    scan.to_dict()
    scan.beyond("2.6")
    missing = silent(data)
    if scan.format in _PICKLES and scan.verdict is not Verdict.REFUSED:
        listed = set(scan.globals)
        missing += [each for each in asked(data) if not {".".join(each), renamed(*each)} & listed]
    if missing:
        message = f"asked for and not listed: {missing}"
        raise AssertionError(message)


def _seed(folder: Path) -> None:
    for number, each in enumerate(inert_files.files().values()):
        if len(each.data) < 1 << 14:
            (folder / f"seed-{number:03}").write_bytes(each.data)
    for number, data in enumerate(inert_files.streams()):
        (folder / f"stream-{number:03}").write_bytes(data)


def main() -> None:
    """Fuzz for a while; ends the process with an error where something is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="What was found before, and is added to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torchcompat-fuzz-") as name:
        folder = options.folder or Path(name)
        folder.mkdir(exist_ok=True)
        _seed(folder)
        limits = [f"-max_total_time={options.seconds}", "-rss_limit_mb=2048", "-max_len=4096"]
        prefix = f"-artifact_prefix={options.folder or Path.cwd()}/"
        atheris.Setup([sys.argv[0], *limits, prefix, "-timeout=20", str(folder)], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
