"""Shapes for any sizes and options: computed, symbolic and real ones are the same; so are all ways of running."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise import layers, tree

sizes = st.integers(1, 6)
switch = st.booleans()
options = st.fixed_dictionaries(
    {
        "return_sequences": switch, "return_state": switch, "go_backwards": switch, "time_major": switch,
        "use_bias": switch, "unroll": switch, "zero_output_for_mask": switch, "implementation": st.sampled_from([1, 2]),
        "activation": st.sampled_from(["tanh", "relu", "linear", "softsign"]),
    }
)  # fmt: skip


def shapes_of(y):
    return [tuple(leaf.shape) for leaf in tree.leaves(y)]


def without_batch(shapes, batch_axes):
    return [
        tuple(None if k == axis else size for k, size in enumerate(s))
        for s, axis in zip(shapes, batch_axes, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(N=sizes, T=sizes, F=sizes, H=sizes, options=options, masked=switch, stated=switch, data=st.data())
def test_lstm(N, T, F, H, options, masked, stated, data):
    layer = layers.LSTM(H, **options)
    major = options["time_major"]
    lead = (T, N) if major else (N, T)
    x = np.random.default_rng(0).normal(size=(*lead, F)).astype("float32")
    mask = np.array(data.draw(st.lists(switch, min_size=N * T, max_size=N * T))).reshape(lead) if masked else None
    states = [np.ones((N, H), "float32")] * 2 if stated else None
    y = layer(x, mask=mask, initial_state=states)

    expected = [
        ((*lead, H) if options["return_sequences"] else (N, H)),
        *([(N, H)] * 2 if options["return_state"] else []),
    ]
    assert shapes_of(y) == expected
    assert list(tree.leaves_of_shapes(layer.compute_output_shape(x.shape))) == expected
    symbolic = layer(gw.Input(batch_shape=(lead[0], None, F) if major else (None, T, F)))
    batch_axes = [1 if major and options["return_sequences"] else 0, 0, 0][: len(expected)]
    assert shapes_of(symbolic) == without_batch(expected, batch_axes)

    kept, pullback = layer.differentiate([x, *(states or [])], mask, False, None)
    for a, b in zip(tree.leaves(y), tree.leaves(kept), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    dys = [np.ones(s, "float32") for s in expected]
    d_inputs, gradients = pullback(dys if options["return_state"] else dys[0])
    assert [d.shape for d in d_inputs] == [x.shape, *([(N, H)] * 2 if stated else [])]
    assert {v.name: g.shape for v, g in gradients.items()} == {v.name: v.shape for v in layer.weights}
    assert layer.count_params() == 4 * H * (F + H + options["use_bias"])


@settings(max_examples=40, deadline=None)
@given(shape=st.lists(sizes, min_size=2, max_size=4), units=sizes, use_bias=switch)
def test_dense(shape, units, use_bias):
    layer = layers.Dense(units, use_bias=use_bias)
    y = layer(np.ones(shape, "float32"))
    assert y.shape == layer.compute_output_shape(tuple(shape)) == (*shape[:-1], units)
    assert layer(gw.Input(shape[1:])).shape == (None, *shape[1:-1], units)
    assert layer.count_params() == units * (shape[-1] + use_bias)


@settings(max_examples=30, deadline=None)
@given(N=sizes, T=sizes, F=sizes, widths=st.lists(sizes, min_size=1, max_size=3), known=switch)
def test_stacks(N, T, F, widths, known):
    stack = [layers.LSTM(H, return_sequences=True) for H in widths]
    begin = [gw.Input((None, F))] if known else []
    model = gw.Sequential([*begin, layers.Masking(), *stack, layers.TimeDistributed(layers.Dense(2)), layers.LSTM(1)])
    x = np.random.default_rng(0).normal(size=(N, T, F)).astype("float32")
    assert model.compute_output_shape((N, T, F)) == model.predict(x, verbose=0).shape == (N, 1)
    assert model.layers[-2].compute_output_shape((N, T, widths[-1])) == (N, T, 2)
    assert model.output_shape == (None, 1)
    rows = [4 * H * (before + H + 1) for before, H in zip([F, *widths], widths, strict=False)]
    assert model.count_params() == sum(rows) + 2 * (widths[-1] + 1) + 4 * (2 + 1 + 1)


@settings(max_examples=20, deadline=None)
@given(N=sizes, T=sizes, F=sizes, units=sizes)
def test_a_users_layer_and_functions(N, T, F, units):
    class Users(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], units), name="w")

        def call(self, x):
            return gw.ops.concatenate([x[:, -1] @ self.w, gw.ops.max(x, axis=1)], axis=-1)

    layer = Users()
    y = layer(gw.Input((T, F)))
    assert y.shape == (None, units + F) == layer(gw.Input((None, F))).shape
    assert layer.compute_output_shape((N, T, F)) == layer(np.ones((N, T, F), "float32")).shape == (N, units + F)
