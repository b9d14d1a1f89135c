"""A made-up matrix of the real shape, with every outcome and every oddity that a page must show."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from typing import Any

from matrix import causes, checkpoints, retirement
from matrix.claims import RUNS, WORKS, Claim, Finding, Of, Part, judged
from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, UrlFile
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


DIAGNOSES = {
    "wo-yolo/1": {
        "id": "wo-yolo",
        "cause": "The file holds a whole model, and `torch.load` refuses its classes.",
        "remedies": [
            {
                "kind": "allow",
                "says": "Register what it names.",
                "code": "import torch\ntorch.serialization.add_safe_globals([DetectionModel])",
                "when": "",
            },
            {"kind": "advice", "says": "Save it anew.", "code": "", "when": "torch>=2.6"},
        ],
        "link": "https://example.org/issues/1",
    },
    "no-wheel/1": {
        "id": "no-wheel",
        "cause": "Nobody built it for this Python.",
        "remedies": [],
        "link": "torch/serialization.py",
    },
}
KNOWN = {"ultralytics/yolov8n": "wo-yolo/1", "ultralytics/yolo11n": "wo-yolo/1"}

PARITY = {
    "use": "forward",
    "torch": "2.5.1",
    "policy": "stock",
    "cosine": 0.999999,
    "relative_error": 1.2e-06,
}


class Hydra:
    """A shim that fairseq needs wherever it runs."""

    name = "hydra"
    restores = "what hydra 1.0 declares"
    retired_when = "hydra declares it otherwise"
    libraries = ("fairseq",)

    def applies(self, versions: Any) -> bool:
        """Apply everywhere."""
        return True


class Gone(Hydra):
    """A shim that torchaudio could need and does not."""

    name = "backends"
    libraries = ("torchaudio",)


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
        **{"parity": {**PARITY}, **fields},
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
    checks = [each | {"library": each["library"] or library} for each in checks]
    counted = [Outcome(c["outcome"]) for c in checks if not c["experiment"]]
    severity = counted or [Outcome.NOT_RUN]
    outcome = max(severity, key=lambda o: o.severity).value
    beside = fields.get("beside", "").replace(" ", "")
    return {
        "id": f"py{python}-torch{torch}-{library}{version}" + (f"-{beside}" if beside else ""),
        "python": python,
        "torch": torch,
        "torch_build": f"{torch}+cu128",
        "cuda": "12.8",
        "gpu_archs": ["sm_75", "sm_90", "sm_120"],
        "load_variables": ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"],
        "library": library,
        "version": version,
        "beside": "",
        "why": "",
        "distributions": {**DISTRIBUTIONS, library: version, "torch": torch},
        "outcome": outcome,
        "reason": None,
        "diagnosis": None,
        "seconds": {"environment": 14.2, "run": 21.7},
        "checks": checks,
        **fields,
    }


def bare(torch: str, library: str, version: str, outcome: Outcome, reason: str | None) -> Any:
    """Return a cell that never came to its checks: each is there, and not run."""
    unknown = {"torch_build": None, "cuda": None, "distributions": {}}
    unknown |= {"gpu_archs": [], "load_variables": []}
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


def _pyannote(torch: str, lightning: str) -> Any:
    """Return a cell of one version that was swept beside two lightnings, with two uses."""
    checks = [
        works("pyannote/segmentation", policy, use=use, experiment=use == "mute")
        for use in ("forward", "read-file", "mute")
        for policy in ("stock", "strict")
    ]
    checks[-1] |= {"outcome": "degraded", "parity": {**PARITY, "cosine": 0.2, "relative_error": 1}}
    return cell(torch, "pyannote.audio", "3.4.0", checks, beside=f"lightning {lightning}")


def _torchaudio(torch: str, version: str, python: str = "3.12") -> Any:
    return cell(torch, "torchaudio", version, [works("torchaudio/wav", "stock")], python=python)


def matrix(**fields: Any) -> dict[str, Any]:
    """Return a whole matrix; keyword arguments replace its top keys."""
    cells = [_fairseq(torch) for torch in TORCH]
    pairs = itertools.product(("8.1.0", "8.2.64", "8.3.162"), TORCH)
    cells += [_ultralytics(torch, version) for version, torch in pairs]
    cells += [_torchaudio("2.5.1", "2.5.1"), _torchaudio("2.5.1", "2.5.1", python="3.9")]
    cells += [_torchaudio("2.15.0", "2.11.0")]
    cells += [_pyannote("2.8.0", lightning) for lightning in ("2.5.6", "2.6.6")]
    return answered(
        {
            "schema": 1,
            "run": "2026-11-20T1031",
            "started": "2026-11-20T10:31:04+00:00",
            "finished": "2026-11-20T11:12:40+00:00",
            "complete": True,
            "frozen_at": "2026-11-20T10:31:00+00:00",
            "edition": "auto",
            "selection": {"torch": [], "library": []},
            "notes": [
                "PyTorch's own index could not be reached: torch came from the package index."
            ],
            "torch": list(TORCH),
            "cells": cells,
            "stacks": [stack("conflicts", Outcome.PASS), stack("agrees", Outcome.UNAVAILABLE)],
            **fields,
        }
    )


def answered(matrix: dict[str, Any]) -> dict[str, Any]:
    """Return a matrix with what its cells answer to made-up signatures, claims and shims."""
    matrix = {**matrix, "diagnoses": copy.deepcopy(DIAGNOSES)}
    for each in matrix["cells"]:
        each["diagnosis"] = "no-wheel/1" if "no wheel" in (each["reason"] or "") else None
        for check in each["checks"]:
            known = check["message"] == REFUSAL and check["checkpoint"] in KNOWN
            check["diagnosis"] = KNOWN[check["checkpoint"]] if known else None
    return {
        **matrix,
        "causes": causes.causes(matrix),
        "refusals": causes.refusals(matrix),
        "claims": judged(CLAIMS, matrix["cells"]),
        "shims": retirement.shims(matrix, [Hydra(), Gone()]),
        "allowlists": retirement.allowlists(matrix, ROWS),
        "checkpoints": checkpoints.opened(matrix, ROWS),
    }


MACHINE = {"id": "3f2a9c0d1e4b", "cpu": "AMD EPYC 7B13", "cores": 2}
COMPARED = {
    "2.6.0": ("alike", 1.004, 0),
    "2.8.0": ("slower", 1.42, 4),
    "2.11.0": ("slower", 1.31, 6),
    "2.13.0": ("unconfirmed", 1.2, 0),
    "2.15.0": ("faster", 0.7, 4),
}


def measured(matrix: dict[str, Any]) -> dict[str, Any]:
    """Return a matrix with all that is measured: loads, and forward times that are compared."""
    for cell in matrix["cells"]:
        for check in cell["checks"]:
            if check["benchmark"]:
                check["benchmark"] = {**check["benchmark"], **_precisely()}
                check["loading"] = loading()
                check["speed"] = _speed(cell) if check["policy"] == "stock" else None
    return matrix


def _precisely() -> dict[str, Any]:
    return {
        "low": 0.0421,
        "high": 0.0427,
        "quartiles": [0.0418, 0.0429],
        "warm_up": 4,
        "memory": {"resident": 478_500_000},
        "remarks": [],
        "machine": MACHINE,
    }


def loading(**fields: Any) -> dict[str, Any]:
    """Return what a load takes; keyword arguments replace its keys."""
    plain = {
        "rounds": 12,
        "min": 0.0101,
        "median": 0.0104,
        "low": 0.0103,
        "high": 0.0106,
        "quartiles": [0.0102, 0.0107],
        "iqr": 0.0005,
        "max": 0.0119,
        "memory": 13_100_000,
    }
    return {
        "method": "perf_counter, 1 thread, file cached",
        "bytes": 6_500_000,
        "policy": {**plain, "median": 0.0156, "memory": 19_500_000},
        "plain": plain,
        "mmap": {**plain, "median": 0.0026, "memory": 650_000},
        "remarks": [],
        "machine": MACHINE,
        **fields,
    }


def _speed(cell: dict[str, Any]) -> dict[str, Any] | None:
    if cell["version"] != "8.3.162" or cell["torch"] not in COMPARED:
        return None
    verdict, ratio, runs = COMPARED[cell["torch"]]
    base = {"cell": "py3.12-torch2.5.1-ultralytics8.3.162", "torch": "2.5.1", "policy": "stock"}
    return {**base, "ratio": ratio, "verdict": verdict, "runs": runs}


def stack(said: str, outcome: Outcome) -> dict[str, Any]:
    """Return a stack as matrix.json holds it."""
    works = outcome is Outcome.PASS
    return {
        "id": f"gradio-{outcome.value}",
        "said": said,
        "said_by": "a guide",
        "why": "they ask for different typer",
        "python": "3.11",
        "requirements": ["gradio==5.*", "typer"],
        "outcome": outcome.value,
        "reason": None if works else "Because gradio==5.0 depends on typer>=0.12, it conflicts.",
        "resolved": {"gradio": "5.9.1", "typer": "0.15.1"} if works else {},
        "seconds": 1.5,
    }


_YOLO = Of(("ultralytics/yolov8n",), "ultralytics", "==8.1.0", policies=("stock",))
CLAIMS = (
    Claim(
        "yolo",
        "YOLOv8 needs torch 2.5",
        "a guide",
        (
            Part("it works there", dataclasses.replace(_YOLO, torch="==2.5.*"), (Finding(WORKS),)),
            Part("and not later", dataclasses.replace(_YOLO, torch=">2.6"), (Finding(("fail",)),)),
        ),
    ),
    Claim(
        "mute",
        "without sound nothing changes",
        "an issue",
        (
            Part(
                "the output stays within 1%",
                Of(("pyannote/*",), use="mute", policies=("stock", "strict")),
                (Finding(error_at_most=0.01),),
                note="ten times the tolerance",
            ),
            Part("and the model was trained", note="no sweep sees that"),
        ),
    ),
    Claim(
        "old",
        "torch 2.3 works",
        "a guide",
        (Part("so", Of(("*",), torch="<2.5"), (Finding(RUNS),)),),
    ),
    Claim(
        "variable",
        "a variable switches it off",
        "a guide",
        (Part("torch names it", Of(library="torchaudio"), (Finding(reads="TORCH_SAFE"),)),),
    ),
)
ROWS = (
    Checkpoint(
        "rvc/hubert-base",
        "fairseq",
        "every voice starts from it",
        licence="MIT",
        sources=(HubFile("someone/voices", "c0ffee00" * 5, "pretrained/hubert_base.pt"),),
        sha256="f54b40fd" * 8,
        bytes=189_507_909,
    ),
    Checkpoint(
        "ultralytics/yolov8n",
        "ultralytics",
        "a whole model is pickled in `model`",
        sources=(UrlFile("https://example.org/v8/yolov8n.pt"),),
        globals=GLOBALS,
    ),
    Checkpoint("ultralytics/yolo11n", "ultralytics", "", globals=("builtins.getattr", "os.system")),
    Checkpoint("torchaudio/wav", "torchaudio", "", globals=("nobody.asks",)),
)


def record_fields() -> set[str]:
    """Return the keys of a check, as the record's own class has them."""
    return {field.name for field in dataclasses.fields(Record)}
