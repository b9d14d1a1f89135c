"""Matrices in which every string that somebody else could have written is an attack."""

from __future__ import annotations

MARKUP = (
    """</script><img src=x onerror="window.hacked=1">"'><svg onload=window.hacked=1>`{{7*7}}`"""
)
UNSEEN = "\u202egnp.exe\u2066\u200f\u061c\x00\x1b[31m\x07\x9b"
EVIL = f"{MARKUP}{UNSEEN}\n\ttwo"
LONE = "\ud800"  # half a character: no address can name it, and what was said can have it
# They are ours: enumerations, moments, and torch, which is what everything is sorted by.
OURS = {
    *("outcome", "outcomes", "stage", "edition", "kind", "verdict", "said", "tally"),
    *("started", "finished", "frozen_at", "torch"),
}
SAID = {"cause", "chain", "code", "exception", "globals", "message", "notes", "output", "reason"}
# Tables whose keys are names from elsewhere.
TABLES = {"diagnoses", "distributions", "resolved", "seconds", "libraries", "memory"}
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


def attacked(matrix):
    """Return a matrix in which each string that is not ours ends in an attack."""
    return _changed(matrix, "", lambda text, key: text + EVIL + LONE * (key in SAID))


def inherited(matrix):
    """Return a matrix with names that every object has."""
    return _changed(matrix, "", lambda text, _: INHERITED.get(text, text))


def _changed(value, key, name):
    if isinstance(value, str):
        return name(value, key) if value and key not in OURS else value
    if isinstance(value, list):
        return [_changed(each, key, name) for each in value]
    if isinstance(value, dict):
        free = key in TABLES
        return {
            name(each, "") if free else each: _changed(held, each, name)
            for each, held in value.items()
        }
    return value
