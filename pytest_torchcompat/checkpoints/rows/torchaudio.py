"""torchaudio: no pickles; an API that old code calls, and a file that it reads."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica, Use

_TONE = Replica(
    filename="torchaudio-tone.wav",
    sha256="eb55dacc71f30e82603e507d7b9099a55a2ae21de2eb7fed52e14c59c5859aa5",
    saved_by=("torch==2.5.1",),  # of that environment only Python's wave module is used
)

ROWS = (
    Checkpoint(
        id="torchaudio/legacy-api",
        library="torchaudio",
        why="info, backends and a part of a file, which old code asks for and torchaudio took away",
        used_by=("RVC", "AllTalk", "Style-BERT-VITS2"),
        replica=_TONE,
        pickled=False,
    ),
    Checkpoint(
        id="torchaudio/wav",
        library="torchaudio",
        why="loading a WAV file, which newer torchaudio hands over to torchcodec",
        used_by=("RVC", "AllTalk", "Style-BERT-VITS2"),
        replica=_TONE,
        pickled=False,
        uses=(Use("info", "rate and length without the samples; newer torchaudio has no info"),),
    ),
    Checkpoint(
        id="torchaudio/resample",
        library="torchaudio",
        why="resampling a waveform, which works where no file can be read",
        used_by=("RVC", "AllTalk", "Style-BERT-VITS2"),
        replica=_TONE,  # every row has a file; this one is not read
        pickled=False,
    ),
)
