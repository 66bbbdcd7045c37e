"""RNN over cells: a user's cell in a loop, stacks, nested states; against the built-in layers that compute the same."""

import copy

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops, tree
from gradients import assert_gradients


class PlainStep(layers.LSTMCell):
    """An LSTMCell whose step a user has written anew (the same step): it runs in the loop."""

    def call(self, inputs, states, training=False):
        return super().call(inputs, states, training=training)


class Minimal(gw.Layer):
    """The cell of Keras's documentation: one state, given in a list."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="u")

    def call(self, inputs, states):
        output = ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
        return output, [output]


class WithLayers(gw.Layer):
    """A cell of layers, whose weights come into being where they are called; a dictionary of states."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = [units, 3]
        self.output_size = 2
        self.mix, self.out = layers.Dense(units, activation="tanh"), layers.Dense(2)

    def call(self, inputs, states, training=False):
        a, counter = states
        a = self.mix(ops.concatenate([inputs, a], axis=-1))
        return self.out(a) + ops.sum(counter, axis=-1, keepdims=True), [a, counter + 1.0]


class Matrix(gw.Layer):
    """A cell whose state is a matrix, known only from get_initial_state."""

    state_size = None

    def get_initial_state(self, batch_size=None):
        return [np.ones((batch_size, 2, 2), self.dtype)]

    @property
    def output_size(self):
        return 2

    def call(self, inputs, states):
        state = states[0] * 0.5 + inputs[:, :, None] * inputs[:, None, :]
        return ops.sum(state, axis=1), [state]


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


MASKS = {
    "none": None,
    "left": [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]],
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]],
    "scattered": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]],
}


@pytest.mark.parametrize("mask", MASKS, ids=str)
@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"return_sequences": True}, {"go_backwards": True, "return_sequences": True}, {"zero_output_for_mask": True}],
    ids=str,
)
def test_a_users_step_in_a_loop_is_the_built_in_layer(options, with_states, mask):
    mask = None if MASKS[mask] is None else np.array(MASKS[mask], bool)
    whole = layers.LSTM(4, return_state=True, dtype="float64", **options)
    loop = layers.RNN(PlainStep(4, dtype="float64"), return_state=True, dtype="float64", **options)
    x, h, c = arrays((3, 5, 2), (3, 4), (3, 4))
    x = x if mask is None else np.where(mask[:, :, None], x, np.nan)
    inputs = [x, h, c] if with_states else [x]
    whole(np.nan_to_num(x))
    loop(np.nan_to_num(x))
    loop.set_weights(whole.get_weights())
    found = []
    for layer in (whole, loop):
        y, back = layer.differentiate(inputs, mask, False, None)
        rng = np.random.default_rng(1)
        d_inputs, gradients = back([rng.normal(size=leaf.shape) for leaf in y])
        quick = layer.compute(inputs, mask, False, None)
        found.append([*y, *quick, *d_inputs, *[gradients[v] for v in layer.trainable_variables]])
    assert all(np.isfinite(a).all() for a in found[1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-13)


def test_a_stack_is_layers_one_after_another():
    first, second = layers.LSTM(3, return_sequences=True), layers.LSTM(2, return_sequences=True)
    stack = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], return_sequences=True, return_state=True)
    x = np.float32(arrays((2, 4, 5))[0])
    expected = second(first(x))
    stack(x)
    stack.set_weights([*first.get_weights(), *second.get_weights()])
    y, one, two = stack(x)
    np.testing.assert_array_equal(y, expected)
    assert [s.shape for s in one] == [(2, 3), (2, 3)] and [s.shape for s in two] == [(2, 2), (2, 2)]
    np.testing.assert_array_equal(two[0], y[:, -1])
    half, *states = stack(x[:, :2])
    rest, *_ = stack(x[:, 2:], initial_state=states)
    np.testing.assert_array_equal(np.concatenate([half, rest], axis=1), y)


