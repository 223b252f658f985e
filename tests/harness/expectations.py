"""The held-out rows and scikit-learn's own answers, as tests/models made them."""
import json
import pathlib

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
HELD_OUT_MODELS = sorted(path.stem for path in (MODELS / "heldout").glob("*.json"))


class HeldOut:
    def __init__(self, name, document):
        self.name = name
        self.features = document["features"]
        self.feature_names = document["feature_names"]
        self.labels = document.get("labels")
        self.probabilities = document.get("probabilities")
        self.predictions = document.get("predictions")
        self.regression = self.predictions is not None
        # The tolerance is of values around 1; a regression's answers are as large as they are.
        self.scale = max(1.0, max(abs(value) for value in self.predictions)) if self.regression else 1.0


def held_out(name):
    return HeldOut(name, json.loads((MODELS / "heldout" / f"{name}.json").read_text()))
