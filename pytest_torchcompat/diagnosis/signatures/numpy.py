"""NumPy: names and binary interfaces that are gone."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import Signature

SIGNATURES: tuple[Signature, ...] = ()
