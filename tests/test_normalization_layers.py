"""Normalization layers: what training does, what masks leave out, what data teach, what is refused."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import config, layers, stepper
from golden import build, load
from test_contract import central_differences

X = np.random.default_rng(0).normal(2.0, 3.0, size=(4, 5, 3))
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]], bool)
CONFIGS = [case for case in load.cases("layers", "normalization") if "config" in case]


def made(layer, x=X):
    """Built, with weights that are neither zero nor one."""
    layer(x)
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(np.abs(rng.normal(size=variable.shape)) + 0.3)
    return layer


def moved(layer, x=X, mask=None, training=True):
    """(y, pullback, the weights afterwards)."""
    y, back = layer.differentiate([x], mask, training, None)
    return y, back, layer.get_weights()


@pytest.mark.parametrize("case", CONFIGS, ids=lambda case: case["id"])
def test_configuration_is_keras_s(case):
    config.reset_names()
    layer = build.build(case["spec"])
    if case["spec"]["class"] == "Sequential":
        return
    layer(case["arrays"]["c0.x"])
    assert json.loads(json.dumps(layers.serialize(layer))) == case["config"]


# ---- BatchNormalization -------------------------------------------------------------------------------

TRAINED = {
    "plain": dict(),
    "features first": dict(axis=1),
    "no scale": dict(scale=False),
    "renorm": dict(renorm=True),
    "renorm clipped": dict(renorm=True, renorm_clipping={"rmin": 0.9, "rmax": 1.1, "dmax": 0.1}),
}


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("options", TRAINED.values(), ids=TRAINED)
def test_gradients_in_training_equal_central_differences(options, mask):
    if mask is not None and "axis" in options:
        return
    layer = made(layers.BatchNormalization(dtype="float64", **options))
    weights, x = layer.get_weights(), X.copy()
    cotangent = np.random.default_rng(2).normal(size=X.shape)
    held = {}
    if options.get("renorm"):  # r and d are constants on the way back: hold them for the differences too
        corrections = layer._corrections(*statistics(x, mask))
        held = {"_corrections": lambda mean, deviation: corrections}

    def value():
        trained = [v.numpy() for v in layer.trainable_weights]
        for variable, start in zip(layer.non_trainable_weights, weights[len(trained) :], strict=True):
            variable.assign(start)
        return float((cotangent * layer.differentiate([x], mask, True, None)[0]).sum())

    layer.set_weights(weights)
    vars(layer).update(held)
    _, back, _ = moved(layer, x, mask)
    (dx,), gradients = back(cotangent)
    np.testing.assert_allclose(dx, central_differences(value, x), rtol=1e-6, atol=1e-7)
    assert set(gradients) == set(layer.trainable_weights)
    for variable, gradient in gradients.items():
        np.testing.assert_allclose(gradient, central_differences(value, variable.array), rtol=1e-6, atol=1e-7)


def statistics(x, mask):
    """(mean, standard deviation) of each feature over what counts."""
    counted = x.reshape(-1, x.shape[-1]) if mask is None else x[mask]
    return counted.mean(axis=0), np.sqrt(counted.var(axis=0) + 1e-3)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
def test_training_moves_the_averages_and_uses_the_batch(mask):
    layer = made(layers.BatchNormalization(momentum=0.8, dtype="float64"))
    gamma, beta, mean, variance = layer.get_weights()
    y, _, after = moved(layer, mask=mask)
    counted = X.reshape(-1, 3) if mask is None else X[mask]
    np.testing.assert_allclose(after[2], 0.8 * mean + 0.2 * counted.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(after[3], 0.8 * variance + 0.2 * counted.var(axis=0), rtol=1e-6)
    expected = (X - counted.mean(axis=0)) / np.sqrt(counted.var(axis=0) + 1e-3) * gamma + beta
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    called = made(layers.BatchNormalization(momentum=0.8, dtype="float64"))
    np.testing.assert_array_equal(called(X, mask=mask, training=True), y)
    np.testing.assert_array_equal(called.get_weights()[2], after[2])


def test_inference_and_a_frozen_layer_leave_the_averages_alone():
    layer = made(layers.BatchNormalization(dtype="float64"))
    before = layer.get_weights()
    quiet, _, after = moved(layer, training=False)
    layer.trainable = False
    frozen, back, still = moved(layer, training=True)
    np.testing.assert_array_equal(frozen, quiet)
    for a, b, c in zip(before, after, still, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    (dx,), gradients = back(np.ones_like(X))
    assert gradients == {}
    np.testing.assert_allclose(dx, np.broadcast_to(before[0] / np.sqrt(before[3] + 1e-3), X.shape))


def test_fit_moves_the_averages_and_evaluate_does_not():
    model = gw.Sequential([gw.Input((5, 3)), layers.BatchNormalization(momentum=0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = X.astype("float32"), np.zeros((4, 5, 1), "float32")
    model.fit(x, y, epochs=40, verbose=0)
    norm = model.layers[0]
    np.testing.assert_allclose(norm.moving_mean.numpy(), x.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), x.var(axis=(0, 1)), rtol=1e-5)
    before = norm.get_weights()
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    for a, b in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_trying_out_a_users_layer_leaves_no_trace_in_the_averages():
    class Around(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.norm = layers.BatchNormalization()

        def call(self, x):
            return self.norm(x, training=True)

    layer = Around()
    layer(gw.Input((5, 3)))
    np.testing.assert_array_equal(layer.norm.moving_mean.numpy(), np.zeros(3))
    np.testing.assert_array_equal(layer.norm.moving_variance.numpy(), np.ones(3))
    y, back = layer.forward(X.astype("float32"), training=True, structure=None)
    assert layer.norm.moving_mean.numpy().any()
    assert set(back(np.ones_like(y))[1]) == set(layer.trainable_weights)


def test_one_sample_of_one_step_in_training():
    layer = made(layers.BatchNormalization(dtype="float64"))
    y, back, _ = moved(layer, X[:1, :1])
    np.testing.assert_allclose(y[0, 0], layer.beta.numpy())
    assert np.abs(back(np.ones((1, 1, 3)))[0][0]).max() < 1e-12


@pytest.mark.parametrize("mask", [None, np.zeros((0, 5), bool)], ids=["all", "masked"])
@pytest.mark.parametrize("renorm", [False, True])
def test_an_empty_batch_in_training_leaves_the_averages_alone(mask, renorm):
    layer = made(layers.BatchNormalization(renorm=renorm, dtype="float64"))
    before = layer.get_weights()
    y, back, after = moved(layer, X[:0], mask)
    assert y.shape == (0, 5, 3) and back(y)[0][0].shape == (0, 5, 3)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- masks --------------------------------------------------------------------------------------------

PADDED = {
    "LayerNormalization": lambda: layers.LayerNormalization(dtype="float64"),
    "UnitNormalization": lambda: layers.UnitNormalization(dtype="float64"),
    "BatchNormalization": lambda: layers.BatchNormalization(dtype="float64"),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", PADDED.values(), ids=PADDED)
def test_padding_reaches_no_step_that_counts_and_no_gradient(make, training):
    found = []
    for padding in (0.0, 7.0, np.nan, np.inf):
        layer = made(make())
        x = np.where(MASK[..., None], X, padding)
        y, back, after = moved(layer, x, MASK, training)
        (dx,), gradients = back(np.where(MASK[..., None], np.cos(X), 0.0))
        found.append([y[MASK], dx[MASK], *gradients.values(), *after])
        assert all(np.isfinite(array).all() for array in found[-1])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize("make", [*PADDED.values(), lambda: layers.GroupNormalization(1), layers.Normalization])
def test_masks_go_on(make):
    layer = make()
    y = layer(X, mask=MASK)
    np.testing.assert_array_equal(gw.masks.mask_of(y), MASK)


def test_a_batch_without_a_step_that_counts_is_finite():
    layer = made(layers.BatchNormalization(dtype="float64"))
    y, back, after = moved(layer, X, np.zeros((4, 5), bool))
    (dx,), _ = back(np.zeros_like(X))
    assert np.isfinite(y).all() and np.isfinite(dx).all() and all(np.isfinite(w).all() for w in after)


# ---- numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [layers.LayerNormalization, layers.BatchNormalization])
def test_a_large_offset_costs_little_precision(make):
    x = np.random.default_rng(3).normal(size=(500, 4)).astype("float32") + np.float32(1000)
    layer = make(epsilon=1e-6)
    y = layer(x, training=True)
    exact = x.astype("float64")
    axis = 0 if make is layers.BatchNormalization else 1
    expected = (exact - exact.mean(axis, keepdims=True)) / np.sqrt(exact.var(axis, keepdims=True) + 1e-6)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, atol=1e-3)  # the mean itself is rounded to a float32


def test_layer_normalization_with_keras_s_former_rms_scaling():
    with pytest.warns(UserWarning, match="RMSNormalization"):
        layer = layers.LayerNormalization(rms_scaling=True, dtype="float64")
    made(layer)
    assert [v.name for v in layer.weights] == ["gamma"]
    x = X.copy()
    y, back, _ = moved(layer, x)
    np.testing.assert_allclose(y, x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3) * layer.gamma.numpy())
    cotangent = np.cos(x)
    dx = back(cotangent)[0][0]
    np.testing.assert_allclose(
        dx, central_differences(lambda: float((cotangent * moved(layer, x)[0]).sum()), x), rtol=1e-6, atol=1e-7
    )


def test_a_row_of_zeros_has_no_direction():
    layer = layers.UnitNormalization(dtype="float64")
    y, back = layer.differentiate([np.zeros((1, 3))], None, False, None)
    np.testing.assert_array_equal(y, np.zeros((1, 3)))
    assert np.isfinite(back(np.ones((1, 3)))[0][0]).all()


# ---- Normalization ------------------------------------------------------------------------------------

DATA = np.random.default_rng(4).normal([1.0, -2.0], [2.0, 0.5], size=(60, 2))
FORMS = {
    "an array": DATA,
    "integers apart, a list of batches": [DATA[:7], DATA[7:50], DATA[50:]],
    "a generator": (DATA[k : k + 20] for k in (0, 20, 40)),
    "pairs": [(DATA[:30], np.zeros(30)), (DATA[30:], np.zeros(30))],
    "single precision": DATA.astype("float32"),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("is_built", [False, True])
def test_adapt_finds_mean_and_variance(data, is_built):
    if is_built and not isinstance(data, np.ndarray | list):
        return  # a generator runs once
    layer = layers.Normalization(dtype="float64")
    if is_built:
        layer.build((None, 2))
    layer.adapt(data)
    np.testing.assert_allclose(layer.mean, [DATA.mean(axis=0)], rtol=1e-6)
    np.testing.assert_allclose(layer.variance, [DATA.var(axis=0)], rtol=1e-6)
    np.testing.assert_allclose(layer(DATA), (DATA - DATA.mean(axis=0)) / DATA.std(axis=0), rtol=1e-5)
    layer.adapt(DATA + 5)  # the last data count
    np.testing.assert_allclose(layer.mean, [DATA.mean(axis=0) + 5])


def test_adapted_statistics_are_saved(tmp_path):
    norm = layers.Normalization()
    norm.adapt(DATA)
    model = gw.Sequential([gw.Input((2,)), norm, layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    again = gw.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(DATA, verbose=0), model.predict(DATA, verbose=0))
    assert [w.name for w in norm.weights] == ["mean", "variance", "count"]
    assert norm.trainable_weights == []


def test_axes_of_normalization():
    x = np.random.default_rng(5).normal(3.0, 2.0, size=(6, 4, 3))
    for axis, over, shape in ((None, (0, 1, 2), (1, 1, 1)), (1, (0, 2), (1, 4, 1)), ((1, -1), (0,), (1, 4, 3))):
        layer = layers.Normalization(axis=axis, dtype="float64")
        layer.adapt(x)
        assert layer.mean.shape == shape
        np.testing.assert_allclose(layer.mean, x.mean(axis=over, keepdims=True))
        np.testing.assert_allclose(layer(x), (x - x.mean(over, keepdims=True)) / x.std(over, keepdims=True))
    given = layers.Normalization(axis=(1, 2), mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], dtype="float64")
    np.testing.assert_allclose(given(x), (x - [1, 2, 3]) / [1, 2, 3])
    back = layers.Normalization(axis=(1, 2), mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], invert=True)
    np.testing.assert_allclose(back(given(x)), x, rtol=1e-5)
    assert given.get_config()["mean"] == [1.0, 2.0, 3.0] and layers.Normalization().get_config()["mean"] is None


def test_a_feature_that_never_changes_is_not_divided_by_zero():
    layer = layers.Normalization(dtype="float64")
    layer.adapt(np.ones((5, 2)))
    np.testing.assert_array_equal(layer(np.ones((5, 2))), np.zeros((5, 2)))


# ---- step by step -------------------------------------------------------------------------------------


def use(training=None):
    return stepper.LayerUse([(None, None, 3)], [True], None, training)


def test_what_normalizes_along_time_cannot_run_step_by_step():
    for layer in (layers.LayerNormalization(), layers.BatchNormalization(), layers.Normalization()):
        assert layer.stepper(use())
    for layer, asked in (
        (layers.LayerNormalization(axis=[1, 2]), use()),
        (layers.BatchNormalization(axis=-2), use()),
        (layers.BatchNormalization(), use(training=True)),
        (layers.GroupNormalization(1), use()),
        (layers.Normalization(axis=1), use()),
    ):
        with pytest.raises(stepper.CannotStep, match="time|all steps"):
            layer.stepper(asked)


# ---- what is refused ----------------------------------------------------------------------------------

REFUSED = {
    "axis out of bounds": (lambda: layers.LayerNormalization(3, name="it")(X), ["'it'", "axis 3", "(4, 5, 3)"]),
    "axis in a model": (lambda: layers.LayerNormalization(-4, name="it")(gw.Input((5, 3))), ["'it'", "axis -4"]),
    "unknown length": (
        lambda: layers.LayerNormalization(1, name="it")(gw.Input((None, 3))),
        ["'it' (LayerNormalization)", "not known", "(None, None, 3)"],
    ),
    "an axis twice": (
        lambda: layers.LayerNormalization([2, -1], name="it")(X),
        ["'it' (LayerNormalization)", "names an axis twice", "(4, 5, 3)"],
    ),
    "axis no integer": (lambda: layers.LayerNormalization("last"), ["Expected an int", "'last'", "axis=-1"]),
    "axis a half": (lambda: layers.UnitNormalization(0.5), ["UnitNormalization", "0.5"]),
    "several for batches": (lambda: layers.BatchNormalization([1, 2]), ["BatchNormalization", "[1, 2]"]),
    "another length": (
        lambda: made(layers.BatchNormalization(name="it"))(np.zeros((2, 5, 4))),
        ["'it' (BatchNormalization) was built for", "(3,)", "(4,)", "new layer"],
    ),
    "mask": (
        lambda: layers.BatchNormalization(name="it")(X, mask=np.ones((4, 4), bool)),
        ["'it'", "mask that does not fit", "(4, 5)", "(4, 4)"],
    ),
    "clipping": (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"max": 1}), ["rmin", "'max'"]),
    "crossed": (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmin": 2, "rmax": 1}), ["rmax"]),
    "groups": (lambda: layers.GroupNormalization(0), ["groups=0", "positive integer", "-1"]),
    "groups that do not divide": (
        lambda: layers.GroupNormalization(2, name="it")(X),
        ["'it'", "groups (2) must divide", "(3)", "groups=-1"],
    ),
    "mean alone": (lambda: layers.Normalization(mean=1.0), ["together", "mean=1.0", "adapt"]),
    "mean of another shape": (
        lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0], name="it")(X),
        ["'it'", "(2,)", "(3,)"],
    ),
    "unknown features": (lambda: layers.Normalization(name="it")(gw.Input((None,))), ["'it'", "no known length"]),
    "adapt what is given": (lambda: layers.Normalization(mean=1.0, variance=1.0, name="it").adapt(X), ["'it'"]),
    "adapt nothing": (lambda: layers.Normalization(name="it").adapt([]), ["'it'", "no data"]),
    "adapt numbers": (lambda: layers.Normalization(name="it").adapt([1.0, 2.0]), ["'it'", "float 1.0", "np.array"]),
    "adapt text": (lambda: layers.Normalization(name="it").adapt("data"), ["'it'", "str 'data'"]),
    "adapt another shape": (
        lambda: made(layers.Normalization(name="it")).adapt(np.zeros((3, 2))),
        ["'it'", "built for another shape", "(3, 2)"],
    ),
    "call another shape": (lambda: made(layers.Normalization(name="it"))(np.zeros((4, 5, 2))), ["'it'", "3)"]),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
