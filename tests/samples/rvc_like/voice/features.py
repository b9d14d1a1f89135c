"""Features of speech, by a HuBERT of fairseq."""

import traceback

import torch
from fairseq import checkpoint_utils


class Features:
    """What a HuBERT says of a sound."""

    def __init__(self, assets):
        try:
            models, _, _ = checkpoint_utils.load_model_ensemble_and_task(
                [str(assets / "hubert_base.pt")], suffix=""
            )
            self.model = models[0].float().eval()  # planted: TC012
        except:  # planted: TC010
            traceback.print_exc()

    def of(self, sound):
        """Return the features of a sound, a row for each 20 ms."""
        return self._batch(sound)[0]

    def _batch(self, sounds):
        return self._layer(sounds - sounds.mean())

    @torch.no_grad()
    def _layer(self, sounds):
        return self.model.extract_features(source=sounds, padding_mask=None, mask=False)[0]
