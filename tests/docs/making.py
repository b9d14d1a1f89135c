"""
Build the documents and check them: python -m tests.docs.making SCRATCH [FOLDER | --external].

They are built in SCRATCH, and copied to FOLDER where one is named; --external follows the links
to other sites instead. Run by nox -s docs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTERNAL = "--external"
OF_SPHINX = "objects.inv"  # it writes one into each folder of documents


def main(scratch: Path, words: Sequence[str]) -> int:
    """Build, check and keep what the words ask for; return the first code that is not 0."""
    folder = asked(words)
    strict = ("-W", "--keep-going", "-n", "-q", "-d", str(scratch / "doctrees"))
    if EXTERNAL in words:
        return ran("sphinx", *strict, "-b", "linkcheck", "docs", str(scratch / "links"))
    html = scratch / "docs"
    shutil.rmtree(html, ignore_errors=True)
    code = ran("sphinx", *strict, "docs", str(html)) or ran("tests.docs.built", str(html))
    if folder and not code:
        keep(html, folder)
    return code


def ran(module: str, *words: str) -> int:
    """Run a module on the documents."""
    return subprocess.run([sys.executable, "-m", module, *words], cwd=ROOT, check=False).returncode


def asked(words: Sequence[str]) -> Path | None:
    """Return the folder that is named; ends with a sentence where it can't be meant."""
    for word in words:
        if word.startswith("-") and word != EXTERNAL:
            sys.exit(f"nox -s docs: {word!r} is no option; there is {EXTERNAL} alone")
    if len(words) > 1:
        sys.exit(f"nox -s docs: name one folder, or {EXTERNAL}, and not {' '.join(words)}")
    if not words or words[0] == EXTERNAL:
        return None
    folder = Path(words[0])
    if folder.exists() and not (folder / OF_SPHINX).is_file():
        sys.exit(f"nox -s docs: {folder} exists and holds no built documents; name another folder")
    return folder


def keep(html: Path, folder: Path) -> None:
    """Put the documents in the place of older ones; what begins with a dot, as .git, stays."""
    older = folder.iterdir() if folder.exists() else ()
    for path in [path for path in older if not path.name.startswith(".")]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.copytree(html, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
