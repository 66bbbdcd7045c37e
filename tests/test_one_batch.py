"""fit, evaluate and predict hold one batch at a time, whatever gives the batches."""

import weakref

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

X, Y = np.ones((12, 4, 3), "float32"), np.ones((12, 2), "float32")


class Probe(layers.Dense):
    """Notes how many of the batches it was given before are still there."""

    def __init__(self, **kwargs):
        super().__init__(2, **kwargs)
        self.given, self.alive = [], []

    def _note(self, x):
        self.alive.append(sum(ref() is not None for ref in self.given))
        self.given.append(weakref.ref(x))

    def forward(self, *inputs, **options):
        self._note(inputs[0])
        return super().forward(*inputs, **options)

    def infer(self, *inputs, **options):
        self._note(inputs[0])
        return super().forward(*inputs, **options)[0]


def model_with_probe():
    probe = Probe()
    model = gw.Sequential([gw.Input((4, 3)), probe, layers.GlobalAveragePooling1D()])
    model.compile("sgd", "mse")
    probe.given.clear(), probe.alive.clear()
    return model, probe


class Loader(gw.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, k):
        return X[3 * k : 3 * k + 3].copy(), Y[3 * k : 3 * k + 3].copy()


@pytest.mark.parametrize("data", ["arrays", "arrays in order", "loader", "generator"])
def test_fit(data):
    model, probe = model_with_probe()
    if data.startswith("arrays"):
        model.fit(X, Y, batch_size=3, epochs=3, verbose=0, shuffle=data == "arrays")
    elif data == "loader":
        model.fit(Loader(), epochs=3, verbose=0)
    else:
        loader = Loader()
        model.fit((loader[k % 4] for k in range(12)), steps_per_epoch=4, epochs=3, verbose=0)
    assert len(probe.alive) == 12
    assert max(probe.alive) == 0


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_evaluate_and_predict(method):
    model, probe = model_with_probe()
    given = (X, Y) if method == "evaluate" else (X,)
    getattr(model, method)(*given, batch_size=3, verbose=0)
    assert len(probe.alive) == 4 and max(probe.alive) <= 1
