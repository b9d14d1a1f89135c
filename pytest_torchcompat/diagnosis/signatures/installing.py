"""What keeps an environment from coming to be, in pip's and uv's words."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature

SIGNATURES: tuple[Signature, ...] = ()
