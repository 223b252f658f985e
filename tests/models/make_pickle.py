#!/usr/bin/python3
"""Makes a model as scikit-learn's own pickle, for the Python worker and the comparisons.

    /usr/bin/python3 make_pickle.py OUTPUT [NAME]

NAME is a model of make_models.py, by default cancer-logistic. Written is a model folder,
NAME-pickle, or for the default:

    OUTPUT/cancer-pickle/model.conf
    OUTPUT/cancer-pickle/golden.json
    OUTPUT/cancer-pickle/heldout.json       as tests/models/heldout, from this very model
    OUTPUT/cancer-pickle/1/model.pkl

A pickle is made where it is used and never committed: another release of scikit-learn
may refuse it or, worse, load it and answer differently. For the same reason the answers
beside it are its own and not the committed ones.
"""

import pickle
import sys
from pathlib import Path

import make_models


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    name = sys.argv[2] if len(sys.argv) == 3 else "cancer-logistic"
    recipes = {recipe.name: recipe for recipe in make_models.RECIPES}
    if name not in recipes:
        sys.exit(f"make_pickle: no model {name}; there are: {' '.join(recipes)}")

    recipe = recipes[name]
    short = "cancer" if name == "cancer-logistic" else name
    folder = Path(sys.argv[1]) / (short + "-pickle")
    data = recipe.load()
    model = make_models.train(recipe, data)
    answered = make_models.answers(model, data.test_x, bool(data.class_names))

    make_models.write_model_folder(folder, recipe, data, answered)
    make_models.write_heldout(folder / "heldout.json", data, answered)
    with open(folder / "1" / "model.pkl", "wb") as file:
        pickle.dump(model, file, protocol=4)
    print(folder / "1" / "model.pkl")


if __name__ == "__main__":
    main()
