"""The sets of packages that documents say conflict or agree, as data."""

from __future__ import annotations

from matrix.stacks import CONFLICTS, UNCLEAR, Stack

_ALLTALK = "AllTalk's guide to its dependencies (erew123/alltalk_tts#553)"

STACKS = (
    Stack(
        "alltalk-gradio-5-spacy-3.7",
        CONFLICTS,
        "3.11",
        ("gradio==5.*", "spacy==3.7.*", "typer"),
        _ALLTALK,
        "gradio 5 and spaCy 3.7 are said to ask for different typer",
    ),
    Stack(
        "alltalk-gradio-5-spacy-3.7.4",
        CONFLICTS,
        "3.11",
        ("gradio==5.*", "spacy==3.7.4", "typer"),
        _ALLTALK,
        "the same with the last spaCy 3.7 that asks for a typer below 0.10",
    ),
    Stack(
        "alltalk-gradio-3.50.2-pydantic-2",
        UNCLEAR,
        "3.11",
        ("gradio==3.50.2", "pydantic==2.*"),
        _ALLTALK,
        "an older gradio that is named with pydantic",
    ),
    Stack(
        "alltalk-transformers-4.42.4-faster-whisper",
        CONFLICTS,
        "3.11",
        ("transformers==4.42.4", "tokenizers", "faster-whisper"),
        _ALLTALK,
        "streaming XTTS is said to need this transformers, and other tools a newer one",
    ),
)
