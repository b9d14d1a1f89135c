"""RVC voice conversion: HuBERT, the pitch estimator, the pretrained pairs and the UVR5 weights."""

from __future__ import annotations

from pytest_torchcompat.checkpoints.catalogue import Checkpoint, HubFile, Replica, Use

REPO = "lj1995/VoiceConversionWebUI"
_MAY_2023 = "88e42f0cb3662ddc0dd263a4814206ce96d53214"
_V2 = "e6d0c1a17da07c33557852f9dfa2bd44cc75737d"
_UVR5 = "e992cb1bc5d777fcddce20735a899219b1d46aba"
_SCAN = "the hub's scan of the file, or of one with its name and size: nothing but tensors"
_SIZE = "its size, which halves alone explain to the byte, and the hub's scans of its siblings"
# numba is a candidate that rvc pins; named here, it is allowed.
_SAVED_BY = (
    "rvc==0.3.5",
    "torch==2.5.1",
    "librosa==0.10.2.post1",
    "numba==0.59.0rc1",
    "numpy<2",
    "tqdm",
)

_HUBERT = Checkpoint(
    id="rvc/hubert-base",
    library="fairseq",
    why="every RVC voice conversion starts from it, and fairseq is no longer released",
    licence="MIT",
    used_by=("RVC",),
    sources=(HubFile(REPO, _MAY_2023, "hubert_base.pt"),),
    sha256="f54b40fd2802423a5643779c4861af1e9ee9c1564dc9d32f54f20b5ffba7db96",
    bytes=189_507_909,
    replica=Replica(
        filename="rvc-hubert-base.pt",
        sha256="b73db0cb41a103b9a0692fe8c8c3ef9e29cc31a6424a4a52557df8ca691e2241",
        saved_by=("fairseq==0.12.2", "torch==2.5.1", "torchaudio==2.5.1", "numpy<2"),
    ),
    globals=("fairseq.data.dictionary.Dictionary",),
    globals_known_by="third parties' scans of a file with this sha256, and a small model saved"
    " in the same layout",
    uses=(
        Use(
            "random-pos-conv",
            "what strict=False leaves where the weight norm's keys are missing: a positional"
            " convolution of random weights. The figure is about the edition that was run: the"
            " replica's own were never trained, the reference's were",
            experiment=True,
        ),
    ),
)

_RMVPE = Checkpoint(
    id="rvc/rmvpe",
    library="torch",
    why="the pitch of a voice; a plain state dict, which every policy should load",
    licence="MIT",
    used_by=("RVC",),
    sources=(HubFile(REPO, _MAY_2023, "rmvpe.pt"),),
    sha256="6d62215f4306e3ca278246188607209f09af3dc77ed4232efdd069798c4ec193",
    bytes=181_184_272,
    replica=Replica(
        "rvc/rmvpe.pt",
        "886a3b4c5edb763736ddfc0ea51492c56d7aad146ab0371a403e9758e2983580",
        _SAVED_BY,
    ),
    globals_known_by=_SCAN,
)


def _pretrained(  # noqa: PLR0913, PLR0917 - a row's values
    name: str, why: str, version: str, sha256: str, size: int, replica: str
) -> Checkpoint:
    revision = _MAY_2023 if version == "v1" else _V2
    folder = "pretrained" if version == "v1" else "pretrained_v2"
    return Checkpoint(
        id=f"rvc/{name.lower()}-{version}",
        library="torch",
        why=why,
        licence="MIT",
        used_by=("RVC",),
        sources=(HubFile(REPO, revision, f"{folder}/{name}.pth"),),
        sha256=sha256,
        bytes=size,
        replica=Replica(f"rvc/{name}-{version}.pth", replica, _SAVED_BY),
        globals_known_by=_SIZE if version == "v1" else _SCAN,
    )


