"""What the package index has: the versions of a project, their wheels' Pythons, their dates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from email.parser import HeaderParser
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

import requests
from packaging.tags import platform_tags
from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version
from pypi_simple import (
    PYPI_SIMPLE_ENDPOINT,
    DistributionPackage,
    NoDigestsError,
    NoMetadataError,
    NoSuchProjectError,
    ProjectPage,
    PyPISimple,
    RepositoryPage,
    UnsupportedRepoVersionError,
)

from pytest_torchcompat.errors import TorchcompatError

# uv reads the first two, pip the third; the sweep asks the index that they ask.
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
LOGIN = re.compile(r"(?<=://)[^/\s]*@")
NAMED_URL = re.compile(r"^[\w.-]+=(?=\w+://)")
TIMEOUT = 60.0
PROBE_TIMEOUT = 5.0
PYTHON_CLASSIFIER = "Programming Language :: Python :: "


class IndexUnreachableError(TorchcompatError):
    """The package index does not answer, or not with what it should hold."""


@dataclass(frozen=True)
class Release:
    """
    One version of a project, as far as this machine can use it.

    ``pythons`` are those that its wheels for this platform are built for; ``None`` says that it
    does not matter, as for a pure wheel or a source distribution. ``classified`` are the Pythons
    that its classifiers name, empty where the index does not serve metadata. ``pairs`` are names
    and versions of what is known to go with it, ``unsolved`` says why it can't be installed here,
    and ``notes`` are what a reader of the run has to know of it.
    """

    version: str
    uploaded: datetime | None = None
    requires_python: str = ""
    pythons: frozenset[str] | None = None
    classified: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, str], ...] = ()
    unsolved: str = ""
    notes: tuple[str, ...] = ()


class Releases(Protocol):
    """What planning asks of an index."""

    def of(self, project: str) -> tuple[Release, ...]:
        """Return the final releases of a project that this platform can use, oldest first."""

    def listed(self, project: str) -> tuple[str, ...]:
        """Return the versions of a project, for whatever platform, oldest first."""

    def described(self, project: str, release: Release) -> Release:
        """Return a release with the Pythons that its classifiers name."""

    def requires(self, project: str, release: Release) -> tuple[str, ...]:
        """Return what a release asks for; nothing where the index does not serve metadata."""

    def sdist(self, project: str, version: str, folder: Path) -> Path:
        """Put the source distribution of a version into a folder."""


def endpoint(environ: Mapping[str, str] = os.environ) -> str:
    """Return the index that uv and pip are set to, else the library's own default."""
    urls = (environ.get(name, "") for name in INDEX_VARIABLES)
    # A URL may stand behind a name, as in NAME=URL.
    unnamed = (NAMED_URL.sub("", url) for url in urls)
    return next((url for url in unnamed if url), PYPI_SIMPLE_ENDPOINT)


class IndexReleases:
    """
    The releases of an index, up to the date that a run is frozen at.

    ``prereleases`` keeps nightlies. A file without an upload time is kept: uv, which resolves by
    the same date, has the last word.
    """

    def __init__(
        self,
        url: str,
        frozen_at: datetime | None = None,
        *,
        prereleases: bool = False,
        timeout: float = TIMEOUT,
    ) -> None:
        self._client = PyPISimple(url)
        self._url = url
        self._frozen_at = frozen_at
        self._prereleases = prereleases
        self._timeout = timeout
        self._files = cache(self._fetch)

    def of(self, project: str) -> tuple[Release, ...]:
        """Return the releases of a project that this platform can use, oldest first."""
        by_version: dict[Version, list[_File]] = {}
        for file in self._files(project):
            if file.is_usable and self._counts(file):
                by_version.setdefault(file.version, []).append(file)
        return tuple(_release(by_version[version]) for version in sorted(by_version))

    def listed(self, project: str) -> tuple[str, ...]:
        """Return the versions of a project, for whatever platform, oldest first."""
        versions = {file.version for file in self._files(project) if self._counts(file)}
        return tuple(str(version) for version in sorted(versions))

    def described(self, project: str, release: Release) -> Release:
        """Return a release with the Pythons that its classifiers name."""
        if not self._wheels(project, release):
            return release
        named = self._metadata(project, release).get_all("Classifier", [])
        pythons = (line.removeprefix(PYTHON_CLASSIFIER) for line in named if _is_of_python(line))
        return replace(release, classified=frozenset(pythons))

    def requires(self, project: str, release: Release) -> tuple[str, ...]:
        """Return what a release asks for; nothing where the index does not serve metadata."""
        return tuple(self._metadata(project, release).get_all("Requires-Dist", []))

    def sdist(self, project: str, version: str, folder: Path) -> Path:
        """Put the source distribution of a version into a folder and return its path."""
        for file in self._files(project):
            if str(file.version) == version and not file.is_wheel:
                target = folder / file.package.filename
                with _as_index_error(self._url):
                    self._client.download_package(file.package, target, timeout=self._timeout)
                return target
        message = f"{project} {version} has no source distribution on the index; check the version"
        raise IndexUnreachableError(message)

    def _counts(self, file: _File) -> bool:
        late = self._frozen_at and file.uploaded and file.uploaded > self._frozen_at
        final = self._prereleases or not file.version.is_prerelease
        return final and not late and not file.package.is_yanked

    def _wheels(self, project: str, release: Release) -> list[DistributionPackage]:
        files = (file for file in self._files(project) if file.is_usable and file.is_wheel)
        return [file.package for file in files if str(file.version) == release.version]

    def _metadata(self, project: str, release: Release) -> Message:
        text = ""
        for wheel in self._wheels(project, release)[:1]:
            # Not every index serves metadata apart from the wheel; nothing is known then.
            with suppress(NoMetadataError, NoDigestsError, requests.RequestException):
                text = self._client.get_package_metadata(wheel, timeout=self._timeout)
        return HeaderParser().parsestr(text)

    def _fetch(self, project: str) -> tuple[_File, ...]:
        with _as_index_error(self._url):
            response = self._client.s.get(
                self._client.get_project_url(project),
                headers={"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"},
                timeout=self._timeout,
            )
            if response.status_code == requests.codes.not_found:
                raise NoSuchProjectError(project, self._url)
            response.raise_for_status()
            page = ProjectPage.from_response(response, project)
            dates = _html_dates(response)
        found = (_File.of(package, dates.get(package.url)) for package in page.packages)
        return tuple(file for file in found if file)


