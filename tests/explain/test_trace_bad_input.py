"""What gatewise.trace says when it cannot do what it is asked."""

import numpy as np
import pytest

import gatewise as gw
from explain.traced_models import F, Subclassed, data, seq, sequential
from gatewise import config, layers, ops


@pytest.fixture(autouse=True)
def _fresh_names():
    config.reset_names()


def refused(match, *args, error=ValueError, **options):
    with pytest.raises(error, match=match):
        gw.trace(*args, **options)


def test_something_else_than_a_layer():
    refused("trace takes a model or a layer; got int 3", 3, data(2, 4, F), error=TypeError)
    refused(r"got .*LSTM.*Write LSTM\(\.\.\.\)\.", layers.LSTM, data(2, 4, F), error=TypeError)


def test_no_recurrent_layer():
    model = gw.Sequential([gw.Input((F,)), layers.Dense(2)])
    refused(
        r"Model 'sequential' \(Sequential\) has no recurrent layer, so there is nothing to trace", model, data(2, F)
    )
    refused("called no recurrent layer when it ran", layers.Dense(2), data(2, F))

    class Sometimes(gw.Model):
        def __init__(self):
            super().__init__()
            self.lstm = layers.LSTM(2)

        def call(self, inputs, training=False):
            return self.lstm(inputs) if training else ops.sum(inputs, axis=1)

    model = Sometimes()
    model(data(2, 4, F), training=True)
    refused("called no recurrent layer when it ran", model, data(2, 4, F))
    refused("called no recurrent layer of those when it ran", model, data(2, 4, F), layers="lstm")


def test_unknown_layers():
    model, x = sequential(seq(layers.LSTM, 2, name="first"), layers.GRU(2, name="second")), data(2, 4, F)
    refused("unknown recurrent layer 'frist'. Did you mean 'first'. Known: first, second", model, x, layers="frist")
    refused("unknown recurrent layer 'other'", model, x, layers=[layers.LSTM(2, name="other")])
    refused("unknown recurrent layer 3", model, x, layers=3)


def test_data_that_do_not_fit():
    model = sequential(layers.LSTM(2))
    refused(r"expected: \(batch=any, time steps=any, features=3\)", model, data(2, 4, F + 1))
    refused("x must be numbers in arrays", model, "text", error=TypeError)
    layer = layers.LSTM(2)
    refused("time steps", layer, data(2, F))
    refused("initial", layer, data(2, 4, F), initial_state=[data(2, 3), data(2, 2)])
    refused("mask", layer, data(2, 4, F), mask=np.ones((2, 5), bool))
    refused("mask", model, data(2, 4, F), mask=np.ones((2, 5), bool))
    refused("initial_state goes with a recurrent layer", model, data(2, 4, F), initial_state=[data(2, 2), data(2, 2)])


def test_gradients_need_targets_and_a_loss():
    model, x = sequential(layers.LSTM(2)), data(2, 4, F)
    refused(r"needs the targets that the loss is taken for: give y=", model, x, gradients=True)
    refused("which only gradients need: write gradients=True", model, x, y=data(2, 2))
    refused("which only gradients need: write gradients=True", model, x, sample_weight=np.ones(2))
    refused("which only gradients need: write gradients=True", model, x, loss="mse")
    refused(
        "has no loss to take the gradient of: compile the model, or write trace", model, x, gradients=True, y=data(2, 2)
    )
    refused(r"Layer 'gru' \(GRU\) has no loss to take the gradient of: write trace", layers.GRU(2, name="gru"), x,
            gradients=True, y=data(2, 2))  # fmt: skip
    refused("unknown loss 'mes'. Did you mean 'mse'", model, x, gradients=True, y=data(2, 2), loss="mes")
    refused("shape", layers.GRU(2), x, gradients=True, y=data(2, 3), loss="mse")


def test_a_trace_within_a_trace():
    class Curious(gw.Model):
        def __init__(self):
            super().__init__()
            self.lstm = layers.LSTM(2)
            self.is_curious = False

        def call(self, inputs):
            if self.is_curious:
                gw.trace(self.lstm, inputs)
            return self.lstm(inputs)

    model, x = Curious(), data(2, 4, F)
    model(x)
    model.is_curious = True
    refused("traced already", model, x, error=RuntimeError)


def test_models_that_are_not_built_yet_are_built():
    model = gw.Sequential([layers.LSTM(2), layers.Dense(1)])
    trace = gw.trace(model, data(2, 4, F))
    np.testing.assert_array_equal(trace.output, model.predict(data(2, 4, F)))
    model = Subclassed()
    assert len(gw.trace(model, data(2, 4, F))) == 2
