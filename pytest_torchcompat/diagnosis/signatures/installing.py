"""What keeps an environment from coming to be, in pip's and uv's words."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.failure import RESOLVER
from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    LIBRARY,
    Remedy,
    Signature,
    advice,
    pin,
    run,
)

_UV_RESOLVER = "https://docs.astral.sh/uv/reference/internals/resolver/"
_UV_BUILDS = "https://docs.astral.sh/uv/reference/troubleshooting/build-failures/"
_UV_INDEXES = "https://docs.astral.sh/uv/concepts/indexes/"
_UV_CERTIFICATES = "https://docs.astral.sh/uv/concepts/authentication/certificates/"
_PIP_CONFLICTS = "https://pip.pypa.io/en/stable/topics/dependency-resolution/"
_PIP_HASHES = "https://pip.pypa.io/en/stable/topics/secure-installs/"
_WHEEL_TAGS = "https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/"
_EXTERNAL = "https://packaging.python.org/en/latest/specifications/externally-managed-environments/"
_OMEGACONF = "https://github.com/omry/omegaconf/issues/1187"
_FAIRSEQ = "https://github.com/facebookresearch/fairseq/issues/5511"
_PYANNOTE = "https://github.com/pyannote/pyannote-audio/issues/1976"
_PAIRS = "https://github.com/pytorch/audio/pull/4212"

# ``name==1.0`` and ``name>=1.0`` are uv's, ``name 1.0`` is pip's.
_VERSION = r"(?:[=<>]=?=?|\s)(?P<version>\d[\w.+!]{0,40})"
_RELEASE = rf"\b(?P<name>[A-Za-z][\w.-]{{0,80}}?){_VERSION}"
_ASKED = r"(?:(?:because|and) you require|user requested)"
# uv names what it builds first, pip last; a paste may have neither.
_NAMED = r"\A(?:(?=[\s\S]*?[Ff]ailed to build [`']?(?P<name>[A-Za-z][\w.-]{0,80}))|)[\s\S]*?"


def _resolver(
    identifier: str,
    pattern: str,
    cause: str,
    *remedies: Remedy,
    link: str,
    knows: int = LIBRARY,
) -> Signature:
    # uv breaks its lines at 80 columns, and some releases draw a bar beside them.
    spaced = pattern.replace(" ", r"[\s\u2502]+")
    return Signature(identifier, (RESOLVER,), spaced, cause, remedies, link, knows)


def _build(
    identifier: str,
    pattern: str,
    cause: str,
    *remedies: Remedy,
    link: str = _UV_BUILDS,
) -> Signature:
    return _resolver(identifier, f"{_NAMED}(?:{pattern})", cause, *remedies, link=link)


def _other_python(python: str, says: str, *, when: tuple[str, ...] = ()) -> Remedy:
    commands = ("python -m pip install uv", f"python -m uv venv --python {python} .venv")
    return run(*commands, says=says, when=when)


_READY_MADE = run(
    'python -m pip install --only-binary :all: "{name}"',
    says="Take a release that has a wheel, where this Python has one: nothing is built then.",
)
_TRY_AGAIN = advice("Run the same command again later: it says nothing about the packages.")

_TOGETHER = (
    _resolver(
        "fairseq-conflicting-deps",
        (
            r"Cannot install [^\n]{0,300}?fairseq==(?P<version>0\.1[\d.]+) because"
            r"[\s\S]{0,800}?depends on omegaconf<2\.1"
        ),
        (
            "fairseq {version} needs omegaconf below 2.1, whose metadata pip 24.1 and later refuse,"
            " so that none is left."
        ),
        run(
            "python -m pip install uv",
            'python -m uv pip install "fairseq=={version}"',
            says="Install with uv, which reads that metadata.",
        ),
        run(
            'python -m pip install "pip<24.1"',
            'python -m pip install "fairseq=={version}"',
            says="Or install with a pip that only warns.",
        ),
        link=_FAIRSEQ,
        knows=CASE,
    ),
    _resolver(
        "pip-omegaconf-metadata",
        (
            r"\.\* suffix can only be used with `==` or `!=` operators\s+PyYAML \(>=5\.1\.\*\)"
            r"(?![\s\S]*Cannot install [^\n]*fairseq)"
        ),
        "omegaconf 2.0 asks for PyYAML>=5.1.*, which is no valid version: pip 24.1 refuses it.",
        run(
            "python -m pip install uv",
            'python -m uv pip install "omegaconf<2.1"',
            says="Install with uv, which reads that metadata.",
        ),
        pin("omegaconf>=2.1", says="Take a later omegaconf, where nothing asks for 2.0."),
        run(
            'python -m pip install "pip<24.1"',
            'python -m pip install "omegaconf<2.1"',
            says="Or install with a pip that only warns.",
        ),
        link=_OMEGACONF,
        knows=CASE,
    ),
    _resolver(
        "env-pyannote-exact-torch",
        (
            rf"\bpyannote[-.]audio{_VERSION} depends on"
            r" (?P<needs>torch(?:==2\.8|audio==2\.8|codec==0\.7)[\d.]*)"
        ),
        "pyannote.audio {version} runs with torch 2.8 alone: it asks for {needs} exactly.",
        pin(
            "pyannote.audio>=4.0.4",
            says="Take a later pyannote.audio, which allows any torch from 2.8 on.",
            when=("torch>=2.8",),
        ),
        pin(
            "pyannote.audio<4",
            "torchaudio{torchaudio_spec}",
            "lightning>=2.4,<2.6",
            says="Below torch 2.8 pyannote.audio 3 is the last that can be installed.",
            when=("torch<2.8",),
        ),
        pin(
            "torch==2.8.0",
            "torchaudio==2.8.0",
            "torchcodec==0.7.0",
            "pyannote.audio=={version}",
            says="Install the torch that this release was made for.",
        ),
        link=_PYANNOTE,
        knows=CASE,
    ),
    _resolver(
        "env-pyannote-4-old-torch",
        (
            rf"\bpyannote[-.]audio{_VERSION} depends on"
            r" (?P<needs>torch(?:>=2|audio>=2|codec>=0)[\d.]*)"
        ),
        "pyannote.audio {version} needs {needs}: pyannote.audio 4 begins with torch 2.8.",
        pin(
            "pyannote.audio<4",
            "torchaudio{torchaudio_spec}",
            "lightning>=2.4,<2.6",
            says="Below torch 2.8 pyannote.audio 3 is the last that can be installed.",
            when=("torch<2.8",),
        ),
        pin("pyannote.audio<4", says="pyannote.audio 3 asks for no torchcodec."),
        pin("torch>=2.8", "pyannote.audio>=4.0.4", says="Or install torch 2.8 or later."),
        link=_PYANNOTE,
        knows=CASE,
    ),
    _resolver(
        "env-torch-pair",
        (
            rf"\A(?=[\s\S]*?{_ASKED} torch==(?P<asked>\d[\w.+]*\w))[\s\S]*?"
            rf"\b(?P<name>torchaudio|torchvision){_VERSION} depends on (?P<needs>torch==\d[\w.]*\w)"
        ),
        "{name} {version} is built for {needs}, and torch {asked} is asked for.",
        pin(
            "torch=={asked}",
            "{name}",
            says="Leave the version of {name} to the installer: it finds the one for this torch.",
        ),
        pin("{needs}", "{name}=={version}", says="Or install the torch that {name} is built for."),
        link=_PAIRS,
        knows=CASE,
    ),
    _resolver(
        "env-library-pins-torch",
        (
            rf"\A(?=[\s\S]*?{_ASKED} (?P<asked>torch\w*[=<>!~][^\s,]*\w))[\s\S]*?"
            rf"{_RELEASE} depends on (?P<needs>torch(?:audio|vision|codec)?[=<>!~][^\s,]*\w)"
        ),
        "{name} {version} asks for {needs}, and {asked} is asked for beside it.",
        pin(
            "{asked}",
            "{name}",
            says="Leave the version of {name} to the installer: another may allow this torch.",
        ),
        pin("{name}=={version}", says="Or leave torch to {name}, and name no version of it."),
        link=_PIP_CONFLICTS,
    ),
    _resolver(
        "env-conflict",
        (
            r"(?:No solution found|conflict is caused by)[\s\S]{0,2000}?"
            rf"{_RELEASE} depends on (?P<needs>[\w.-]+[^\s,]*(?:,[<>=!~][^\s,]*\d)*)"
        ),
        "What is asked for does not go together: {name} {version} needs {needs}.",
        advice("Ask for {needs}, or leave that package out: {name} brings the version it needs."),
        run(
            'python -m pip install "{name}"',
            says="Or leave the version of {name} to the installer: another may allow it.",
        ),
        link=_PIP_CONFLICTS,
        knows=GENERAL,
    ),
    _resolver(
        "env-left-broken",
        (
            rf"{_RELEASE} (?:requires|has requirement)"
            r" (?P<needs>[A-Za-z][^\s]*?), but you have (?P<other>[\w.-]+)"
            r" (?P<has>\d[\w.+]*\w)"
        ),
        "{name} {version} needs {needs}, and {other} {has} is installed: pip did not prevent it.",
        pin(
            "{name}=={version}",
            "{needs}",
            says="Name both in one command, and pip finds versions that go together.",
        ),
        run(
            'python -m pip install --upgrade "{name}"',
            says="Or upgrade {name}: a later one may go with {other} {has}.",
        ),
        link=_PIP_CONFLICTS,
    ),
)

_NOT_THERE = (
    _resolver(
        "env-python-too-new",
        (
            r"(?:\b(?P<name>[A-Za-z][\w.-]{0,80}?)(?:==(?P<version>\d[\w.+]*))?"
            r" has no wheels with a matching Python ABI tag"
            r" \(e\.g\., `cp3(?P<own>\d+)`\))"
            r"(?:[\s\S]{0,600}?following Python \w+ tags:(?: `\w+`,)*? `cp3(?P<minor>\d+)`(?!,)|)"
        ),
        "{name} {version} has no wheel for Python 3.{own}: it was built for older ones.",
        run(
            'python -m pip install --upgrade "{name}"',
            says="Take a later {name}, built for this Python.",
        ),
        _other_python("3.{minor}", "Or make the environment with Python 3.{minor}, its newest."),
        link=_WHEEL_TAGS,
    ),
    _resolver(
        "env-python-too-old",
        (
            r"\b(?P<name>[A-Za-z][\w.-]{0,80}?)==(?P<version>\d[\w.+]*)"
            r" has no wheels with a matching Python implementation tag"
            r" \(e\.g\., `cp3(?P<own>\d+)`\)"
            r"(?:[\s\S]{0,600}?following Python \w+ tags?: `cp3(?P<minor>\d+)`|)"
        ),
        "{name} {version} has no wheel for Python 3.{own}: it was built for later ones.",
        _other_python("3.{minor}", "Make the environment with Python 3.{minor} or later."),
        pin("{name}<{version}", says="Or take an earlier {name}: pip finds one for this Python."),
        link=_WHEEL_TAGS,
    ),
    _resolver(
        "env-no-wheel-for-platform",
        (
            r"\b(?P<name>[A-Za-z][\w.-]{0,80}?)==(?P<version>\d[\w.+]*)"
            r" has no wheels with a matching platform tag \(e\.g\., `(?P<own>\w+)`\)"
        ),
        "{name} {version} has no wheel for {own}, the platform of this machine.",
        pin("{name}<{version}", says="Take an earlier {name}: pip finds one for this platform."),
        advice("Or move to a platform that it has wheels for; uv's hint names them."),
        link=_WHEEL_TAGS,
    ),
    _resolver(
        "env-only-source",
        r"\b(?P<name>[A-Za-z][\w.-]{0,80}?)==(?P<version>\d[\w.+]*) has no usable wheels",
        "{name} {version} has no wheel for this Python, and building from source is switched off.",
        run(
            "python -m pip install uv",
            'python -m uv pip install "{name}=={version}"',
            says="Let it be built: leave out --no-build, --only-binary and UV_NO_BUILD.",
        ),
        pin("{name}", says="Or take another release: pip prefers one with a wheel."),
        link=_UV_RESOLVER,
    ),
    _resolver(
        "env-requires-python",
        (
            r"current Python version \((?P<python_here>[\d.]+)\) does not satisfy"
            r" Python(?P<asks>[<>=!~]\S*)"
            rf" and {_RELEASE} depends on Python"
        ),
        "{name} {version} asks for Python {asks}, and this one is {python_here}.",
        pin("{name}<{version}", says="Take an earlier {name}: pip finds one for this Python."),
        advice("Or make the environment with a Python that is {asks}."),
        link=_UV_RESOLVER,
    ),
    _resolver(
        "env-requires-python-pip",
        (
            r"require a different python version:"
            r"(?=[^\n]*\n(?:[^\n]*\n){0,9}?[^\n]*satisfies the requirement"
            r" (?!TTS|tts)(?P<name>[\w.-]+)==(?P<version>[\w.+!]+))"
            r"[^\n]*?\s(?P=version) Requires-Python (?P<asks>[^;\n]*[^;\s])"
        ),
        "{name} {version} asks for Python {asks}, and this is another: pip leaves it out.",
        advice("Make the environment with a Python that is {asks}."),
        pin("{name}", says="Or leave the version of {name} to pip: it finds one for this Python."),
        link=_PIP_CONFLICTS,
        knows=CASE,
    ),
    _resolver(
        "tts-requires-python",
        r"\s(?P<version>0\.\d[\d.]*) Requires-Python (?P<asks>[^;\n]*<3\.1[12])\b[\s\S]*?"
        r"satisfies the requirement (?:TTS|tts)(?:==(?P=version)|\s)",
        "TTS {version} asks for Python {asks}: its last release is from before Python 3.12.",
        pin("coqui-tts", says="Install coqui-tts, which goes on where TTS ended."),
        _other_python("3.11", "Or make the environment with Python 3.11."),
        link="https://github.com/coqui-ai/TTS/issues/3848",
        knows=CASE,
    ),
    _resolver(
        "env-torch-build",
        (
            r"(?:no version of|satisfies the requirement) (?P<name>torch\w*)=="
            r"(?P<version>[\d.]+)\+(?P<build>cpu|cu\d+|rocm[\d.]+|xpu)\b"
        ),
        "{name} {version}+{build} is not on the package index in use, but on PyTorch's own.",
        run(
            "python -m pip install uv",
            'python -m uv pip install --torch-backend {build} "{name}=={version}"',
            says="Let uv look there.",
        ),
        pin("{name}=={version}", says="Or take the build that the index in use has."),
        link="https://docs.astral.sh/uv/guides/integration/pytorch/",
        knows=CASE,
    ),
    _resolver(
        "env-no-version",
        (
            r"(?:there is no version of (?P<wanted>[A-Za-z][\w.-]*[=<>!~][^\s,]*\w)"
            r"|satisfies the requirement (?P<asked>(?P<name>[\w.-]+)[^\s(]{0,200})"
            r" \(from versions: (?!none)(?:[^)\n]{0,9000}, )?(?P<last>[^\s,)]+)\))"
        ),
        "The package index has no such release, or none for this Python and this machine.",
        pin("{name}=={last}", says="Take {last}, the newest that there is for this Python."),
        advice("Or use a Python that {asked} has a wheel for: its page on the index lists them."),
        advice("Ask for a release that exists: {wanted} does not, or not on the index in use."),
        link=_PIP_CONFLICTS,
    ),
    _resolver(
        "env-no-package",
        (
            r"(?:Because (?P<name>[A-Za-z][\w.-]*) was not found in the package registry"
            r"|satisfies the requirement (?P<asked>\S{1,200}) \(from versions: none\))"
        ),
        "The package index knows no package of this name, or none that can be installed here.",
        advice(
            "Check the spelling, and that the index in use is the intended one: an index of one's"
            " own, or a failed connection that pip goes on after, looks the same."
        ),
        link=_UV_INDEXES,
        knows=GENERAL,
    ),
    _resolver(
        "env-wrong-wheel",
        r"(?<![\w.+-])(?P<file>[\w.+-]{1,200}\.whl) is not a supported wheel on this platform",
        "{file} was built for another Python or another platform; its name says for which.",
        advice("Name the package and not a file: the installer then takes the wheel that fits."),
        link=_WHEEL_TAGS,
    ),
    _resolver(
        "env-no-interpreter",
        r"[Nn]o interpreter found for Python (?P<wanted>[\d.]+)",
        "Python {wanted} is not installed, and uv has no download of it.",
        run(
            "python -m pip install --upgrade uv",
            "python -m uv python install {wanted}",
            says="A later uv knows later Pythons.",
        ),
        advice("Or install it from the system's packages, or name a Python that is there."),
        link="https://docs.astral.sh/uv/concepts/python-versions/",
    ),
    _resolver(
        "env-externally-managed",
        r"externally(?:-| )managed",
        "This Python belongs to the operating system, which installs into it by itself.",
        run(
            "python3 -m venv .venv",
            ". .venv/bin/activate",
            says="Make an environment, and install into that.",
        ),
        link=_EXTERNAL,
    ),
)

_BUILDS = (
    _resolver(
        "build-numpy-1",
        (
            r"\A(?=[\s\S]*?(?:No module named 'distutils'|metadata-generation-failed"
            r"|ImpImporter|build backend returned an error|Unknown compiler))[\s\S]*?"
            r"(?:\bnumpy==1\.(?P<minor>\d+)|\bnumpy-1\.(?P<minor_of_file>\d+)[\d.]*\.tar\.gz)"
        ),
        "This numpy 1 has no wheel for this Python, and its source does not build here.",
        pin(
            "numpy>=1.26,<2",
            says="numpy 1.26 is the last 1.x, and has wheels for Python 3.12.",
            when=("python>=3.12", "python<3.13"),
        ),
        pin(
            "numpy>=2.1",
            says="From Python 3.13 on there is numpy 2 alone.",
            when=("python>=3.13",),
        ),
        _other_python(
            "3.11", "Or make the environment with Python 3.11, where numpy 1 has wheels."
        ),
        link="https://github.com/numpy/numpy/issues/24318",
        knows=CASE,
    ),
    _build(
        "build-before-python-3.12",
        r"No module named 'distutils'|'pkgutil' has no attribute 'ImpImporter'",
        (
            "The package is built by tools from before Python 3.12, which dropped distutils and"
            " pkgutil.ImpImporter."
        ),
        _READY_MADE,
        _other_python("3.11", "Or make the environment with Python 3.11, the last that has both."),
    ),
    _build(
        "build-pkg-resources",
        r"No module named 'pkg_resources'",
        "The package is built with pkg_resources, which setuptools dropped in 82.",
        run(
            "echo 'setuptools<81' > build-constraints.txt",
            "python -m pip install uv",
            'python -m uv pip install --build-constraints build-constraints.txt "{name}"',
            says="Build it with an earlier setuptools.",
        ),
        _READY_MADE,
        advice(
            "Build it with an earlier setuptools: uv's --build-constraints, with setuptools<81."
        ),
        link="https://setuptools.pypa.io/en/latest/history.html",
    ),
    _build(
        "build-needs-module",
        r"No module named '(?P<module>torch|numpy|Cython|packaging|psutil|wheel)\b",
        "The package needs {module} to be built and does not say so; builds are isolated from it.",
        run(
            'python -m pip install "{module}" setuptools wheel',
            'python -m pip install --no-build-isolation "{name}"',
            says="Install {module} first, and build without isolation.",
        ),
        advice("Install {module} first, and build without isolation (--no-build-isolation)."),
    ),
    _build(
        "build-no-python-headers",
        r"Python\.h: No such file or directory",
        "The package is built from C here, and the headers of this Python are not installed.",
        run(
            "sudo apt-get install python3-dev",
            says="Install the headers of the system's Python (python3-devel on Fedora).",
        ),
        _READY_MADE,
    ),
    _build(
        "build-no-rust",
        r"can't find Rust compiler|Cargo, the Rust package manager, is not installed",
        "The package has no wheel for this Python, and building it takes Rust, which is missing.",
        _READY_MADE,
        advice("Or install Rust with rustup, or use a Python that the release has a wheel for."),
    ),
    _build(
        "build-no-msvc",
        r"Microsoft Visual C\+\+ (?P<vc>[\d.]+) (?:or greater )?is required",
        "The package is built from C here, and Microsoft's compiler is missing.",
        _READY_MADE,
        advice("Or install Microsoft C++ Build Tools, with the workload for C++ on the desktop."),
        link="https://github.com/gitmylo/audio-webui/issues/233",
    ),
    _build(
        "build-no-compiler",
        (
            r"No such file or directory: '[\w-]*?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)'"
            r"|command '\S*?(?:gcc|g\+\+|cc|c\+\+|clang)' failed: No such file"
            r"|Unknown compiler\(s\):"
        ),
        "The package is built from source here, and this machine has no C or C++ compiler.",
        run("sudo apt-get install build-essential", says="Install a compiler (here on Debian)."),
        _READY_MADE,
    ),
    _build(
        "build-c-code-too-old",
        (
            r"has no member named .(?:ob_digit|tp_print|exc_type|curexc_type|use_tracing)\b"
            r"|to function ._PyLong_AsByteArray"
        ),
        "The package's C code was generated for an older Python, and this one's headers changed.",
        _READY_MADE,
        _other_python("3.11", "Or make the environment with an older Python, such as 3.11."),
    ),
    _resolver(
        "env-build-failed",
        (
            r"Failed to (?:download and )?build|Failed building wheel|metadata-generation-failed"
            r"|build backend returned an error"
            r"|Getting requirements to build wheel did not run successfully"
        ),
        "A package has no wheel for this Python and machine, and building it from source failed.",
        advice("Take a release with a wheel for this Python: pip's --only-binary :all: finds it."),
        advice("Or use the Python that the release is from; what the build said last tells why."),
        link=_UV_BUILDS,
        knows=GENERAL,
    ),
)

_MACHINE = (
    _resolver(
        "env-hash-mismatch",
        r"Hash mismatch for|DO NOT MATCH THE HASHES|hash mismatch",
        "What was downloaded has another hash than the one on record: it was changed or cut short.",
        run(
            "python -m pip cache purge",
            says="Empty pip's cache (uv: uv cache clean) and install again.",
        ),
        advice("If it stays so, do not install: ask who publishes the file why its hash changed."),
        link=_PIP_HASHES,
    ),
    _resolver(
        "env-disk-full",
        r"[Nn]o space left on device|[Dd]isk quota exceeded",
        "The disk is full: of the environment, of the installer's cache or of its temporary files.",
        run(
            "python -m pip cache purge",
            "uv cache prune",
            says="Make room: torch for CUDA takes several gigabytes with what it brings.",
        ),
        advice("Or install torch's CPU build, which takes a fraction of that."),
        link="https://docs.astral.sh/uv/concepts/cache/",
    ),
    _resolver(
        "env-certificate",
        r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED",
        "The server's certificate is not one that the installer trusts: often a proxy's own.",
        run(
            "export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            says="Name the file that has the proxy's certificate; pip reads PIP_CERT as well.",
        ),
        link=_UV_CERTIFICATES,
        knows=CASE,
    ),
    _resolver(
        "env-index-refused",
        r"returned a (?P<status>40[137])\b",
        "The package index answered {status}: it wants to know who asks, or does not let you in.",
        advice("Check the address of the index and the credentials for it."),
        link=_UV_INDEXES,
    ),
    _resolver(
        "env-network",
        (
            r"error sending request for url|HTTP status server error|operation timed out"
            r"|connection broken by|Failed to establish a new connection|Read timed out"
            r"|Temporary failure in name resolution|Request failed after \d+ retries"
            r"|[Cc]ould not resolve (?:host|proxy)|remote end hung up|RPC failed"
        ),
        "The package index was not reached or broke off: no network, a proxy, or its own trouble.",
        run(
            "export UV_HTTP_TIMEOUT=300 PIP_DEFAULT_TIMEOUT=300",
            says="Wait longer for a slow line, and run the same command again.",
        ),
        _TRY_AGAIN,
        link="https://docs.astral.sh/uv/reference/environment/",
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_TOGETHER, *_NOT_THERE, *_BUILDS, *_MACHINE)
