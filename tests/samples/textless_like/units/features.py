"""Features of speech, by a HuBERT of fairseq."""

import torch
from fairseq import checkpoint_utils


class FeatureReader:
    """What a HuBERT says of a sound, at one of its layers."""

    def __init__(self, path, layer=2):
        (self.model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([str(path)])
        self.model.eval()
        self.layer = layer

    @torch.no_grad()
    def of(self, sound):
        """Return the features of a sound, a row for each 20 ms."""
        return self.model.extract_features(
            source=sound, padding_mask=None, mask=False, output_layer=self.layer
        )[0][0]
