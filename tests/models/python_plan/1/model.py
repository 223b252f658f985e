"""An example of a model in Python: whose contract ends soon. It is a formula and no more, so that everybody sees what it does."""
import numpy as np

from outrigger import Model

MONTHS = {"basic": 1, "pro": 12}


class Plan(Model):
    inputs = {"age": "INT64", "plan": str, "visits": "FP32"}
    labels = ["stays", "leaves"]

    def load(self, directory):
        self.weight = float(self.settings.get("weight", 0.1))
        self.log.info("a visit weighs %g", self.weight)

    def describe(self):
        return {**super().describe(), "outputs": {"label": str, "probabilities": ("FP64", (2,)), "months": "INT32"}}

    def predict(self, inputs):
        unknown = set(inputs["plan"]) - set(MONTHS) - {""}
        if unknown:
            raise ValueError(f"plan: expected one of {', '.join(MONTHS)}, got {min(unknown)}")
        months = np.array([MONTHS.get(plan, 0) for plan in inputs["plan"]], np.int32)
        score = 1 / (1 + np.exp(self.weight * inputs["visits"] + 0.05 * months - 0.02 * inputs["age"]))
        return {"label": np.take(self.labels, score > 0.5), "probabilities": np.stack([1 - score, score], axis=1),
                "months": months}
