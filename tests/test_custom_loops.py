"""Loops of one's own: gradients by variable, the way back, and steps that a subclass of Model defines."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, losses, metrics, ops, optimizers


@pytest.fixture
def double():
    before = gw.config.floatx()
    gw.config.set_floatx("float64")
    yield
    gw.config.set_floatx(before)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 5, 3)).astype("float32")
    return x, x.sum((1, 2))[:, None]


def lstm(cls=gw.Sequential, optimizer="adam", **compiled):
    gw.utils.set_random_seed(1)
    model = cls([layers.Input((5, 3)), layers.LSTM(4, kernel_regularizer="l2"), layers.Dense(1)])
    model.compile(optimizer, "mse", **compiled)
    return model


def slope(f, array, index, step=1e-6):
    """The central difference of f() by one element of an array."""
    kept = array[index]
    array[index] = kept + step
    above = f()
    array[index] = kept - step
    below = f()
    array[index] = kept
    return (above - below) / (2 * step)


# --- value_and_grad and loss_and_pullback ----------------------------------------------------------------


class OwnLoss(gw.Sequential):
    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        error = (y - y_pred) ** 2
        return ops.mean(error if sample_weight is None else error * sample_weight[:, None]) + sum(self.losses)


@pytest.mark.parametrize("cls", [gw.Sequential, OwnLoss])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.usefixtures("double")
def test_gradients_are_slopes(cls, weighted, data):
    x, y = (a.astype("float64") for a in data)
    model, weight = lstm(cls), np.linspace(0, 2, len(x)) if weighted else None
    loss, gradients = model.value_and_grad(x, y, weight)
    again, pullback = model.loss_and_pullback(x, y, weight)
    assert loss == again == pytest.approx(model.evaluate(x, y, sample_weight=weight, verbose=0))
    assert list(gradients) == model.trainable_variables
    for variable, gradient in gradients.items():
        index = tuple(n // 2 for n in variable.shape)

        def value(variable=variable):
            variable.touch()
            return model.value_and_grad(x, y, weight)[0]

        assert gradient[index] == pytest.approx(slope(value, variable.array, index), rel=1e-6)
    dx, by_variable = pullback(3.0)
    index = (2, 1, 0)
    expected = slope(lambda: model.value_and_grad(x, y, weight)[0], x, index)
    assert dx[index] == pytest.approx(3 * expected, rel=1e-5)
    for variable, gradient in gradients.items():
        np.testing.assert_allclose(by_variable[variable], 3 * gradient, rtol=1e-12)
    assert pullback(wants_dx=False)[0] is None
    assert dx.shape == x.shape


def test_dx_is_nested_like_x():
    a, b = layers.Input((2,), name="a"), layers.Input((3,), dtype="int32", name="b")
    both = layers.Concatenate()([a, layers.Flatten()(layers.Embedding(4, 2)(b))])
    model = gw.Model({"a": a, "b": b}, layers.Dense(1)(both))
    model.compile("sgd", "mse")
    x = {"a": np.ones((5, 2), "float32"), "b": np.ones((5, 3), "int32")}
    dx, _ = model.loss_and_pullback(x, np.zeros((5, 1)))[1]()
    assert dx["a"].shape == (5, 2)
    assert dx["b"] is None


def test_predictions_and_training_differ_by_dropout():
    model = gw.Sequential([layers.Input((8,)), layers.Dropout(0.5, seed=1), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 8), "float32"), np.zeros((4, 1), "float32")
    dx, _ = model.loss_and_pullback(x, y, training=False)[1]()
    assert dx.all()
    dx, _ = model.loss_and_pullback(x, y)[1]()
    assert not dx.all()
    assert model.value_and_grad(x, y, training=False)[0] == pytest.approx(model.evaluate(x, y, verbose=0))


@pytest.mark.usefixtures("double")
def test_value_and_grad_of_a_function():
    gw.utils.set_random_seed(0)
    first, second = layers.Dense(3, activation="tanh"), layers.LSTM(2)
    x = np.random.default_rng(0).normal(size=(4, 6, 2))
    second(first(x))
    variables = [*first.trainable_variables, *second.trainable_variables]

    def loss():
        h = second(first(x))
        return ops.mean(h**2) + ops.sum(ops.abs(first.kernel)), h

    (value, h), gradients = gw.value_and_grad(loss, variables)
    assert type(h) is np.ndarray
    assert value == pytest.approx(np.mean(h**2) + np.abs(first.kernel.numpy()).sum())
    for variable in (first.kernel, second.recurrent_kernel):
        index = (0, 1)

        def moved(variable=variable):
            variable.touch()
            return gw.value_and_grad(loss, variables)[0][0]

        assert gradients[variable][index] == pytest.approx(slope(moved, variable.array, index), rel=1e-6)
    first.kernel.trainable = first.bias.trainable = False
    assert list(gw.value_and_grad(loss, variables)[1]) == second.trainable_variables


# --- optimizers in loops ---------------------------------------------------------------------------------


def by_dictionary(optimizer, gradients, model):
    optimizer.apply(gradients)


def by_list(optimizer, gradients, model):
    optimizer.apply(list(gradients.values()), model.trainable_variables)


def by_pairs(optimizer, gradients, model):
    optimizer.apply_gradients(zip(gradients.values(), gradients, strict=True))


@pytest.mark.parametrize("apply", [by_dictionary, by_list, by_pairs])
def test_a_loop_equals_fit(apply, data):
    x, y = data
    fitted, looped = lstm(), lstm()
    fitted.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for k in range(0, 20, 5):
            apply(looped.optimizer, looped.value_and_grad(x[k : k + 5], y[k : k + 5])[1], looped)
    for a, b in zip(fitted.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    looped.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    fitted.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    np.testing.assert_array_equal(fitted.predict(x), looped.predict(x))


def test_gradients_accumulated_by_hand(data):
    x, y = data
    whole, parts = lstm(optimizer="sgd"), lstm(optimizer="sgd")
    whole.optimizer.apply(whole.value_and_grad(x, y)[1])
    total = {}
    for k in range(0, 20, 5):
        for variable, gradient in parts.value_and_grad(x[k : k + 5], y[k : k + 5])[1].items():
            total[variable] = total.get(variable, 0) + gradient / 4
    parts.optimizer.apply(total)
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_freezing_in_a_loop(data):
    model, (x, y) = lstm(), data
    model.optimizer.apply(model.value_and_grad(x, y)[1])
    model.layers[0].trainable = False
    before = model.get_weights()
    gradients = model.value_and_grad(x, y)[1]
    assert len(gradients) == 2
    model.optimizer.apply(gradients)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [False, False, False, True, True]
    model.layers[0].trainable = True
    model.optimizer.apply(model.value_and_grad(x, y)[1])
    assert int(model.optimizer.iterations) == 3


def test_an_optimizer_built_with_fewer_weights_is_built_again(data):
    model, (x, y) = lstm(), data
    model.layers[0].trainable = False
    model.optimizer.apply(model.value_and_grad(x, y)[1])
    model.layers[0].trainable = True
    with pytest.raises(ValueError, match=r"optimizer.build\(model.trainable_variables\) first: known state is kept"):
        model.optimizer.apply(model.value_and_grad(x, y)[1])
    model.optimizer.build(model.trainable_variables)
    model.optimizer.apply(model.value_and_grad(x, y)[1])


# --- steps of a subclass ---------------------------------------------------------------------------------


class ByGradients(gw.Sequential):
    def train_step(self, data):
        x, y, weight = gw.utils.unpack_x_y_sample_weight(data)
        loss, gradients = self.value_and_grad(x, y, weight)
        self.optimizer.apply(gradients)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, self(x))
        return {metric.name: metric.result() for metric in self.metrics}


class ByFunction(gw.Sequential):
    def train_step(self, data):
        x, y, weight = gw.utils.unpack_x_y_sample_weight(data)

        def loss():
            y_pred = self(x, training=True)
            return self.compute_loss(x, y, y_pred, weight), y_pred

        (value, y_pred), gradients = gw.value_and_grad(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients.values(), gradients, strict=True))
        self.metrics[0].update_state(value)
        return self.compute_metrics(x, y, y_pred, weight)


class BySuper(gw.Sequential):
    def train_step(self, data):
        return super().train_step(data)

    def test_step(self, data):
        return super().test_step(data)

    def predict_step(self, data):
        return super().predict_step(data)


class OwnHooks(gw.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):  # as before Keras 3.3
        return super().compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred, sample_weight)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cls", [ByGradients, ByFunction, BySuper, OwnHooks])
def test_steps_of_ones_own_train_as_fit_does(cls, weighted, data):
    x, y = data
    weight = np.linspace(0, 2, 20) if weighted else None
    plain, own = lstm(metrics=["mae"]), lstm(cls, metrics=["mae"])
    histories = []
    for model in (plain, own):
        fit = {
            "batch_size": 5,
            "epochs": 2,
            "verbose": 0,
            "validation_data": (x[:7], y[:7]),
            "sample_weight": weight,
            "shuffle": False,
        }
        histories.append(model.fit(x, y, **fit).history)
    for a, b in zip(plain.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert list(histories[0]) == list(histories[1])
    for name in ("loss", "val_loss", "val_mae", *(() if cls is ByGradients else ("mae",))):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-6)
    np.testing.assert_allclose(plain.evaluate(x, y, verbose=0), own.evaluate(x, y, verbose=0), rtol=1e-6)
    np.testing.assert_array_equal(plain.predict(x, batch_size=7), own.predict(x, batch_size=7))
    np.testing.assert_allclose(plain.test_on_batch(x, y), own.test_on_batch(x, y), rtol=1e-6)
    np.testing.assert_allclose(plain.train_on_batch(x, y)[0], own.train_on_batch(x, y)[0], rtol=1e-6)
    np.testing.assert_array_equal(plain.predict_on_batch(x), own.predict_on_batch(x))


class PassOn(gw.Model):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


class StepOn(gw.Model):
    def train_step(self, data):
        assert isinstance(data[1], dict)
        return super().train_step(data)


@pytest.mark.parametrize("cls", [PassOn, StepOn])
def test_several_outputs(cls):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4, 3)), {"p": rng.normal(size=(12, 1)), "q": rng.integers(0, 3, (12, 1))}
    found = []
    for kind in (gw.Model, cls):
        gw.utils.set_random_seed(0)
        a = layers.Input((4, 3))
        h = layers.LSTM(4)(a)
        model = kind(a, {"p": layers.Dense(1, name="p")(h), "q": layers.Dense(3, "softmax", name="q")(h)})
        loss = {"p": "mse", "q": "sparse_categorical_crossentropy"}
        model.compile("adam", loss, metrics={"q": "accuracy"}, loss_weights={"p": 0.3})
        history = model.fit(x, y, epochs=2, batch_size=5, verbose=0, sample_weight=np.linspace(0, 1, 12)).history
        found.append({**history, **model.evaluate(x, y, verbose=0, return_dict=True)})
    assert list(found[0]) == list(found[1])
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("cls", [OwnHooks, BySuper, ByFunction])
def test_sequences_of_different_lengths_keep_their_masks(cls):
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(n, 2)).astype("float32") for n in (3, 5, 2, 7)]
    y = [rng.normal(size=(n, 1)).astype("float32") for n in (3, 5, 2, 7)]
    found = []
    for kind in (gw.Sequential, cls):
        gw.utils.set_random_seed(0)
        model = kind([layers.Input((None, 2)), layers.LSTM(3, return_sequences=True), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        found.append([*history["loss"], *history["mae"], *model.evaluate(x, y, verbose=0)])
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_model_inside_a_traced_call_keeps_its_mask():
    class Outer(gw.Model):
        def __init__(self):
            super().__init__()
            masked = [layers.Masking(), layers.LSTM(3, return_sequences=True)]
            self.inner = gw.Sequential([layers.Input((None, 2)), *masked])

        def call(self, x):
            return self.inner(x)

    x = np.ones((2, 4, 2), "float32")
    x[0, 2:] = 0
    y = np.random.default_rng(0).normal(size=(2, 4, 3))
    model = Outer()
    model.compile("sgd", "mse")
    assert model.value_and_grad(x, y)[0] == pytest.approx(model.evaluate(x, y, verbose=0))


class Gan(gw.Model):
    """Two models with an optimizer each, and no `call`."""

    def __init__(self, critic, generator):
        super().__init__()
        self.critic, self.generator = critic, generator
        self.losses_seen = [metrics.Mean("d_loss"), metrics.Mean("g_loss")]

    def compile(self, d_optimizer, g_optimizer, loss):
        super().compile()
        self.optimizers, self.loss_of = (d_optimizer, g_optimizer), loss

    @property
    def metrics(self):
        return self.losses_seen

    def train_step(self, real):
        z = np.linspace(-1, 1, real.size, dtype="float32").reshape(-1, 2)
        ones, zeros = np.ones((len(real), 1), "float32"), np.zeros((len(real), 1), "float32")
        both, labels = np.concatenate([real, self.generator(z)]), np.concatenate([ones, zeros])
        critic, generator = self.critic, self.generator
        d_loss, d_gradients = gw.value_and_grad(lambda: self.loss_of(labels, critic(both)), critic.trainable_variables)
        self.optimizers[0].apply(d_gradients)
        g_loss, g_gradients = gw.value_and_grad(
            lambda: self.loss_of(ones, critic(generator(z))), generator.trainable_variables
        )
        self.optimizers[1].apply(g_gradients)
        for metric, loss in zip(self.metrics, (d_loss, g_loss), strict=True):
            metric.update_state(loss)
        return self.get_metrics_result()


def test_two_models_with_an_optimizer_each():
    gw.utils.set_random_seed(0)
    critic = gw.Sequential([layers.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1)])
    generator = gw.Sequential([layers.Input((2,)), layers.Dense(2)])
    gan = Gan(critic, generator)
    gan.compile(optimizers.Adam(0.02), optimizers.SGD(0.1), losses.BinaryCrossentropy(from_logits=True))
    real = np.random.default_rng(0).normal(3, 0.1, size=(64, 2)).astype("float32")
    untrained = generator.predict(real)
    history = gan.fit(real, epochs=60, verbose=0).history
    assert set(history) == {"d_loss", "g_loss"}
    z = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 2)
    assert np.abs(generator.predict(z).mean() - 3) < np.abs(untrained.mean() - 3)
    assert int(gan.optimizers[0].iterations) == int(gan.optimizers[1].iterations) == 120


class Autoencoder(gw.Model):
    """Targets are the inputs, and `fit` is given x alone."""

    def __init__(self):
        super().__init__()
        self.code, self.back = layers.Dense(2), layers.Dense(4)

    def call(self, x):
        code = self.code(x)
        self.add_loss(0.01 * ops.mean(code**2))
        self.add_metric(ops.max(code), name="largest")
        return self.back(code)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean((x - y_pred) ** 2) + sum(self.losses)


@pytest.mark.usefixtures("double")
def test_an_own_loss_of_x_with_added_terms():
    gw.utils.set_random_seed(0)
    model = Autoencoder()
    model.compile("adam")
    x = np.random.default_rng(0).normal(size=(16, 4))
    loss, gradients = model.value_and_grad(x)
    code = x @ model.code.kernel.numpy()
    expected = np.mean((x - code @ model.back.kernel.numpy()) ** 2) + 0.01 * np.mean(code**2)
    assert loss == pytest.approx(expected)

    def moved():
        model.code.kernel.touch()
        return model.value_and_grad(x)[0]

    assert gradients[model.code.kernel][1, 1] == pytest.approx(slope(moved, model.code.kernel.array, (1, 1)), rel=1e-6)
    history = model.fit(x, epochs=3, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected)
    assert history["loss"][2] < history["loss"][0]
    assert "largest" in history


def test_logs_of_ones_own_and_predictions_of_another_form():
    class Named(gw.Sequential):
        def train_step(self, data):
            loss, gradients = self.value_and_grad(*data)
            self.optimizer.apply(gradients)
            return {"mine": loss, "size": len(data[0])}

        def predict_step(self, data):
            y = self(data)
            return {"y": y, "sign": np.sign(y)}

    model = lstm(Named)
    x = np.ones((7, 5, 3), "float32")
    seen = []
    batch = gw.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    history = model.fit(x, np.ones((7, 1)), batch_size=4, verbose=0, callbacks=[batch]).history
    assert history["size"] == [3.0]
    assert [logs["size"] for logs in seen] == [4.0, 3.0]
    assert history["mine"][0] == seen[1]["mine"]
    predicted = model.predict(x, batch_size=4)
    np.testing.assert_array_equal(np.sign(predicted["y"]), predicted["sign"])
    assert model.predict_on_batch(x)["sign"].shape == (7, 1)


def test_targets_that_are_no_outputs():
    class Pair(gw.Sequential):
        def train_step(self, data):
            x, (y, extra) = data
            assert (y.shape, extra["z"].shape) == ((len(x), 1), (len(x), 2))
            loss, gradients = self.value_and_grad(x, y)
            self.optimizer.apply(gradients)
            return {"loss": loss}

    model = lstm(Pair)
    x = np.ones((7, 5, 3), "float32")
    assert len(model.fit(x, (np.ones((7, 1)), {"z": np.ones((7, 2))}), batch_size=4, verbose=0).history["loss"]) == 1


def test_without_steps_of_ones_own_nothing_is_in_the_way():
    class Plain(gw.Sequential):
        def extra(self):
            return None

    assert Plain._train_batch is gw.Model._train_batch
    assert Plain._loss_and_gradients is gw.Model._loss_and_gradients
    assert ByGradients._train_batch is not gw.Model._train_batch


# --- bad input -------------------------------------------------------------------------------------------


def dense(cls=gw.Sequential):
    model = cls([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def own(**methods):
    return dense(type("Own", (gw.Sequential,), methods))


X, Y = np.ones((3, 2), "float32"), np.ones((3, 1), "float32")


def gradients_of(model):
    return model.value_and_grad(X, Y)[1]


def assigned():
    model = dense()
    model.train_step = lambda data: {}
    model.fit(X, Y, verbose=0)


def inner(model):
    return gw.value_and_grad(lambda: ops.sum(model(X)), model.trainable_variables)[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: gw.value_and_grad(3, m.trainable_variables), r"takes a function that returns the loss.*got int 3"),
        (lambda m: gw.value_and_grad(lambda: 1.0, m.trainable_variables), "depends on none of the trainable variables"),
        (lambda m: gw.value_and_grad(lambda: m(X), m.trainable_variables), r"shape \(3, 1\).*Take its mean or sum"),
        (lambda m: gw.value_and_grad(lambda: 1.0, []), "an empty list: is everything frozen, or the model not built"),
        (lambda m: gw.value_and_grad(lambda: 1.0, ["kernel"]), "such as model.trainable_variables; got str 'kernel'"),
        (lambda m: gw.value_and_grad(lambda: inner(m), m.trainable_variables), "second derivatives.*are not there"),
        (lambda m: gw.Sequential([layers.Dense(1)]).value_and_grad(X, Y), r"compiled before value_and_grad\(\)"),
        (lambda m: gw.Sequential([layers.Dense(1)]).loss_and_pullback(X, Y), "must be compiled before loss_and_pull"),
        (lambda m: m.value_and_grad(X, np.ones((3, 4))), r"\(3, 4\)"),
        (lambda m: m.value_and_grad(X), "needs targets"),
        (lambda m: m.optimizer.apply(list(gradients_of(m))), "given the variable '.*' where its gradient should be"),
        (lambda m: m.optimizer.apply_gradients(zip(gradients_of(m), m.trainable_variables, strict=True)),
         r"write apply\(gradients\), or zip"),
        (lambda m: m.optimizer.apply({"kernel": X}), r"takes \{variable: gradient\}.*got the key 'kernel'"),
        (lambda m: m.optimizer.apply(3), "or a list of gradients; got int"),
        (lambda m: m.optimizer.apply_gradients([1, 2]), "takes pairs of gradient and variable.*got int among them"),
        (lambda m: m.optimizer.apply_gradients([(v, g) for v, g in gradients_of(m).items()]), "got ndarray among them"),
        (lambda m: own(train_step=lambda self, data: None).fit(X, Y, verbose=0),
         r"\(Own\): train_step returned NoneType None; it returns a dictionary"),
        (lambda m: own(test_step=lambda self, data: 1.0).evaluate(X, Y, verbose=0), "test_step returned float 1.0"),
        (lambda m: own(train_step=lambda self, data: {"loss": "low"}).fit(X, Y, verbose=0),
         r"train_step returned str 'low' as 'loss'; what is logged are numbers"),
        (lambda m: own(compute_loss=lambda self, x, y, y_pred, sample_weight: y_pred - y).fit(X, Y, verbose=0),
         r"compute_loss returned an array of shape \(3, 1\).*return ops.mean"),
        (lambda m: own(compute_loss=lambda self, x, y, y_pred, sample_weight: None).fit(X, Y, verbose=0),
         "compute_loss returned NoneType None"),
        (lambda m: assigned(), "had train_step assigned to the object.*define it in a subclass"),
        (lambda m: gw.utils.unpack_x_y_sample_weight((1, 2, 3, 4)), r"\(x, y, sample_weight\); got a? ?tuple"),
    ],
)  # fmt: skip
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong(dense())