def _is_of_python(classifier: str) -> bool:
    return classifier.startswith(f"{PYTHON_CLASSIFIER}3.")


class _as_index_error:  # noqa: N801 - reads as the statement that it is
    """Turns what can go wrong between here and an index into one sentence."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NoSuchProjectError):
            message = f"{self._url} has no project {error.project!r}; check its name and the index"
            raise IndexUnreachableError(without_login(message)) from error
        # A page of another kind, or of another form, is a ValueError of who reads it.
        unreadable = (requests.RequestException, OSError, ValueError, UnsupportedRepoVersionError)
        if isinstance(error, unreadable):
            variables = ", ".join(INDEX_VARIABLES)
            message = (
                f"the package index {self._url} can't be read ({error}). "
                f"Check the network, or name another index in one of {variables}."
            )
            raise IndexUnreachableError(without_login(message)) from error


def without_login(text: str) -> str:
    """Return a text without the user and password of its URLs."""
    return LOGIN.sub("", text)


def _html_dates(response: requests.Response) -> dict[str, str]:
    # Only JSON pages have upload times by standard. Some mirrors answer in HTML with the
    # attribute that uv reads as well.
    if "html" not in response.headers.get("content-type", "text/html"):
        return {}
    links = RepositoryPage.from_html(response.content, base_url=response.url).links
    dates = ((link.url, link.attrs.get("data-upload-time")) for link in links)
    return {url.partition("#")[0]: date for url, date in dates if isinstance(date, str)}


@dataclass(frozen=True)
class _File:
    """A file of a project page; one for other platforms has an empty set of Pythons."""

    package: DistributionPackage
    version: Version
    uploaded: datetime | None
    pythons: frozenset[str] | None

    @property
    def is_wheel(self) -> bool:
        return self.package.package_type == "wheel"

    @property
    def is_usable(self) -> bool:
        return self.pythons != frozenset()

    @classmethod
    def of(cls, package: DistributionPackage, date: str | None) -> _File | None:
        """Read a file's name; ``None`` for one that can't be used anywhere."""
        uploaded = package.upload_time or (datetime.fromisoformat(date) if date else None)
        try:
            version = Version(package.version or "")
            if package.package_type == "sdist":
                return cls(package, version, uploaded, None)
            if package.package_type != "wheel":
                return None
            pythons = wheel_pythons(package.filename)
        except (InvalidVersion, ValueError):
            return None  # A name from before the standards; uv passes it over too.
        return cls(package, version, uploaded, pythons)


@lru_cache(maxsize=1)
def _platforms() -> frozenset[str]:
    return frozenset(platform_tags())


def wheel_pythons(filename: str, platforms: frozenset[str] | None = None) -> frozenset[str] | None:
    """
    Return the Pythons that a wheel is built for on this platform.

    ``None`` is any Python 3, the empty set none. Free-threaded builds are left out.
    """
    usable = (platforms or _platforms()) | {"any"}
    tags = [tag for tag in parse_wheel_filename(filename)[3] if tag.platform in usable]
    if any(tag.interpreter in ("py3", "py2.py3") for tag in tags):
        return None
    numbers = (tag.interpreter[2:] for tag in tags if _is_default_build(tag.interpreter, tag.abi))
    return frozenset(f"{number[0]}.{number[1:]}" for number in numbers)


def _is_default_build(interpreter: str, abi: str) -> bool:
    return interpreter.startswith("cp3") and interpreter[2:].isdigit() and not abi.endswith("t")


def _release(files: Iterable[_File]) -> Release:
    files = list(files)
    dates = [file.uploaded for file in files if file.uploaded]
    wheels = [file for file in files if file.is_wheel]
    built = [file.pythons for file in wheels]
    # A source distribution can be built for any Python, but only where there is no wheel at all:
    # none of torch's dependencies, and not torch, is built from source here.
    known = [pythons for pythons in built if pythons is not None]
    pythons = frozenset().union(*known) if wheels and len(known) == len(built) else None
    requires = next((file.package.requires_python for file in files), None)
    return Release(str(files[0].version), min(dates, default=None), requires or "", pythons)
