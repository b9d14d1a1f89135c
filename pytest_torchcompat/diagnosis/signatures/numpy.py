"""NumPy: names and binary interfaces that are gone."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    Signature,
    advice,
    edit,
    pin,
    shim,
)

_ALIASES = "Put NumPy's old names back before the library is imported."
# The names that NumPy itself does not call removed, where they are asked for.
_REMOVED = (
    "bool|int|float|complex|object|str|long|unicode|typeDict|asscalar|loads|msort|warnings|math"
    "|alen|rank|in1d|trapz|row_stack|product|cumproduct|sometrue|alltrue|round_|find_common_type"
    "|NaN|NAN|Inf|Infinity|PINF|NINF|infty|float_|complex_|cfloat|longfloat|string_|unicode_|bool8"
)
_ABI = ("A module that was compiled using NumPy 1", "_ARRAY_API not found")
_MIGRATION = "https://numpy.org/devdocs/numpy_2_0_migration_guide.html"

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="numpy-alias",
        exceptions=("AttributeError",),
        pattern=(
            rf"module 'numpy' has no attribute '(?:{_REMOVED})'"
            r"|`np\.\w+` was (?:removed in the NumPy 2\.0 release|a deprecated alias)"
        ),
        cause="A library uses a name of NumPy that this NumPy has removed.",
        remedies=(
            shim("numpy-aliases", says=_ALIASES, when=("numpy>=1.24",)),
            pin("numpy<2.4", says="Install a NumPy that has it.", when=("numpy>=2.4",)),
            pin("numpy<2", says="If that is not old enough, install NumPy 1.", when=("numpy>=2",)),
            pin(
                "numpy<1.24",
                says="Names of Python's own types, such as np.int, went with 1.24.",
                when=("numpy>=1.24", "python<3.12"),
            ),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/4945",
        knows=GENERAL,
        applies=("numpy>=1.20",),
    ),
    Signature(
        id="numpy-trapz",
        exceptions=("AttributeError",),
        pattern=r"module 'numpy' has no attribute 'trapz'",
        cause=(
            "NumPy 2.4 removed np.trapz, which ultralytics calls for its metrics before 8.3.108."
        ),
        remedies=(
            pin(
                "ultralytics>=8.3.162",
                says="Update ultralytics, which calls np.trapezoid since 8.3.108.",
                when=("ultralytics<8.3.108",),
            ),
            shim("numpy-aliases", says=_ALIASES),
            pin("numpy<2.4", says="Install a NumPy that still has it."),
        ),
        link="https://numpy.org/doc/stable/release/2.4.0-notes.html",
        among=("ultralytics",),
    ),
    Signature(
        id="numpy-abi",
        exceptions=("ImportError", "AttributeError", "UserWarning"),
        pattern=(
            rf"{_ABI[0]}\.x cannot be run in|{_ABI[1]}|numpy\.core\.multiarray failed to import"
        ),
        cause="A compiled extension was built for NumPy 1, and this is NumPy 2.",
        remedies=(
            pin("numpy<2", says="Install NumPy 1.", when=("numpy>=2", "python<3.13")),
            advice(
                "Or update the package that the traceback names, if a newer one is built for 2."
            ),
        ),
        link="https://github.com/ultralytics/ultralytics/issues/18979",
        applies=("numpy>=2",),
    ),
    Signature(
        id="numpy-dtype-size",
        exceptions=("ValueError",),
        pattern=(
            r"numpy\.(?:dtype|ndarray|ufunc) size changed, may indicate binary incompatibility\."
            r" Expected (?P<built>\d+) from C header, got (?P<found>\d+) from PyObject"
        ),
        cause="A compiled extension was built for another NumPy than the one here.",
        remedies=(
            pin("numpy<2", says="Install NumPy 1.", when=("numpy>=2", "python<3.13")),
            pin("numpy>=2", says="Install NumPy 2.", when=("numpy<2",)),
            advice("Or reinstall the package that the traceback names, for this NumPy."),
        ),
        link=_MIGRATION,
    ),
    Signature(
        id="numpy-core-missing",
        exceptions=("ModuleNotFoundError",),
        pattern=r"No module named 'numpy\._core",
        cause=(
            "NumPy 2 calls numpy.core numpy._core, and this is NumPy 1: the file was pickled with"
            " NumPy 2, or what imports it is written for that."
        ),
        remedies=(
            pin(
                "numpy>=1.26.1,<2",
                says="NumPy 1.26 can read it: it knows the new name.",
                when=("numpy<1.26",),
            ),
            pin("numpy>=2", says="Or install NumPy 2."),
        ),
        link="https://github.com/numpy/numpy/pull/24906",
        knows=CASE,
        applies=("numpy<2",),
    ),
    Signature(
        id="numpy-copy-false",
        exceptions=("ValueError",),
        pattern=r"Unable to avoid copy while creating an array as requested",
        cause="np.array(x, copy=False) is an error in NumPy 2 where a copy is needed.",
        remedies=(
            edit("array = np.asarray(x)", says="Write asarray, which copies where it has to."),
            pin("numpy<2", says="Or install NumPy 1.", when=("python<3.13",)),
        ),
        link=_MIGRATION,
    ),
    Signature(
        id="numpy-ragged",
        exceptions=("ValueError",),
        pattern=(
            r"setting an array element with a sequence\."
            r" The requested array has an inhomogeneous shape"
        ),
        cause="NumPy makes no array of rows of different lengths by itself since 1.24.",
        remedies=(
            edit("array = np.array(rows, dtype=object)", says="Say that objects are wanted."),
            pin("numpy<1.24", says="Or install an older NumPy.", when=("python<3.12",)),
        ),
        link="https://numpy.org/doc/stable/release/1.24.0-notes.html",
    ),
)
