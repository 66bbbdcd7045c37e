"""The state of a stream is a value: read, set, reset by rows, forked, saved; streams, weights and threads."""

import copy
import pickle
import threading

import numpy as np
import pytest

from gatewise import layers, ops
from gatewise.streaming import StreamState
from streaming_models import MODELS, F, chain, data, nested, python_chain, sequential, streamed_like_predict

# ---- state -----------------------------------------------------------------------------------------------


both = pytest.mark.parametrize("make", [chain, python_chain])


@both
def test_state_is_read_and_set(make):
    model, x = make(), data(3, 6, F)
    stream = model.stream(3)
    assert not any(a.any() for a in stream.state["first"])
    stream.run(x[:, :3])
    state = stream.state
    assert list(state) == ["first", "second"] and [a.shape for a in state["first"]] == [(3, 4), (3, 4)]
    h = layers.LSTM(4, return_state=True, return_sequences=True)
    h.build((None, None, F))
    h.set_weights(model.layers[0].get_weights())
    for a, b in zip(state["first"], h(x[:, :3])[1:], strict=True):
        np.testing.assert_array_equal(a, b)
    after = stream.step(x[:, 3])
    kept = state.copy()
    state["first"][0][:] = 0  # a copy: the stream does not see it
    assert not np.array_equal(state["first"][0], stream.state["first"][0])
    stream.state = kept
    np.testing.assert_array_equal(stream.step(x[:, 3]), after)
    stream.state = {name: [a.astype("float64") for a in arrays] for name, arrays in kept.items()}
    np.testing.assert_array_equal(stream.step(x[:, 3]), after)


@both
def test_a_state_that_does_not_fit_is_said(make):
    stream = make().stream(2)
    state = stream.state
    cases = [
        ([1, 2], "a dictionary .layer name: .arrays.."),
        ({"first": state["first"]}, r"expected: the layers \['first', 'second'\]\n    given:    \['first'\]"),
        (state.rows([0]), r"state of layer 'first' does not fit.*\n    expected: \[\(2, 4\), \(2, 4\)\]"),
        ({**state, "second": state["second"][:1]}, "state of layer 'second' does not fit"),
        ({**state, "first": ["a", "b"]}, "state of layer 'first' does not fit"),
    ]
    for given, message in cases:
        with pytest.raises(ValueError, match=message):
            stream.state = given


@both
def test_rows_are_reset(make):
    model, x = make(), data(3, 6, F)
    stream, fresh = model.stream(3), model.stream(3)
    begin = fresh.step(x[:, 5])
    for rows, chosen in [(1, [1]), ([0, -1], [0, 2]), (slice(1, 3), [1, 2]), (np.array([True, False, True]), [0, 2]),
                         ([], []), (None, [0, 1, 2])]:  # fmt: skip
        stream.reset()
        stream.run(x[:, :5])
        untouched = stream.fork()
        stream.reset(rows)
        y, other = stream.step(x[:, 5]), untouched.step(x[:, 5])
        for row in range(3):
            np.testing.assert_array_equal(y[row], (begin if row in chosen else other)[row])
    for wrong in (3, [-4], [0.5], [[0]], [True, False]):
        with pytest.raises(IndexError, match="The stream has the rows 0 to 2"):
            stream.reset(wrong)


@both
def test_forks_go_on_by_themselves(make):
    model, x = make(), data(2, 6, F)
    stream = model.stream(2)
    stream.run(x[:, :3])
    fork, copied = stream.fork(), copy.copy(stream)
    expected = stream.run(x[:, 3:])
    np.testing.assert_array_equal(fork.run(x[:, 3:]), expected)
    np.testing.assert_array_equal(copied.run(x[:, 3:]), expected)
    stream.reset()
    stream.run(x[:, :3])
    beam = stream.fork([1, 0, 0])
    assert beam.batch_size == 3
    np.testing.assert_array_equal(beam.run(x[[1, 0, 0], 3:]), expected[[1, 0, 0]])
    assert stream.fork(slice(1, 2)).batch_size == 1 and stream.fork([False, True]).batch_size == 1
    with pytest.raises(ValueError, match="batch_size"):
        stream.fork([])


@both
def test_states_in_files(make, tmp_path):
    model, x = make(), data(2, 6, F)
    stream = model.stream(2)
    stream.run(x[:, :3])
    stream.save(tmp_path / "state.npz")
    expected = stream.run(x[:, 3:])
    other = model.stream(2)
    other.restore(tmp_path / "state.npz")
    np.testing.assert_array_equal(other.run(x[:, 3:]), expected)
    assert [p.name for p in tmp_path.iterdir()] == ["state.npz"]
    with pytest.raises(ValueError, match="does not fit the stream"):
        model.stream(3).restore(tmp_path / "state.npz")
    with pytest.raises(ValueError, match="does not belong to a stream"):
        sequential(layers.LSTM(3)).stream(2).restore(tmp_path / "state.npz")
    (tmp_path / "other").write_bytes(b"not a state")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    np.savez(tmp_path / "gap.npz", **{"first:1": np.zeros(3)})
    np.savez(tmp_path / "objects.npz", **{"first:0": np.array([{}], dtype=object)})
    for name in ("other", "arrays.npz", "gap.npz", "objects.npz"):
        with pytest.raises(ValueError, match="does not hold the state of a stream"):
            StreamState.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        stream.restore(tmp_path / "nowhere.npz")


