"""speechbrain, beside a client of the hub that is newer than it."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature, pin

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="speechbrain-requests",
        exceptions=("ModuleNotFoundError",),
        pattern=r"^No module named 'requests'$",
        cause=(
            "speechbrain up to 1.0 imports requests and does not ask for it: it came with the hub's"
            " client, which does without from 1 on."
        ),
        remedies=(
            pin("requests", says="Install it."),
            pin(
                "speechbrain>=1.1",
                says="Or take a speechbrain that asks for it.",
                when=("speechbrain<1.1",),
            ),
            pin("huggingface_hub<1", says="Or keep the hub's client that brings it."),
        ),
        link="https://huggingface.co/docs/huggingface_hub/concepts/migration",
        applies=("speechbrain<1.1",),
        among=("speechbrain",),
        stages=("import",),
    ),
)
