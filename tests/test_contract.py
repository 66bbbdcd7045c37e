"""What every layer promises, checked for every line of the registry, contract_cases/."""

import json
import threading

import numpy as np
import pytest

import gatewise as gw
from contract_cases import CASES
from gatewise import config, kernels, tree

every_layer = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
smooth_layers = pytest.mark.parametrize("case", [c for c in CASES if c.is_smooth], ids=lambda case: case.name)
masked_layers = pytest.mark.parametrize("case", [c for c in CASES if c.takes_mask], ids=lambda case: case.name)
random_layers = pytest.mark.parametrize("case", [c for c in CASES if c.is_random], ids=lambda case: case.name)
stateful_inputs = pytest.mark.parametrize("case", [c for c in CASES if c.state_sizes], ids=lambda case: case.name)


def shapes_of(case, batch=None):
    shapes = case.shape if isinstance(case.shape, list) else [case.shape]
    return [(batch or shape[0], *shape[1:]) for shape in shapes]


def data(case, dtype="float64", batch=None, seed=0):
    """The inputs, flat."""
    rng = np.random.default_rng(seed)
    shapes = shapes_of(case, batch)
    if case.integers is not None:
        return [rng.integers(0, case.integers, size=shape) for shape in shapes]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def call(layer, inputs, **options):
    return layer(inputs if len(inputs) > 1 else inputs[0], **options)


def made(case, dtype="float64", batch=None):
    """A built layer with weights that are neither zero nor symmetric."""
    gw.random.set_global_seed(5)
    layer = case.make(dtype=dtype)
    call(layer, [np.zeros_like(x) for x in data(case, dtype, batch)])
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        value = rng.normal(size=variable.shape) * 0.5
        variable.assign(value if variable.trainable else np.abs(value) + 0.5)  # a variance is positive
    return layer


def states(case, dtype="float64"):
    rng = np.random.default_rng(2)
    batch = shapes_of(case)[0][0]
    sizes = [size if isinstance(size, tuple) else (size,) for size in case.state_sizes]
    return [rng.normal(size=(batch, *size)).astype(dtype) for size in sizes]


def some_mask(case):
    """A row with all steps, one with a gap, one with none."""
    mask = np.ones(shapes_of(case)[0][:2], bool)
    mask[1, [0, 2]] = False
    mask[2] = False
    return mask


def losses_and_gradients(layer, inputs, mask=None):
    """A random scalar function of the outputs (and the layer's own losses), and all its gradients."""
    rng = np.random.default_rng(3)
    y, _ = run(layer, inputs, mask)
    cotangents = [rng.normal(size=leaf.shape) for leaf in tree.leaves(y)]

    def value():
        with gw.layer.collected_losses() as extra:
            outputs, _ = run(layer, inputs, mask)
        return sum(float((c * leaf).sum()) for c, leaf in zip(cotangents, tree.leaves(outputs), strict=True)) + sum(
            extra
        )

    y, pullback = run(layer, inputs, mask)
    d_inputs, gradients = pullback(cotangents if isinstance(y, list) else cotangents[0])
    return value, d_inputs, gradients


def run(layer, inputs, mask):
    return layer.differentiate(inputs, mask, False, None)


def central_differences(value, array):
    """The gradient of `value()` with respect to `array`, which is changed in place and put back."""
    found = np.empty_like(array)
    step = 1e-5
    for index in np.ndindex(array.shape):
        before = array[index]
        array[index] = before + step
        up = value()
        array[index] = before - step
        down = value()
        array[index] = before
        found[index] = (up - down) / (2 * step)
    return found


@smooth_layers
@pytest.mark.parametrize("with_states", [False, True], ids=["zeros", "states"])
@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
def test_gradients_equal_central_differences(case, with_states, masked):
    if (with_states and not case.state_sizes) or (masked and not case.takes_mask):
        return  # the same case again
    layer = made(case)
    inputs = [*data(case), *(states(case) if with_states else [])]
    mask = some_mask(case) if masked else None
    value, d_inputs, gradients = losses_and_gradients(layer, inputs, mask)
    for array, gradient in zip(inputs, d_inputs, strict=True) if case.integers is None else ():
        np.testing.assert_allclose(gradient, central_differences(value, array), rtol=1e-6, atol=1e-7)
    assert set(gradients) == set(layer.trainable_weights)
    for variable, gradient in gradients.items():

        def changed(variable=variable):
            variable.touch()
            return value()

        expected = central_differences(changed, variable.array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7, err_msg=variable.path)


