"""A training that can be killed at any moment: python killed_training.py KIND FOLDER OUT [SAVE_FREQ] [SECONDS_A_BATCH].

It writes the bits of all weights and of the optimizer, what was logged, and the table of CSVLogger to OUT when it has
come to its end.  KIND is "arrays" or "generator": two ways to train that between them have all that a run keeps.
"""

import os
import sys
import time

import numpy as np

import gatewise
from gatewise import callbacks, layers, metrics, optimizers, utils

EPOCHS, BATCHES = 6, 5


class Slow(callbacks.Callback):
    """Gives a killer time to strike."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.seconds)


def network(kind):
    inner = [
        layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.2, stateful=kind == "generator"),
        layers.BatchNormalization(),
        layers.Dropout(0.3, seed=None if kind == "arrays" else 9),
        layers.GaussianNoise(0.1),
        layers.GRU(3),
        layers.Dense(1, activation=None if kind == "arrays" else "sigmoid"),
    ]
    shape = {"shape": (6, 3)} if kind == "arrays" else {"batch_shape": (8, 6, 3)}
    return gatewise.Sequential([gatewise.Input(**shape), *inner])


def with_arrays(model, x, y):
    """What is given to fit, and the callbacks."""
    model.compile(optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=7), "mse", metrics=["mae"])
    return {"x": x, "y": y, "batch_size": 8, "validation_data": (x[:8], y[:8])}, [
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
        callbacks.EarlyStopping(patience=4, restore_best_weights=True),
    ]


def with_generator(model, x, y):
    """The same for batches that are made while they are asked for, of which an epoch takes some."""
    rate = optimizers.schedules.CosineDecay(0.02, 30, warmup_target=0.03, warmup_steps=5)
    chosen = optimizers.AdamW(rate, global_clipnorm=1.0, gradient_accumulation_steps=3, weight_decay=0.01)
    model.compile(chosen, "binary_crossentropy", metrics=["accuracy", metrics.AUC(), metrics.F1Score(threshold=0.5)])

    def batches():
        k = 0
        while True:
            yield x[k : k + 8], (y[k : k + 8] > 0).astype("float32")
            k = (k + 5) % 30

    return {"x": batches(), "steps_per_epoch": BATCHES, "class_weight": {0: 1.0, 1: 1.5}}, [
        callbacks.EarlyStopping("auc", patience=5, mode="max"),
        callbacks.TerminateOnNaN(),
    ]


def main(kind, folder, out, save_freq="epoch", seconds="0"):
    utils.set_random_seed(3)
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((38, 6, 3)).astype("float32"), draw.standard_normal((38, 1)).astype("float32")
    model = network(kind)
    given, watching = (with_arrays if kind == "arrays" else with_generator)(model, x, y)
    best = callbacks.ModelCheckpoint(f"{out}.best.keras", "loss", save_best_only=True)
    kept = callbacks.BackupAndRestore(folder, save_freq if save_freq == "epoch" else int(save_freq))
    table = callbacks.CSVLogger(f"{out}.csv")
    history = model.fit(
        **given, epochs=EPOCHS, verbose=0, callbacks=[*watching, best, table, kept, Slow(float(seconds))]
    )
    bits = [array.tobytes().hex() for array in [*model.get_weights(), *model.optimizer.get_weights()]]
    bits += [array.tobytes().hex() for array in gatewise.load_model(f"{out}.best.keras").get_weights()]
    with open(f"{out}.csv", encoding="utf-8") as file:
        lines = file.read()
    with open(f"{out}.part", "w", encoding="utf-8") as file:
        file.write("\n".join([*bits, repr(history.epoch), repr(history.history), lines]))
    os.replace(f"{out}.part", out)  # the killer may strike here too


if __name__ == "__main__":
    main(*sys.argv[1:])
