"""What an environment lacks before any file is read."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature, advice, edit, pin, run

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="torch-missing",
        exceptions=("ModuleNotFoundError",),
        pattern=r"^No module named 'torch'$",
        cause="torch is not installed in the environment of this interpreter.",
        remedies=(
            run("python -m pip install torch", says="Install it, by the interpreter that is used."),
        ),
        link="https://pytorch.org/get-started/locally/",
    ),
    Signature(
        id="torch-native-library",
        exceptions=("ImportError", "ValueError"),
        pattern=(
            r"^(?P<lib>lib(?:cu\w+|nccl|nv\w+)\.so\S*?)"
            r"(?:: cannot open shared object file| not found in the system path)"
        ),
        cause=(
            "{lib}, a library of CUDA, is not found: torch's are installed beside it, and other"
            " packages may want those of another CUDA."
        ),
        remedies=(
            run(
                'python -m pip install --force-reinstall "torch=={torch}"',
                says="Where torch is imported, install it again, with all that it asks for.",
            ),
            advice("Install torch without --no-deps: the packages nvidia-* bring that library."),
        ),
        link="https://github.com/pytorch/pytorch/issues/100974",
    ),
    Signature(
        id="cuda-not-compiled",
        exceptions=("AssertionError",),
        pattern=r"Torch not compiled with CUDA enabled",
        cause="This torch is built for the CPU alone.",
        remedies=(
            edit(
                'device = "cuda" if torch.cuda.is_available() else "cpu"',
                says="Where the program may run without a GPU, let it ask.",
            ),
            run(
                "python -m pip uninstall --yes torch",
                "python -m pip install torch",
                says="On Linux, PyPI has builds for CUDA; elsewhere the linked page names them.",
            ),
        ),
        link="https://pytorch.org/get-started/locally/",
    ),
    Signature(
        id="numpy-not-available",
        exceptions=("RuntimeError",),
        pattern=r"^Numpy is not available$",
        cause="torch found no numpy that it can use when it was imported.",
        remedies=(
            pin("numpy<2", says="This torch is compiled for numpy 1.", when=("torch<2.3",)),
            pin("numpy", says="Install numpy, which torch does not ask for.", when=("torch>=2.3",)),
        ),
        link="https://github.com/pytorch/pytorch/issues/107302",
    ),
    Signature(
        id="cve-2025-32434",
        exceptions=("ValueError",),
        pattern=r"Due to a serious vulnerability issue in `torch\.load`",
        cause=(
            "transformers does not call torch.load before torch 2.6, whose weights_only=True does"
            " not protect."
        ),
        remedies=(
            pin("torch>=2.10", says="2.6.0 is free of it, and 2.10.0 of CVE-2026-24747 as well."),
            run(
                "torchcompat convert FILE model.safetensors",
                says="A safetensors file is read on every torch.",
            ),
        ),
        link="https://github.com/pytorch/pytorch/security/advisories/GHSA-53q9-r3pm-6pq6",
    ),
)
