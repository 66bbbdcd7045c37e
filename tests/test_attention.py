"""Attention layers: masks of every kind, what padding may not reach, dropout, several ways to be called, refusals."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import config, layers, masks, tree
from golden import build, load
from test_contract import central_differences

RNG = np.random.default_rng(0)
QUERY, VALUE, KEY = RNG.normal(size=(3, 4, 2)), RNG.normal(size=(3, 5, 3)), RNG.normal(size=(3, 5, 2))
QUERY_MASK = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]], bool)
VALUE_MASK = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 1, 0, 0]], bool)
CONFIGS = [case for case in load.cases("layers", "attention") if "config" in case]


def made(layer, *inputs, **options):
    """Built for a call, with weights from a fixed seed."""
    layer(*inputs, **options)
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def softmax(scores, permitted):
    grown = np.where(permitted, np.exp(scores), 0)
    return grown / grown.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("case", CONFIGS, ids=lambda case: case["id"])
def test_configuration_is_keras_s(case):
    config.reset_names()
    layer = build.build(case["spec"])
    (call,) = case["calls"]
    layer(*build.filled(call["args"], case, "float32"), **build.filled(call["kwargs"], case, "float32"))
    assert json.loads(json.dumps(layers.serialize(layer))) == case["config"]


# ---- Attention and AdditiveAttention ------------------------------------------------------------------

LISTS = {
    "dot": lambda **c: layers.Attention(use_scale=True, dtype="float64", **c),
    "concat": lambda **c: layers.Attention(use_scale=True, score_mode="concat", dtype="float64", **c),
    "additive": lambda **c: layers.AdditiveAttention(dtype="float64", **c),
}
every_list = pytest.mark.parametrize("make", LISTS.values(), ids=LISTS)


@every_list
def test_weights_are_the_softmax_of_what_is_permitted(make):
    layer = made(make(), [QUERY, VALUE, KEY])
    y, weights = layer(
        [QUERY, VALUE, KEY], mask=[QUERY_MASK, VALUE_MASK], return_attention_scores=True, use_causal_mask=True
    )
    permitted = VALUE_MASK[:, None] & (np.arange(4)[:, None] >= np.arange(5))
    scale = layer.scale.numpy()
    sums = QUERY[:, :, None] + KEY[:, None]
    if isinstance(layer, layers.AdditiveAttention):
        scores = (scale * np.tanh(sums)).sum(-1)
    elif layer.score_mode == "concat":
        scores = layer.concat_score_weight.numpy() * np.tanh(scale * sums).sum(-1)
    else:
        scores = scale * QUERY @ KEY.transpose(0, 2, 1)
    asked = permitted.any(-1)
    expected = np.where(asked[..., None], softmax(scores, permitted | ~asked[..., None]), 0)
    np.testing.assert_allclose(weights, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(y, np.where(QUERY_MASK[..., None], expected @ VALUE, 0), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(masks.mask_of(y), QUERY_MASK)


@every_list
def test_masked_gradients_equal_central_differences(make):
    layer = made(make(), [QUERY, VALUE, KEY])
    inputs = [QUERY.copy(), VALUE.copy(), KEY.copy()]
    leaves, structure = layer.arrange((inputs,), {"return_attention_scores": True, "use_causal_mask": True})
    given = [QUERY_MASK, VALUE_MASK]
    y, back = layer.differentiate(leaves, given, False, structure)
    cotangents = [np.random.default_rng(2).normal(size=leaf.shape) for leaf in y]

    def value():
        found = layer.differentiate(leaves, given, False, structure)[0]
        return float(sum((c * leaf).sum() for c, leaf in zip(cotangents, found, strict=True)))

    d_inputs, gradients = back(cotangents)
    for array, gradient in zip(inputs, d_inputs, strict=True):
        np.testing.assert_allclose(gradient, central_differences(value, array), rtol=1e-6, atol=1e-7)
    assert set(gradients) == set(layer.weights)
    for variable, gradient in gradients.items():
        expected = central_differences(value, variable.array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)
    none, again = back(cotangents, wants_dx=False)
    assert none == (None, None, None) and set(again) == set(gradients)


@every_list
@pytest.mark.parametrize("scores", [False, True])
def test_padding_reaches_no_result_and_no_gradient(make, scores):
    layer = made(make(), [QUERY, VALUE, KEY])
    found = []
    for padding in (0.0, 7.0, np.nan):
        q = np.where(QUERY_MASK[..., None], QUERY, np.nan if scores else padding)
        v, k = (np.where(VALUE_MASK[..., None], x, padding) for x in (VALUE, KEY))
        leaves, structure = layer.arrange(([q, v, k],), {"return_attention_scores": scores})
        y, back = layer.differentiate(leaves, [QUERY_MASK, VALUE_MASK], False, structure)
        dys = [np.ones_like(leaf) for leaf in tree.leaves(y)]
        d_inputs, gradients = back(dys if scores else dys[0])
        assert not d_inputs[1][~VALUE_MASK].any() and not d_inputs[2][~VALUE_MASK].any()
        found.append([*tree.leaves(y), *d_inputs, *gradients.values()])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.isfinite(a).all()


@every_list
def test_a_query_that_may_attend_to_nothing_gets_zeros(make):
    layer = made(make(), [QUERY, KEY])
    y, weights = layer([QUERY, KEY], mask=[None, np.zeros((3, 5), bool)], return_attention_scores=True)
    assert not y.any() and not weights.any()


@pytest.mark.parametrize("shape", [(3, 0, 2), (0, 5, 2)], ids=["no keys", "no samples"])
@every_list
def test_nothing_to_attend_to(make, shape):
    query, key = QUERY[: shape[0]], np.zeros(shape)
    y, back = made(make(), [QUERY, KEY]).forward(query, key)
    assert y.shape == query.shape and not y.any()
    d_query, d_key = back(np.ones_like(y))[0]
    assert not d_query.any() and d_key.shape == shape


@every_list
def test_one_step_and_one_sample(make):
    layer = made(make(), [QUERY, KEY])
    np.testing.assert_allclose(layer([QUERY[:1], KEY[:1]]), layer([QUERY, KEY])[:1], rtol=1e-12)
    np.testing.assert_allclose(layer([QUERY[:, :1], KEY[:, :1]]), KEY[:, :1], rtol=1e-12)


@every_list
def test_dropout_in_training(make):
    def run(x):
        layer = made(make(dropout=0.5, seed=3), [x, KEY])
        return layer([x, KEY], training=True, return_attention_scores=True), layer

    (y, weights), layer = run(QUERY)
    assert (weights == 0).any() and (np.abs(weights.sum(-1) - 1) > 1e-3).any()
    np.testing.assert_allclose(y, weights @ KEY, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(run(QUERY)[0][0], y)  # the same seed
    assert not np.array_equal(layer([QUERY, KEY], training=True), y)
    np.testing.assert_allclose(layer([QUERY, KEY], return_attention_scores=True)[1].sum(-1), 1)

    x, cotangent = QUERY.copy(), np.random.default_rng(4).normal(size=y.shape)

    def value():
        return float(
            (cotangent * made(make(dropout=0.5, seed=3), [x, KEY]).differentiate([x, KEY], None, True, None)[0]).sum()
        )

    back = made(make(dropout=0.5, seed=3), [x, KEY]).differentiate([x, KEY], None, True, None)[1]
    np.testing.assert_allclose(back(cotangent)[0][0], central_differences(value, x), rtol=1e-6, atol=1e-7)


def test_more_axes_before_the_steps():
    q, v = RNG.normal(size=(2, 3, 4, 2)), RNG.normal(size=(2, 3, 5, 2))
    layer = layers.Attention(dtype="float64")
    expected = [[softmax(a @ b.T, True) @ b for a, b in zip(x, y, strict=True)] for x, y in zip(q, v, strict=True)]
    np.testing.assert_allclose(layer([q, v]), expected, rtol=1e-12)


# ---- masks that come by themselves --------------------------------------------------------------------

TOKENS = np.array([[1, 2, 3, 4], [2, 0, 3, 0], [4, 5, 0, 0]])
OTHERS = np.array([[1, 2, 3, 4, 5], [2, 3, 4, 0, 0], [1, 0, 0, 0, 0]])


def embedded():
    embedding = layers.Embedding(6, 2, mask_zero=True)
    return embedding(TOKENS), embedding(OTHERS), embedding


def test_masks_of_embeddings_reach_the_layer():
    q, v, _ = embedded()
    plain_q, plain_v = q.copy(), v.copy()
    layer = layers.Attention()
    np.testing.assert_array_equal(layer([q, v]), layer([plain_q, plain_v], mask=[TOKENS != 0, OTHERS != 0]))
    heads = made(layers.MultiHeadAttention(2, 3), plain_q, plain_v)
    y = heads(q, v)
    np.testing.assert_array_equal(y, heads(plain_q, plain_v, query_mask=TOKENS != 0, value_mask=OTHERS != 0))
    np.testing.assert_array_equal(masks.mask_of(y), TOKENS != 0)
    assert np.abs(y - heads(plain_q, plain_v)).max() > 1e-3


def test_masks_in_a_model():
    _, _, embedding = embedded()
    q, v = gw.Input((4,), dtype="int32"), gw.Input((5,), dtype="int32")
    heads = layers.MultiHeadAttention(2, 3)
    model = gw.Model([q, v], [layers.Attention()([embedding(q), embedding(v)]), heads(embedding(q), embedding(v))])
    found = model.predict([TOKENS, OTHERS], verbose=0)
    eager_q, eager_v = embedding(TOKENS), embedding(OTHERS)
    np.testing.assert_allclose(found[0], layers.Attention()([eager_q, eager_v]), rtol=1e-6)
    np.testing.assert_allclose(found[1], heads(eager_q, eager_v), rtol=1e-6)
    other = gw.models.model_from_json(model.to_json())
    other.set_weights(model.get_weights())
    for a, b in zip(other.predict([TOKENS, OTHERS], verbose=0), found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_masks_given_as_symbolic_arrays():
    q, v, m = gw.Input((4, 2)), gw.Input((5, 2)), gw.Input((5,), dtype="bool")
    heads = layers.MultiHeadAttention(2, 3)
    outputs = [
        layers.Attention()([q, v], mask=[None, m]),
        heads(q, v, value_mask=m),
        *heads(q, v, return_attention_scores=True),
    ]
    assert [y.shape for y in outputs] == [(None, 4, 2), (None, 4, 2), (None, 4, 2), (None, 2, 4, 5)]
    model = gw.Model([q, v, m], outputs[:3])
    given = [QUERY.astype("float32"), KEY.astype("float32"), VALUE_MASK]
    y = model.predict(given, verbose=0)
    np.testing.assert_allclose(y[0], layers.Attention()(given[:2], mask=[None, VALUE_MASK]), rtol=1e-6)
    np.testing.assert_allclose(y[1], heads(*given[:2], value_mask=VALUE_MASK), rtol=1e-6)
    again = gw.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    for a, b in zip(again.predict(given, verbose=0), y, strict=True):
        np.testing.assert_array_equal(a, b)
    model.compile("adam", "mse")
    model.fit(given, [np.zeros_like(part) for part in y], epochs=1, verbose=0)


# ---- MultiHeadAttention -------------------------------------------------------------------------------


def by_hand(layer, query, value, key, permitted):
    """(output, weights), each product written with einsum."""
    Wq, bq, Wk, bk, Wv, bv, Wo, bo = layer.get_weights()
    q, k = np.einsum("ntd,dhk->nhtk", query, Wq) + bq[:, None], np.einsum("nsd,dhk->nhsk", key, Wk) + bk[:, None]
    v = np.einsum("nsd,dhk->nhsk", value, Wv) + bv[:, None]
    weights = softmax(np.einsum("nhtk,nhsk->nhts", q, k) / np.sqrt(layer.key_dim), permitted)
    return np.einsum("nhts,nhsk,hko->nto", weights, v, Wo) + bo, weights


MASKS = {
    "none": ({}, np.ones((3, 1, 4, 5), bool)),
    "value": ({"value_mask": VALUE_MASK}, VALUE_MASK[:, None, None]),
    "key": ({"key_mask": VALUE_MASK}, VALUE_MASK[:, None, None]),
    "attention": ({"attention_mask": RNG.random((3, 4, 5)) < 2}, np.ones((3, 1, 4, 5), bool)),
    "pairs": ({"attention_mask": np.eye(4, 5, dtype=bool)[None]}, np.eye(4, 5, dtype=bool)),
    "by head": ({"attention_mask": np.tri(4, 5, 1, dtype=bool)[None, None]}, np.tri(4, 5, 1, dtype=bool)),
    "causal": ({"use_causal_mask": True}, np.tri(4, 5, dtype=bool)),
    "numbers": ({"value_mask": VALUE_MASK.astype("int32")}, VALUE_MASK[:, None, None]),
}


@pytest.mark.parametrize(("options", "permitted"), MASKS.values(), ids=MASKS)
def test_heads_equal_the_formula(options, permitted):
    layer = made(layers.MultiHeadAttention(2, 3, value_dim=4, output_shape=5, dtype="float64"), QUERY, VALUE, KEY)
    y, weights = layer(QUERY, VALUE, KEY, return_attention_scores=True, **options)
    expected, expected_weights = by_hand(layer, QUERY, VALUE, KEY, permitted)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(layer(QUERY, VALUE, key=KEY, **options), y)


def test_a_window_is_as_wide_as_it_says():
    layer = made(layers.MultiHeadAttention(1, 2, sliding_window=2, dtype="float64"), KEY, KEY)
    weights = layer(KEY, KEY, return_attention_scores=True)[1]
    steps = np.arange(5)
    np.testing.assert_array_equal(weights[0, 0] != 0, np.abs(steps[:, None] - steps) < 2)


def test_heads_gradients_under_masks_equal_central_differences():
    layer = made(layers.MultiHeadAttention(2, 3, use_gate=True, dtype="float64"), QUERY, VALUE, KEY)
    inputs = [QUERY.copy(), VALUE.copy(), KEY.copy()]
    options = {"query_mask": QUERY_MASK, "value_mask": VALUE_MASK, "return_attention_scores": True}
    leaves, structure = layer.arrange(tuple(inputs), options)

    def run():
        return layer.differentiate(leaves, None, False, structure)

    y, back = run()
    cotangents = [np.random.default_rng(2).normal(size=leaf.shape) for leaf in y]

    def value():
        return float(sum((c * leaf).sum() for c, leaf in zip(cotangents, run()[0], strict=True)))

    d_inputs, gradients = back(cotangents)
    assert [d is None for d in d_inputs] == [False, False, False, True, True]  # masks have no gradient
    for array, gradient in zip(inputs, d_inputs, strict=False):
        np.testing.assert_allclose(gradient, central_differences(value, array), rtol=1e-6, atol=1e-7)
    assert set(gradients) == set(layer.weights)
    for variable, gradient in gradients.items():
        np.testing.assert_allclose(gradient, central_differences(value, variable.array), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gate", [False, True])
def test_padding_reaches_no_result_and_no_gradient_of_the_heads(gate):
    layer = made(layers.MultiHeadAttention(2, 3, use_gate=gate, dtype="float64"), QUERY, VALUE, KEY)
    found = []
    for padding in (0.0, 7.0, np.nan):
        q = np.where(QUERY_MASK[..., None], QUERY, padding)
        v, k = (np.where(VALUE_MASK[..., None], x, padding) for x in (VALUE, KEY))
        leaves, structure = layer.arrange((q, v, k), {"return_attention_scores": True})
        y, back = layer.differentiate(leaves, [QUERY_MASK, None, VALUE_MASK], False, structure)
        d_inputs, gradients = back([np.ones_like(leaf) for leaf in y])
        found.append([*y, *d_inputs, *gradients.values()])
        assert not d_inputs[0][~QUERY_MASK].any() and not d_inputs[1][~VALUE_MASK].any()
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


def test_dropout_of_the_heads():
    def fresh():
        return made(layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1, dtype="float64"), QUERY, VALUE, KEY)

    layer = fresh()
    first = layer(QUERY, VALUE, KEY, training=True)
    np.testing.assert_array_equal(fresh()(QUERY, VALUE, KEY, training=True), first)
    assert not np.array_equal(layer(QUERY, VALUE, KEY, training=True), first)
    np.testing.assert_array_equal(layer(QUERY, VALUE, KEY), layer(QUERY, VALUE, KEY, training=False))
    x, cotangent = QUERY.copy(), np.random.default_rng(4).normal(size=first.shape)

    def value():
        return float((cotangent * fresh().differentiate([x, VALUE, KEY], None, True, None)[0]).sum())

    dx = fresh().differentiate([x, VALUE, KEY], None, True, None)[1](cotangent)[0][0]
    np.testing.assert_allclose(dx, central_differences(value, x), rtol=1e-6, atol=1e-7)


def test_a_sequence_that_attends_to_itself_gets_all_its_gradients():
    layer = made(layers.MultiHeadAttention(2, 3), QUERY, QUERY)
    x = gw.Input((4, 2))
    model = gw.Model(x, layer(x, x))
    double = made(layers.MultiHeadAttention(2, 3, dtype="float64"), QUERY, QUERY)
    y, back = double.differentiate([QUERY, QUERY], None, False, None)
    (d_query, d_value), _ = back(np.ones_like(y))
    dx = model.differentiate([QUERY.astype("float32")], None, False, None)[1](np.ones_like(y, "float32"))[0][0]
    np.testing.assert_allclose(dx, d_query + d_value, rtol=1e-4, atol=1e-5)


def test_a_users_layer_around_the_heads_trains_them():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.heads = layers.MultiHeadAttention(2, 3)
            self.norm = layers.LayerNormalization()

        def call(self, x):
            y, weights = self.heads(x, x, use_causal_mask=True, return_attention_scores=True)
            return self.norm(x + y) + gw.ops.sum(weights)

    block = Block()
    x = QUERY.astype("float32")
    y = block(x)
    assert y.shape == x.shape
    found, back = block.forward(x, training=False, structure=None)
    np.testing.assert_allclose(found, y, rtol=1e-6)
    assert set(back(np.ones_like(y))[1]) == set(block.trainable_weights)


def test_a_subclass_may_wrap_the_call():
    class Doubled(layers.MultiHeadAttention):
        def call(self, query, value, **options):
            return 2 * super().call(query, value, **options)

    layer, plain = made(Doubled(2, 3), QUERY, VALUE), made(layers.MultiHeadAttention(2, 3), QUERY, VALUE)
    np.testing.assert_allclose(
        layer(QUERY, VALUE, use_causal_mask=True), 2 * plain(QUERY, VALUE, use_causal_mask=True), rtol=1e-6
    )


def test_initial_kernels_follow_the_fans_of_their_equation():
    layer = layers.MultiHeadAttention(8, 16)
    layer(np.zeros((1, 2, 32), "float32"), np.zeros((1, 2, 32), "float32"))
    limit = np.sqrt(6 / (32 + 8 * 16))
    for dense in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        largest = np.abs(dense.kernel.numpy()).max()
        assert 0.97 * limit < largest <= limit
    assert not np.array_equal(layer.query_dense.kernel.numpy(), layer.key_dense.kernel.numpy())


def test_a_configuration_of_keras_2_is_read():
    old = {"query_shape": [None, 4, 2], "key_shape": [None, 5, 2], "value_shape": [None, 5, 3]}
    config = layers.MultiHeadAttention(2, 3, name="heads").get_config()
    assert layers.MultiHeadAttention.from_config({**config, **old}).get_config() == config


def test_heads_are_saved(tmp_path):
    q, v = gw.Input((4, 2)), gw.Input((5, 3))
    model = gw.Model([q, v], layers.MultiHeadAttention(2, 3, value_dim=2, use_gate=True, dropout=0.1)(q, v))
    model.save(tmp_path / "m.keras")
    again = gw.models.load_model(tmp_path / "m.keras")
    given = [QUERY.astype("float32"), VALUE.astype("float32")]
    np.testing.assert_array_equal(again.predict(given, verbose=0), model.predict(given, verbose=0))


# ---- what is refused ----------------------------------------------------------------------------------

REFUSED = {
    "one array": (lambda: layers.Attention(name="it")(QUERY), ["'it' (Attention)", "[query, value]", "(3, 4, 2)"]),
    "four arrays": (lambda: layers.Attention(name="it")([QUERY] * 4), ["'it'", "2 or 3", "given 4"]),
    "one in a list": (lambda: layers.AdditiveAttention(name="it")([QUERY]), ["'it' (AdditiveAttention)", "given 1"]),
    "features": (lambda: layers.Attention(name="it")([QUERY, VALUE]), ["'it'", "do not fit", "(3, 5, 3)", "features"]),
    "features in a model": (
        lambda: layers.Attention(name="it")([gw.Input((4, 2)), gw.Input((5, 3))]),
        ["'it'", "(None, 5, 3)"],
    ),
    "steps": (lambda: layers.Attention(name="it")([QUERY, VALUE, QUERY]), ["'it'", "key and value the same steps"]),
    "two axes": (lambda: layers.Attention(name="it")([QUERY[0], KEY[0]]), ["'it'", "(4, 2)"]),
    "one mask": (lambda: layers.Attention(name="it")([QUERY, KEY], mask=VALUE_MASK), ["'it'", "must be a list"]),
    "mask of values": (
        lambda: layers.Attention(name="it")([QUERY, KEY], mask=[None, QUERY_MASK]),
        ["'it'", "mask that does not fit its values", "(batch=3, steps=5)", "(3, 4)"],
    ),
    "mask of queries": (
        lambda: layers.Attention(name="it")([QUERY, KEY], mask=[VALUE_MASK, None]),
        ["queries", "(batch=3, steps=4)"],
    ),
    "score mode": (lambda: layers.Attention(score_mode="cosine"), ["score_mode", "'dot', 'concat'", "'cosine'"]),
    "dropout": (lambda: layers.Attention(dropout=2), ["Attention", "dropout=2"]),
    "unknown option": (lambda: layers.Attention(name="it")([QUERY, KEY], causal=True), ["'it'", "use_causal_mask"]),
    "no value": (lambda: layers.MultiHeadAttention(2, 3, name="it")(QUERY), ["'it' (MultiHeadAttention)", "value"]),
    "a mask": (lambda: layers.MultiHeadAttention(2, 3, name="it")(QUERY, KEY, mask=QUERY_MASK), ["value_mask", "mask"]),
    "no heads": (lambda: layers.MultiHeadAttention(0, 3), ["MultiHeadAttention", "num_heads", "positive integer"]),
    "half a key": (lambda: layers.MultiHeadAttention(2, 1.5), ["key_dim", "1.5"]),
    "output shape": (lambda: layers.MultiHeadAttention(2, 3, output_shape="5"), ["output_shape", "output_shape=5"]),
    "axes": (lambda: layers.MultiHeadAttention(2, 3, attention_axes="all"), ["attention_axes", "'all'"]),
    "window": (lambda: layers.MultiHeadAttention(2, 3, sliding_window=0), ["sliding_window", "positive integer"]),
    "flash and dropout": (lambda: layers.MultiHeadAttention(2, 3, dropout=0.1, flash_attention=True), ["dropout=0"]),
    "key and value": (
        lambda: layers.MultiHeadAttention(2, 3, name="it")(QUERY, VALUE, QUERY),
        ["'it'", "do not fit each other", "(3, 4, 2), (3, 5, 3), (3, 4, 2)"],
    ),
    "key and value in a model": (
        lambda: layers.MultiHeadAttention(2, 3, name="it")(gw.Input((4, 2)), gw.Input((5, 2)), gw.Input((4, 2))),
        ["'it'", "(None, 5, 2)"],
    ),
    "another width": (
        lambda: made(layers.MultiHeadAttention(2, 3, name="it"), QUERY, KEY)(QUERY, VALUE),
        ["'it'", "do not fit", "built for", "(3, 5, 3)"],
    ),
    "another width in a model": (
        lambda: made(layers.MultiHeadAttention(2, 3, name="it"), QUERY, KEY)(gw.Input((4, 2)), gw.Input((5, 3))),
        ["'it'", "built for"],
    ),
    "value mask": (
        lambda: layers.MultiHeadAttention(2, 3, name="it")(QUERY, KEY, value_mask=QUERY_MASK),
        ["'it'", "mask that does not fit its value", "(batch=3, steps=5)", "(3, 4)"],
    ),
    "attention mask": (
        lambda: layers.MultiHeadAttention(2, 3, name="it")(QUERY, KEY, attention_mask=np.ones((3, 5, 4))),
        ["'it'", "attention_mask that does not fit", "(3, 4, 5)", "(3, 5, 4)"],
    ),
    "causal along two axes": (
        lambda: layers.MultiHeadAttention(2, 3, name="it")(*[np.zeros((2, 3, 4, 2))] * 2, use_causal_mask=True),
        ["'it'", "one attention axis", "(1, 2)"],
    ),
    "an equation": (lambda: layers.EinsumDense("ab->c", 3), ["EinsumDense", "'ab->c'", "abc,cd->abd"]),
    "an axis from nowhere": (lambda: layers.EinsumDense("ab,bc->ad", 3), ["comes from the input or the kernel"]),
    "sizes": (lambda: layers.EinsumDense("abc,cd->abd", 3), ["a size for each axis of 'abd'", "(3,)", "None"]),
    "rank": (lambda: layers.EinsumDense("abc,cd->abd", (None, 3), name="it")(QUERY[0]), ["'it'", "'abc'", "(4, 2)"]),
    "no size": (lambda: layers.EinsumDense("abc,cd->abd", (None, 0)), ["EinsumDense", "output_shape", "got 0"]),
    "size of the input": (
        lambda: layers.EinsumDense("abc,cd->abd", (5, 3), name="it")(QUERY),
        ["'it'", "axis 'b'", "4 places", "says 5"],
    ),
    "another input": (
        lambda: made(layers.EinsumDense("abc,cd->abd", (None, 3), name="it"), QUERY)(VALUE),
        ["'it'", "kernel of the axes 'cd'", "(2, 3)", "(3, 3)"],
    ),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
