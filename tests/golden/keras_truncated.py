"""Truncated backpropagation through stateful layers, by real Keras: run with it installed, as

    KERAS_BACKEND=tensorflow python tests/golden/keras_truncated.py

It writes truncated.json beside itself: long sequences cut into windows, a step of training a window, the states carried
on and the gradients not; the loss of each step, and the weights and states afterwards.
"""

import json
import pathlib

import keras
import numpy as np

BATCH, STEPS, WINDOWS, FEATURES = 2, 4, 3, 2

MODELS = {
    "lstm, last step": [("LSTM", {"units": 3}), ("Dense", {"units": 1})],
    "lstm, all steps": [("LSTM", {"units": 3, "return_sequences": True}), ("Dense", {"units": 1})],
    "gru, last step": [("GRU", {"units": 3}), ("Dense", {"units": 1})],
    "gru, all steps": [("GRU", {"units": 3, "return_sequences": True}), ("Dense", {"units": 1})],
    "simple rnn, all steps": [("SimpleRNN", {"units": 3, "return_sequences": True}), ("Dense", {"units": 1})],
    "two layers": [
        ("LSTM", {"units": 3, "return_sequences": True}), ("GRU", {"units": 2}), ("Dense", {"units": 1}),
    ],
}  # fmt: skip


def trained(parts: list) -> dict:
    """Two passes over the windows, the states reset between them."""
    rng = np.random.default_rng(0)
    built = [keras.Input(batch_shape=(BATCH, STEPS, FEATURES))]
    for cls, options in parts:
        more = {} if cls == "Dense" else {"stateful": True}
        built.append(getattr(keras.layers, cls)(**options, **more))
    model = keras.Sequential(built)
    model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.2), "mse")
    recurrent = [layer for layer in model.layers if getattr(layer, "stateful", False)]
    x = rng.normal(size=(BATCH, STEPS * WINDOWS, FEATURES))
    shape = (WINDOWS, *model.output_shape)
    y = rng.normal(size=shape)
    before, losses = [w.tolist() for w in model.get_weights()], []
    for _ in range(2):
        for k in range(WINDOWS):
            losses.append(float(model.train_on_batch(x[:, k * STEPS : (k + 1) * STEPS], y[k])))
        states = [np.asarray(state).tolist() for layer in recurrent for state in layer.states]
        for layer in recurrent:
            layer.reset_state()
    return {
        "parts": parts, "x": x.tolist(), "y": y.tolist(), "before": before, "losses": losses, "states": states,
        "after": [w.tolist() for w in model.get_weights()],
    }  # fmt: skip


if __name__ == "__main__":
    keras.backend.set_floatx("float64")
    found = {name: trained(parts) for name, parts in MODELS.items()}
    told = {"keras": keras.__version__, "backend": keras.backend.backend(), "steps": STEPS, "models": found}
    pathlib.Path(__file__).with_name("truncated.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