@every_layer
def test_inference_equals_the_forward_pass(case):
    layer = made(case)
    inputs = data(case)
    quick = list(tree.leaves(call(layer, inputs)))
    kept = list(tree.leaves(run(layer, inputs, None)[0]))
    for a, b in zip(quick, kept, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@every_layer
def test_symbolic_shapes_are_the_real_ones(case):
    layer = made(case)
    dtype = None if case.integers is None else "int64"
    symbolic = list(tree.leaves(call(layer, [gw.Input(shape[1:], dtype=dtype) for shape in shapes_of(case)])))
    real = list(tree.leaves(call(layer, data(case))))
    assert [(None, *y.shape[1:]) for y in real] == [s.shape for s in symbolic]
    shapes = list(tree.leaves_of_shapes(layer.compute_output_shape(case.shape)))
    assert shapes == [y.shape for y in real]


@every_layer
def test_configuration_round_trip(case):
    layer = made(case)
    if "user's" in case.name:
        with pytest.raises(ValueError, match="lambda cannot be saved"):
            layer.get_config()
        return
    text = json.dumps(layer.get_config())
    again = type(layer).from_config(json.loads(text))
    assert again.name == layer.name
    call(again, [np.zeros_like(x) for x in data(case)])
    assert again.get_config() == layer.get_config()
    again.set_weights(layer.get_weights())
    for a, b in zip(tree.leaves(call(again, data(case))), tree.leaves(call(layer, data(case))), strict=True):
        np.testing.assert_array_equal(a, b)


@every_layer
def test_float32_follows_float64(case):
    double, single = made(case, "float64"), made(case, "float32")
    pairs = zip(tree.leaves(call(single, data(case, "float32"))), tree.leaves(call(double, data(case))), strict=True)
    for a, b in pairs:
        assert a.dtype == np.float32 and b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    assert {v.dtype for v in single.trainable_weights} <= {"float32"}


@every_layer
def test_integers_and_other_floats_are_cast(case):
    layer = made(case, "float32")
    whole = [np.arange(np.prod(shape)).reshape(shape) % (case.integers or 3) for shape in shapes_of(case)]
    floats = [x.astype("float32") for x in whole]
    for a, b in zip(tree.leaves(call(layer, whole)), tree.leaves(call(layer, floats)), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == np.float32


@every_layer
def test_one_sample_is_a_row_of_the_batch(case):
    layer = made(case)
    inputs = data(case)
    first = [x[:1] for x in inputs]
    for whole, alone in zip(tree.leaves(call(layer, inputs)), tree.leaves(call(layer, first)), strict=True):
        np.testing.assert_allclose(alone, whole[:1], rtol=1e-12, atol=1e-14)


@every_layer
def test_the_output_is_the_callers_own(case):
    """`y *= 2` must not change x, nor a mask of y become one of x."""
    inputs = data(case)
    for y in tree.leaves(call(made(case), inputs)):
        assert not any(np.shares_memory(x, y) for x in inputs)


@every_layer
def test_an_empty_batch(case):
    """Such as the last one of data that somebody else filters: shapes as ever, and nothing to learn."""
    layer = made(case)
    if "BatchNormalization" in case.name:
        return  # its moments are of the batch, and an empty one has none
    inputs = [x[:0] for x in data(case)]
    y, pullback = run(layer, inputs, None)
    whole = [leaf.shape[1:] for leaf in tree.leaves(call(layer, data(case)))]
    assert [leaf.shape for leaf in tree.leaves(y)] == [(0, *shape) for shape in whole]
    assert [leaf.shape for leaf in tree.leaves(call(layer, inputs))] == [(0, *shape) for shape in whole]
    d_inputs, gradients = pullback(y)
    assert case.integers is not None or [d.shape for d in d_inputs] == [x.shape for x in inputs]
    assert all(gradient.shape == variable.shape and not gradient.any() for variable, gradient in gradients.items())


@every_layer
def test_one_time_step(case):
    if not case.takes_mask:
        return
    layer = made(case)
    for y in tree.leaves(call(layer, [x[:, :1] for x in data(case)])):
        assert len(y) == shapes_of(case)[0][0] and np.isfinite(y).all()


@every_layer
def test_weights_are_counted_named_and_settable(case):
    layer = made(case)
    assert layer.count_params() == sum(w.size for w in layer.get_weights())
    assert [v.shape for v in layer.weights] == [w.shape for w in layer.get_weights()]
    assert len({v.path for v in layer.weights}) == len(layer.weights)
    if layer.weights:
        with pytest.raises(ValueError, match="set_weights"):
            layer.set_weights(layer.get_weights()[:-1])
        wrong = [np.zeros((*w.shape, 1)) for w in layer.get_weights()]
        with pytest.raises(ValueError, match="has shape"):
            layer.set_weights(wrong)


@every_layer
def test_frozen_layers_give_no_gradients(case):
    layer = made(case)
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == len(layer.weights)
    y, pullback = run(layer, data(case), None)
    d_inputs, gradients = pullback([np.ones_like(leaf) for leaf in y] if isinstance(y, list) else np.ones_like(y))
    assert not gradients
    if case.integers is None:
        assert [d.shape for d in d_inputs] == shapes_of(case)


@every_layer
def test_results_do_not_depend_on_threads(case):
    layer = made(case, "float32", batch=64)
    inputs = data(case, "float32", batch=64)
    before = kernels.get_threads()
    try:
        found = []
        for n in (1, 2, 3):
            kernels.set_threads(n)
            y, pullback = run(layer, inputs, None)
            dys = [np.ones_like(leaf) for leaf in tree.leaves(y)]
            d_inputs, gradients = pullback(dys if isinstance(y, list) else dys[0])
            found.append([*tree.leaves(y), *(d for d in d_inputs if d is not None), *gradients.values()])
    finally:
        kernels.set_threads(before)
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            assert a.tobytes() == b.tobytes()


@every_layer
def test_two_threads_may_use_one_layer(case):
    layer = made(case)
    inputs = [data(case, seed=k) for k in range(4)]
    alone = [run(layer, xs, None) for xs in inputs]
    found = [None] * 4

    def work(k):
        for _ in range(20):
            y, pullback = run(layer, inputs[k], None)
            dys = [np.ones_like(leaf) for leaf in tree.leaves(y)]
            found[k] = (y, pullback(dys if isinstance(y, list) else dys[0])[0][0])

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for (y, back), (other, dx) in zip(alone, found, strict=True):
        dys = [np.ones_like(leaf) for leaf in tree.leaves(y)]
        for a, b in zip(tree.leaves(y), tree.leaves(other), strict=True):
            np.testing.assert_array_equal(a, b)
        again = back(dys if isinstance(y, list) else dys[0])[0][0]
        if again is not None:
            np.testing.assert_array_equal(dx, again)


@every_layer
def test_a_layer_used_twice_keeps_both_ways_back(case):
    layer = made(case)
    first, second = data(case, seed=1), data(case, seed=2)
    y1, back1 = run(layer, first, None)
    expected = back1([np.ones_like(leaf) for leaf in y1] if isinstance(y1, list) else np.ones_like(y1))[0][0]
    y1, back1 = run(layer, first, None)
    run(layer, second, None)
    found = back1([np.ones_like(leaf) for leaf in y1] if isinstance(y1, list) else np.ones_like(y1))[0][0]
    if expected is not None:
        np.testing.assert_array_equal(found, expected)


@masked_layers
def test_padding_changes_nothing_not_even_nan(case):
    layer = made(case)
    mask = some_mask(case)
    results = []
    if case.masked_input_counts or case.integers is not None:
        return
    (x,) = data(case)
    for padding in (0.0, 7.0, np.nan):
        x = np.where(mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), x, padding)
        y, pullback = run(layer, [x], mask)
        dys = [np.ones_like(leaf) for leaf in tree.leaves(y)]
        (dx, *_), gradients = pullback(dys if isinstance(y, list) else dys[0])
        assert not dx[~mask].any()
        results.append([*tree.leaves(y), dx, *gradients.values()])
    for others in results[1:]:
        for a, b in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


@masked_layers
def test_a_mask_at_the_end_is_a_shorter_sequence(case):
    layer = made(case)
    if getattr(layer, "go_backwards", False) or getattr(layer, "zero_output_for_mask", False):
        return  # there the end is where the run begins; and the last output is the masked one
    inputs, mask = data(case), np.ones(shapes_of(case)[0][:2], bool)
    mask[:, 3:] = False
    masked, short = call(layer, inputs, mask=mask), call(layer, [x[:, :3] for x in inputs])
    for a, b in zip(tree.leaves(masked), tree.leaves(short), strict=True):
        a = a[:, :3] if a.ndim > b.ndim or a.shape != b.shape else a
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@masked_layers
def test_a_mask_of_the_wrong_shape_is_refused(case):
    layer = made(case)
    with pytest.raises(ValueError, match="mask that does not fit") as caught:
        call(layer, data(case), mask=np.ones((3, 5), bool))
    assert layer.name in str(caught.value) and "(batch=3, time steps=4)" in str(caught.value)


@stateful_inputs
def test_initial_states_of_the_wrong_shape_are_refused(case):
    layer = made(case)
    fitting = states(case)
    with pytest.raises(ValueError, match="initial states that do not fit"):
        call(layer, data(case), initial_state=[*fitting[:-1], np.zeros((*fitting[-1].shape[:-1], 77))])
    with pytest.raises(ValueError, match="initial states that do not fit"):
        call(layer, data(case), initial_state=[*fitting, fitting[-1]])


@random_layers
def test_dropout_follows_its_seed_and_the_mode(case):
    def outputs(training):
        layer = made(case)
        return [leaf for _ in range(2) for leaf in tree.leaves(call(layer, data(case), training=training))]

    first, second = outputs(True), outputs(True)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], first[1])  # another choice at each call
    quiet = outputs(False)
    np.testing.assert_array_equal(quiet[0], quiet[1])