def test_stacks_nest_in_models_and_files(tmp_path):
    inputs = gw.Input((4, 5))
    y, (h, _), second = layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], return_state=True)(inputs)
    assert y.shape == (None, 2) and h.shape == (None, 3) and len(second) == 2
    model = gw.Model(inputs, [y, h])
    model.save(tmp_path / "stack.keras")
    x = np.float32(arrays((2, 4, 5))[0])
    for a, b in zip(model.predict(x), gw.load_model(tmp_path / "stack.keras").predict(x), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cell", [Minimal(3), WithLayers(4), Matrix(), [Minimal(2), layers.LSTMCell(3), WithLayers(2)]])
def test_users_cells_train(cell):
    cell = copy.deepcopy(cell)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6, 2)), rng.normal(size=(32, 1))
    model = gw.Sequential([gw.Input((6, 2)), layers.RNN(cell), layers.Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert model.layers[0].get_initial_state(7)[0] is not None
    assert model.predict(x).shape == (32, 1)


def test_states_of_any_shape_go_in_and_out():
    layer = layers.RNN(Matrix(dtype="float64"), return_state=True, stateful=True, dtype="float64")
    x = arrays((3, 4, 2))[0]
    y, state = layer(x)
    assert y.shape == (3, 2) and state.shape == (3, 2, 2)
    expected = layers.RNN(Matrix(dtype="float64"), dtype="float64")(np.concatenate([x, x], axis=1))
    np.testing.assert_allclose(layer(x)[0], expected, rtol=1e-13)
    layer.reset_states()
    np.testing.assert_array_equal(layer(x)[0], y)
    with pytest.raises(ValueError, match="initial states that do not fit"):
        layer(x, initial_state=np.zeros((3, 2)))


def test_the_mode_reaches_a_users_cell():
    class Noisy(Minimal):
        def call(self, inputs, states, training=False):
            output, states = super().call(inputs, states)
            return (output + 1.0 if training else output), states

    layer = layers.RNN(Noisy(3))
    x = np.ones((2, 3, 2))
    assert not np.array_equal(layer(x, training=True), layer(x))


def test_a_cells_own_losses_count():
    class Penalised(Minimal):
        def call(self, inputs, states):
            output, states = super().call(inputs, states)
            self.add_loss(0.1 * ops.sum(ops.square(output)))
            return output, states

    def loss_of(cell_class):
        gw.utils.set_random_seed(1)
        model = gw.Sequential([gw.Input((3, 2)), layers.RNN(cell_class(3))])
        model.compile("sgd", "mse")
        return model.evaluate(np.ones((2, 3, 2)), np.zeros((2, 3)), verbose=0)

    assert loss_of(Penalised) > loss_of(Minimal)


REFUSED = {
    "a class": (lambda: layers.RNN(layers.LSTMCell), "needs a cell, not a class; write LSTMCell(...)"),
    "a layer that is no cell": (lambda: layers.RNN(layers.Dense(3)), "runs a cell.*got Dense"),
    "no state_size": (lambda: layers.RNN(layers.Lambda(lambda x: x)) if hasattr(layers, "Lambda") else _stateless(),
                      "has no `state_size`: set self.state_size"),
    "nothing": (lambda: layers.RNN([]), "at least one cell"),
    "one bad cell": (lambda: layers.StackedRNNCells([layers.LSTMCell(2), 3]), "runs a cell.*got int 3"),
}  # fmt: skip


def _stateless():
    class Stateless(gw.Layer):
        def call(self, inputs, states):
            return inputs, states

    return layers.RNN(Stateless())


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_cell_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_cell_alone_computes_one_step():
    cell = layers.LSTMCell(3)
    layer = layers.LSTM(3, return_state=True)
    x, h, c = np.float32(arrays((2, 4))[0]), *map(np.float32, arrays((2, 3), (2, 3)))
    layer(x[:, None])
    cell(x, [h, c])
    cell.set_weights(layer.get_weights())
    y, states = cell(x, [h, c])
    for a, b in zip(layer(x[:, None], initial_state=[h, c]), [y, *states], strict=True):
        np.testing.assert_array_equal(a, b)
    assert [s.shape for s in tree.leaves(cell.get_initial_state(5))] == [(5, 3), (5, 3)]


def test_an_activity_regularizer_of_simple_rnn_says_that_it_does_nothing():
    with pytest.warns(UserWarning, match="no effect, as in Keras 3. Put layers.ActivityRegularization"):
        layer = layers.SimpleRNN(3, activity_regularizer="l2")
    assert layer.activity_regularizer is None


def test_a_cell_may_stand_in_two_places_of_a_stack():
    cell = layers.GRUCell(3, dtype="float64")
    layer = layers.RNN([cell, cell], return_state=True, dtype="float64")
    (x,) = arrays((2, 4, 3))
    y, (first,), (second,) = layer(x)
    below, above = np.zeros((2, 3)), np.zeros((2, 3))
    for t in range(4):
        below, _ = cell(x[:, t], [below])
        above, _ = cell(below, [above])
    np.testing.assert_allclose([y, first, second], [above, below, above], rtol=1e-12)
    assert len(layer.weights) == 3
    assert_gradients(layer, x)


class Returning(gw.Layer):
    """A cell with two states of length 2 that returns something else."""

    state_size = (2, 2)

    def __init__(self, returned, **kwargs):
        super().__init__(**kwargs)
        self.returned = returned

    def call(self, inputs, states):
        return self.returned(inputs, states)


@pytest.mark.parametrize(
    ("returned", "given"),
    [
        (lambda x, states: x, r"1 output, then the states \[\]"),
        (lambda x, states: (x, [states[0]]), r"then the states \[\(4, 2\)\]"),
        (lambda x, states: (x, [x, states[0]]), r"then the states \[\(4, 3\), \(4, 2\)\]"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_a_cell_that_returns_other_states_is_told(returned, given, training):
    layer = layers.RNN(Returning(returned, name="mine"))
    x = np.zeros((4, 5, 3), "float32")
    with pytest.raises(
        ValueError, match=rf"(?s)'mine' \(Returning\).*\[\(4, 2\), \(4, 2\)\].*{given}.*Return \(output, states"
    ):
        layer.differentiate([x], None, True, None) if training else layer(x)


@pytest.mark.parametrize("states", [[np.zeros((2, 3)), None], "zeros", [[[0.0] * 3] * 2] * 2])
def test_initial_states_are_arrays(states):
    layer = layers.LSTM(3, name="mine")
    with pytest.raises(ValueError, match=r"(?s)'mine' was given initial states.*given.*initial_state=\[h, c\]"):
        layer(np.zeros((2, 4, 5)), initial_state=states)


def test_a_build_that_says_it_is_done_is_noted_too():
    class SaysSo(Minimal):
        def build(self, input_shape):
            super().build(input_shape)
            self.built = True

    layer = layers.RNN(SaysSo(3))
    layer(np.zeros((2, 4, 5)))
    assert layer.cell.get_build_config() == {"input_shape": (2, 5)}


def _given_states(layer, *sizes):
    """A model that gives the layer initial states of these sizes."""
    x, *states = [gw.Input((5, 2)), *(gw.Input(size) for size in sizes)]
    nested = tree.fill(layer.get_initial_state(1), states)
    return gw.Model([x, *states], layer(x, initial_state=nested))


def _cell_alone(cell, *sizes):
    x, *states = [gw.Input((3,)), *(gw.Input((size,)) for size in sizes)]
    return gw.Model([x, *states], cell(x, states)[0])


WITH_STATES = {
    "GRU": lambda: _given_states(layers.GRU(2), (2,)),
    "Bidirectional": lambda: _given_states(layers.Bidirectional(layers.LSTM(2)), (2,), (2,), (2,), (2,)),
    "stack": lambda: _given_states(layers.RNN([layers.GRUCell(2), layers.LSTMCell(4)]), (2,), (4,), (4,)),
    "two stacks": lambda: _given_states(
        layers.Bidirectional(layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(4)])), (2,), (4,), (2,), (4,)
    ),
    "a matrix": lambda: _given_states(layers.RNN(Matrix()), (2, 2)),
    "GRUCell": lambda: _cell_alone(layers.GRUCell(2), 2),
    "LSTMCell": lambda: _cell_alone(layers.LSTMCell(2), 2, 2),
}


@pytest.mark.parametrize("name", WITH_STATES)
def test_given_states_are_in_the_configuration_of_the_model(name):
    model = WITH_STATES[name]()
    again = gw.Model.from_config(model.get_config(), custom_objects={"Matrix": Matrix})
    again.set_weights(model.get_weights())
    inputs = [np.float32(x) for x in arrays(*((2, *x.shape[1:]) for x in model.inputs))]
    y = model(inputs)
    np.testing.assert_array_equal(again(inputs), y)
    assert not np.allclose(model([inputs[0], *(-x for x in inputs[1:])]), y)
