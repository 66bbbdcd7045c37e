"""A model that follows a signal step by step: states are kept, forked for forecasts, and saved."""

import tempfile
from pathlib import Path

import numpy as np

import gatewise as gw
from gatewise import layers

gw.utils.set_random_seed(0)
STEPS = 40

# Noisy sine waves of several lengths; at every step the target is the next value.
rng = np.random.default_rng(0)
phase, speed = rng.uniform(0, 2 * np.pi, (256, 1)), rng.uniform(0.2, 0.5, (256, 1))
waves = np.sin(phase + speed * np.arange(STEPS + 1)) + 0.02 * rng.normal(size=(256, STEPS + 1))
x, y = waves[:, :-1, None], waves[:, 1:, None]

model = gw.Sequential([gw.Input((None, 1)), layers.LSTM(16, return_sequences=True), layers.Dense(1)])
model.compile(optimizer=gw.optimizers.Adam(0.02), loss="mse")
model.fit(x, y, epochs=20, verbose=0)

# Values come one at a time; each output is what predict gives for the values so far.
signal = np.sin(1 + 0.3 * np.arange(60))
stream = model.stream()
following = [stream.step(value)[0, 0] for value in signal[:50]]
print("as predict:", np.array_equal(following, model.predict(signal[None, :50, None], verbose=0)[0, :, 0]))

# A fork goes on from here with its own outputs as inputs; the stream itself stays where it is.
fork, value, forecast = stream.fork(), following[-1], []
for _ in range(10):
    forecast.append(value)
    value = fork.step(value)[0, 0]
print("forecast", np.round(forecast, 2), "true", signal[50:60].round(2))
print("mean error:", np.abs(np.array(forecast) - signal[50:60]).mean().round(4))

# The state is a value: read, saved and given back.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "state.npz"
    stream.save(path)
    later = model.stream()
    later.restore(path)
print("restored:", np.array_equal(later.step(signal[50]), stream.step(signal[50])))
print("state of", ", ".join(f"{name}: {[a.shape for a in arrays]}" for name, arrays in stream.state.items()))

# Several signals side by side, each with a row of the state; row 1 begins anew, row 0 goes on.
pair = model.stream(batch_size=2)
pair.run(np.stack([signal[:30], signal[30:]])[..., None])
pair.reset(rows=[1])
print("two rows", pair.step([[0.5], [0.5]]).ravel().round(2))
