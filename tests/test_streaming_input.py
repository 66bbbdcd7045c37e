"""What a stream's step and chunk may look like, and which models are refused, by the layer's name."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from streaming_models import F, data, sequential

# ---- what a step may look like ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", [float, lambda v: [v], lambda v: np.array([v]), lambda v: np.array([[v]]),
                                  lambda v: [[v]], np.float64, lambda v: np.array([[[v]]], "float32")])  # fmt: skip
def test_one_number_in_any_form(form):
    model = sequential(layers.LSTM(3), layers.Dense(1), features=1)
    python = sequential(layers.LSTM(3), layers.Dense(1, "relu"), features=1)
    for m in (model, python):
        y = m.stream().step(form(0.5))
        np.testing.assert_array_equal(y, m.predict(np.array([[[0.5]]]), verbose=0))


def test_views_types_and_rows():
    model = sequential(layers.LSTM(3), layers.Dense(1))
    x = data(2, 4, F)
    expected = model.predict(x[:, :1], verbose=0)
    wide = np.repeat(x, 2, axis=2)
    for form in (x[:, 0], x[:, 0].astype("float64"), x[:, 0].tolist(), wide[:, 0, ::2], np.asfortranarray(x[:, 0]),
                 x[:, 0:1], x[::-1, 0][::-1]):  # fmt: skip
        np.testing.assert_array_equal(model.stream(2).step(form), expected)
    one = model.predict(x[:1, :1], verbose=0)
    np.testing.assert_array_equal(model.stream().step(x[0, 0]), one)
    np.testing.assert_array_equal(model.stream().run(x[0]), model.stream().run(x[:1]))
    for stored in (x[:1, 0].astype(">f4"), np.asfortranarray(x[:1, 0]), x[:1, 0].astype("f8")):
        np.testing.assert_array_equal(model.stream().step(stored), one)
    bytes_apart = np.zeros((1, 4 * F + 1), "u1")[:, 1:].view("float32")  # no multiple of four
    bytes_apart[...] = x[:1, 0]
    np.testing.assert_array_equal(model.stream().step(bytes_apart), one)
    integers = np.array([[1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(model.stream().step(integers), model.predict(integers[:, None], verbose=0))


def test_a_step_that_does_not_fit_is_said():
    for model in (sequential(layers.LSTM(3), layers.Dense(1)), sequential(layers.LSTM(3), layers.Dense(1, "relu"))):
        stream = model.stream(2)
        cases = [
            (np.zeros((2, 4)), r"expected: \(batch=2, features=5\)\n    given:    \(2, 4\)"),
            (np.zeros((3, F)), r"make another stream: model.stream\(batch_size=3\)"),
            (np.zeros((2, 4, F)), r"Give one time step, x\[:, t\], or several at once to run\(x\)"),
            (np.zeros((2, 1, 1, 1, F), "float32"), "does not fit"),
            (np.array(["a"]), "is given numbers"),
            (None, "is given numbers"),
        ]
        for given, message in cases:
            with pytest.raises(ValueError, match=message):
                stream.step(given)
        with pytest.raises(ValueError, match=r"One time step goes to step\(x\)"):
            stream.run(np.zeros((2, F)))
        with pytest.raises(ValueError, match="at least one time step"):
            stream.run(np.zeros((2, 0, F)))
        with pytest.raises(ValueError, match="for each row of the stream whether the step counts"):
            stream.step(np.zeros((2, F)), mask=np.ones(3, bool))
        with pytest.raises(ValueError, match="holds truth values; got an array"):
            stream.step(np.zeros((2, F)), mask=["yes", "no"])
        with pytest.raises(ValueError, match="expected: .batch=2, time steps=4."):
            stream.run(np.zeros((2, 4, F)), mask=np.ones((2, 3), bool))
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="stream: Received an invalid value for argument `batch_size`"):
            model.stream(wrong)


# ---- refusals --------------------------------------------------------------------------------------------

REFUSED = {
    "Bidirectional": (lambda: layers.Bidirectional(layers.LSTM(2)), "it reads the sequence from its end too"),
    "LSTM": (lambda: layers.LSTM(2, go_backwards=True), "from its end .go_backwards=True"),
    "SimpleRNN": (lambda: layers.SimpleRNN(2, time_major=True), "takes the time steps before the batch"),
    "Conv1D": (lambda: layers.Conv1D(2, 3, padding="same"), "with padding='same' its windows reach later steps"),
    "Conv1D strides": (lambda: layers.Conv1D(2, 3, strides=2, padding="causal"), "fewer outputs than there are steps"),
    "Conv1DTranspose": (lambda: layers.Conv1DTranspose(2, 3), "makes several of its output"),
    "MaxPooling1D": (lambda: layers.MaxPooling1D(), "its windows have several time steps"),
    "Flatten": (lambda: layers.Flatten(), "one list of all time steps"),
    "Permute": (lambda: layers.Permute((2, 1)), "another axis"),
    "Cropping1D": (lambda: layers.Cropping1D(1), "leaves out time steps"),
    "UpSampling1D": (lambda: layers.UpSampling1D(2), "several time steps of one"),
    "ZeroPadding1D": (lambda: layers.ZeroPadding1D(1), "adds time steps"),
    "Reshape": (lambda: layers.Reshape((F, 8)), "several time steps into others"),
    "Lambda": (lambda: layers.Lambda(lambda x: x + 1), "its output at one step may depend on other steps.*stepwise"),
    "TimeDistributed": (lambda: layers.TimeDistributed(sequential(layers.LSTM(2, stateful=True))), "keeps states"),
    "EinsumDense": (lambda: layers.EinsumDense("abc,bd->adc", (3, F)), "'abc,bd->adc' sums over the time steps"),
    "EinsumDense bias": (
        lambda: layers.EinsumDense("abc,cd->abd", (8, 3), bias_axes="b"),
        "moves them or weighs each apart",
    ),
    "EinsumDense softmax": (
        lambda: layers.EinsumDense("abc,c->ab", (None,), "softmax"),
        "along which its activation may work",
    ),
    "LayerNormalization": (lambda: layers.LayerNormalization(axis=1), "it normalizes along the time axis"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_causal_is_refused_by_name(case):
    make, reason = REFUSED[case]
    layer = make()
    x = gw.Input((8, F) if case != "TimeDistributed" else (8, F, 1))
    layer.name = "the_culprit"
    model = gw.Model(x, layer(x))
    with pytest.raises(ValueError, match=f"layer 'the_culprit' .{type(layer).__name__}.: .*{reason}") as caught:
        model.stream()
    assert str(caught.value).startswith(f"Model '{model.name}' cannot run one time step at a time")


def test_operations_in_which_steps_meet_are_refused():
    for function, reason in [
        (lambda x: x[:, 2], r"takes the time steps \[2\]; a stream has only the last"),
        (lambda x: x[:, ::2], "time steps"),
        (lambda x: x[1:], "rows out of the batch"),
        (lambda x: ops.mean(x, axis=1), "along axis 1"),
        (lambda x: ops.sum(x), "along axis None"),
        (lambda x: ops.cumsum(x, axis=1), "along axis 1"),
        (lambda x: ops.matmul(x, np.ones((F, 2), "float32")), "use Dense"),
        (lambda x: ops.transpose(x, (0, 2, 1)), "may depend on other steps"),
        (lambda x: x + np.ones((8, F), "float32"), "does not have the time steps where the others have them"),
    ]:
        x = gw.Input((8, F))
        with pytest.raises(ValueError, match=reason):
            gw.Model(x, function(x)).stream()


def test_other_models_that_cannot_be_streamed():
    class Own(gw.Model):
        def __init__(self):
            super().__init__()
            self.layer = layers.LSTM(2)

        def call(self, x):
            return self.layer(x)

    with pytest.raises(ValueError, match="what its `call` does with the time steps is not known"):
        Own().stream()
    x = gw.Input((None, F))
    with pytest.raises(ValueError, match="layer 'own_1' .Own.: what its `call` does"):
        gw.Model(x, _named(Own(), "own_1")(x)).stream()
    with pytest.raises(ValueError, match="does not know the shape of its input yet"):
        gw.Sequential([layers.LSTM(2)]).stream()
    with pytest.raises(ValueError, match="no input with a time axis"):
        gw.Sequential([gw.Input((4,)), layers.Dense(1)]).stream()
    inner = sequential(layers.Bidirectional(layers.LSTM(2), name="both"))
    with pytest.raises(ValueError, match="layer '.*/both' .Bidirectional."):
        gw.Model(x, inner(x)).stream()


def _named(layer, name):
    layer.name = name
    return layer
