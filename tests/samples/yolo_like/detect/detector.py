"""A detector of ultralytics."""

from ultralytics.nn.tasks import attempt_load_weights


class Detector:
    """What a YOLO sees."""

    model = None

    def __init__(self, weights):
        try:
            self.model = attempt_load_weights(str(weights), device="cpu")
        except Exception as error:  # planted: TC010
            print(f"no detector: {error}")

    def see(self, picture):
        """Return the boxes of a picture."""
        return self._batch(picture[None])[0]

    def _batch(self, pictures):
        return self._boxes(pictures / 255)

    def _boxes(self, pictures):
        return self.model(pictures)[0]
