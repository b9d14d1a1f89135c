"""The versions that a bug report tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_torchcompat.diagnosis.failure import normalised

_NUMBER = r"(\d{1,4}(?:\.\d{1,6}){1,3}[\w.+]{0,40})"
_NAME = r"([A-Za-z][\w.-]{0,60})"
# Lines of a listing: what pip freeze, pip list, conda list and collect_env write.
_LISTED = (
    re.compile(rf"(?:\[(?:pip3?|conda)\] )?{_NAME}==v?{_NUMBER}$"),
    re.compile(rf"(?:\[(?:pip3?|conda)\] )?{_NAME}[ \t]+v?{_NUMBER}(?:[ \t]+\S{{1,200}}){{0,2}}$"),
    re.compile(rf"\| *{_NAME} *\| *v?{_NUMBER} *\|?$"),
)
_KNOWN = (
    "accelerate|coqpit|coqui-tts|fairseq2?|hydra-core|lightning|numpy|omegaconf|pandas|pip"
    "|protobuf|pyannote[.-]audio|pyannote-core|python|pytorch-lightning|pytorch|safetensors|scipy"
    "|setuptools|speechbrain|torchaudio|torchcodec|torchvision|torch|transformers|tts|ultralytics"
    "|yolov5"
)
# A line of a bug report's list: "- PyTorch version: 2.6.0+cu124".
_LABELLED = re.compile(
    rf"[-*\u2022\s]*({_KNOWN})(?:[ _]version)?(?: ?\([^()]{{0,40}}\))?[ \t*]{{0,5}}[:=]"
    rf"[ \t*]{{0,30}}v?{_NUMBER}(?: \([^()]{{0,40}}\))?$",
    re.IGNORECASE,
)
# A name, words about it, and its version: "PyTorch version (GPU?): 2.6.0", "Python-3.11.7".
_TOLD = re.compile(
    rf"(?<![\w.-])({_KNOWN})(?:[ _]version)?(?: ?\([^()]{{0,40}}\))?[ \t]{{0,3}}(?:==|[:=-])?"
    rf"[ \t]{{0,30}}v?{_NUMBER}",
    re.IGNORECASE,
)
_BANNER = re.compile(rf"\bUltralytics (?:YOLO)?v?{_NUMBER} ")
_YOURS = re.compile(rf"was trained with {_NAME} [\w.+]{{1,40}}, yours is {_NUMBER}")
_FOLDER = re.compile(r"(?i)\bpython(3)\.?(\d{1,2})[\\/](?:lib[\\/])?(?:site|dist)-packages")
_METADATA = re.compile(rf"[\\/]{_NAME}-{_NUMBER}\.dist-info")
_NUMBERED = re.compile(r"\d\.\d|(?i:python3\d)")
# Those that a traceback or its reader names, where their words are anybody's.
_LIBRARY = re.compile(
    r"(?<![^\W_])(fairseq|pyannote|ultralytics|coqui|TTS)(?![^\W_])", re.IGNORECASE
)
_DISTRIBUTIONS = {"pyannote": "pyannote-audio", "coqui": "coqui-tts"}
_OTHERWISE = {"pytorch": "torch", "hydra": "hydra-core"}


def versions_in(lines: Iterable[str]) -> Mapping[str, str]:
    """
    Return the versions that lines tell, by normalised name.

    A listing is believed before prose. What either tells in two ways stays unknown.
    """
    lines = [line for line in lines if _NUMBERED.search(line)]
    listed = _each(pair for line in lines for pair in _listed(line.strip()))
    told = _each(pair for line in lines for pair in _told(line))
    return normalised({**told, **listed})


def _each(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return each name's version, empty where it is told in two ways."""
    found: dict[str, set[str]] = {}
    for name, version in pairs:
        found.setdefault(name, set()).add(version)
    return {name: _agreed(versions) for name, versions in found.items()}


def libraries_in(text: str) -> frozenset[str]:
    """Return the libraries that a text names, by the normalised names of their distributions."""
    found = {word.lower() for word in _LIBRARY.findall(text)}
    return frozenset(_DISTRIBUTIONS.get(word, word) for word in found)


def _listed(line: str) -> Iterator[tuple[str, str]]:
    for pattern in (*_LISTED, _LABELLED):
        found = pattern.match(line)
        if found:
            yield from _checked(found[1], found[2])
            return


def _told(line: str) -> Iterator[tuple[str, str]]:
    yours = _YOURS.search(line)
    if yours:
        yield from _checked(yours[1], yours[2])
        return
    if "we changed the default value" in line:  # torch's own message, which tells of torch 2.6
        return
    for pattern in (_TOLD, _METADATA):
        for found in pattern.finditer(line):
            yield from _checked(found[1], found[2])
    for found in _BANNER.finditer(line):
        yield from _checked("ultralytics", found[1])
    for found in _FOLDER.finditer(line):
        yield "python", f"{found[1]}.{found[2]}"


def _checked(name: str, version: str) -> Iterator[tuple[str, str]]:
    """Give what is a version, without the full stop that ends its sentence."""
    version = version.rstrip(".+_")
    try:
        Version(version)
    except InvalidVersion:
        return
    name = canonicalize_name(name)
    yield _OTHERWISE.get(name, name), version


def _agreed(versions: set[str]) -> str:
    """Return the longest of versions that say one thing: 2.6, 2.6.0 and 2.6.0+cu124."""
    longest = max(sorted(versions), key=len)
    same = all(longest == each or longest.startswith((f"{each}.", f"{each}+")) for each in versions)
    return longest if same else ""
