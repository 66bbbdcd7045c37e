"""What layers add to the loss, in loops of one's own: it counts as much as the loss there makes of it."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from gradients import central_differences, compare


class AddsItsSquares(layers.Layer):
    """What it is given; adds the mean of its squares to the loss."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


class AddingCell(layers.LSTMCell):
    """An LSTM's step that adds the mean of the squares of its output to the loss."""

    def call(self, x, states, training=False):
        y, states = super().call(x, states, training=training)
        self.add_loss(ops.mean(ops.square(y)))
        return y, states


class Branching(gw.Model):
    """A model in which one branch does nothing but add to the loss."""

    def __init__(self):
        super().__init__(dtype="float64")
        self.first = layers.LSTM(2, dtype="float64")
        self.side = layers.Dense(2, activity_regularizer="l2", dtype="float64")
        self.last = layers.Dense(1, dtype="float64")

    def call(self, x):
        h = self.first(x)
        self.side(h)
        return self.last(h)


def adding_models():
    def functional(*inside):
        x = gw.Input((3, 2), dtype="float64")
        y = x
        for layer in inside:
            y = layer(y)
        return gw.Model(x, y)

    def dense(**options):
        return layers.Dense(1, dtype="float64", **options)

    def lstm():
        return layers.LSTM(2, dtype="float64")

    with_function = functional(lstm(), dense())
    with_function.layers[-1].add_loss(lambda: ops.sum(ops.square(with_function.layers[-1].kernel)))
    with_tensor = functional(lstm(), dense())
    with_tensor.add_loss(ops.mean(ops.square(with_tensor.layers[1].output)))
    return {
        "regularizer": functional(lstm(), dense(activity_regularizer="l2", kernel_regularizer="l2")),
        "layer": functional(lstm(), AddsItsSquares(dtype="float64"), dense()),
        "function": with_function,
        "tensor": with_tensor,
        "branch": Branching(),
        "model inside": functional(functional(lstm(), AddsItsSquares(dtype="float64")), dense()),
        "steps again": functional(layers.RNN(AddingCell(2, dtype="float64"), remat_steps=2, dtype="float64"), dense()),
    }


@pytest.mark.parametrize("name", list(adding_models()))
@pytest.mark.parametrize("factor", [0.0, 1.0, 2.0])
def test_added_losses_count_in_a_loop_of_ones_own_as_much_as_it_says(name, factor):
    model, draw = adding_models()[name], np.random.default_rng(3)
    x, y = draw.normal(size=(4, 3, 2)), draw.normal(size=(4, 1))
    model(x)
    model.set_weights([0.5 * draw.normal(size=w.shape) for w in model.get_weights()])

    def loss():
        of_data = ops.mean(ops.square(model(x) - y))
        return of_data + factor * sum(model.losses) if factor else of_data

    value, gradients = gw.value_and_grad(loss, model.trainable_variables)
    assert abs(float(value) - float(loss())) < 1e-9
    for variable in model.trainable_variables:
        compare(
            gradients[variable], central_differences(lambda: float(loss()), variable.array, variable.touch), 1e-6, ""
        )


def test_the_added_losses_of_one_call_may_count_differently():
    x = gw.Input((2,), dtype="float64")
    model = gw.Model(x, AddsItsSquares(dtype="float64")(layers.Dense(2, activity_regularizer="l2", dtype="float64")(x)))
    values = np.random.default_rng(0).normal(size=(3, 2))

    def loss():
        y = model(values)
        first, second = model.losses
        return ops.mean(y) + 3 * first - 0.5 * second

    _, gradients = gw.value_and_grad(loss, model.trainable_variables)
    for variable in model.trainable_variables:
        compare(
            gradients[variable], central_differences(lambda: float(loss()), variable.array, variable.touch), 1e-6, ""
        )


def test_a_compute_loss_of_ones_own_takes_the_added_losses_as_often_as_it_says():
    class Own(gw.Model):
        factor = 3.0

        def __init__(self):
            super().__init__(dtype="float64")
            self.dense = layers.Dense(1, activity_regularizer="l2", dtype="float64")

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(ops.square(y - y_pred)) + self.factor * sum(self.losses)

    model, draw = Own(), np.random.default_rng(0)
    x, y = draw.normal(size=(4, 3)), draw.normal(size=(4, 1))
    model.compile("sgd", "mse")
    for model.factor in (0.0, 3.0):
        _, gradients = model.value_and_grad(x, y)
        for variable in model.trainable_variables:
            found = central_differences(lambda: model.value_and_grad(x, y)[0], variable.array, variable.touch)
            compare(gradients[variable], found, 1e-6, variable.path)
