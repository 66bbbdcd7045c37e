"""`gatewise.attribute`: exact where it can be known by hand, complete, of the output alone, and leaving no trace."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops

N, T, F = 4, 6, 3
FLOAT = {"dtype": "float64"}


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def tokens():
    ids = np.random.default_rng(1).integers(1, 9, size=(N, T))
    ids[1, 4:] = 0
    return ids


def padded():
    x = data(N, T, F)
    x[1, 4:] = 0
    return x


@pytest.fixture(autouse=True)
def _in_float64():
    before = gw.config.floatx()
    gw.config.set_floatx("float64")
    gw.utils.set_random_seed(0)
    yield
    gw.config.set_floatx(before)


def sequential(*stack, **options):
    return gw.Sequential([gw.Input((None, F), **options), *stack])


class Words(gw.Model):
    """A model with an Embedding of tokens and one of positions, in Python."""

    def __init__(self, **options):
        super().__init__()
        self.words, self.places = layers.Embedding(9, 4, mask_zero=True, **options), layers.Embedding(T, 4)
        self.body, self.head = layers.LSTM(3), layers.Dense(1)

    def call(self, inputs):
        return self.head(self.body(self.words(inputs) + self.places(np.arange(T))))


class Scaled(gw.Model):
    def __init__(self):
        super().__init__()
        self.body, self.head = layers.GRU(4), layers.Dense(2)

    def call(self, inputs):
        return self.head(self.body(inputs * 2.0))


def two():
    a, b = gw.Input((4,), name="a"), gw.Input((None,), dtype="int32", name="b")
    h = layers.GRU(4)(layers.Embedding(9, 4, name="words")(b), initial_state=a)
    return gw.Model([a, b], [layers.Dense(3, name="first")(h), layers.Dense(1, name="second")(h)])


MODELS = {
    "LSTM": lambda: (sequential(layers.LSTM(4), layers.Dense(2)), data(N, T, F)),
    "GRU": lambda: (sequential(layers.GRU(4), layers.Dense(2)), data(N, T, F)),
    "both ways": lambda: (sequential(layers.Bidirectional(layers.LSTM(3)), layers.Dense(2)), data(N, T, F)),
    "masked": lambda: (sequential(layers.Masking(), layers.LSTM(4), layers.Dense(2)), padded()),
    "nested": lambda: (sequential(sequential(layers.Masking(), layers.GRU(3)), layers.Dense(2)), padded()),
    "tokens": lambda: (gw.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.GRU(3)]), tokens()),
    "frozen": lambda: (gw.Sequential([layers.Embedding(9, 4, trainable=False), layers.LSTM(3)]), tokens()),
    "nested tokens": lambda: (
        gw.Sequential([gw.Sequential([layers.Embedding(9, 4, mask_zero=True)]), layers.LSTM(3)]),
        tokens(),
    ),
    "subclassed": lambda: (Scaled(), data(N, T, F)),
    "subclassed tokens": lambda: (Words(), tokens()),
    "subclassed frozen": lambda: (Words(trainable=False), tokens()),
    "ragged": lambda: (sequential(layers.GRU(3), layers.Dense(2)), [data(5, F), data(2, F, seed=1)]),
    "many": lambda: (sequential(layers.SimpleRNN(2), layers.Dense(2)), data(300, 3, F)),
}


@pytest.mark.parametrize("name", MODELS)
def test_integrated_gradients_are_complete(name):
    model, x = MODELS[name]()
    found = gw.attribute(model, x, tolerance=1e-7)
    difference = found.outputs - found.baseline_outputs
    assert np.abs(difference).max() > 1e-4
    np.testing.assert_allclose(found.gap, 0, atol=1e-6 * np.abs(difference).max())
    y = np.asarray(model.predict(x))
    np.testing.assert_allclose(found.outputs, y.max(axis=-1), rtol=1e-12, atol=1e-14)


def test_a_linear_model_by_hand():
    model = gw.Sequential([gw.Input((3,)), layers.Dense(2)])
    x, base = data(N, 3), data(3, seed=1)
    W = model.layers[0].kernel.numpy()
    for method in ("integrated_gradients", "gradient_times_input"):
        found = gw.attribute(model, x, target=1, method=method, baseline=base)
        np.testing.assert_allclose(found.values[0], (x - base) * W[:, 1], rtol=1e-12)
        np.testing.assert_allclose(found.gap, 0, atol=1e-13)


def test_a_linear_recurrence_by_hand():
    model = gw.Sequential([gw.Input((None, 1)), layers.SimpleRNN(1, activation="linear", use_bias=False)])
    model.set_weights([np.array([[0.7]]), np.array([[-0.5]])])
    x = data(N, T, 1)
    found = gw.attribute(model, x)
    expected = 0.7 * (-0.5) ** np.arange(T - 1, -1, -1) * x[:, :, 0]
    np.testing.assert_allclose(found.by_step(), expected, rtol=1e-12)
    np.testing.assert_allclose(found.by_feature()[:, 0], expected.sum(axis=1), rtol=1e-12)


def test_the_mean_slope_of_a_square():
    """y = x^2 has the slope 2x: at x for one method, half of it on the way for the other."""
    i = gw.Input((2,))
    model = gw.Model(i, ops.sum(i * i, axis=-1, keepdims=True))
    x = data(N, 2)
    np.testing.assert_allclose(gw.attribute(model, x, method="gradient_times_input").values[0], 2 * x * x, rtol=1e-12)
    np.testing.assert_allclose(gw.attribute(model, x, points=1).values[0], x * x, rtol=1e-12)


def test_gradient_times_input_against_central_differences():
    model, x = sequential(layers.Masking(), layers.LSTM(4), layers.Dense(2)), padded()
    found = gw.attribute(model, x, target=1, method="gradient_times_input").values[0]
    step = 1e-6
    for place in np.ndindex(T, F):
        above, below = x.copy(), x.copy()
        above[(slice(None), *place)] += step
        below[(slice(None), *place)] -= step
        slope = (model.predict(above) - model.predict(below))[:, 1] / (2 * step)
        counts = x[(slice(None), *place)] != 0  # a padded step is not counted, whatever is added to it
        wanted = np.where(counts, slope * x[(slice(None), *place)], 0)
        np.testing.assert_allclose(found[(slice(None), *place)], wanted, rtol=1e-6, atol=1e-9)


def test_padding_has_no_share_whatever_stands_there():
    model, x = sequential(layers.Masking(np.nan), layers.LSTM(4), layers.Dense(1)), padded()
    x[1, 4:] = np.nan
    found = gw.attribute(model, x)
    assert not found.values[0][1, 4:].any() and np.isfinite(found.values[0]).all()


def test_targets_of_every_form():
    model, x = sequential(layers.GRU(4), layers.Dense(3, activation="softmax", name="out")), data(N, T, F)
    y = model.predict(x)
    likeliest = y.argmax(axis=-1)

    def margin(outputs):
        return outputs[:, 0] - outputs[:, 2]

    for target, expected, text in (
        (None, y.max(axis=-1), "'out', the likeliest class of each sample"),
        (1, y[:, 1], "'out'[1]"),
        ((-1,), y[:, 2], "'out'[-1]"),
        (np.int64(2), y[:, 2], "'out'[2]"),
        (("out", 0), y[:, 0], "'out'[0]"),
        ("out", y.max(axis=-1), "'out', the likeliest class of each sample"),
        (np.array([0, 2, 1, -1]), y[np.arange(N), [0, 2, 1, 2]], "'out', a class for each sample"),
        (margin, y[:, 0] - y[:, 2], "margin()"),
        (lambda o: ops.sum(o * o, axis=-1), (y * y).sum(axis=-1), "a function of the outputs"),
    ):
        found = gw.attribute(model, x, target, tolerance=1e-8)
        np.testing.assert_allclose(found.outputs, expected, rtol=1e-12)
        np.testing.assert_allclose(found.gap, 0, atol=1e-8)
        assert found.target == text
    same = gw.attribute(model, x, likeliest, points=16).values[0]
    np.testing.assert_array_equal(gw.attribute(model, x, points=16).values[0], same)


def test_a_step_of_a_sequence():
    model, x = sequential(layers.GRU(2, return_sequences=True)), data(N, T, F)
    found = gw.attribute(model, x, (2, 1))
    np.testing.assert_allclose(found.outputs, model.predict(x)[:, 2, 1], rtol=1e-12)
    assert not found.values[0][:, 3:].any()  # what comes later has no share


def test_several_inputs_and_outputs():
    model, x = two(), [data(N, 4), tokens()]
    found = gw.attribute(model, x, ("first", 2), baseline={"a": np.full(4, 0.5)}, tolerance=1e-8)
    assert found.names == ("a", "words") and [v.shape for v in found.values] == [(N, 4), (N, T, 4)]
    np.testing.assert_allclose(found.gap, 0, atol=1e-8)
    assert found.sequences == (False, True) and found.by_step("words").shape == (N, T)
    of_both = gw.attribute(model, x, lambda outputs: outputs[0][:, 1] + outputs[1][:, 0], tolerance=1e-8)
    np.testing.assert_allclose(of_both.gap, 0, atol=1e-8)
    with pytest.raises(ValueError, match="no time steps; use by_feature"):
        found.by_step("a")
    with pytest.raises(ValueError, match="There is no input 'c'; the inputs are a, words"):
        found.by_step("c")


def test_a_vector_of_tokens_against_the_model_from_there_on():
    model, ids = gw.Sequential([layers.Embedding(9, 4), layers.GRU(3), layers.Dense(1)]), tokens()
    found = gw.attribute(model, ids, points=32)
    rest = gw.Model(model.layers[0].output, model.outputs)
    vectors = model.layers[0].embeddings.numpy()[ids]
    np.testing.assert_allclose(found.values[0], gw.attribute(rest, vectors, points=32).values[0], rtol=1e-12)


def test_what_layers_add_to_the_loss_does_not_enter():
    class Adding(layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.sum(inputs * inputs))
            return inputs * 1.0

    plain = sequential(layers.LSTM(4), layers.Dense(1))
    other = sequential(Adding(), layers.LSTM(4, activity_regularizer="l2"), layers.Dense(1, activity_regularizer="l1"))
    x = data(N, T, F)
    other.set_weights(plain.get_weights())
    for method in ("integrated_gradients", "gradient_times_input"):
        expected = gw.attribute(plain, x, method=method).values[0]
        np.testing.assert_allclose(gw.attribute(other, x, method=method).values[0], expected, rtol=1e-10, atol=1e-14)


def test_the_model_is_left_as_it_is():
    model = gw.Sequential([
        gw.Input(batch_shape=(N, T, F)), layers.Dropout(0.5), layers.LSTM(3, stateful=True),
        layers.BatchNormalization(), layers.Dense(1),
    ])  # fmt: skip
    model.compile("sgd", "mse", metrics=["mae"])
    x = data(N, T, F)
    model.predict(x)
    model.evaluate(x, np.ones((N, 1)), verbose=0)
    before, metrics = [v.numpy() for v in model.variables], model.get_metrics_result()
    states = [v.numpy() for v in model.layers[1].states]
    found = gw.attribute(model, x, tolerance=1e-8)
    np.testing.assert_allclose(found.gap, 0, atol=1e-8)  # every run begins with the same states
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    for variable, value in zip(model.layers[1].states, states, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert model.get_metrics_result() == metrics
    np.testing.assert_array_equal(found.outputs, model.predict(x)[:, 0])


def test_the_number_of_points():
    model, x = sequential(layers.LSTM(4), layers.Dense(1)), 3 * data(N, T, F)
    rough = gw.attribute(model, x, tolerance=0.5)
    fine = gw.attribute(model, x, tolerance=1e-9)
    assert rough.points == 8 < fine.points <= 512
    assert gw.attribute(model, x, points=5).points == 5
    assert np.abs(fine.gap).max() < np.abs(rough.gap).max()


def test_float32_and_its_table():
    pandas = pytest.importorskip("pandas")
    gw.config.set_floatx("float32")
    model, x = sequential(layers.LSTM(4), layers.Dense(1)), data(N, T, F)
    found = gw.attribute(model, x)
    assert found.values[0].dtype == np.float32
    table = found.to_dataframe()
    assert list(table) == ["input", "sample", "step", "feature", "value"] and len(table) == N * T * F
    row = table[(table["sample"] == 2) & (table["step"] == 3) & (table["feature"] == 1)]
    assert isinstance(table, pandas.DataFrame) and row["value"].item() == found.values[0][2, 3, 1]
    assert "'dense'" in repr(found) or "'dense_" in repr(found)
    assert "largest gap" in repr(found)


class TestRefusals:
    def refuse(self, error, message, *args, **options):
        model, x = sequential(layers.GRU(2), layers.Dense(3, name="out")), data(N, T, F)
        with pytest.raises(error, match=message):
            gw.attribute(*(args or (model, x)), **options)

    def test_not_a_model(self):
        self.refuse(TypeError, r"takes a model; got .*Dense", layers.Dense(1), data(N, F))
        self.refuse(TypeError, r"Write Sequential\(\.\.\.\)", gw.Sequential, data(N, F))

    def test_methods_and_numbers(self):
        self.refuse(ValueError, "unknown method 'gradients_times_input'. Did you mean", method="gradients_times_input")
        self.refuse(ValueError, "tolerance is a number above 0; got 0", tolerance=0)
        self.refuse(ValueError, "tolerance is a number above 0; got -1", tolerance=-1)
        self.refuse(ValueError, "`points`, expected a positive integer, got 0", points=0)

    def test_targets(self):
        self.refuse(
            ValueError, r"target=3 is out of range; the output 'out' of a sample has the shape \(3,?\)", target=3
        )
        self.refuse(ValueError, r"target=\(0, 1\) does not name one. Say which number: target=0", target=(0, 1))
        self.refuse(ValueError, "unknown output 'oout'. Did you mean 'out'", target=("oout", 1))
        self.refuse(ValueError, r"target is made of whole numbers; got 1\.5", target=1.5)
        self.refuse(ValueError, "one whole number, a class, for each of the 4 samples", target=np.array([0, 1]))
        self.refuse(ValueError, "classes out of range; the output 'out' has 3", target=np.array([0, 1, 2, 3]))
        self.refuse(ValueError, "returns one number for each sample", target=lambda y: y)
        every = sequential(layers.GRU(2, return_sequences=True, name="gru"))
        self.refuse(ValueError, r"the output 'gru' of a sample has the shape .*target=\(-1, 0\)", every, data(N, T, F))
        self.refuse(ValueError, r"several outputs \(first, second\)", two(), [data(N, 4), tokens()])

    def test_baselines(self):
        self.refuse(ValueError, r"baseline for 'input_layer.*' does not fit", baseline=np.zeros(4))
        self.refuse(ValueError, "does not fit", baseline="zeros")
        self.refuse(ValueError, "unknown input 'c'", baseline={"c": 0.0})
        self.refuse(
            ValueError, "a list of 2 arrays, or a dictionary, for a, words", two(), [data(N, 4), tokens()],
            target=("first", 1), baseline=0.0,
        )  # fmt: skip

    def test_nothing_to_follow(self):
        i = gw.Input((3,), dtype="int32")
        model = gw.Model(i, ops.cast(i, "float64"))
        self.refuse(ValueError, "hold no floats, and no Embedding reads them", model, np.ones((N, 3), int), target=1)
        model = sequential(layers.GRU(2))
        self.refuse(ValueError, "it has 0 samples", model, np.zeros((0, T, F)))

    def test_a_frozen_embedding_that_no_gradient_reaches(self):
        i = gw.Input((T,), dtype="int32")
        model = gw.Model(i, Words(trainable=False)(i))
        message = "no gradient comes back to the Embedding 'embedding.*', which is frozen inside a `call`"
        self.refuse(ValueError, message, model, tokens())

    def test_within_itself(self):
        inner = sequential(layers.GRU(2), layers.Dense(1))

        class Asking(layers.Layer):
            def call(self, inputs):
                gw.attribute(inner, data(N, T, F))
                return inputs * 1.0

            def compute_output_shape(self, input_shape):
                return input_shape

        model = sequential(Asking(), layers.GRU(2))
        self.refuse(RuntimeError, r"attribute\(\) was called from within a layer", model, data(N, T, F))
