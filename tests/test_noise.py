"""Layers that are random in training: what is drawn, edge cases, refusals; and ActivityRegularization."""

import math

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels, layers
from gatewise.context import collected_losses

X = np.random.default_rng(0).normal(size=(64, 50, 20)).astype("float32")
RANDOM = {
    "Dropout": lambda **o: layers.Dropout(0.3, **o),
    "SpatialDropout1D": lambda **o: layers.SpatialDropout1D(0.3, **o),
    "GaussianNoise": lambda **o: layers.GaussianNoise(0.3, **o),
    "GaussianDropout": lambda **o: layers.GaussianDropout(0.3, **o),
    "AlphaDropout": lambda **o: layers.AlphaDropout(0.3, **o),
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_seed_draws_the_same_whatever_the_threads(name):
    before = kernels.get_threads()
    try:
        found = []
        for n in (1, 2, 3):
            kernels.set_threads(n)
            found.append(RANDOM[name](seed=7)(X, training=True))
    finally:
        kernels.set_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.array_equal(found[0], RANDOM[name](seed=8)(X, training=True))


@pytest.mark.parametrize("name", RANDOM)
def test_the_global_seed_decides_where_none_is_given(name):
    found = []
    for _ in range(2):
        gw.utils.set_random_seed(3)
        found.append(RANDOM[name]()(X, training=True))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", RANDOM)
def test_nothing_happens_at_rate_0_or_outside_of_training(name):
    cls = getattr(layers, name)
    assert np.array_equal(cls(0)(X, training=True), X)
    assert np.array_equal(cls(0.5)(X), X) and np.array_equal(cls(0.5)(X, training=False), X)


@pytest.mark.parametrize("name", RANDOM)
def test_types_stay(name):
    for dtype in ("float32", "float64"):
        y, back = RANDOM[name](dtype=dtype).differentiate([X.astype(dtype)], None, True, None)
        assert y.dtype == dtype and back(np.ones_like(y))[0][0].dtype == dtype


def test_dropout_keeps_the_mean_and_zeroes_the_rate():
    y = layers.Dropout(0.3, seed=1)(np.ones_like(X), training=True)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01) and y.mean() == pytest.approx(1, abs=0.01)


def test_dropout_of_everything_is_zero_even_of_what_is_no_number():
    y, back = layers.Dropout(1.0).differentiate([np.full((2, 3), np.inf, "float32")], None, True, None)
    assert not y.any() and not back(np.ones_like(y))[0][0].any()


@pytest.mark.parametrize("shape", [(None, 1, None), (64, 1, 20), (1, None, 1), (20,), (1, 1, 1)])
def test_a_noise_shape_shares_the_choice(shape):
    kept = layers.Dropout(0.5, noise_shape=shape, seed=1)(np.ones_like(X), training=True) > 0
    for axis, size in enumerate((1,) * (3 - len(shape)) + shape):
        if size == 1:
            assert (kept == kept.take([0], axis)).all()
    assert 0 < kept.mean() < 1 or shape == (1, 1, 1)


def test_spatial_dropout_takes_whole_features():
    kept = layers.SpatialDropout1D(0.5, seed=1)(np.ones_like(X), training=True) > 0
    assert (kept == kept[:, :1]).all() and 0.4 < kept[:, 0].mean() < 0.6


def test_gaussian_noise_has_its_standard_deviation():
    noise = layers.GaussianNoise(0.3, seed=1)(X, training=True) - X
    assert noise.mean() == pytest.approx(0, abs=5e-3) and noise.std() == pytest.approx(0.3, rel=0.01)


def test_gaussian_dropout_has_the_variance_of_dropout():
    factor = layers.GaussianDropout(0.3, seed=1)(np.ones_like(X), training=True)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    assert factor.std() == pytest.approx(math.sqrt(0.3 / 0.7), rel=0.01)


