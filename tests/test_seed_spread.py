"""From random beginnings the training script ends where Keras's own backends end, over 200 seeds."""

import json
import pathlib
import statistics

import numpy as np

import gatewise as gw
from gatewise import layers

KERAS = json.loads((pathlib.Path(__file__).parent / "golden" / "seed_spread.json").read_text(encoding="utf-8"))[
    "backends"
]


def test_medians_lie_within_the_spread_of_keras_backends():
    base = np.arange(1, 16).reshape(5, 3)
    x = np.array([np.where(np.arange(15).reshape(5, 3) == k, 0, base) for k in range(15)])
    y = np.array([[1, 0]] * 8 + [[0, 1]] * 7)
    ends = []
    for seed in range(200):
        gw.utils.set_random_seed(seed)
        model = gw.Sequential([gw.Input((5, 3)), layers.LSTM(4), layers.Dense(2, activation="sigmoid")])
        model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
        history = model.fit(x, y, epochs=100, batch_size=3, verbose=0).history
        ends.append((history["loss"][-1], history["accuracy"][-1]))
    losses, accuracies = zip(*ends, strict=True)
    for found, name in ((losses, "loss"), (accuracies, "accuracy")):
        medians = [statistics.median(backend[name]) for backend in KERAS.values()]
        assert min(medians) - 1e-6 <= statistics.median(found) <= max(medians) + 1e-6, name