_PRETRAINED = (
    _pretrained(
        "f0G40k",
        "the generator that version 1 voices are trained from",
        "v1",
        "9115654aeef1995f7dd3c6fc4140bebbef0ca9760bed798105a2380a34299831",
        72_909_665,
        "3d5c77658b798fd35af8cfb24b8492b42322170819b04aab2f19e62204087cbe",
    ),
    _pretrained(
        "f0D40k",
        "the discriminator that version 1 voices are trained against",
        "v1",
        "7d4f5a441594b470d67579958b2fd4c6b992852ded28ff9e72eda67abcebe423",
        109_978_943,
        "d950feb0bf3fcef995d486e1465ed1bd5af7fe5211c668a201bbd35374c467cb",
    ),
    _pretrained(
        "f0G40k",
        "the generator that version 2 voices are trained from",
        "v2",
        "3b2c44035e782c4b14ddc0bede9e2f4a724d025cd073f736d4f43708453adfcb",
        73_106_273,
        "605c2e0c729f2ad2d128974e25a17e107605a1b8418f0097f35a5524a6b6457d",
    ),
    _pretrained(
        "f0D40k",
        "the discriminator that version 2 voices are trained against",
        "v2",
        "6b6ab091e70801b28e3f41f335f2fc5f3f35c75b39ae2628d419644ec2b0fa09",
        142_875_703,
        "fe7a4787062c660c7484824b8573483ceb22864e5ded040aec9c79456f903db6",
    ),
)


def _uvr5(  # noqa: PLR0913, PLR0917 - a row's values
    name: str,
    filename: str,
    why: str,
    sha256: str,
    replica: str,
    revision: str | None = None,
    size: int | None = None,
) -> Checkpoint:
    return Checkpoint(
        id=f"rvc/uvr5-{name}",
        library="torch",
        why=why,
        # Nobody has established the licence of these weights, nor the size of all but one.
        used_by=("RVC",),
        sources=(HubFile(REPO, revision, f"uvr5_weights/{filename}"),),
        sha256=sha256,
        bytes=size,
        replica=Replica(f"rvc/{filename}", replica, _SAVED_BY),
        globals_known_by=_SCAN,
    )


# One commit is known to hold the first; for the others the first download establishes it.
_SEPARATORS = (
    _uvr5(
        "hp2",
        "HP2_all_vocals.pth",
        "takes the voice out of a song",
        "39796caa5db18d7f9382d8ac997ac967bfd85f7761014bb807d2543cc844ef05",
        "f123eb999c788ba04573d2b499d45d72dedd8196eae7eab9a3e798f67413927d",
        revision=_UVR5,
    ),
    _uvr5(
        "hp3",
        "HP3_all_vocals.pth",
        "takes the voice out of a song, tuned otherwise than HP2",
        "45e6b65199e781b4a6542002699be9f19cd3d1cb7d1558bc2bfbcd84674dfe28",
        "1e886e416eef5ccda1f19e031bbac36454ddc38722a466468f8265ba21f3dc24",
    ),
    _uvr5(
        "hp5",
        "HP5_only_main_vocal.pth",
        "takes the leading voice out of a song",
        "5908891829634926119720241e8573d97cbeb8277110a7512bdb0bd7563258ee",
        "6f7bfbb3e3f4b6901df5ddd2ca68ae74ed5aac23c32ac35656f3894e7a8f4b46",
        size=63_454_827,  # of a copy with this sha256
    ),
    _uvr5(
        "deecho-aggressive",
        "VR-DeEchoAggressive.pth",
        "takes strong echo off a voice",
        "8c8fd1582f9aabc363e47af62ddb88df6cae7e064cae75bbf041a067a5e0aee2",
        "95946f1d4ba718fb99d3010ad04187af73cf0f152215bf162141016decfbc8c3",
    ),
    _uvr5(
        "deecho-dereverb",
        "VR-DeEchoDeReverb.pth",
        "takes echo and reverberation off a voice",
        "01376dd2a571bf3cb9cced680732726d2d732609d09216a610b0d110f133febe",
        "725e920d7b794af590f83c010afd29afd20ec4555cf26b679391be03395e0a7d",
    ),
    _uvr5(
        "deecho-normal",
        "VR-DeEchoNormal.pth",
        "takes echo off a voice",
        "56aba59db3bcdd14a14464e62f3129698ecdea62eee0f003b9360923eb3ac79e",
        "6f9ce6c52c25bff6a8e087d31215ef237784037ef52dc231ad0059959d586dd0",
    ),
)

ROWS = (_HUBERT, _RMVPE, *_PRETRAINED, *_SEPARATORS)
