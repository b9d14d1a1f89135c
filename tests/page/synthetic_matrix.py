"""A made-up matrix of the real shape, with every outcome and every oddity that a page must show."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record

NIGHTLY = "2.16.0.dev20261119"
TORCH = ("2.5.1", "2.6.0", "2.8.0", "2.11.0", "2.13.0", "2.15.0", NIGHTLY)
POLICIES = ("stock", "patched", "allowlisted", "strict")
CHECKPOINTS = {"fairseq": "rvc/hubert-base", "ultralytics": "ultralytics/yolov8n"}
GLOBALS = (
    "ultralytics.nn.modules.block.C2f",
    "ultralytics.nn.modules.conv.Conv",
    "ultralytics.nn.tasks.DetectionModel",
)
REFUSAL = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, do "
    "those steps only if you trust the source of the checkpoint.\n\tWeightsUnpickler error: "
    "Unsupported global: GLOBAL ultralytics.nn.tasks.DetectionModel was not an allowed global by "
    "default."
)
DRIFT = "the output differs from torch 2.5.1 under stock: relative drift 3.1e-02, beyond 1e-03"
DISTRIBUTIONS = {"filelock": "3.29.0", "jinja2": "3.1.6", "numpy": "2.4.1", "sympy": "1.14.0"}


def check(checkpoint: str = "ultralytics/yolov8n", policy: str = "stock", **fields: Any) -> Any:
    """Return a record as matrix.json holds it."""
    fields = {"edition": "replica", "outcome": Outcome.PASS, **fields}
    record = Record(checkpoint=checkpoint, policy=policy, sha256="31e20dde" * 8, **fields)
    data = record.to_dict()
    del data["kind"]
    return data


def works(checkpoint: str, policy: str, outcome: Outcome = Outcome.PASS, **fields: Any) -> Any:
    """Return a record of a check that went through all its stages."""
    measured = {
        "method": "pytest-benchmark, perf_counter",
        "device": "cpu",
        "rounds": 20,
        "min": 0.0401,
        "median": 0.0423,
        "iqr": 0.0011,
        "max": 0.0519,
    }
    fingerprint = {"shape": [1, 84, 8400], "dtype": "float32", "norm": 812.5, "projection": [0.25]}
    return check(
        checkpoint,
        policy,
        outcome=outcome,
        stage=Stage.FORWARD,
        seconds={"import": 2.8, "load": 0.21, "build": 0.04, "forward": 0.9},
        fingerprint=fingerprint,
        benchmark=measured,
        globals=GLOBALS,
        **fields,
    )


def fails(checkpoint: str, policy: str, outcome: Outcome = Outcome.FAIL, **fields: Any) -> Any:
    """Return a record of a check that stopped at load."""
    known = {"exception": "_pickle.UnpicklingError", "message": REFUSAL, "globals": GLOBALS}
    seconds = {"import": 2.8, "load": 0.02}
    return check(
        checkpoint,
        policy,
        outcome=outcome,
        stage=Stage.LOAD,
        seconds=seconds,
        **{**known, **fields},
    )


def cell(torch: str, library: str, version: str, checks: list[Any], **fields: Any) -> Any:
    """Return a cell; its outcome is its most severe check's unless it is given."""
    python = fields.pop("python", "3.12")
    severity = [Outcome(c["outcome"]) for c in checks] or [Outcome.NOT_RUN]
    outcome = max(severity, key=lambda o: o.severity).value
    return {
        "id": f"py{python}-torch{torch}-{library}{version}",
        "python": python,
        "torch": torch,
        "torch_build": f"{torch}+cu128",
        "cuda": "12.8",
        "gpu_archs": ["sm_75", "sm_90", "sm_120"],
        "library": library,
        "version": version,
        "why": "",
        "distributions": {**DISTRIBUTIONS, library: version, "torch": torch},
        "outcome": outcome,
        "reason": None,
        "seconds": {"environment": 14.2, "run": 21.7},
        "checks": checks,
        **fields,
    }