@both
@pytest.mark.parametrize("again", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["copy", "pickle"])
def test_streams_are_copied_with_their_model(make, again):
    model, x = make(), data(2, 6, F)
    stream = model.stream(2)
    stream.run(x[:, :3])
    copied = again(stream)
    assert copied.model is not model
    model.set_weights([w * 2 for w in model.get_weights()])  # the copy has weights of its own
    model.set_weights([w / 2 for w in model.get_weights()])
    np.testing.assert_array_equal(copied.run(x[:, 3:]), stream.run(x[:, 3:]))


# ---- weights, other streams, threads ---------------------------------------------------------------------


@both
def test_new_weights_are_used_at_the_next_step(make):
    model, x = make(), data(2, 5, F)
    stream = model.stream(2)
    stream.step(x[:, 0])
    state = stream.state
    model.set_weights([w * 1.5 for w in model.get_weights()])
    fresh = model.stream(2)
    fresh.state = state
    np.testing.assert_array_equal(stream.step(x[:, 1]), fresh.step(x[:, 1]))
    model.compile("adam", "mse")
    for _ in range(2):
        model.fit(x, data(2, 2), verbose=0)
        fresh.state = stream.state
        again = model.stream(2)
        again.state = stream.state
        expected = again.step(x[:, 2])
        np.testing.assert_array_equal(stream.step(x[:, 2]), expected)
        np.testing.assert_array_equal(fresh.step(x[:, 2]), expected)
    model.layers[-1].bias.assign([1.0, 2.0])
    again = stream.fork()
    np.testing.assert_array_equal(stream.step(x[:, 3]), again.step(x[:, 3]))


def test_a_stateful_layer_and_its_streams_know_nothing_of_each_other():
    model, x = sequential(layers.LSTM(3, stateful=True), layers.Dense(1)), data(2, 6, F)
    one, two = model.stream(2), model.stream(2)
    whole = model.predict(x, verbose=0)
    kept = [state.numpy() for state in model.layers[0].states]
    one.run(x[:, :3])
    two.step(x[:, 5])
    np.testing.assert_array_equal(one.run(x[:, 3:])[:, -1], whole)
    for a, b in zip(kept, model.layers[0].states, strict=True):
        np.testing.assert_array_equal(a, b.value)


@both
def test_streams_on_several_threads(make):
    model, x = make(), data(8, 40, F)
    expected = [model.stream().run(x[n : n + 1]) for n in range(8)]
    found = [None] * 8

    def work(n):
        stream = model.stream()
        found[n] = np.stack([stream.step(x[n, t]) for t in range(40)], axis=1)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_stream_on_two_threads_is_refused():
    stream = sequential(layers.LSTM(3), layers.Dense(2, "softmax")).stream()
    with stream._lock, pytest.raises(RuntimeError, match=r"give each thread a stream.fork\(\) of its own"):
        stream.step(np.zeros((1, F)))


def test_one_native_stream_on_two_threads_is_refused():
    stream, other = (sequential(layers.LSTM(4)).stream(2) for _ in range(2))
    x, refusals = data(2, 3, F), []

    def use(method, given):
        try:
            method(given)
        except RuntimeError as refusal:
            refusals.append(str(refusal))

    class AsksAnotherThread:
        """A step that becomes an array while it is being taken, and lets another thread in meanwhile."""

        def __array__(self, dtype=None, copy=None):
            for method, given in ((stream.step, x[:, 0]), (stream.run, x), (other.step, x[:, 0])):
                thread = threading.Thread(target=use, args=(method, given))
                thread.start()
                thread.join()
            return x[:, 0]

    stream.step(AsksAnotherThread())
    assert len(refusals) == 2  # nobody is in the way of the other stream
    assert all("give each thread a stream.fork() of its own" in text for text in refusals)
    stream.step(x[:, 0])


def test_outputs_are_the_callers():
    stream, x = chain().stream(2), data(2, 3, F)
    first = stream.step(x[:, 0])
    kept = first.copy()
    stream.step(x[:, 1])
    np.testing.assert_array_equal(first, kept)
    for model in (sequential(layers.Dropout(0.5)), sequential(layers.Identity())):
        y = model.stream(2).step(x[:, 0])
        y[...] = 0
        assert x[:, 0].all()


def test_a_usual_chain_is_one_native_call():
    for make in (
        "gru",
        "simple_rnn",
        "lstm_dense",
        "stack",
        "every_step",
        "no_bias",
        "masking",
        "masking_all",
        "zero_output",
    ):
        stream = MODELS[make]().stream()
        assert stream.step.__self__ is stream._native, make
    assert MODELS["own_cell"]().stream()._native is None


def test_a_users_stepper():
    from gatewise.stepper import Stepper

    class Sums(layers.Layer):
        """The sum of the steps so far."""

        def call(self, x):
            return ops.cumsum(x, axis=1)

        def stepper(self, use):
            return SumStepper(self, use)

    class SumStepper(Stepper):
        def initial(self, batch):
            return [np.zeros((batch, 1, F), self.layer.dtype)]

        def step(self, inputs, mask, states):
            total = states[0] + inputs[0]
            return [total], [total]

    streamed_like_predict(sequential(Sums(), layers.LSTM(2)), data(2, 6, F))
    assert list(sequential(Sums(name="sums")).stream().state) == ["sums"]


def test_names_of_states():
    stream = nested().stream()
    inner = stream.model.layers[1]
    name = f"{inner.name}/{inner.layers[0].name}"
    assert list(stream.state)[:2] == [name, f"{name}@2"]
    assert repr(stream) == f"<Stream of model '{stream.model.name}', batch_size=1>"
