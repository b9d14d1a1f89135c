"""speechbrain: models of which a YAML file says how they are built and what they read."""

from __future__ import annotations

import contextlib
import importlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.errors import MismatchError, MissingFileError, unknown_name
from pytest_torchcompat.libraries.inputs import placed, repeated

HYPERPARAMETERS = "hyperparams.yaml"
# The names by which the YAML file asks for them, whatever the path of the checkpoint is.
WEIGHTS = "embedding_model.ckpt"
FILES = (
    HYPERPARAMETERS,
    WEIGHTS,
    "mean_var_norm_emb.ckpt",
    "classifier.ckpt",
    "label_encoder.txt",
)
SAMPLE_RATE = 16000
SECONDS = 2
FROM_HUB = "from-hub"
_OTHER_WEIGHTS = "loading state_dict for"
_COMMIT = "0" * 40  # of a cache that this file lays out itself


class Speechbrain:
    """Loads through ``EncoderClassifier.from_hparams``, from the folder that holds the files."""

    name = "speechbrain"
    distribution = "speechbrain"

    def import_(self) -> None:
        """Import the class that reads the files, with all that it imports."""
        _encoder_classifier()

    def load(self, checkpoint: Checkpoint, path: Path) -> Any:
        """
        Return the model of a checkpoint, built by the YAML file beside it.

        Raises ``MissingFileError`` where the folder lacks what speechbrain reads, which it would
        download, and ``MismatchError`` where the YAML file describes another model, or the path is
        not of the file that speechbrain would read.
        """
        if path.name != WEIGHTS:
            raise MismatchError(_not_read(path))
        missing = [name for name in FILES if not (path.parent / name).is_file()]
        if missing:
            raise MissingFileError(_not_there(path.parent, missing))
        with _naming(path):
            return _read(str(path.parent), path.parent)

    def forward(
        self, checkpoint: Checkpoint, model: Any, device: str, *, batch: int = 1
    ) -> Callable[[], Any]:
        """Return the vector of the voice in two seconds of seeded noise, shaped [1, 1, width]."""
        model = placed(model, device)
        model.device = device
        waves = repeated(_noise(), batch)
        return lambda: model.encode_batch(waves)

    def use(self, name: str, checkpoint: Checkpoint, model: Any, device: str) -> Callable[[], Any]:
        """Return the same vector, of a model whose YAML file the hub's client hands over."""
        if name != FROM_HUB:
            raise unknown_name("use", name, [FROM_HUB])
        folder = Path(model.hparams.pretrained_path)

        def run() -> Any:
            with _cached_as(checkpoint.id, folder):
                found = _read(checkpoint.id, folder)
            return self.forward(checkpoint, found, device)()

        return run


def _encoder_classifier() -> Any:
    try:
        from speechbrain.inference.classifiers import EncoderClassifier
    except ModuleNotFoundError as error:
        if error.name != "speechbrain.inference":
            raise
        from speechbrain.pretrained import EncoderClassifier  # where it was before 1.0
    return EncoderClassifier


def _read(source: str, folder: Path) -> Any:
    """Read the YAML file from a source, and by it what lies in a folder."""
    # A YAML file names the repository on the hub that its files are fetched from.
    overrides = {"pretrained_path": str(folder)}
    with tempfile.TemporaryDirectory() as links, _own_path():
        return _encoder_classifier().from_hparams(source=source, overrides=overrides, savedir=links)


@contextlib.contextmanager
def _own_path() -> Iterator[None]:
    """Take back what speechbrain adds to ``sys.path``: the folder of the links."""
    before = [*sys.path]
    try:
        yield
    finally:
        sys.path[:] = before


def _noise() -> Any:
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, SECONDS * SAMPLE_RATE, generator=generator) * 0.1


@contextlib.contextmanager
def _cached_as(repository: str, folder: Path) -> Iterator[None]:
    """Let the hub's client find a repository with the YAML file in a cache, and no network."""
    constants = importlib.import_module("huggingface_hub.constants")
    with tempfile.TemporaryDirectory() as cache:
        _lay_out(Path(cache, f"models--{repository.replace('/', '--')}"), folder)
        ours = {"HF_HUB_CACHE": cache, "HF_HUB_OFFLINE": True}
        before = {name: getattr(constants, name) for name in ours}
        vars(constants).update(ours)
        try:
            yield
        finally:
            vars(constants).update(before)


def _lay_out(repository: Path, folder: Path) -> None:
    snapshot = repository / "snapshots" / _COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(_COMMIT, "utf-8")
    (snapshot / HYPERPARAMETERS).symlink_to((folder / HYPERPARAMETERS).resolve())
    # It asks for code of the model's own as well, and for the hub's word that there is none.
    (snapshot / "custom.py").touch()


def _not_read(path: Path) -> str:
    return (
        f"{path} would not be read: speechbrain takes {WEIGHTS} of its folder. Give the file that "
        "name, in a folder with what belongs to it, and name it there."
    )


def _not_there(folder: Path, missing: list[str]) -> str:
    return (
        f"{folder} lacks {', '.join(missing)}, and speechbrain would download that. Put it there: "
        "what belongs to a model lies in one folder, under the names that the hub has."
    )


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let torch's error over other keys or shapes name the file."""
    try:
        yield
    except RuntimeError as error:
        if _OTHER_WEIGHTS not in str(error):
            raise
        message = (
            f"{path} holds other weights than those of the model that {HYPERPARAMETERS} beside it "
            f"describes. Give files that belong together. {error}"
        )
        raise MismatchError(message) from error