def bare(torch: str, library: str, version: str, outcome: Outcome, reason: str | None) -> Any:
    """Return a cell that never came to its checks: each is there, and not run."""
    unknown = {"torch_build": None, "cuda": None, "gpu_archs": [], "distributions": {}}
    verdict = {"outcome": outcome.value, "reason": reason, "seconds": {}}
    missed = {"outcome": Outcome.NOT_RUN, "edition": "auto", "library": library}
    checks = [check(CHECKPOINTS[library], policy, **missed) for policy in POLICIES]
    return cell(torch, library, version, checks, **unknown, **verdict)


def _fairseq(torch: str) -> Any:
    if torch == "2.8.0":
        return bare(torch, "fairseq", "0.12.2", Outcome.INFRA, "No space left on device")
    if torch == NIGHTLY:
        reason = "Because torch==2.16.0.dev20261119 has no wheel for cp310, it cannot be installed."
        return bare(torch, "fairseq", "0.12.2", Outcome.UNAVAILABLE, reason)
    checks = [works("rvc/hubert-base", p, Outcome.SHIMMED, shims=("hydra",)) for p in POLICIES]
    if torch == "2.13.0":
        known = {"message": "Segmentation fault", "exception": None, "output": "loading dictionary"}
        checks[0] = fails("rvc/hubert-base", "stock", Outcome.CRASH, **known)
        return cell(torch, "fairseq", "0.12.2", checks[:2], reason="SIGSEGV in stage load")
    if torch == "2.15.0":
        checks[1] = fails(
            "rvc/hubert-base", "patched", Outcome.TIMEOUT, message="60 s", exception=None
        )
        drift = {"stage": "parity", "message": DRIFT}
        checks[2] = works("rvc/hubert-base", "allowlisted", Outcome.DEGRADED) | drift
    checks[3] = fails("rvc/hubert-base", "strict", Outcome.REFUSED)
    return cell(torch, "fairseq", "0.12.2", checks, python="3.10", why="the last release")


def _ultralytics(torch: str, version: str) -> Any:
    if version == "8.3.162" and torch == NIGHTLY:
        return bare(torch, "ultralytics", version, Outcome.NOT_RUN, None)
    checks = []
    for checkpoint in ("ultralytics/yolov8n", "ultralytics/yolo11n"):
        stock = fails(checkpoint, "stock") if version == "8.1.0" and torch != "2.5.1" else None
        allowed = {"allowed_by_library": ("builtins.getattr",)} if version == "8.3.162" else {}
        overridden = {"overridden": ("ultralytics/nn/tasks.py:742",)} if version == "8.2.64" else {}
        checks += [
            stock or works(checkpoint, "stock"),
            works(checkpoint, "patched"),
            works(checkpoint, "allowlisted", **allowed, **overridden),
            fails(checkpoint, "strict", Outcome.REFUSED, **overridden),
        ]
    why = {"8.1.0": "calls torch.load bare", "8.2.64": "the first that replaces torch.load"}
    return cell(torch, "ultralytics", version, checks, why=why.get(version, "the newest"))


def _torchaudio(torch: str, version: str, python: str = "3.12") -> Any:
    return cell(torch, "torchaudio", version, [works("torchaudio/wav", "stock")], python=python)


def matrix(**fields: Any) -> dict[str, Any]:
    """Return a whole matrix; keyword arguments replace its top keys."""
    cells = [_fairseq(torch) for torch in TORCH]
    pairs = itertools.product(("8.1.0", "8.2.64", "8.3.162"), TORCH)
    cells += [_ultralytics(torch, version) for version, torch in pairs]
    cells += [_torchaudio("2.5.1", "2.5.1"), _torchaudio("2.5.1", "2.5.1", python="3.9")]
    cells += [_torchaudio("2.15.0", "2.11.0")]
    return {
        "schema": 1,
        "run": "2026-11-20T1031",
        "started": "2026-11-20T10:31:04+00:00",
        "finished": "2026-11-20T11:12:40+00:00",
        "complete": True,
        "frozen_at": "2026-11-20T10:31:00+00:00",
        "edition": "auto",
        "selection": {"torch": [], "library": []},
        "notes": ["PyTorch's own index could not be reached: torch came from the package index."],
        "torch": list(TORCH),
        "cells": cells,
        **fields,
    }


def record_fields() -> set[str]:
    """Return the keys of a check, as the record's own class has them."""
    return {field.name for field in dataclasses.fields(Record)}
