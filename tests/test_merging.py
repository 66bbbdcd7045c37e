"""Merging layers: masks, ties, spreading, refusals and the functional forms."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, masks

A, B, C = np.random.default_rng(0).normal(size=(3, 2, 3, 4))
LEFT = np.array([[True, True, False], [False, True, False]])
RIGHT = np.array([[True, False, False], [True, True, False]])


def masked(x, mask):
    x = x.copy()
    masks.attach(x, mask)
    return x


def differentiated(layer, inputs, mask=None):
    y, back = layer.differentiate(inputs, mask, False, None)
    return y, back(np.ones_like(y))[0]


@pytest.mark.parametrize("name", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"])
def test_masks_are_joined_by_or_and_end_where_one_input_has_none(name):
    layer = getattr(layers, name)()
    np.testing.assert_array_equal(masks.mask_of(layer([masked(A, LEFT), masked(B, RIGHT)])), LEFT | RIGHT)
    assert masks.mask_of(layer([masked(A, LEFT), B])) is None
    assert masks.mask_of(layer([A, B])) is None


@pytest.mark.parametrize("name, best", [("Maximum", np.fmax), ("Minimum", np.fmin)])
def test_masked_numbers_take_no_part_in_an_extreme(name, best):
    hidden = [np.where(m[..., None], x, np.nan) for x, m in ((A, LEFT), (B, RIGHT))]
    layer = getattr(layers, name)(dtype="float64")
    y, (da, db) = differentiated(layer, hidden, [LEFT, RIGHT])
    some = LEFT | RIGHT
    np.testing.assert_array_equal(y[some], best(*hidden)[some])
    assert not da[~LEFT & some].any() and not db[~RIGHT].any()
    np.testing.assert_array_equal(da + db, np.ones_like(A))
    y, (da, dc) = differentiated(layer, [hidden[0], C], [LEFT, None])
    np.testing.assert_array_equal(y, best(hidden[0], C))


def test_masked_numbers_are_ones_in_a_product_and_zeros_where_all_are():
    hidden = [np.where(m[..., None], x, np.nan) for x, m in ((A, LEFT), (B, RIGHT))]
    y, (da, db) = differentiated(layers.Multiply(dtype="float64"), hidden, [LEFT, RIGHT])
    expected = np.where(LEFT[..., None], A, 1) * np.where(RIGHT[..., None], B, 1) * (LEFT | RIGHT)[..., None]
    np.testing.assert_allclose(y, expected)
    np.testing.assert_allclose(da, np.where(RIGHT[..., None], B, 1) * LEFT[..., None])
    y, (da, dc) = differentiated(layers.Multiply(dtype="float64"), [hidden[0], C], [LEFT, None])
    np.testing.assert_allclose(y, np.where(LEFT[..., None], A, 1) * C)


def test_of_equal_numbers_the_first_gets_the_gradient():
    ties = [np.array([[1.0, 2.0]]), np.array([[1.0, 1.0]]), np.array([[1.0, 2.0]])]
    for cls, expected in (
        (layers.Maximum, [[[1, 1]], [[0, 0]], [[0, 0]]]),
        (layers.Minimum, [[[1, 0]], [[0, 1]], [[0, 0]]]),
    ):
        np.testing.assert_array_equal(differentiated(cls(), ties)[1], expected)


def test_concatenated_masks():
    joined = layers.Concatenate()([masked(A, LEFT), masked(B, RIGHT)])
    np.testing.assert_array_equal(masks.mask_of(joined), LEFT | RIGHT)
    np.testing.assert_array_equal(masks.mask_of(layers.Concatenate()([masked(A, LEFT), B])), np.ones((2, 3), bool))
    longer = layers.Concatenate(axis=1)([masked(A, LEFT), B])
    np.testing.assert_array_equal(masks.mask_of(longer), np.concatenate([LEFT, np.ones((2, 3), bool)], axis=1))
    more = layers.Concatenate(axis=0)([masked(A, LEFT), masked(B, RIGHT)])
    np.testing.assert_array_equal(masks.mask_of(more), np.concatenate([LEFT, RIGHT]))
    assert masks.mask_of(layers.Concatenate()([A, B])) is None


def test_masks_of_steps_reach_over_any_number_of_axes():
    picture = np.zeros((2, 3, 4, 5))
    for layer in (layers.Concatenate(), layers.Maximum(), layers.Multiply()):
        y = layer([masked(picture, LEFT), masked(picture, RIGHT)])
        np.testing.assert_array_equal(masks.mask_of(y), LEFT | RIGHT)


def test_a_dot_product_has_no_mask():
    assert masks.mask_of(layers.Dot((2, 2))([masked(A, LEFT), masked(B, RIGHT)])) is None


def test_masks_of_a_model_flow_through():
    inputs = gw.Input((3, 4))
    h = layers.Masking()(inputs)
    y = layers.LSTM(2)(layers.concatenate([h, layers.Dense(3)(h)]))
    model = gw.Model(inputs, y)
    x = np.where(LEFT[..., None], A, 0).astype("float32")
    shorter = x[:1, :2]
    np.testing.assert_allclose(model.predict(x[:1], verbose=0), model.predict(shorter, verbose=0), rtol=1e-6)


def test_arrays_of_fewer_axes_are_spread_behind_the_batch():
    rows, column = A[:, 0], A[:, :1, 0]
    np.testing.assert_array_equal(layers.Add(dtype="float64")([A, rows]), A + rows[:, None])
    np.testing.assert_array_equal(layers.Multiply(dtype="float64")([A, column]), A * column[:, :, None])
    single = A[:, 0, 0]
    found = layers.Maximum(dtype="float64")([A, single])
    np.testing.assert_array_equal(found, np.maximum(A, single[:, None, None]))
    assert layers.Add().compute_output_shape([(None, 3, 4), (None, 4)]) == (None, 3, 4)
    assert layers.Add().compute_output_shape([(5, None, 4), (None, 1, 4)]) == (5, None, 4)
    assert layers.Add().compute_output_shape([(None, 4), (1, 4)]) == (None, 4)


def test_a_constant_beside_a_symbolic_tensor():
    inputs = gw.Input((3, 4))
    model = gw.Model(inputs, layers.add([inputs, np.ones((1, 3, 4), "float32")]))
    np.testing.assert_allclose(model.predict(A, verbose=0), A + 1, rtol=1e-6)


def test_functional_forms():
    same = {
        "add": A + B, "subtract": A - B, "multiply": A * B, "average": (A + B) / 2, "maximum": np.maximum(A, B),
        "minimum": np.minimum(A, B), "concatenate": np.concatenate([A, B], -1),
    }  # fmt: skip
    for name, expected in same.items():
        np.testing.assert_allclose(getattr(layers, name)([A, B], dtype="float64"), expected)
    np.testing.assert_allclose(layers.dot([A, B], axes=2, dtype="float64"), np.einsum("nij,nkj->nik", A, B))
    np.testing.assert_allclose(layers.concatenate([A, B], axis=1, dtype="float64"), np.concatenate([A, B], 1))
    inputs = [gw.Input((3,)), gw.Input((3,))]
    assert layers.add(inputs, name="total").node.layer.name == "total"


def test_cosines():
    a, b = A[:, 0], B[:, 0]
    expected = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    np.testing.assert_allclose(layers.Dot(1, normalize=True, dtype="float64")([a, b])[:, 0], expected)


def test_a_vector_of_zeros_has_the_cosine_zero_and_finite_gradients():
    y, gradients = differentiated(layers.Dot(1, normalize=True, dtype="float64"), [np.zeros((2, 4)), B[:, 0]])
    assert not y.any() and np.isfinite(gradients).all()


def test_integers_reach_merging_layers_as_floats_on_every_path():
    whole = np.arange(6).reshape(2, 3)
    inputs = gw.Input((3,), dtype="int32")
    model = gw.Model(inputs, layers.Average()([inputs, inputs]))
    for y in (model.predict(whole, verbose=0), layers.Average()([whole, whole])):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y, whole)
    dense = gw.Model(inputs, layers.Dense(1)(layers.Maximum()([inputs, inputs])))
    dense.compile("sgd", "mse")
    assert np.isfinite(dense.fit(whole, np.zeros((2, 1)), verbose=0).history["loss"]).all()


def unequal_steps(layer):
    inputs = [gw.Input((None, 4)), gw.Input((None, 4))]
    return gw.Model(inputs, layer(inputs)).predict([A, B[:, :2]], verbose=0)


REFUSALS = {
    "one array": (lambda: layers.Add(name="it")(A), ["'it' (Add)", "should be called on a list", "layer([a, b])"]),
    "two arrays": (lambda: layers.Add(name="it")(A, B), ["'it' (Add)", "2 arguments"]),
    "no array": (lambda: layers.Add(name="it")([]), ["'it'", "list []"]),
    "an option": (lambda: layers.Add(name="it")([A, B], axis=1), ["'it'", "no argument 'axis'"]),
    "three": (lambda: layers.Subtract(name="it")([A, B, C]), ["'it' (Subtract)", "exactly 2 inputs", "given 3"]),
    "one": (lambda: layers.Dot(1, name="it")([A]), ["'it' (Dot)", "exactly 2 inputs", "given 1"]),
    "shapes": (lambda: layers.Add(name="it")([A, A[:, :2]]), ["'it'", "incompatible shapes", "(2, 3, 4), (2, 2, 4)"]),
    "symbolic shapes": (
        lambda: layers.Add(name="it")([gw.Input((3,)), gw.Input((4,))]),
        ["'it'", "(None, 3), (None, 4)"],
    ),
    "steps": (lambda: unequal_steps(layers.Add(name="it")), ["'it'", "(2, 3, 4), (2, 2, 4)"]),
    "batches": (lambda: layers.Add(name="it")([A, A[:1]]), ["'it'", "different batch sizes", "(1, 3, 4)"]),
    "a shape": (lambda: layers.Add(name="it").compute_output_shape((2, 3)), ["'it'", "list of inputs", "(2, 3)"]),
    "mask": (lambda: layers.Add(name="it")([A, B], mask=LEFT), ["'it'", "`mask` should be a list of 2"]),
    "masks": (lambda: layers.Concatenate(name="it")([A, B], mask=[LEFT]), ["'it'", "list of 2"]),
    "axis": (lambda: layers.Concatenate(axis=5, name="it")([A, B]), ["'it'", "axis=5", "0 to 2"]),
    "axis of text": (lambda: layers.Concatenate(axis="1"), ["Concatenate", "'1'"]),
    "concatenated": (
        lambda: layers.Concatenate(name="it")([A, A[:, :2]]),
        ["'it'", "matching shapes except for the concatenation axis (-1)", "(2, 3, 4), (2, 2, 4)"],
    ),
    "concatenated ranks": (lambda: layers.Concatenate(name="it")([A, A[:, 0]]), ["'it'", "(2, 3, 4), (2, 4)"]),
    "concatenated steps": (lambda: unequal_steps(layers.Concatenate(name="it")), ["'it'", "(2, 3, 4), (2, 2, 4)"]),
    "dot axes": (lambda: layers.Dot("1"), ["Dot", "`axes`", "'1'"]),
    "dot three axes": (lambda: layers.Dot((1, 2, 3)), ["two integers", "(1, 2, 3)"]),
    "dot axis of text": (lambda: layers.Dot((1, "2")), ["two integers"]),
    "dot batch": (lambda: layers.Dot(0, name="it")([A, B]), ["'it' (Dot)", "axes=0", "axis 0 is the batch"]),
    "dot no axis": (lambda: layers.Dot((1, 5), name="it")([A, B]), ["'it'", "axes=(1, 5)", "(2, 3, 4)"]),
    "dot sizes": (lambda: layers.Dot((1, 2), name="it")([A, B]), ["'it'", "3 (at axis 1) != 4 (at axis 2)"]),
    "dot batches": (lambda: layers.Dot(2, name="it")([A, B[:1]]), ["'it'", "different batch sizes"]),
    "dot steps": (lambda: unequal_steps(layers.Dot(1, name="it")), ["'it'", "3 (at axis 1) != 2 (at axis 1)"]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name):
    call, words = REFUSALS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), str(caught.value)
