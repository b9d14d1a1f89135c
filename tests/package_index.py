"""A package index on localhost: tiny wheels, and real packages under another name and version."""

from __future__ import annotations

import base64
import contextlib
import csv
import functools
import hashlib
import io
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from localhost import listening


class _Pages(SimpleHTTPRequestHandler):
    """Serves the folder, to a login if there is one; a page that is JSON says that it is."""

    def __init__(self, *given, login="", **named):
        self.asks = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""
        super().__init__(*given, **named)

    def send_head(self):
        """Send nothing to whom the login is missing."""
        if self.asks and self.headers.get("Authorization") != self.asks:
            return self.send_error(401)
        return super().send_head()

    def log_message(self, *_):
        """Say nothing."""

    def guess_type(self, path):
        """Tell the two kinds of project page apart."""
        page = Path(path)
        if page.name == "index.html" and page.read_bytes().startswith(b"{"):
            return "application/vnd.pypi.simple.v1+json"
        return super().guess_type(path)


@dataclass
class Index:
    """A simple index: a folder of files, and a page for each project."""

    folder: Path
    url: str

    def wheel(self, name, version, *, requires=(), tag="py3-none-any", module=None, **page):
        """Add a wheel; ``module`` is the source of a module of the project's name."""
        normal = name.replace("-", "_")
        path = self.folder / "files" / f"{normal}-{version}-{tag}.whl"
        info = f"{normal}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        metadata += "".join(f"Classifier: {each}\n" for each in page.pop("classifiers", ()))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{normal}.py", module or f"version = {version!r}\n")
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr(f"{info}/RECORD", f"{normal}.py,,\n{info}/METADATA,,\n")
        return self._with_metadata(name, path, metadata, page)

    def retagged(self, distribution, version, *, tag, name="torch", package=None, **values):
        """
        Add a wheel of an installed distribution under another name and version.

        Its files and its metadata are the installed ones, but for what it ``requires``, if that is
        given. ``package`` stands for all files outside its metadata: name in the wheel to content.
        """
        requires = values.pop("requires", None)
        normal = name.replace("-", "_")
        path = self.folder / "files" / f"{normal}-{version}-{tag}.whl"
        info = f"{normal}-{version}.dist-info"
        metadata = _renamed(distribution.read_text("METADATA"), name, version, requires)
        files = _installed(distribution) if package is None else package
        wheel = f"Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: false\nTag: {tag}\n"
        files = {**files, f"{info}/METADATA": metadata.encode(), f"{info}/WHEEL": wheel.encode()}
        with zipfile.ZipFile(path, "w") as archive:  # not compressed: torch is large
            for place, content in files.items():
                archive.writestr(place, content) if isinstance(content, bytes) else archive.write(
                    content, place
                )
            archive.writestr(f"{info}/RECORD", _record(files, f"{info}/RECORD"))
        return self._with_metadata(name, path, metadata, values)

    def file(self, name, filename, content=b"", **page):
        """Add any file."""
        path = self.folder / "files" / filename
        path.write_bytes(content)
        return self.listed(name, path, **page)

    def _with_metadata(self, name, path, metadata, page):
        if page.pop("metadata", False):
            path.with_name(path.name + ".metadata").write_text(metadata)
            digest = hashlib.sha256(metadata.encode()).hexdigest()
            page["data_core_metadata"] = f"sha256={digest}"
        return self.listed(name, path, **page)

    def listed(self, name, path, **page):
        """Add a file that is there to its project's page."""
        attributes = {key.replace("_", "-"): value for key, value in page.items()}
        attributes.setdefault("data-upload-time", "2024-01-01T00:00:00Z")
        text = "".join(
            f' {key}="{value}"' for key, value in attributes.items() if value is not None
        )
        page = self.folder / name / "index.html"
        page.parent.mkdir(exist_ok=True)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with page.open("a") as file:
            place = path.name.replace("+", "%2B")
            file.write(f'<a href="../files/{place}#sha256={digest}"{text}>{path.name}</a>\n')
        return path


@contextlib.contextmanager
def serving(folder, login=""):
    """Serve a folder as an index; ``login`` is a name and a password, ``name:word``."""
    (folder / "files").mkdir(parents=True)
    handler = functools.partial(_Pages, directory=str(folder), login=login)
    with listening(handler) as url:
        yield Index(folder, f"{url}/")


def _renamed(text, name, version, requires):
    metadata = HeaderParser().parsestr(text)
    metadata.replace_header("Name", name)
    metadata.replace_header("Version", version)
    if requires is not None:
        del metadata["Requires-Dist"]
        del metadata["Provides-Extra"]
        for each in requires:
            metadata["Requires-Dist"] = each
    return metadata.as_string()


def _installed(distribution):
    """Return the files that a distribution installed, without its metadata and its scripts."""
    own = (file for file in distribution.files if not file.parts[0].endswith(".dist-info"))
    kept = (file for file in own if ".." not in file.parts and "__pycache__" not in file.parts)
    return {str(file): Path(file.locate()) for file in kept}


def _record(files, own):
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for place, content in files.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([place, f"sha256={digest}", len(data)])
    rows.writerow([own, "", ""])
    return text.getvalue()
