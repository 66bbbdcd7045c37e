"""Models of many kinds, trained for some steps: python determined_training.py prints a digest of the bits of each."""

import hashlib
import json
import sys

import numpy as np

import gatewise
from gatewise import Input, Model, Sequential, callbacks, constraints, layers, metrics, ops, optimizers, regularizers

N, T, F = 40, 7, 6


class Mixed(layers.Layer):
    """A user's layer, with products written in every way."""

    def __init__(self, units):
        super().__init__()
        self.units = units
        self.inner = layers.GRU(units, return_sequences=True, dropout=0.1)

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], self.units), "orthogonal", name="kernel")
        self.seen = self.add_weight((self.units,), "zeros", trainable=False, name="seen")

    def call(self, x, training=False):
        first = x @ self.kernel + ops.matmul(x, self.kernel) + np.tensordot(x, self.kernel, 1)
        second = ops.einsum("ntf,fu->ntu", x, self.kernel) + ops.dot(x, self.kernel)
        return ops.tanh(0.3 * (first + second)) + self.inner(x)


class Own(Model):
    """A subclassed model that draws numbers of its own."""

    def __init__(self):
        super().__init__()
        self.chance = gatewise.random.SeedGenerator(11)
        self.recurrent, self.head = layers.LSTM(40), layers.Dense(1)
        self.attributes = {name: layers.Dense(40, name=name) for name in ("b", "a", "c")}

    def call(self, x, training=False):
        x = self.recurrent(x)
        for layer in self.attributes.values():
            x = x + layer(x)
        return self.head(x)


def stacked(*inner, head=None):
    return Sequential([Input((T, F)), *inner, *([layers.Dense(1)] if head is None else head)])


def attending():
    x = Input((T, F))
    h = layers.LayerNormalization()(layers.Dense(32)(x))
    h = h + layers.MultiHeadAttention(4, 16, dropout=0.2)(h, h)
    h = layers.Attention(dropout=0.1)([h, h])
    return Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(h)))


def several_inputs():
    x, words = Input((T, F), name="x"), Input((T,), dtype="int32", name="words")
    shared = layers.Bidirectional(layers.LSTM(24, return_sequences=True, recurrent_dropout=0.2), merge_mode="sum")
    h = layers.Concatenate()([shared(x), layers.Embedding(50, 24, mask_zero=True)(words)])
    return Model({"x": x, "words": words}, layers.Dense(1, name="y")(layers.SimpleRNN(20, dropout=0.2)(h)))


MODELS = {
    "lstm": (lambda: stacked(layers.LSTM(100, dropout=0.2, recurrent_dropout=0.2, return_sequences=True),
                             layers.LSTM(64), layers.Dropout(0.3)), "adam"),
    "gru": (lambda: stacked(layers.GRU(90, recurrent_dropout=0.1, return_sequences=True),
                            layers.GRU(33, reset_after=False)), "rmsprop"),
    "simple": (lambda: stacked(layers.SimpleRNN(64, activation="softmax", return_sequences=True),
                               layers.GaussianNoise(0.1), layers.SimpleRNN(40)),
               lambda: optimizers.SGD(0.01, 0.9, nesterov=True, global_clipnorm=1.0)),
    "variants": (lambda: stacked(layers.LSTM(32, peephole=True, return_sequences=True),
                                 layers.LSTM(32, projection_units=12, zoneout_cell=0.1, zoneout_output=0.1)),
                 lambda: optimizers.AdamW(0.01, use_ema=True, ema_overwrite_frequency=3)),
    "both ways": (lambda: stacked(layers.Bidirectional(layers.LSTM(48)), layers.BatchNormalization(),
                                  layers.AlphaDropout(0.1)), lambda: optimizers.Nadam(clipvalue=0.5)),
    "convolution": (lambda: stacked(layers.SpatialDropout1D(0.2), layers.Conv1D(48, 3, padding="causal"),
                                    layers.MaxPooling1D(2), layers.SeparableConv1D(24, 2), layers.Flatten()),
                    "adagrad"),
    "conv lstm": (lambda: stacked(layers.Reshape((T, 1, F, 1)), layers.ConvLSTM2D(9, (1, 3), dropout=0.1,
                                  recurrent_dropout=0.1), layers.Flatten()), "adamax"),
    "attention": (attending, lambda: optimizers.Lion(1e-3, weight_decay=0.01)),
    "several inputs": (several_inputs, lambda: optimizers.Adam(gradient_accumulation_steps=2)),
    "layer of one's own": (lambda: stacked(Mixed(48), layers.LSTM(16)), "adadelta"),
    "model of one's own": (Own, "lamb"),
    "regularized": (lambda: stacked(layers.LSTM(40, kernel_regularizer="l2",
                                    recurrent_regularizer=regularizers.OrthogonalRegularizer(),
                                    bias_constraint=constraints.MaxNorm(1.0)), layers.GaussianDropout(0.2)), "ftrl"),
    "matrices": (lambda: stacked(layers.Dense(128, "relu"), layers.TimeDistributed(layers.Dense(64)), layers.Flatten(),
                                 layers.EinsumDense("ab,bc->ac", 64)), "muon"),
    "factored": (lambda: stacked(layers.LSTM(130)), "adafactor"),
}  # fmt: skip


def digest(make, optimizer):
    gatewise.utils.set_random_seed(5)
    model = make()
    chosen = optimizer() if callable(optimizer) else optimizer
    model.compile(chosen, "mse", metrics=["mae", metrics.RootMeanSquaredError(), metrics.R2Score()])
    draw = np.random.default_rng(1)
    x = draw.standard_normal((N, T, F)).astype("float32")
    x[3, 4:] = 0
    y = x.sum(axis=(1, 2))[:, None] / 6
    data = {"x": x, "words": draw.integers(0, 50, (N, T))} if isinstance(getattr(model, "input", None), dict) else x
    watched = [callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)]
    history = model.fit(
        data, y, batch_size=17, epochs=2, validation_split=0.2, sample_weight=np.linspace(0.5, 1, N),
        callbacks=watched, verbose=0,
    )  # fmt: skip
    found = hashlib.sha256()
    for array in [*model.get_weights(), *model.optimizer.get_weights(), model.predict(data, verbose=0)]:
        assert np.isfinite(array).all()
        found.update(np.ascontiguousarray(array).tobytes())
    found.update(json.dumps(history.history).encode())
    return found.hexdigest()


if __name__ == "__main__":
    json.dump({name: digest(*made) for name, made in MODELS.items()}, sys.stdout)
