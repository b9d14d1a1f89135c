"""coqui TTS: XTTS and what it reads beside its weights."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, Replica, SideFile, Use

REPO = "coqui/XTTS-v2"
_COMMIT = "6c2b0d75eae4b7047358e3b6bd9325f857d43f77"
_TERMS = f"https://huggingface.co/{REPO}/blob/{_COMMIT}/LICENSE.txt"
_SAVED_BY = (
    "coqui-tts==0.24.2",
    "torch==2.5.1",
    "torchaudio==2.5.1",
    "transformers==4.42.4",
    "tokenizers==0.19.1",
    "coqpit==0.0.17",
    "numpy==1.26.4",
    "click",
)
_SCAN = "the hub's scan of the file: nothing but tensors"

ROWS = (
    Checkpoint(
        id="coqui/xtts-v2",
        library="coqui-tts",
        why="a voice from a few seconds of speech; its configuration is pickled with its weights",
        licence="CPML-1.0",
        terms=_TERMS,
        used_by=("AllTalk",),
        sources=(HubFile(REPO, _COMMIT, "model.pth"),),
        sha256="c7ea20001c6a0a841c77e252d8409f6a74fb423e79b3206a0771ba5989776187",
        bytes=1_867_929_118,
        beside=(
            SideFile(
                "config.json",
                "ef262b1454dd2a77e1461b0b2cd53e19b8a7624cc131b837d36df67356bc75e8",
                4_368,
                "239f40fdd34de4453052171f5e4719284a4cf34344385f47756a77e41d3c15b0",
            ),
            SideFile(
                "vocab.json",
                "928260878a59da8a72a2a5b7687fea29d5106137669d90945430fe17e415304a",
                361_219,
                "8a32a38c853048d07e4550a4b298ea0632bc367f48e04ba874fef038d41c1378",
            ),
            SideFile(
                "speakers_xtts.pth",
                "f0f6137c19a4eab0cbbe4c99b5babacf68b1746e50da90807708c10e645b943b",
                7_754_818,
                "fd46451a39a04ae8812d3e8566996a2982d2ea7da02a9d9154213b12f0c80671",
            ),
        ),
        replica=Replica(
            filename="coqui/xtts-v2/model.pth",
            sha256="c4c0ee92a33fdf95b0bc483df40c7d69bbd3c94bec9b31526f128417a47bcff1",
            saved_by=_SAVED_BY,
        ),
        globals=(
            "TTS.config.shared_configs.BaseDatasetConfig",
            "TTS.tts.configs.xtts_config.XttsConfig",
            "TTS.tts.models.xtts.XttsArgs",
            "TTS.tts.models.xtts.XttsAudioConfig",
        ),
        globals_known_by="a third party's test that compares them with a file of this sha256, and"
        " the allow-list in coqui-tts itself",
        uses=(
            Use(
                "clone", "takes a voice from a WAV file, for which newer torchaudio asks torchcodec"
            ),
            Use("inference", "speaks a sentence through transformers' generate"),
            Use("stream", "speaks it piece by piece, by a copy of transformers' older generate"),
        ),
    ),
    Checkpoint(
        id="coqui/xtts-v2-dvae",
        library="torch",
        why="the audio codes that fine-tuning XTTS starts from",
        licence="CPML-1.0",
        terms=_TERMS,
        used_by=("AllTalk",),
        sources=(HubFile(REPO, _COMMIT, "dvae.pth"),),
        sha256="b29bc227d410d4991e0a8c09b858f77415013eeb9fba9650258e96095557d97a",
        bytes=210_514_388,
        replica=Replica(
            filename="coqui/dvae.pth",
            sha256="5b364caf68fd349bb3c1526c58d272ca81cb6c771359e084bea7ed7f56736c52",
            saved_by=_SAVED_BY,
        ),
        globals_known_by=_SCAN,
    ),
    Checkpoint(
        id="coqui/xtts-v2-mel-stats",
        library="torch",
        why="a single small tensor, which fine-tuning XTTS reads",
        licence="CPML-1.0",
        terms=_TERMS,
        used_by=("AllTalk",),
        sources=(HubFile(REPO, _COMMIT, "mel_stats.pth"),),
        sha256="1f69422a8a8f344c4fca2f0c6b8d41d2151d6615b7321e48e6bb15ae949b119c",
        bytes=1_067,
        replica=Replica(
            filename="coqui/mel_stats.pth",
            sha256="6f3ba855f961f3dee3a6d0d414f264ee36f21df2ee5f1107df5709b5b82da0ea",
            saved_by=("torch==2.5.1",),
        ),
        globals_known_by=_SCAN,
    ),
)
