"""fairseq and textless speech: the models as their authors published them."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica, UrlFile, Use

_SAVED_BY = ("fairseq==0.12.2", "torch==2.5.1", "torchaudio==2.5.1", "numpy<2")


def _reported(name: str, why: str, sha256: str) -> Checkpoint:
    """Return a row without a source: its file is the replica of rvc/hubert-base, edited."""
    return Checkpoint(
        id=f"fairseq/{name}",
        library="fairseq",
        why=f"{why}; made after reports, of no published file",
        licence="MIT",
        replica=Replica(f"fairseq/{name}.pt", sha256, _SAVED_BY),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="it is the replica of rvc/hubert-base, edited",
    )


_REPORTED = (
    _reported(
        "hubert-float-config",
        "a HuBERT whose configuration stores integers as floats, which omegaconf refuses",
        "e45b593ee6b424667a99ef92262b2efab8194ad9feb0f8fb00c9d36605ef3adc",
    ),
    _reported(
        "hubert-pos-conv-dim0",
        "a HuBERT whose positional convolution is normalised by channel, not by position",
        "d790294558f132e98dc1d555af013ebeef578e228d39a574663ead71a079a142",
    ),
    _reported(
        "hubert-pos-conv-parametrized",
        "a HuBERT whose positional convolution has the keys of torch's new weight norm",
        "f3bc55126a6c944ecd3b83569a84c428c31336c0e65f5d6ffeb3380ab114b359",
    ),
)

ROWS = (
    Checkpoint(
        id="fairseq/hubert-base-ls960",
        library="fairseq",
        why="HuBERT as published, with its optimiser's state",
        licence="MIT",
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/hubert/hubert_base_ls960.pt"),),
        replica=Replica(
            filename="fairseq/hubert-base-ls960.pt",
            sha256="aac1799f60f4dd7ce2d9a5b8733baf2c51b80e8371d4d4385e83414296adaa91",
            saved_by=_SAVED_BY,
        ),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="the same task state as in rvc/hubert-base, and a small model that"
        " fairseq's trainer saved; not seen in the real file",
        uses=(
            Use(
                "masking",
                "further training masks spans that may not overlap, by the path that uses np.int",
            ),
        ),
    ),
    Checkpoint(
        id="fairseq/mhubert-base-vp",
        library="fairseq",
        why="the multilingual HuBERT whose units textless speech translation works on",
        # Nobody has established the licence of these weights.
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/hubert/mhubert_base_vp_en_es_fr_it3.pt"),),
        replica=Replica(
            filename="fairseq/mhubert-base-vp.pt",
            sha256="cd620ac39d97c3b64e7b653a874d310dd96f451b7382d891b9ba05f3b18fae6a",
            saved_by=_SAVED_BY,
        ),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="the same task state as in rvc/hubert-base, and a small model that"
        " fairseq's trainer saved; not seen in the real file",
    ),
    Checkpoint(
        id="fairseq/wav2vec-small",
        library="fairseq",
        why="of fairseq's time before configurations: its arguments are a pickled Namespace",
        licence="MIT",
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/fairseq/wav2vec/wav2vec_small.pt"),),
        sha256="c66c39eaed1b79a61ea8573f71e08f6641ff156b6a8f458cfaab53877dfa4a26",
        # Of the time's fairseq no wheel fits the replicas' Python; see the module that saves it.
        replica=Replica(
            filename="fairseq/wav2vec-small.pt",
            sha256="b812e1ff7266e0441d5e840f13874f86938764e12211633aab951671db3bfc0c",
            saved_by=_SAVED_BY,
        ),
        globals=("argparse.Namespace",),
        globals_known_by="reports of its users; not seen in the real file",
    ),
    *_REPORTED,
)
