"""speechbrain: a state dict, and the YAML file that says of which model."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, Replica, SideFile, Use

ROWS = (
    Checkpoint(
        id="speechbrain/spkrec-ecapa-voxceleb",
        library="speechbrain",
        why="the voice of a speaker as a vector; nothing but tensors, in a library that asks"
        " torchaudio and the hub's client for what they no longer have",
        licence="Apache-2.0",
        used_by=("pyannote.audio 2",),
        sources=(
            HubFile(
                "speechbrain/spkrec-ecapa-voxceleb",
                "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286",
                "embedding_model.ckpt",
            ),
        ),
        sha256="0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2",
        bytes=83_316_686,
        beside=(
            SideFile(
                "hyperparams.yaml",
                "6f78854fa04ba59e761437b76a2575d3aba5e5016de3e9b69f0c9a5077fb1a41",
                replica_sha256="b8dfa1a7663e0422d82ec960d0d31f7b05ffc200f0bbb68cda92f771df52c337",
            ),
            SideFile(
                "mean_var_norm_emb.ckpt",
                "cd70225b05b37be64fc5a95e24395d804231d43f74b2e1e5a513db7b69b34c33",
                replica_sha256="9b5cd6f0e1e1002174a22a886aee8aa54df907e86fb7b28bbcfa2c04e1dfe3c7",
            ),
            SideFile(
                "classifier.ckpt",
                "fd9e3634fe68bd0a427c95e354c0c677374f62b3f434e45b78599950d860d535",
                5_534_328,
                "943ca08513dbcbf48bcc30876db56350ff24911e11150e5c6e66e42e62f49cfe",
            ),
            SideFile(
                "label_encoder.txt",
                "e13c3a167bb4112685670ee896d20e2b565af16b3a4ceeaa8689fa4d22adb8b9",
                replica_sha256="205dc20017646b9661181618d77ed9251b8e4347fcb1e08b6c93c3fb2fc8f239",
            ),
        ),
        replica=Replica(
            filename="speechbrain/spkrec-ecapa-voxceleb/embedding_model.ckpt",
            sha256="4c0c63227c69e591e807fa0a5d72325a9750ebfd43866d09ac7613daedca1330",
            saved_by=(
                "speechbrain==0.5.16",
                "torch==2.5.1",
                "torchaudio==2.5.1",
                "huggingface-hub<1",
            ),
        ),
        globals_known_by="a narrow model that speechbrain saved, and a third party's review of the"
        " three files of this commit under weights_only=True",
        uses=(
            Use(
                "from-hub",
                "by its name on the hub, as most load it: up to 1.0 with an argument that the hub's"
                " client has no more",
            ),
        ),
    ),
)
