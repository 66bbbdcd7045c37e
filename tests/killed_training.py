"""A training that can be killed at any moment: python killed_training.py FOLDER OUT [SAVE_FREQ] [SECONDS_A_BATCH].

It writes the bits of all weights and of the optimizer to OUT when it has come to its end.
"""

import os
import sys
import time

import numpy as np

import gatewise
from gatewise import callbacks, layers, optimizers, utils

EPOCHS, BATCHES = 6, 5


class Slow(callbacks.Callback):
    """Gives a killer time to strike."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(self.seconds)


def main(folder, out, save_freq="epoch", seconds="0"):
    utils.set_random_seed(3)
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((38, 6, 3)).astype("float32"), draw.standard_normal((38, 1)).astype("float32")
    model = gatewise.Sequential(
        [
            gatewise.Input((6, 3)),
            layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.2),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.GRU(3),
            layers.Dense(1),
        ]
    )
    model.compile(optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=7), "mse", metrics=["mae"])
    history = model.fit(
        x, y, batch_size=8, epochs=EPOCHS, validation_data=(x[:8], y[:8]), verbose=0,
        callbacks=[
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
            callbacks.EarlyStopping(patience=4, restore_best_weights=True),
            callbacks.BackupAndRestore(folder, save_freq if save_freq == "epoch" else int(save_freq)),
            Slow(float(seconds)),
        ],
    )  # fmt: skip
    bits = [array.tobytes().hex() for array in [*model.get_weights(), *model.optimizer.get_weights()]]
    with open(f"{out}.part", "w", encoding="utf-8") as file:
        file.write("\n".join([*bits, repr(history.epoch), repr(history.history)]))
    os.replace(f"{out}.part", out)  # the killer may strike here too


if __name__ == "__main__":
    main(*sys.argv[1:])
