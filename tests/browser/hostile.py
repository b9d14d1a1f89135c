"""Matrices in which every string that somebody else could have written is an attack."""

from __future__ import annotations

MARKUP = (
    """</script><img src=x onerror="window.hacked=1">"'><svg onload=window.hacked=1>`{{7*7}}`"""
)
UNSEEN = "\u202egnp.exe\u2066\u200f\u061c\x00\x1b[31m\x07\x9b\ud800\udc00"
EVIL = f"{MARKUP}{UNSEEN}\n\ttwo"
# They are ours: enumerations, moments, and torch, which is what everything is sorted by.
OURS = {
    *("outcome", "outcomes", "stage", "edition", "kind", "verdict", "said", "tally"),
    *("started", "finished", "frozen_at", "torch"),
}
# Tables whose keys are names from elsewhere.
TABLES = {"diagnoses", "distributions", "resolved", "seconds", "libraries"}
# What every object of JavaScript has without being given it.
INHERITED = {
    "fairseq": "__proto__",
    "ultralytics": "constructor",
    "pyannote.audio": "toString",
    "torchaudio": "hasOwnProperty",
    "8.1.0": "valueOf",
    "8.2.64": "__proto__",
    "0.12.2": "constructor",
    "stock": "__proto__",
    "patched": "constructor",
    "allowlisted": "toString",
    "strict": "__defineGetter__",
    "rvc/hubert-base": "__proto__",
    "ultralytics/yolov8n": "constructor",
    "ultralytics/yolo11n": "prototype",
    "forward": "__proto__",
    "numpy": "__proto__",
    "sympy": "constructor",
    "load": "__proto__",
    "hydra": "__proto__",
    "wo-yolo": "__proto__",
    "wo-yolo/1": "__proto__",
}


def attacked(matrix, name=lambda text: text + EVIL):
    """Return a matrix with each of its strings changed that is not ours."""
    return _changed(matrix, "", name)


def inherited(text):
    """Return a name that every object has, for one that a matrix has."""
    return INHERITED.get(text, text)


def _changed(value, key, name):
    if isinstance(value, str):
        return name(value) if value and key not in OURS else value
    if isinstance(value, list):
        return [_changed(each, key, name) for each in value]
    if isinstance(value, dict):
        keys = name if key in TABLES else str
        return {keys(each): _changed(held, each, name) for each, held in value.items()}
    return value
