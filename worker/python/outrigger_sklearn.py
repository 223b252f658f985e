"""A model that is a fitted estimator of scikit-learn, or of whatever keeps to its interface, as pickle or joblib wrote it.

A classifier gives `label` and, where it can, `probabilities`; all others `prediction`. The answers are the estimator's own
ones, to the last bit: what is done differently here is only what it would have done twice.
"""
import warnings

import numpy as np

from outrigger import Model


def read(path):
    try:
        import joblib
    except ImportError:
        import pickle
        with open(path, "rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def split(estimator):
    """(what a pipeline does first, its last step), so that labels and probabilities share the first part."""
    try:
        from sklearn.pipeline import Pipeline
    except ImportError:
        return None, estimator
    if type(estimator) is Pipeline and len(estimator) > 1 and hasattr(estimator[:-1], "transform"):
        return estimator[:-1], estimator[-1]
    return None, estimator


def votes(estimator):
    """True for forests, whose labels are by their own definition those of the largest probabilities."""
    try:
        from sklearn.ensemble._forest import ForestClassifier
    except ImportError:
        return False
    return type(estimator).predict is getattr(ForestClassifier, "predict", None) and estimator.n_outputs_ == 1


def stack(probabilities):
    """[rows, labels] of a classifier with many labels, which gives a table of no and yes for each."""
    if not isinstance(probabilities, list):
        return np.asarray(probabilities)
    if all(table.shape[1] == 2 for table in probabilities):
        return np.stack([table[:, 1] for table in probabilities], axis=1)
    return None


class Estimator(Model):
    def __init__(self, path, finite):
        """`finite`: no value is NaN or infinite, and nobody need look for them again."""
        self.path, self.finite = path, finite

    def load(self, directory):
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        estimator = read(self.path)
        if not hasattr(estimator, "predict"):
            raise TypeError(f"holds a {type(estimator).__name__}, which has no predict")
        if self.finite:
            try:
                import sklearn
                sklearn.set_config(assume_finite=True)
            except ImportError:
                pass
        names = getattr(estimator, "feature_names_in_", None)
        self.features = int(estimator.n_features_in_) if names is None else [str(name) for name in names]
        self.classes = getattr(estimator, "classes_", None)
        self.front, self.last = split(estimator)
        self.likely = hasattr(self.last, "predict_proba")
        self.votes = self.likely and votes(self.last)
        if isinstance(self.classes, np.ndarray) and self.classes.dtype.kind in "USO":
            self.labels = [str(name) for name in self.classes]

    def predict(self, inputs):
        rows = inputs if self.front is None else self.front.transform(inputs)
        if self.votes:
            probabilities = self.last.predict_proba(rows)
            return {"label": self.classes.take(probabilities.argmax(axis=1), axis=0), "probabilities": probabilities}
        prediction = np.asarray(self.last.predict(rows))
        if self.classes is None:
            return {"prediction": prediction}
        probabilities = stack(self.last.predict_proba(rows)) if self.likely else None
        return {"label": prediction} if probabilities is None else {"label": prediction, "probabilities": probabilities}
