"""fairseq and textless speech: the models as their authors published them."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, Replica, UrlFile

_SAVED_BY = ("fairseq==0.12.2", "torch==2.5.1", "torchaudio==2.5.1", "numpy<2")

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
            sha256="9381525b89efe9ecd36041b16c91e3a433a68fe8935b1c1d45bd4e525b31aa70",
            saved_by=_SAVED_BY,
        ),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="the same task state as in rvc/hubert-base, and a small model that"
        " fairseq's trainer saved; not seen in the real file",
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
            sha256="6ed51bd4a2bc02fa9dff51fad3bf099daacd62a3915e993d4eba0038e9daa7bb",
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
            sha256="d5a8bf5f5044b3de5d765e315d2a9a1a9fe0f06c8fca489c8685766fdf3fea74",
            saved_by=_SAVED_BY,
        ),
        globals=("argparse.Namespace",),
        globals_known_by="reports of its users; not seen in the real file",
    ),
)
