"""What torch refuses under ``weights_only=True``, and switches about it."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import GENERAL, Signature, advice, allow

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="wo-global-2.7",
        exceptions=("UnpicklingError",),
        pattern=(
            r"Unsupported global: GLOBAL (?P<g>[\w.]+) was not an allowed global by default\."
            r" Please use `torch\.serialization\.add_safe_globals\(\[(?P=g)\]\)` or the"
        ),
        cause="The file names {g}, which torch does not import under weights_only=True.",
        remedies=(
            allow("Allow what the file names, and keep weights_only=True."),
            advice("Pass weights_only=False, where you trust whoever made the file."),
        ),
        link="https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI/issues/2575",
        knows=GENERAL,
        applies=("torch>=2.7",),
    ),
)
