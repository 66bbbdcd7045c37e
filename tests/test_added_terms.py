"""add_loss, add_metric and metrics in attributes: what they do to training and what is shown of them."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import backend as K
from gatewise import layers, ops
from gradients import assert_gradients, central_differences, compare


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Watched(layers.Layer):
    """Scales; tells the mean of its input and adds the square of its weight to the loss."""

    def build(self, shape):
        self.w = self.add_weight(shape=(), initializer="ones", name="w")

    def call(self, x):
        self.add_metric(ops.mean(x), name="seen", aggregation="mean")
        self.add_loss(0.5 * ops.square(self.w))
        return x * self.w


def watched_model():
    x = gw.Input((4,))
    model = gw.Model(x, layers.Dense(1)(Watched()(x)))
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_an_added_metric_is_in_history_evaluate_and_the_names():
    model, x, y = watched_model(), data(6, 4), data(6, 1)
    history = model.fit(x, y, batch_size=3, epochs=2, validation_data=(x[:3], y[:3]), verbose=0).history
    assert set(history) == {"loss", "mae", "seen", "val_loss", "val_mae", "val_seen"}
    np.testing.assert_allclose(history["seen"], [x.mean()] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_seen"], [x[:3].mean()] * 2, rtol=1e-5)
    assert model.metrics_names == ["loss", "mae", "seen"]
    assert [m.name for m in model.metrics] == ["loss", "mae", "seen"]
    results = model.evaluate(x, y, verbose=0)
    assert len(results) == 3 and abs(results[2] - x.mean()) < 1e-6
    assert set(model.train_on_batch(x, y, return_dict=True)) == {"loss", "mae", "seen"}


def test_an_added_loss_is_in_the_loss_and_its_gradient_flows():
    model, x, y = watched_model(), data(6, 4), data(6, 1)
    w = model.layers[1].w
    plain = float(np.mean((model(x) - y) ** 2))
    assert abs(model.evaluate(x, y, verbose=0)[0] - plain - 0.5) < 1e-5
    _, gradients = model.value_and_grad(x, y)
    without = gw.Model(model.input, layers.Dense(1)(layers.Rescaling(1.0)(model.input)))
    assert len(without.weights) == 2 and abs(float(gradients[w])) > 0
    assert [float(loss) for loss in model.losses] == [0.5]


def test_a_metric_of_an_array_counts_each_element():
    class Telling(layers.Layer):
        def call(self, x):
            self.add_metric(x[:, 0], name="first")
            return x * 1.0

    model = gw.Sequential([gw.Input((2,)), Telling()])
    model.compile("sgd", "mse")
    x = data(5, 2)
    assert abs(model.evaluate(x, x, batch_size=2, verbose=0, return_dict=True)["first"] - x[:, 0].mean()) < 1e-2


def test_an_array_as_a_loss_is_summed():
    class Penalized(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(3,), initializer="ones", name="w")

        def call(self, x):
            self.add_loss(ops.square(self.w))
            self.add_loss([ops.sum(self.w), 0.1 * ops.mean(x)])
            return x * self.w

    assert_gradients(Penalized(dtype="float64"), data(2, 3).astype(float))


@pytest.mark.parametrize("kind", [layers.Dense, lambda units: Watched()])
def test_functions_as_losses(kind):
    layer = kind(2)
    layer(data(3, 4))
    weight = layer.trainable_weights[0]
    layer.add_loss(lambda: 0.1 * ops.sum(ops.square(weight)))
    model = gw.Sequential([gw.Input((4,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.add_loss(lambda: 2.0 * ops.sum(model.layers[-1].kernel))
    x, y = data(5, 4), data(5, 1)
    loss, gradients = model.value_and_grad(x, y)
    assert abs(loss - loss_of(model, x, y)) < 1e-5
    for variable in model.trainable_weights:
        place = (0,) * variable.ndim
        ends = []
        for step in (1e-2, -1e-2):
            variable.array[place] += step
            variable.touch()
            ends.append(loss_of(model, x, y))
            variable.array[place] -= step
            variable.touch()
        assert abs((ends[0] - ends[1]) / 2e-2 - float(gradients[variable][place])) < 2e-3
    assert len(model.loss_functions()) == 2


def loss_of(model, x, y):
    return model.evaluate(x, y, verbose=0, return_dict=True)["loss"]


def test_the_losses_of_a_call_are_kept_to_be_read():
    layer = Watched()
    assert layer.losses == []
    layer(data(2, 4))
    assert [float(loss) for loss in layer.losses] == [0.5]
    layer.w.assign(2.0)
    layer(data(2, 4))
    assert [float(loss) for loss in layer.losses] == [2.0]


def autoencoder():
    """A variational autoencoder as scripts for Keras 2 write it: the loss is a symbolic tensor."""

    def sampling(args):
        mean, log_var = args
        epsilon = K.random_normal(shape=(K.shape(mean)[0], 2), seed=3)
        return mean + K.exp(0.5 * log_var) * epsilon

    x = gw.Input((6, 3))
    h = layers.LSTM(5)(x)
    mean, log_var = layers.Dense(2, name="z_mean")(h), layers.Dense(2, name="z_log_var")(h)
    z = layers.Lambda(sampling, output_shape=(2,))([mean, log_var])
    y = layers.Dense(3)(layers.LSTM(5, return_sequences=True)(layers.RepeatVector(6)(z)))
    model = gw.Model(x, y)
    reconstruction = K.sum(K.square(x - y), axis=[1, 2])
    kl = -0.5 * K.sum(1 + log_var - K.square(mean) - K.exp(log_var), axis=-1)
    model.add_loss(K.mean(reconstruction + kl))
    model.add_metric(kl, name="kl_loss")
    return model


def test_symbolic_losses_and_metrics_of_a_functional_model():
    gw.utils.set_random_seed(1)
    model, x = autoencoder(), data(32, 6, 3)
    model.compile(gw.optimizers.Adam(0.01))
    history = model.fit(x, epochs=15, batch_size=8, verbose=0).history
    assert set(history) == {"loss", "kl_loss"} and history["loss"][-1] < history["loss"][0] - 0.3
    results = model.evaluate(x, verbose=0, return_dict=True)
    encoder = gw.Model(model.input, [model.get_layer("z_mean").output, model.get_layer("z_log_var").output])
    mean, log_var = encoder(x)
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=-1)
    assert abs(results["kl_loss"] - kl.mean()) < 1e-4
    np.testing.assert_allclose(results["loss"], np.sum((x - model(x)) ** 2, axis=(1, 2)).mean() + kl.mean(), rtol=1e-4)
    assert model.predict(x, verbose=0).shape == x.shape
    # What computes the loss is no layer of the model's.
    assert len(model.layers) == 8 and model.count_params() == autoencoder().count_params()


def test_weights_that_only_the_added_loss_uses_are_trained():
    x = gw.Input((3,))
    side = layers.Dense(1, name="side")(x)
    model = gw.Model(x, layers.Dense(1)(x))
    model.add_loss(K.mean(K.square(side - 1.0)))
    assert len(model.trainable_weights) == 4
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(data(8, 3), data(8, 1), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_metrics_in_attributes_of_layers_and_models():
    class Counting(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.largest = gw.metrics.Mean(name="largest")

        def call(self, x):
            self.largest.update_state(ops.max(ops.abs(x)))
            return x * 1.0

    class Model(gw.Model):
        def __init__(self):
            super().__init__()
            self.counting, self.dense = Counting(), layers.Dense(1)
            self.tracked = gw.metrics.Mean(name="tracked")

        def call(self, x):
            h = self.dense(self.counting(x))
            self.tracked.update_state(ops.mean(h))
            return h

    model, x, y = Model(), data(6, 4), data(6, 1)
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history
    assert set(history) == {"loss", "mae", "largest", "tracked"}
    expected = (np.abs(x[:3]).max() + np.abs(x[3:]).max()) / 2
    np.testing.assert_allclose(history["largest"], [expected] * 2, rtol=1e-5)
    assert [m.name for m in model.metrics] == ["loss", "tracked", "largest", "mae"]
    assert [m.name for m in model.counting.metrics] == ["largest"]
    assert len(model.trainable_weights) == 2 and len(model.weights) == 2


def test_what_is_refused_says_what_to_write():
    layer = Watched()
    for call, message in (
        (lambda: layer.add_loss(1.0), r"add_loss\(lambda: ...\)"),
        (lambda: layer.add_metric(1.0, name="n"), "Call it in call"),
        (lambda: layer.add_metric(1.0), "needs a name"),
        (lambda: layer.add_loss(gw.Input((3,))), r"A Model\(inputs, outputs\) takes such tensors: model.add_loss"),
        (lambda: watched_model().add_loss(K.mean(gw.Input((3,)))), "not among the model's inputs"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_call_does_not_change_what_it_was_given():
    class InPlace(layers.Layer):
        def call(self, x, mask=None):
            x *= 2.0
            x += 1.0
            return x

    x = data(3, 4)
    before = x.copy()
    model = gw.Sequential([gw.Input((4,)), InPlace()])
    np.testing.assert_array_equal(InPlace()(x), 2 * before + 1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), 2 * before + 1)
    np.testing.assert_array_equal(x, before)


class Penalty(layers.Layer):
    """What it is given; adds the mean of its squares to the loss."""

    def call(self, x):
        self.add_loss(ops.mean(ops.square(x)))
        return x


def models_with_added_losses_alone():
    """Models with two outputs in which what layers add does not lie on the way to the first."""

    def model(*heads):
        x = gw.Input((4, 3), dtype="float64")
        h = layers.LSTM(2, dtype="float64")(x)
        return gw.Model(x, [layers.Dense(1, dtype="float64")(h), *(head(h) for head in heads)])

    def inner(h):
        x = gw.Input((2,), dtype="float64")
        return gw.Model(x, Penalty(dtype="float64")(layers.Dense(2, dtype="float64")(x)))(h)

    def split(h):
        a, b = ops.split(layers.Dense(2, activity_regularizer="l2", dtype="float64")(h), 2, axis=-1)
        return Penalty(dtype="float64")(a) + b

    repeated = [
        layers.RepeatVector(3, dtype="float64"),
        layers.TimeDistributed(layers.Dense(2, activity_regularizer="l2", dtype="float64"), dtype="float64"),
        layers.LSTM(2, activity_regularizer="l2", return_state=True, dtype="float64"),
    ]

    def wrapped(h):
        for layer in repeated:
            h = layer(h)
        return h[0]

    return {
        "penalty": model(lambda h: Penalty(dtype="float64")(layers.Dense(2, dtype="float64")(h))),
        "regularizer": model(layers.Dense(2, activity_regularizer="l2", dtype="float64")),
        "model inside": model(inner),
        "split": model(split),
        "wrapped": model(wrapped),
    }


@pytest.mark.parametrize("with_loss", [True, False])
@pytest.mark.parametrize("name", ["penalty", "regularizer", "model inside", "split", "wrapped"])
def test_an_added_loss_has_its_gradient_where_the_output_reaches_no_loss(name, with_loss):
    model = models_with_added_losses_alone()[name]
    draw = np.random.default_rng(1)
    model.set_weights([0.5 * draw.normal(size=w.shape) for w in model.get_weights()])
    model.compile("sgd", ["mse" if with_loss else None, None])
    x, y = draw.normal(size=(5, 4, 3)), draw.normal(size=(5, 1))
    _, gradients = model.value_and_grad(x, [y, None])
    for variable in model.trainable_weights:
        expected = central_differences(lambda: model.value_and_grad(x, [y, None])[0], variable.array, variable.touch)
        compare(gradients[variable], expected, 1e-7, variable.path)
    trained = model.trainable_weights if with_loss else [v for v in model.trainable_weights if "dense" not in v.path]
    assert all(np.abs(gradients[v]).max() > 0 for v in trained)


def test_training_on_added_losses_alone_as_in_keras():
    """Figures of Keras 3.15.1 on TensorFlow, float32: one step of SGD(0.1) in each of two batches."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(8, 5, 3)).astype("float32")
    first = gw.Input((5, 3))
    model = gw.Model(first, Penalty()(layers.LSTM(4)(first)))
    draw = np.random.default_rng(5)
    before = [(draw.normal(size=w.shape).astype("float32") * 0.5) for w in model.get_weights()]
    model.set_weights(before)
    model.compile(gw.optimizers.SGD(0.1))
    history = model.fit(x, epochs=1, batch_size=4, shuffle=False, verbose=0).history
    moved = [float(np.abs(a - b).sum()) for a, b in zip(model.get_weights(), before, strict=True)]
    np.testing.assert_allclose(history["loss"], [0.02835], atol=6e-6)
    np.testing.assert_allclose(moved, [0.01993, 0.00642, 0.01485], atol=6e-6)
