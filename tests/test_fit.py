"""fit: what it computes, against the same steps written out, and what it keeps from one call to the next."""

import numpy as np
import pytest

import gatewise
from gatewise import losses, metrics, ops, optimizers, regularizers
from gatewise.layers import LSTM, Dense, Dropout, Layer
from training_models import data, forecaster, random, with_weights

X, Y = data()


def compiled(model=None, rate=0.1, loss="mse", **settings):
    model = model or forecaster()
    model.compile(optimizers.SGD(rate), loss, **settings)
    return model


def by_hand(model, x, y, batch_size, epochs, rate=0.1):
    """The mean loss of each epoch of plain gradient descent with `value_and_grad`."""
    course = []
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(x), batch_size):
            xb, yb = x[start : start + batch_size], y[start : start + batch_size]
            loss, gradients = model.value_and_grad(xb, yb)
            total += loss * len(xb)
            for variable, gradient in gradients.items():
                variable.assign_sub(rate * gradient)
        course.append(total / len(x))
    return course


@pytest.mark.parametrize("batch_size", [1, 3, 7, 32])
def test_fit_is_gradient_descent_with_the_last_short_batch_weighed_by_its_size(batch_size):
    model, other = compiled(), compiled()
    history = model.fit(X, Y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(by_hand(other, X, Y, batch_size, 3), rel=1e-6)
    for w, v in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(w, v, rtol=1e-5, atol=1e-7)


def central_differences(model, variable, loss_of, step=1e-6):
    value = variable.numpy()
    slopes = np.empty(value.shape)
    for place in np.ndindex(value.shape):
        ends = []
        for sign in (1, -1):
            moved = value.copy()
            moved[place] += sign * step
            variable.assign(moved)
            ends.append(loss_of())
        slopes[place] = (ends[0] - ends[1]) / (2 * step)
    variable.assign(value)
    return slopes


class Penalty(Layer):
    """Adds a loss of its own."""

    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


def test_gradients_equal_central_differences_with_every_kind_of_loss():
    model = with_weights(
        gatewise.Sequential([
            gatewise.Input((5, 3), dtype="float64"),
            LSTM(4, kernel_regularizer="l2", activity_regularizer=regularizers.L2(0.1), dtype="float64"),
            Penalty(dtype="float64"),
            Dense(2, kernel_regularizer=regularizers.L1L2(0.01, 0.1), activity_regularizer="l2", dtype="float64"),
        ])
    )  # fmt: skip
    model.compile("sgd", lambda t, p: ops.mean(ops.abs(t - p) ** 1.5))
    x, y = X.astype("float64"), random(7, 2).astype("float64")
    loss, gradients = model.value_and_grad(x, y, sample_weight=np.arange(7.0))

    def loss_of():
        return model.test_on_batch(x, y, sample_weight=np.arange(7.0))

    assert loss == pytest.approx(loss_of(), rel=1e-12)
    assert set(gradients) == set(model.trainable_variables)
    for variable in model.trainable_variables:
        expected = central_differences(model, variable, loss_of)
        np.testing.assert_allclose(gradients[variable], expected, rtol=1e-6, atol=1e-8)


def test_regularizers_are_in_loss_and_validation_loss_but_not_in_metrics():
    model = gatewise.Sequential([gatewise.Input((5, 3)), LSTM(4, kernel_regularizer=regularizers.L2(0.3)), Dense(1)])
    compiled(with_weights(model), rate=0.0, metrics=["mse"])
    history = model.fit(X, Y, batch_size=3, validation_data=(X, Y), verbose=0).history
    penalty = 0.3 * (model.layers[0].kernel.numpy() ** 2).sum()
    for prefix in ("", "val_"):
        assert history[prefix + "loss"][0] == pytest.approx(history[prefix + "mse"][0] + penalty, rel=1e-5)


def test_an_activity_regularizer_is_a_mean_over_samples():
    model = compiled(
        with_weights(gatewise.Sequential([gatewise.Input((5, 3)), Dense(2, activity_regularizer=regularizers.L2(0.1))]))
    )
    y = random(7, 5, 2)
    results = [model.evaluate(X, y, batch_size=n, verbose=0) for n in (1, 3, 7)]
    p = model.predict(X)
    assert results == pytest.approx([np.mean((p - y) ** 2) + 0.1 * (p**2).sum() / 7] * 3, rel=1e-5)


def test_only_a_penalty_is_enough_to_train_on():
    model = gatewise.Sequential([gatewise.Input((5, 3)), Dense(2, kernel_regularizer="l2")])
    model.compile("sgd")
    course = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert course[0] > course[1] > course[2] > 0


def test_users_losses_and_metrics():
    class Doubled(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(2 * ops.square(y_true - y_pred), axis=-1)

    class Total(metrics.Metric):
        def __init__(self, name="total", **kwargs):
            super().__init__(name=name, **kwargs)
            self.sum = self.add_weight(name="sum", shape=(), initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.sum.assign_add(np.sum(y_pred))

        def result(self):
            return self.sum

    def distance(y_true, y_pred):
        return np.abs(y_true - y_pred)

    model = compiled(loss=Doubled(), metrics=[Total(), distance], rate=0.0)
    history = model.fit(X, Y, batch_size=3, epochs=2, verbose=0).history
    p = model.predict(X)
    assert history["loss"] == pytest.approx([2 * np.mean((p - Y) ** 2)] * 2, rel=1e-6)
    assert history["total"] == pytest.approx([p.sum()] * 2, rel=1e-5)
    assert history["distance"] == pytest.approx([np.abs(p - Y).mean()] * 2, rel=1e-6)


@pytest.mark.parametrize("loss", [lambda t, p: (t - p) ** 2, lambda t, p: ops.sum(ops.square(t - p)) / 35])
def test_a_users_loss_of_any_rank_is_averaged(loss):
    model, y = forecaster(return_sequences=True), random(7, 5, 1)
    compiled(model, loss=loss)
    history = model.fit(X, y, batch_size=7, epochs=2, shuffle=False, verbose=0).history["loss"]
    expected = compiled(forecaster(return_sequences=True)).fit(X, y, batch_size=7, epochs=2, shuffle=False, verbose=0)
    assert history == pytest.approx(expected.history["loss"], rel=1e-6)


def test_a_second_fit_goes_on_where_the_first_stopped():
    models = [forecaster(), forecaster()]
    for model in models:
        model.compile("adam", "mse")
    models[0].fit(X, Y, epochs=4, shuffle=False, verbose=0)
    models[1].fit(X, Y, epochs=2, shuffle=False, verbose=0)
    models[1].predict(X)
    models[1].evaluate(X, Y, verbose=0)
    models[1].fit(X, Y, epochs=2, shuffle=False, verbose=0)
    assert all((w == v).all() for w, v in zip(models[0].get_weights(), models[1].get_weights(), strict=True))
    assert int(models[0].optimizer.iterations) == int(models[1].optimizer.iterations) == 4


def test_compiling_again_keeps_the_state_of_an_optimizer_object():
    model, optimizer = forecaster(), optimizers.Adam(0.1)
    model.compile(optimizer, "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    model.compile(optimizer, "mae")
    model.fit(X, Y, epochs=2, verbose=0)
    assert int(optimizer.iterations) == 4


def test_freezing_between_fits():
    model = forecaster()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    frozen = model.layers[0].get_weights()
    model.layers[0].trainable = False
    model.fit(X, Y, epochs=2, verbose=0)
    assert all((w == v).all() for w, v in zip(frozen, model.layers[0].get_weights(), strict=True))
    model.layers[0].trainable = True
    model.fit(X, Y, verbose=0)
    assert all((w != v).any() for w, v in zip(frozen, model.layers[0].get_weights(), strict=True))


def test_a_model_with_nothing_to_train():
    model = forecaster()
    model.trainable = False
    model.compile("adam", "mse")
    before = model.get_weights()
    assert model.fit(X, Y, verbose=0).history["loss"][0] == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-6)
    assert all((w == v).all() for w, v in zip(before, model.get_weights(), strict=True))


def test_two_models_that_share_a_layer_are_trained_in_turn():
    x = gatewise.Input((5, 3))
    shared = LSTM(4)
    h = shared(x)
    first = with_weights(gatewise.Model(x, Dense(1)(h)))
    second = gatewise.Model(x, Dense(1)(h))
    second.layers[-1].set_weights(first.layers[-1].get_weights())
    lone = forecaster()
    lone.set_weights(first.get_weights())
    for model in (first, second, lone):
        model.compile("sgd", "mse")
    # Both heads begin alike, so the shared layer is trained as if each step were the lone model's.
    for _ in range(3):
        first.layers[-1].set_weights(lone.layers[-1].get_weights())
        first.train_on_batch(X, Y)
        lone.train_on_batch(X, Y)
        second.layers[-1].set_weights(lone.layers[-1].get_weights())
        second.train_on_batch(X, Y)
        lone.train_on_batch(X, Y)
    for w, v in zip(shared.get_weights(), lone.layers[0].get_weights(), strict=True):
        np.testing.assert_allclose(w, v, rtol=1e-5, atol=1e-7)


class Residual(gatewise.Model):
    """A subclass with two inputs in a dictionary and two outputs in another."""

    def __init__(self):
        super().__init__()
        self.lstm, self.a, self.b, self.drop = LSTM(4), Dense(1), Dense(2), Dropout(0.5)

    def call(self, inputs, training=False):
        h = self.lstm(inputs["s"]) + ops.mean(inputs["t"], axis=-1, keepdims=True)
        return {"u": self.a(h), "v": self.b(self.drop(h, training=training))}


def test_a_subclassed_model_trains():
    gatewise.utils.set_random_seed(0)
    model = Residual()
    model.compile(optimizers.Adam(0.05), {"u": "mse", "v": "mae"}, metrics={"u": ["mae"]})
    x, y = {"s": X, "t": random(7, 2)}, {"v": np.zeros((7, 2)), "u": Y}
    history = model.fit(x, y, batch_size=3, epochs=40, validation_data=(x, y), verbose=0).history
    assert list(history)[:4] == ["loss", "u_loss", "v_loss", "u_mae"]
    assert history["val_loss"][-1] < 0.3 * history["val_loss"][0]
    p = model.predict(x, batch_size=2)
    assert list(p) == ["u", "v"] and p["u"].shape == (7, 1) and p["v"].shape == (7, 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx([v[-1] for k, v in history.items() if k[:4] == "val_"])


def test_stateful_layers_carry_states_over_batches_and_epochs():
    def stateful():
        layers = [gatewise.Input(batch_shape=(2, 5, 3)), LSTM(4, stateful=True), Dense(1)]
        return compiled(with_weights(gatewise.Sequential(layers)), rate=0.0)

    x, y = random(6, 5, 3), random(6, 1)
    long = with_weights(gatewise.Sequential([gatewise.Input((15, 3)), LSTM(4), Dense(1)]))
    whole = x.reshape(3, 2, 5, 3).transpose(1, 0, 2, 3).reshape(2, 15, 3)
    model = stateful()
    model.fit(x, y, epochs=1, shuffle=False, verbose=0)  # the batch size is the Input's
    np.testing.assert_allclose(model.predict(x[:2] * 0, batch_size=2).shape, (2, 1))
    model.reset_states()
    p = model.predict(x)
    np.testing.assert_allclose(p[4:], long.predict(whole), rtol=1e-5)
    assert not np.allclose(model.predict(x)[:2], p[:2])
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x), p)


def test_predict_after_fit_uses_the_new_weights():
    model = compiled(rate=1.0)
    before = model.predict(X)
    model.fit(X, Y, verbose=0)
    after = model.predict(X)
    assert not np.allclose(before, after)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(np.mean((after - Y) ** 2), rel=1e-5)


def test_learning_rate_can_be_set_between_fits():
    model = compiled(rate=0.1)
    model.fit(X, Y, verbose=0)
    model.optimizer.learning_rate = 0.0
    held = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((w == v).all() for w, v in zip(held, model.get_weights(), strict=True))


def test_validation_is_without_dropout_and_changes_no_training():
    def dropped():
        gatewise.utils.set_random_seed(3)
        model = gatewise.Sequential([gatewise.Input((5, 3)), LSTM(4, dropout=0.3), Dropout(0.5), Dense(1)])
        return compiled(with_weights(model))

    plain, validated = dropped(), dropped()
    first = plain.fit(X, Y, epochs=3, shuffle=False, verbose=0).history
    second = validated.fit(X, Y, epochs=3, shuffle=False, validation_data=(X, Y), verbose=0).history
    assert first["loss"] == second["loss"]
    assert second["val_loss"][-1] == pytest.approx(validated.evaluate(X, Y, verbose=0))


@pytest.mark.parametrize("split, trained", [(0.1, 6), (0.3, 4), (0.5, 3)])
def test_validation_split_holds_out_the_last_samples(split, trained):
    model = compiled(rate=0.0)
    history = model.fit(X, Y, validation_split=split, sample_weight=np.arange(1.0, 8.0), verbose=0).history
    error = np.arange(1.0, 8.0) * (model.predict(X) - Y)[:, 0] ** 2
    assert history["loss"][0] == pytest.approx(error[:trained].mean(), rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(error[trained:].mean(), rel=1e-5)


@pytest.mark.parametrize("frequency, epochs", [(1, 5), (2, 2), (5, 1), (6, 0), ([1, 4], 2), ({2}, 1)])
def test_validation_freq(frequency, epochs):
    history = compiled().fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=frequency, verbose=0).history
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == epochs


def test_class_weights_multiply_sample_weights_and_stay_out_of_validation():
    model, classes = forecaster(3, "softmax"), np.arange(7) % 3
    compiled(model, rate=0.0, loss="sparse_categorical_crossentropy")
    plain = -np.log(model.predict(X)[np.arange(7), classes])
    weight = np.array([1.0, 5.0, 0.5])[classes]
    for y in (classes, classes[:, None], classes.astype("float32")):
        history = model.fit(X, y, class_weight={1: 5.0, 2: 0.5}, validation_split=0.3, verbose=0).history
        assert history["loss"][0] == pytest.approx((plain * weight)[:4].mean(), rel=1e-5)
        assert history["val_loss"][0] == pytest.approx(plain[4:].mean(), rel=1e-5)
    compiled(model, rate=0.0, loss="categorical_crossentropy")
    both = model.fit(X, np.eye(3)[classes], class_weight={1: 5.0, 2: 0.5}, sample_weight=np.arange(7.0), verbose=0)
    assert both.history["loss"][0] == pytest.approx((plain * weight * np.arange(7)).mean(), rel=1e-5)


def test_epochs_are_numbered_from_initial_epoch():
    model = compiled()
    history = model.fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4] and len(history.history["loss"]) == 2
    assert model.fit(X, Y, epochs=2, initial_epoch=3, verbose=0).history == {}
    assert model.fit(X, Y, epochs=0, verbose=0).history == {}


def test_sequences_of_targets_with_weights_for_each_step():
    model = compiled(forecaster(return_sequences=True), rate=0.0)
    y, w = random(7, 5, 1), np.abs(random(7, 5))
    found = model.fit(X, y, sample_weight=w, verbose=0).history["loss"][0]
    assert found == pytest.approx(((model.predict(X) - y)[..., 0] ** 2 * w).mean(), rel=1e-5)


def test_keras_1_and_2_arguments_are_understood():
    model = compiled()
    assert len(model.fit(X, Y, nb_epoch=2, workers=1, verbose=0).history["loss"]) == 2


def test_moving_averages_become_the_weights_at_the_end():
    model = forecaster()
    model.compile(optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "mse")
    model.fit(X, Y, epochs=3, verbose=0)
    averages = [v for v in model.optimizer.variables if "average" in v.path]
    assert averages and all((w == a.numpy()).all() for w, a in zip(model.get_weights(), averages, strict=True))
