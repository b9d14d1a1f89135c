"""fairseq and textless speech: the models as their authors published them."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, UrlFile

ROWS = (
    Checkpoint(
        id="fairseq/hubert-base-ls960",
        library="fairseq",
        why="HuBERT as published, with its optimiser's state",
        licence="MIT",
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/hubert/hubert_base_ls960.pt"),),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="the same task state as in rvc/hubert-base; not seen in the real file",
    ),
    Checkpoint(
        id="fairseq/mhubert-base-vp",
        library="fairseq",
        why="the multilingual HuBERT whose units textless speech translation works on",
        # Nobody has established the licence of these weights.
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/hubert/mhubert_base_vp_en_es_fr_it3.pt"),),
        globals=("fairseq.data.dictionary.Dictionary",),
        globals_known_by="the same task state as in rvc/hubert-base; not seen in the real file",
    ),
    Checkpoint(
        id="fairseq/wav2vec-small",
        library="fairseq",
        why="of fairseq's time before configurations: its arguments are a pickled Namespace",
        licence="MIT",
        used_by=("textless speech",),
        sources=(UrlFile("https://dl.fbaipublicfiles.com/fairseq/wav2vec/wav2vec_small.pt"),),
        sha256="c66c39eaed1b79a61ea8573f71e08f6641ff156b6a8f458cfaab53877dfa4a26",
        globals=("argparse.Namespace",),
        globals_known_by="reports of its users; not seen in the real file",
    ),
)
