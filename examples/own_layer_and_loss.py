"""A layer and a loss of your own: write what they compute; the gradients are derived, through the LSTM too."""

import numpy as np

import gatewise as gw
from gatewise import layers, ops

gw.utils.set_random_seed(0)


class AttentionPooling(layers.Layer):
    """A weighted mean of the steps of a sequence, the weights learned from the steps themselves."""

    def build(self, input_shape):
        self.question = self.add_weight(shape=(input_shape[-1], 1), name="question")

    def call(self, inputs):
        scores = ops.softmax(ops.matmul(inputs, self.question), axis=1)
        return ops.sum(inputs * scores, axis=1)


def pinball(y_true, y_pred):
    """The loss of the 90 % quantile: being too low costs nine times as much as being too high."""
    missed = y_true - y_pred
    return ops.mean(ops.maximum(0.9 * missed, -0.1 * missed), axis=-1)


rng = np.random.default_rng(0)
x = rng.normal(size=(512, 20, 3))
y = x[:, :, :1].max(axis=1) + rng.exponential(0.5, (512, 1))

model = gw.Sequential([gw.Input((20, 3)), layers.LSTM(16, return_sequences=True), AttentionPooling(), layers.Dense(1)])
model.compile(optimizer=gw.optimizers.Adam(0.01), loss=pinball)
model.fit(x, y, epochs=20, verbose=2)
print(f"{(y < model.predict(x, verbose=0)).mean():.0%} of the targets lie below the predicted 90 % quantile")