@random_layers
def test_gradients_under_dropout_equal_central_differences(case):
    """Every call draws anew, so each evaluation is by a layer made anew: the same first draw."""
    (x,) = data(case)
    rng = np.random.default_rng(3)
    cotangent = rng.normal(size=np.shape(made(case)(x)))

    def value():
        y = made(case).differentiate([x], None, True, None)[0]
        return float((cotangent * y).sum())

    _, pullback = made(case).differentiate([x], None, True, None)
    np.testing.assert_allclose(pullback(cotangent)[0][0], central_differences(value, x), rtol=1e-6, atol=1e-7)


@every_layer
def test_trains_inside_a_model(case):
    config.reset_names()
    x = data(case, "float32")
    dtype = None if case.integers is None else "int64"
    inputs = [gw.Input(shape[1:], dtype=dtype) for shape in shapes_of(case)]
    y = call(case.make(dtype="float32"), inputs)
    model = gw.Model(inputs, y)
    target = [np.zeros(leaf.shape, "float32") for leaf in tree.leaves(model(x))]
    model.compile("sgd", "mse")
    before = model.get_weights() if model.trainable_weights else []
    history = model.fit(x, target if len(target) > 1 else target[0], epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    if before:
        assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@every_layer
def test_the_account_adds_up_before_and_after_building(case):
    layer = made(case)
    account = gw.account(layer)
    assert account.size == layer.count_params() == sum(m.size for m in account.counted_matrices())
    if account.arithmetic is not None:
        assert account.arithmetic.value == account.size
    if account.gates:
        assert sum(gate.size for gate in account.gates) <= account.size
        assert all(gate.arithmetic.value == gate.size for gate in account.gates)
    fresh = case.make(dtype="float64")
    if not fresh.built:
        shapes = [shape[1:] for shape in shapes_of(case)]
        before = gw.account(fresh, input_shape=shapes if len(shapes) > 1 else shapes[0])
        assert not fresh.built
        assert [m.shape for m in before.all_matrices()] == [m.shape for m in account.all_matrices()]
        assert before.arithmetic == account.arithmetic


@every_layer
def test_a_model_of_it_is_saved_and_loaded(case, tmp_path):
    if "user's" in case.name:
        return  # a lambda cannot be saved; see the configuration's test
    config.reset_names()
    dtype = None if case.integers is None else "int64"
    inputs = [gw.Input(shape[1:], dtype=dtype) for shape in shapes_of(case)]
    model = gw.Model(inputs, call(case.make(dtype="float32"), inputs))
    rng = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(np.abs(rng.normal(size=variable.shape)))
    x = data(case, "float32")
    model.save(tmp_path / "model.keras")
    again = gw.saving.load_model(tmp_path / "model.keras")
    assert [v.shape for v in again.weights] == [v.shape for v in model.weights]
    for a, b in zip(tree.leaves(again.predict(x)), tree.leaves(model.predict(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    model.save_weights(tmp_path / "model.weights.h5")
    for variable in again.weights:
        variable.assign(np.zeros(variable.shape))
    again.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
