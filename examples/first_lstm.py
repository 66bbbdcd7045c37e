"""Build an LSTM, count and explain its weights, train it, and predict."""

import numpy as np

import gatewise as gw
from gatewise import layers

gw.utils.set_random_seed(0)

# 256 noisy sine waves; the target is the value after the last.
rng = np.random.default_rng(0)
phase = rng.uniform(0, 2 * np.pi, (256, 1))
waves = np.sin(phase + 0.4 * np.arange(14)) + 0.05 * rng.normal(size=(256, 14))
x, y = waves[:, :13, None], waves[:, 13:]

model = gw.Sequential([gw.Input((13, 1)), layers.LSTM(10), layers.Dense(1)])
model.summary()
print(gw.explain(model.layers[0]))

model.compile(optimizer=gw.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
model.fit(x, y, epochs=30, validation_split=0.2, verbose=2)
print("predicted", model.predict(x[:3], verbose=0).ravel().round(2), "true", y[:3].ravel().round(2))