def test_alpha_dropout_keeps_mean_and_variance():
    y = layers.AlphaDropout(0.3, seed=1)(X, training=True)
    assert y.mean() == pytest.approx(X.mean(), abs=0.02) and y.var() == pytest.approx(X.var(), rel=0.02)
    dropped = layers.AlphaDropout(0.3, seed=1)(np.zeros_like(X), training=True)
    assert len(np.unique(dropped)) == 2


def test_masks_pass_through():
    for layer in [make() for make in RANDOM.values()] + [layers.ActivityRegularization(0.1)]:
        assert layer.compute_mask(X, "mask") == "mask" and layer.supports_masking


def test_the_configuration_of_spatial_dropout_is_keras_s():
    layer = layers.SpatialDropout1D(0.4, name="it")
    assert layer.get_config() == {"rate": 0.4, "seed": None, "name": "it", "dtype": "float32"}
    old = {"name": "it", "trainable": True, "dtype": "float32", "rate": 0.4, "noise_shape": None, "seed": None}
    assert layers.SpatialDropout1D.from_config(old).rate == 0.4


def test_activity_regularization_adds_its_penalty_and_gradient():
    x = X.astype("float64")
    layer = layers.ActivityRegularization(l1=0.1, l2=0.2, dtype="float64")
    with collected_losses() as losses:
        y, back = layer.differentiate([x], None, True, None)
    assert y is x
    assert losses == [pytest.approx((0.1 * abs(x).sum() + 0.2 * (x * x).sum()) / 64)]
    np.testing.assert_allclose(back(np.zeros_like(x))[0][0], (0.1 * np.sign(x) + 0.4 * x) / 64)
    assert {k: v for k, v in layer.get_config().items() if k in ("l1", "l2")} == {"l1": 0.1, "l2": 0.2}
    assert "activity_regularizer" not in layer.get_config()


REFUSALS = {
    "rate": (lambda: layers.Dropout(1.5), ["Dropout", "`rate`", "between 0 and 1", "rate=1.5"]),
    "negative rate": (lambda: layers.AlphaDropout(-0.1), ["AlphaDropout", "rate=-0.1"]),
    "text": (lambda: layers.GaussianDropout("0.5"), ["GaussianDropout", "rate='0.5'"]),
    "stddev": (lambda: layers.GaussianNoise(2.0), ["GaussianNoise", "`stddev`", "stddev=2.0"]),
    "no number": (lambda: layers.Dropout(float("nan")), ["rate=nan"]),
    "seed": (lambda: layers.Dropout(0.5, seed="a"), ["seed", "'a'"]),
    "noise shape": (lambda: layers.Dropout(0.5, noise_shape="ab"), ["Dropout", "`noise_shape`", "'ab'"]),
    "noise number": (lambda: layers.Dropout(0.5, noise_shape=3), ["noise_shape=3"]),
    "noise zero": (lambda: layers.AlphaDropout(0.5, noise_shape=(2, 0)), ["AlphaDropout", "(2, 0)"]),
    "noise axes": (
        lambda: layers.Dropout(0.5, noise_shape=(64, 1, 20, 1), name="it")(X),
        ["'it' (Dropout)", "cannot spread its noise_shape", "(64, 50, 20)", "(64, 1, 20, 1)", "(None, 1, None)"],
    ),
    "noise sizes": (
        lambda: layers.Dropout(0.5, (None, 2, None), name="it")(gw.Input((50, 20))),
        ["'it'", "(None, 2, None)"],
    ),
    "axes": (
        lambda: layers.SpatialDropout1D(0.5, name="it")(X[0]),
        ["'it' (SpatialDropout1D)", "expected ndim=3, found ndim=2"],
    ),
    "all noise": (lambda: layers.GaussianDropout(1.0, name="it")(X, training=True), ["'it'", "rate=1", "below 1"]),
    "all dropped": (lambda: layers.AlphaDropout(1.0, name="it")(X, training=True), ["'it' (AlphaDropout)", "rate=1"]),
    "l1": (lambda: layers.ActivityRegularization(l1=-1), ["l1", "-1"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, words = REFUSALS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)
