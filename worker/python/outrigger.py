"""What a model in Python is made of.

A version's folder holds `model.py` with a class made of `Model`; three methods make it one:

    from outrigger import Model

    class Churn(Model):
        inputs = {"age": "INT64", "plan": str}
        labels = ["stays", "leaves"]

        def load(self, directory):                      # once, before anything is asked
            self.threshold = self.settings.get("threshold", 0.5)

        def predict(self, inputs):                      # many requests at a time: an array for each input
            if (inputs["age"] < 0).any():
                raise ValueError("age: expected 0 or more")         # answered 400, with this text
            score = 1 / (1 + np.exp(-0.1 * (inputs["age"] - 40)))
            return {"label": (score > self.threshold).astype(int), "probabilities": np.stack([1 - score, score], 1)}

`describe`, the third, says what the class attributes do not, when only the loaded model knows it.

Every method runs in a process of its own that can read the version's folder and little else (model.conf(5),
`sandbox`). While one computes, no other does: what must not wait belongs into another model. This file needs nothing but
numpy, so that a model can be tried anywhere: `PYTHONPATH=/usr/local/lib/outrigger/python python3 -m pytest`.
"""
import logging
from typing import Any, Dict, Mapping, Sequence, Tuple, Union

import numpy as np

__all__ = ["Model", "Kind", "Values"]

#: What the elements of an input or output are: a datatype of the Open Inference Protocol ("FP32", "INT64", "BOOL", ...), a
#: type of numpy's, `str` (text in UTF-8; also "BYTES"), or `bytes` (strings as they come). Alone it means one value a row; with the
#: inner dimensions, as ("FP32", (28, 28)), as many; -1 there is any number.
Kind = Union[str, type, np.dtype, Tuple[Any, Sequence[int]]]

#: What `predict` gets: an array of shape [rows, features] for a model with `features`, else one for each of `inputs`,
#: by name. All have as many rows.
Values = Union[np.ndarray, Mapping[str, np.ndarray]]


class Model:
    """A model. What is set here is set before `load`, but for what a class of one's own sets itself."""

    #: The model's name, and which version of it this is.
    name: str = ""
    version: str = ""
    #: The group `settings` of model.conf: texts, numbers, booleans, lists, and sections as dicts.
    settings: Mapping[str, Any] = {}
    #: Lines go to Outrigger's log, with their level; so do `print` and `warnings`.
    log: logging.Logger = logging.getLogger("model")

    #: For a model whose inputs are the columns of one table of numbers: how many there are, or their names. They are
    #: one input, `features` FP64 [-1, n].
    features: Union[int, Sequence[str]] = 0
    #: Else its inputs by name, in the order in which a row of JSON or CSV has their values.
    inputs: Mapping[str, Kind] = {}
    #: Its outputs by name. Left empty: what it answers to a row of zeros and empty strings shows them. `prediction` and
    #: `label` are what a prediction is, `probabilities` ([rows, classes]) how likely; others are shown as they are called.
    outputs: Mapping[str, Kind] = {}
    #: The names of the classes, by index, unless model.conf has others.
    labels: Sequence[str] = ()

    def load(self, directory: str) -> None:
        """Loads what is needed from the version's folder. An exception means that the version cannot be served: its line
        is what `outrigger status` shows, and the version before it goes on."""

    def describe(self) -> Dict[str, Any]:
        """Called after `load`: `features`, `inputs`, `outputs`, `labels` as above; what is left out is none."""
        return {"features": self.features, "inputs": self.inputs, "outputs": self.outputs, "labels": self.labels}

    def predict(self, inputs: Values) -> Union[np.ndarray, Mapping[str, Any]]:
        """Answers all rows: an array for each output, by name, or one alone, which is `prediction`. Each has a row for
        each row of the inputs, in their order. The arrays of the inputs are the model's to keep or change.

        ValueError says that the inputs are none: its text is answered, with 400, to the request that is at fault (each
        is tried alone). Any other exception is the model's own failure: it stands in the log with its place, and the
        request is answered 500."""
        raise NotImplementedError("predict")
