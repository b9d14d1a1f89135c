"""
The axes of the sweep, as data with a reason each.

A torch version is not listed here: the index says which exist. A library's version is listed where
its behaviour changes; the newest is asked of the index.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import unknown_name
from pytest_torchcompat.policies import Policy

POLICIES = tuple(policy.value for policy in Policy)
TORCH_FLOOR = "2.5"

# Where the default of weights_only changed: 2.5 is the last that unpickles, 2.6 the first that
# refuses. They run first, beside the newest, so that a run cut short says the most.
BOUNDARIES = ("2.5", "2.6")

NIGHTLY = "nightly"
NEWEST = "newest"

# PyTorch's own indexes. They are used where they answer.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu/"
NIGHTLY_INDEX = "https://download.pytorch.org/whl/nightly/{backend}/"
# A nightly is looked at for what torch.load does, and the CPU's build is a tenth of the others.
NIGHTLY_BACKEND = "cpu"

# Measured: torch 2.5.1 takes 5.0 GB with its NVIDIA packages, 2.15.0 5.1 GB, and the libraries
# some hundred MB. Only torch and triton differ by Python, the NVIDIA packages are shared.
GB_PER_TORCH = 5.5
GB_PER_FURTHER_PYTHON = 2.2
# Measured: 0.85 GB of torch 2.13.0 for CPUs and what it asks for, all but 0.1 GB of it torch.
GB_PER_CPU_TORCH = 0.9
# Byte code, which cells share: measured, 0.33 GB after 30 cells of five pairs of torch and Python.
GB_OF_BYTE_CODE = 0.08


@dataclass(frozen=True)
class Companion:
    """A requirement that a library needs beside it, and why."""

    requirement: str
    why: str


@dataclass(frozen=True)
class Swept:
    """
    A version of a library, or ``newest``, and the reason that it is swept.

    ``beside`` names what tells this set from another of the same version, such as ``lightning
    2.5.6``. ``companions`` and ``excludes`` add to those of the library, ``pythons`` replace its
    own. ``requirement`` stands for the version where no index has it; ``{commit}`` in the two is
    the newest one of the git repository that it names.
    """

    version: str
    why: str
    beside: str = ""
    companions: tuple[Companion, ...] = ()
    excludes: tuple[Companion, ...] = ()
    pythons: tuple[str, ...] = ()
    requirement: str = ""

    @property
    def repository(self) -> str:
        """The git repository of its requirement; empty if it needs none."""
        _, git, rest = self.requirement.partition("git+")
        return rest.rpartition("@")[0] if git else ""

    def at(self, commit: str) -> Swept:
        """Return it pinned to a commit."""
        version = self.version.replace("{commit}", commit[:7])
        requirement = self.requirement.replace("{commit}", commit)
        return dataclasses.replace(self, version=version, requirement=requirement)


@dataclass(frozen=True)
class Library:
    """
    A library and what its cells need.

    One that is ``paired`` has no versions of its own. ``adapter`` names the one that opens its
    checkpoints, where that is not its own name, and ``checkpoints`` are globs of those that it
    opens: all of its adapter's, if there are none. ``pythons`` are tried in this order before any
    other; with none named, or none that fits, the newest Python that fits is taken.
    ``only_pythons`` keeps to those named. ``pairs`` are packages that are asked for by name, in the
    version that goes with torch.

    The last three are of a project's own sweep: ``asked`` are versions in place of those that are
    swept here; one with a ``folder`` is built from there and in no index, and ``requires_python``
    is what it says of itself.
    """

    name: str
    versions: tuple[Swept, ...] = ()
    paired: bool = False
    adapter: str = ""
    checkpoints: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    only_pythons: bool = False
    why_python: str = ""
    pairs: tuple[str, ...] = ()
    companions: tuple[Companion, ...] = ()
    excludes: tuple[Companion, ...] = ()
    source_only: bool = False
    asked: tuple[str, ...] = ()
    folder: str = ""
    requires_python: str = ""

    @property
    def opened_by(self) -> str:
        """The name of the adapter that opens its checkpoints."""
        return self.adapter or self.name

    def opens(self, row: Checkpoint) -> bool:
        """Whether its cells open a checkpoint."""
        if self.checkpoints:
            return any(fnmatch.fnmatchcase(row.id, each) for each in self.checkpoints)
        return row.library == self.opened_by

    def opened(self, rows: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
        """Return the checkpoints that its cells open."""
        return filter(self.opens, rows)


SAME_PYTHON = (
    "the newest Python for which torch 2.5 has wheels on every platform, so that a row's columns "
    "differ by torch alone and share its unpacked wheels"
)

# lightning and pytorch-lightning hold the same code under different names.
_LIGHTNING_3 = "pyannote.audio 3 loads through this one"
_LIGHTNING_4 = "pyannote.audio 4 loads through it"


def _lightning_of_pyannote_3(version: str) -> tuple[Companion, ...]:
    """Return both distributions of lightning: the one that loads, and the one that is asked for."""
    return (
        Companion(f"pytorch-lightning=={version}", _LIGHTNING_3),
        Companion(f"lightning=={version}", "pyannote.audio 3 asks for it and imports its seeding"),
    )


# What XTTS neither imports nor needs, of what the projects that hold it ask for.
_BUILT_FOR_OTHERS = (
    Companion("gruut", "has to be built, with its languages; XTTS reads letters, no phones"),
    Companion("encodec", "has to be built; Bark needs it and XTTS does not"),
    Companion("docopt", "has to be built; only the command of num2words needs it"),
)

# Of what RVC asks for, what the models that are tested here do without.
_NOT_FOR_RVCS_MODELS = (
    Companion("fairseq", "reads HuBERT, which has rows of its own; has to be built"),
    Companion("pyworld", "estimates pitch otherwise than RMVPE; has to be built"),
    Companion("praat-parselmouth", "estimates pitch otherwise than RMVPE"),
    Companion("torchcrepe", "estimates pitch otherwise than RMVPE"),
    Companion("faiss-cpu", "looks features up in the index of a voice"),
    Companion("av", "reads sound files; has to be built on a machine without FFmpeg's headers"),
    Companion("pydub", "reads sound files"),
    Companion("tensorboardx", "draws the curves of a training"),
    Companion("poethepoet", "runs the project's own tasks"),
    Companion("python-dotenv", "reads the settings of its command"),
)

LIBRARIES = (
    Library(
        "fairseq",
        versions=(
            Swept("0.12.2", "the last release; HuBERT checkpoints pickle its Dictionary"),
            Swept(
                "0.12.2+g{commit}",
                "the repository's last commit, which calls itself 0.12.2 and adapts to torch 2.6",
                requirement=("fairseq @ git+https://github.com/facebookresearch/fairseq@{commit}"),
            ),
        ),
        pythons=("3.10", "3.11"),
        only_pythons=True,
        why_python="3.10 is the last Python that it imports on unaided; 3.11 needs a shim",
        pairs=("torchaudio",),
        companions=(Companion("numpy<2", "0.12.2 uses np.int and np.float, gone in numpy 2"),),
        source_only=True,
    ),
    Library(
        "ultralytics",
        versions=(
            Swept("8.1.0", "loads with a bare torch.load"),
            Swept("8.2.63", "the last release with a bare torch.load"),
            Swept("8.2.64", "the first release that replaces torch.load for the whole process"),
            Swept("8.3.161", "the last release that replaces torch.load for the whole process"),
            Swept("8.3.162", "the first release that loads through a wrapper of its own"),
            Swept(
                "8.4.67",
                "the first release with an allow-list, which ULTRALYTICS_SAFE_LOAD=1 asks for",
            ),
            Swept(NEWEST, "what a user gets today"),
        ),
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
        companions=(Companion("opencv-python-headless", "stands in for opencv-python"),),
        pairs=("torchvision",),
        excludes=(Companion("opencv-python", "needs libGL, which a bare machine lacks"),),
    ),
    Library(
        "pyannote.audio",
        versions=(
            Swept(
                "3.1.1",
                "imports torchaudio.backend, which torchaudio has up to 2.8",
                companions=(Companion("numpy<2", "3.1.1 uses np.NaN, gone in numpy 2"),),
            ),
            Swept("3.3.2", "imports torchaudio.AudioMetaData instead, which 2.9 removed too"),
            Swept(
                "3.4.0",
                "the last of the 3 series, beside a lightning that calls torch.load bare",
                beside="lightning 2.3.3",
                companions=(
                    *_lightning_of_pyannote_3("2.3.3"),
                    Companion("setuptools<82", "lightning 2.3.3 imports pkg_resources, gone in 82"),
                ),
            ),
            Swept(
                "3.4.0",
                "beside a lightning that passes weights_only=False",
                beside="lightning 2.5.6",
                companions=_lightning_of_pyannote_3("2.5.6"),
            ),
            Swept(
                "3.4.0",
                "beside a lightning that passes weights_only=None for a file of this machine",
                beside="lightning 2.6.6",
                companions=_lightning_of_pyannote_3("2.6.6"),
            ),
            Swept(
                "4.0.2",
                "the last that leaves weights_only to lightning, here to one that passes False",
                beside="lightning 2.5.6",
                companions=(Companion("lightning==2.5.6", _LIGHTNING_4),),
            ),
            Swept(
                "4.0.2",
                "the last that leaves weights_only to lightning, here to one that passes None",
                beside="lightning 2.6.6",
                companions=(Companion("lightning==2.6.6", _LIGHTNING_4),),
            ),
            Swept(
                "4.0.3",
                "the first that passes weights_only=False itself; lightning's default is as before",
                beside="lightning 2.5.6",
                companions=(Companion("lightning==2.5.6", _LIGHTNING_4),),
            ),
            Swept(
                "4.0.3",
                "the first that passes weights_only=False itself, whatever lightning's default is",
                beside="lightning 2.6.6",
                companions=(Companion("lightning==2.6.6", _LIGHTNING_4),),
            ),
            Swept(NEWEST, "what a user gets today, with the newest lightning too"),
        ),
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
        # From 4 on it asks for torchcodec itself, and 3 never calls it.
        pairs=("torchaudio",),
    ),
    Library(
        "coqui-tts",
        versions=(
            Swept("0.24.2", "the last release with a bare torch.load and without an allow-list"),
            Swept(
                "0.24.3",
                "the first release that asks for weights_only and allows the classes of XTTS",
                companions=(
                    Companion(
                        "transformers==4.46.2",
                        "the newest when it came out; a later one is untried",
                    ),
                ),
            ),
            Swept(
                "0.27.5",
                "the last release that allows the classes of XTTS for the whole process",
                companions=(
                    Companion("transformers<5", "imports isin_mps_friendly, which 5 took away"),
                ),
            ),
            Swept(NEWEST, "what a user gets today; 0.28 allows the classes for that load alone"),
        ),
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
        pairs=("torchaudio", "torchcodec", "transformers"),
        companions=(
            Companion("click", "spacy 3.7, which 0.24 pins, imports it and does not ask for it"),
            Companion("six", "0.27 and 0.28 import it and do not ask for it"),
        ),
        excludes=_BUILT_FOR_OTHERS,
    ),
    Library(
        "TTS",
        adapter="coqui-tts",
        versions=(
            Swept(
                "0.22.0",
                "the last release of the project that coqui-tts goes on with",
                companions=(
                    Companion("transformers==4.36.2", "the newest of the month of its release"),
                ),
            ),
            Swept(
                "0.22.0",
                "streams by a copy of an older generate, which 4.41 to 4.43 stumble over",
                beside="transformers 4.42.4",
                companions=(
                    Companion("transformers==4.42.4", "what is said to be needed for streaming"),
                ),
            ),
        ),
        pythons=("3.11",),
        only_pythons=True,
        why_python="the newest that it allows; on 3.10 it pins numpy to 1.22",
        pairs=("torchaudio", "torchcodec"),
        companions=(Companion("numpy<2", "pandas 1, which it asks for, was built for numpy 1"),),
        excludes=(
            *_BUILT_FOR_OTHERS,
            Companion("jieba", "has to be built; it splits Chinese for other models"),
            Companion("bnnumerizer", "has to be built; it reads Bengali numbers for other models"),
        ),
    ),
    Library(
        "rvc",
        versions=(
            Swept(
                "0.3.5", "the last release of RVC's own inference code; torch it asks for from 2.1"
            ),
        ),
        # One separator of each architecture; all of them are loaded by plain torch.
        checkpoints=("rvc/rmvpe", "rvc/f0*", "rvc/uvr5-hp2", "rvc/uvr5-deecho-normal"),
        pythons=("3.12", "3.11", "3.10"),
        only_pythons=True,
        why_python="its numba has no wheel for a newer Python",
        companions=(
            Companion("numba==0.59.0rc1", "it asks for this candidate, which uv takes if named"),
            Companion("tqdm", "imported, and else there only by way of what is left out"),
        ),
        excludes=_NOT_FOR_RVCS_MODELS,
    ),
    Library(
        "speechbrain",
        versions=(
            Swept("0.5.16", "the last before 1.0, which asks torchaudio for no backends"),
            Swept(
                "1.0.0",
                "the first that asks for torchaudio's backends as it is imported; the one that"
                " names torchaudio.io there",
            ),
            Swept("1.0.3", "the last that does, and the last with the older argument of the hub"),
            Swept("1.1.1", "the last that torch 2.5 and 2.6 may have: 1.1.2 asks for 2.7.1"),
            Swept(NEWEST, "what a user gets today"),
        ),
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
        pairs=("torchaudio",),
        companions=(
            Companion("requests", "up to 1.0 imports it, and had it by way of the hub's client"),
        ),
    ),
    Library(
        "torch",
        paired=True,
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
    ),
    Library(
        "torchaudio",
        paired=True,
        pythons=("3.12", "3.11", "3.10"),
        why_python=SAME_PYTHON,
        pairs=("torchcodec",),
        companions=(
            Companion("numpy", "soundfile hands its samples over in arrays; torch brings none"),
            Companion("soundfile", "reads WAV where a bare machine has no FFmpeg and no SoX"),
        ),
    ),
)


def library(name: str, among: Iterable[Library] = ()) -> Library:
    """Return a library's row, of ours or of others; raises with the valid names."""
    rows = {row.name: row for row in among or LIBRARIES}
    try:
        return rows[name]
    except KeyError:
        raise unknown_name("library", name, rows) from None


def is_nightly(name: str) -> bool:
    """Whether a torch is named that is built every night."""
    return name == NIGHTLY or ".dev" in name


def is_paired(name: str) -> bool:
    """Whether a library's version follows from torch's."""
    return any(row.paired for row in LIBRARIES if row.name == name)
