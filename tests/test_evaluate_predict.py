"""evaluate, predict and the on-batch methods: what they return, in which form and order, and what they leave alone."""

import numpy as np
import pytest

import gatewise
from gatewise import optimizers
from gatewise.layers import LSTM, Dense
from training_models import data, forecaster, random, two_headed, with_weights

X, Y = data()


def compiled(**settings):
    model = forecaster()
    model.compile(optimizers.SGD(0.1), "mse", **settings)
    return model


def test_forms_of_results():
    alone, several = compiled(), compiled(metrics=["mae"])
    p = alone.predict(X)
    mse, mae = np.mean((p - Y) ** 2), np.abs(p - Y).mean()
    assert alone.evaluate(X, Y, verbose=0) == pytest.approx(mse, rel=1e-6)
    assert alone.evaluate(X, Y, verbose=0, return_dict=True) == {"loss": pytest.approx(mse, rel=1e-6)}
    assert several.evaluate(X, Y, verbose=0) == pytest.approx([mse, mae], rel=1e-6)
    assert several.evaluate(X, Y, verbose=0, return_dict=True) == {
        "loss": pytest.approx(mse, rel=1e-6), "mae": pytest.approx(mae, rel=1e-6),
    }  # fmt: skip
    assert list(several.metrics_names) == ["loss", "mae"]


@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 7, 100])
def test_results_do_not_depend_on_the_batch_size(batch_size):
    model = compiled(metrics=["mae"])
    expected = model.evaluate(X, Y, batch_size=7, verbose=0)
    assert model.evaluate(X, Y, batch_size=batch_size, verbose=0) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(model.predict(X, batch_size=batch_size), model(X), rtol=1e-6)


def test_evaluate_trains_nothing_and_makes_no_optimizer_state():
    model = compiled()
    before = model.get_weights()
    model.evaluate(X, Y, verbose=0)
    assert not model.optimizer.built
    assert all((w == v).all() for w, v in zip(before, model.get_weights(), strict=True))


def test_sample_weights_in_evaluate():
    model, w = compiled(metrics=["mae"], weighted_metrics=["mae"]), np.arange(7.0)
    error = (model.predict(X) - Y)[:, 0]
    assert model.evaluate(X, Y, sample_weight=w, batch_size=3, verbose=0) == pytest.approx(
        [(w * error**2).mean(), np.abs(error).mean(), (w * np.abs(error)).sum() / w.sum()], rel=1e-5
    )


def test_on_batch_methods_tell_of_their_batch_alone():
    model = compiled(metrics=["mae"])
    first = model.test_on_batch(X, Y)
    assert model.train_on_batch(X, Y) == pytest.approx(first, rel=1e-6)
    second = model.test_on_batch(X, Y)
    assert second[0] < first[0]
    assert model.train_on_batch(X, Y, return_dict=True) == pytest.approx(
        dict(zip(("loss", "mae"), second, strict=True))
    )
    assert model.test_on_batch(X[:2], Y[:2]) == pytest.approx(model.evaluate(X[:2], Y[:2], verbose=0))
    assert compiled().train_on_batch(X, Y) == pytest.approx(first[0], rel=1e-6)


def test_train_on_batch_is_one_step_of_fit():
    one, other = compiled(), compiled()
    one.train_on_batch(X, Y, sample_weight=np.arange(7.0))
    other.fit(X, Y, batch_size=7, sample_weight=np.arange(7.0), shuffle=False, verbose=0)
    assert all((w == v).all() for w, v in zip(one.get_weights(), other.get_weights(), strict=True))


def test_class_weight_on_a_batch():
    model = forecaster(3, "softmax")
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    y = np.arange(7) % 3
    plain = -np.log(model.predict(X)[np.arange(7), y])
    expected = (plain * np.array([2.0, 1.0, 0.0])[y]).mean()
    assert model.train_on_batch(X, y, class_weight={0: 2.0, 2: 0.0}) == pytest.approx(expected, rel=1e-5)


def test_outputs_are_nested_as_the_model_returns_them():
    x = gatewise.Input((5, 3))
    h = LSTM(4)(x)
    nested = gatewise.Model(x, [Dense(1)(h), [Dense(2)(h), {"k": Dense(3)(h)}]])
    for p in (nested.predict(X, batch_size=3), nested.predict_on_batch(X), nested(X)):
        assert [p[0].shape, p[1][0].shape, p[1][1]["k"].shape] == [(7, 1), (7, 2), (7, 3)]
    a, b = two_headed().predict(X, batch_size=2)
    assert a.shape == (7, 1) and b.shape == (7, 3) and b.sum(axis=1) == pytest.approx(np.ones(7))


def test_predict_needs_no_compile():
    model = forecaster()
    np.testing.assert_allclose(model.predict(X), model(X), rtol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X), model(X), rtol=1e-6)


def test_predictions_are_the_users_own():
    model = compiled()
    p = model.predict(X)
    kept = p.copy()
    p[:] = 0
    np.testing.assert_array_equal(model.predict(X), kept)
    model.fit(X, Y, verbose=0)
    assert (p == 0).all()


def test_a_model_that_returns_its_input():
    x = gatewise.Input((3,))
    model = gatewise.Model(x, x)
    values = random(4, 3)
    for batch_size in (2, 4):
        p = model.predict(values, batch_size=batch_size)
        np.testing.assert_array_equal(p, values)
        p[:] = 0
        assert values.any()
    for p in (model.predict_on_batch(values), model(values)):
        p[:] = 0
        assert values.any()


def test_the_first_steps_only():
    model = compiled()
    assert model.predict(X, batch_size=2, steps=2).shape == (4, 1)
    expected = model.evaluate(X[:4], Y[:4], verbose=0)
    assert model.evaluate(X, Y, batch_size=2, steps=2, verbose=0) == pytest.approx(expected, rel=1e-6)
    assert model.evaluate(X, Y, batch_size=2, steps=2, verbose=0) == pytest.approx(expected, rel=1e-6)


def test_metrics_can_be_read_and_reset():
    model = compiled(metrics=["mae"])
    results = model.evaluate(X, Y, verbose=0)
    assert list(model.get_metrics_result().values()) == results
    assert [m.name for m in model.metrics] == ["loss", "mae"]
    model.reset_metrics()
    assert list(model.get_metrics_result().values()) == [0.0, 0.0]


def test_a_mask_leaves_steps_out_of_loss_and_metrics():
    layers = [gatewise.Input((5, 3)), gatewise.layers.Masking(), LSTM(4, return_sequences=True), Dense(1)]
    model = with_weights(gatewise.Sequential(layers))
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = X.copy(), random(7, 5, 1)
    x[:3, 2:] = 0
    kept = (x != 0).any(axis=-1)
    error = (model.predict(x) - y)[..., 0][kept]
    assert model.evaluate(x, y, verbose=0) == pytest.approx([np.mean(error**2), np.abs(error).mean()], rel=1e-5)


def test_layers_without_a_state_can_take_any_length():
    model = with_weights(gatewise.Sequential([gatewise.Input((None, 3)), LSTM(4), Dense(1)]))
    model.compile("sgd", "mse")
    for steps in (1, 5, 9):
        x = random(4, steps, 3)
        assert model.evaluate(x, Y[:4], verbose=0) == pytest.approx(np.mean((model(x) - Y[:4]) ** 2), rel=1e-5)
