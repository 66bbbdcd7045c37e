"""Optimizers around others: LossScaleOptimizer, and MultiOptimizer with its map."""

import copy
import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, optimizers
from gatewise.optimizers import SGD, Adam, LossScaleOptimizer, MultiOptimizer, OptimizerMap
from gatewise.variable import Variable


def two_variables():
    return [Variable(np.ones(3, "float32"), name="a"), Variable(np.ones(2, "float32"), name="b")]


def model_with(optimizer, seed=3):
    gw.utils.set_random_seed(seed)
    gw.config.reset_names()
    parts = [layers.Dense(4, "tanh", name="first"), layers.Dense(3, name="second"), layers.Dense(1, name="third")]
    model = gw.Sequential([layers.Input((2,)), *parts])
    model.compile(optimizer, "mse")
    return model


X = np.random.default_rng(0).normal(size=(24, 2)).astype("float32")
Y = X.sum(1, keepdims=True)
FIT = {"batch_size": 6, "verbose": 0, "shuffle": False}


# --- LossScaleOptimizer ----------------------------------------------------------------------------------


def test_the_scale_follows_the_gradients_as_in_keras():
    # Figures of Keras 3.15: scale, finite steps in a row, iterations, weight.
    expected = [(8, 1, 1, 0.99), (16, 0, 2, 0.98), (8, 0, 2, 0.98), (4, 0, 2, 0.98), (4, 1, 3, 0.97)]
    optimizer, variables = LossScaleOptimizer(Adam(0.01), initial_scale=8.0, dynamic_growth_steps=2), two_variables()
    assert optimizer.scale_loss(2.0) == 16.0
    for gradients, figures in zip([(8, 8), (8, 8), (np.inf, 1), (4, np.nan), (4, 4)], expected, strict=True):
        optimizer.apply([np.full(3, gradients[0]), np.full(2, gradients[1])], variables)
        state = float(optimizer.dynamic_scale), int(optimizer.step_counter), int(optimizer.iterations)
        assert (*state, round(float(variables[0][0]), 5)) == figures
    assert optimizer.scale_loss(2.0) == 8.0
    own = [f"loss_scale_optimizer/{name}" for name in ("iteration", "learning_rate", "step_counter", "dynamic_scale")]
    assert [v.path.split("/")[1] for v in optimizer.variables[:4]] == [path.split("/")[1] for path in own]
    assert [v.path.split("/")[1] for v in optimizer.variables[4:]] == [
        "iteration", "learning_rate", "a_momentum", "a_velocity", "b_momentum", "b_velocity",
    ]  # fmt: skip


@pytest.mark.parametrize("inner", [lambda: SGD(0.1, momentum=0.9), lambda: optimizers.AdamW(0.01, clipnorm=0.5)])
def test_a_power_of_two_changes_no_bit(inner):
    plain, scaled = model_with(inner()), model_with(LossScaleOptimizer(inner(), dynamic_growth_steps=3))
    for model in (plain, scaled):
        model.fit(X, Y, epochs=3, **FIT)
    for a, b in zip(plain.get_weights(), scaled.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(scaled.optimizer.dynamic_scale) == 2.0**19
    assert int(scaled.optimizer.iterations) == 12


def test_a_batch_that_is_not_finite_is_skipped():
    x = X.copy()
    x[7] = np.inf
    model, without = model_with(LossScaleOptimizer(SGD(0.1))), model_with(SGD(0.1))
    with pytest.warns(UserWarning, match="infinit"), np.errstate(invalid="ignore"):
        model.fit(x, Y, **FIT)
    keep = np.r_[0:6, 12:24]
    without.fit(X[keep], Y[keep], **FIT)
    for a, b in zip(model.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.loss_scale_factor == 2.0**14


def test_huge_float64_gradients_are_finite():
    variable = Variable(np.zeros(2), dtype="float64", name="a")
    optimizer = LossScaleOptimizer(SGD(1.0), initial_scale=1.0)
    optimizer.apply([np.array([1e200, 1.0])], [variable])
    assert variable[0] == -1e200


def test_the_rate_is_the_inner_ones():
    optimizer = LossScaleOptimizer(SGD(0.5))
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.lr) == 0.25
    callback = gw.callbacks.ReduceLROnPlateau(monitor="loss", patience=0, min_delta=1e9)
    model = model_with(optimizer)
    model.fit(X, Y, epochs=3, callbacks=[callback], **FIT)
    assert float(optimizer.learning_rate) < 0.25


def test_scaled_by_hand_in_a_loop():
    fitted, looped = (model_with(LossScaleOptimizer(SGD(0.1))) for _ in range(2))
    fitted.fit(X, Y, **FIT)
    for k in range(0, 24, 6):
        _, pullback = looped.loss_and_pullback(X[k : k + 6], Y[k : k + 6])
        looped.optimizer.apply(pullback(looped.optimizer.scale_loss(1.0), wants_dx=False)[1])
    for a, b in zip(fitted.get_weights(), looped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- MultiOptimizer --------------------------------------------------------------------------------------


def mapped():
    """The variables of the first and the third layer do not lie side by side in the model."""
    return OptimizerMap(SGD(0.1, momentum=0.9), {".*second/.*": Adam(0.05, clipvalue=0.1, weight_decay=0.01)})


def by_function():
    adam, sgd = Adam(0.05, clipvalue=0.1, weight_decay=0.01), SGD(0.1, momentum=0.9)
    return lambda variable: adam if "second/" in variable.path else sgd


@pytest.mark.parametrize("choose", [mapped, by_function])
def test_each_part_is_trained_by_its_optimizer(choose):
    model, other = model_with(MultiOptimizer(choose())), model_with("sgd")
    model.fit(X, Y, epochs=2, **FIT)
    adam, sgd = Adam(0.05, clipvalue=0.1, weight_decay=0.01), SGD(0.1, momentum=0.9)
    for _ in range(2):
        for k in range(0, 24, 6):
            gradients = other.value_and_grad(X[k : k + 6], Y[k : k + 6])[1]
            adam.apply({v: g for v, g in gradients.items() if "second/" in v.path})
            sgd.apply({v: g for v, g in gradients.items() if "second/" not in v.path})
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [int(part.iterations) for part in model.optimizer.optimizers] == [8, 8]
    assert int(model.optimizer.iterations) == 8


def test_its_variables_are_listed_as_in_keras():
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.1, momentum=0.9), {".*first/.*": Adam(0.01)}))
    model_with(optimizer).fit(X, Y, **FIT)
    multi, adam, sgd = optimizer.name, optimizer.optimizers[0].name, optimizer.optimizers[1].name
    of_sgd = [f"sequential_{layer}_{weight}_momentum" for layer in ("second", "third") for weight in ("kernel", "bias")]
    of_adam = [
        f"sequential_first_{weight}_{state}" for weight in ("kernel", "bias") for state in ("momentum", "velocity")
    ]
    assert [v.path for v in optimizer.variables] == [
        *(f"{multi}/{name}" for name in ("iteration", "learning_rate")),
        *(f"{adam}/{name}" for name in ("iteration", "learning_rate", *of_adam)),
        *(f"{sgd}/{name}" for name in ("iteration", "learning_rate", *of_sgd)),
    ]


def test_gradients_by_list_go_to_their_variables():
    model, again = model_with(MultiOptimizer(mapped())), model_with(MultiOptimizer(mapped()))
    for _ in range(2):
        gradients = model.value_and_grad(X, Y)[1]
        model.optimizer.apply(gradients)
        gradients = again.value_and_grad(X, Y)[1]
        again.optimizer.apply(list(gradients.values()), again.trainable_variables)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again.optimizer.apply(list(again.value_and_grad(X, Y)[1].values()))
    model.optimizer.apply(model.value_and_grad(X, Y)[1])
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


def test_an_optimizer_without_gradients_waits():
    model = model_with(MultiOptimizer(mapped()))
    gradients = model.value_and_grad(X, Y)[1]
    model.optimizer.apply(gradients)
    model.optimizer.apply({v: g for v, g in gradients.items() if "second/" not in v.path})
    assert [int(part.iterations) for part in model.optimizer.optimizers] == [1, 2]


def test_freezing_keeps_the_state_of_all_parts():
    def only_the_second():
        return MultiOptimizer(OptimizerMap(SGD(0.0), {".*second/.*": Adam(0.05)}))

    model, never = model_with(only_the_second()), model_with(only_the_second())
    for one in (model, never):
        one.fit(X, Y, **FIT)
    model.layers[1].trainable = False
    model.fit(X, Y, **FIT)
    assert len(model.optimizer.variables) < len(never.optimizer.variables)
    model.layers[1].trainable = True
    for one in (model, never):
        one.fit(X, Y, **FIT)
    for a, b in zip(model.get_weights(), never.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_moving_average_in_a_part():
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.1), {".*first/.*": SGD(0.1, use_ema=True, ema_momentum=0.5)}))
    model, plain = model_with(optimizer), model_with(SGD(0.1))
    for one in (model, plain):
        one.fit(X, Y, **FIT)
    same = [np.array_equal(a, b) for a, b in zip(model.get_weights(), plain.get_weights(), strict=True)]
    assert same == [False, False, True, True, True, True]


def test_a_scale_for_all_parts():
    model, plain = model_with(MultiOptimizer(mapped(), loss_scale_factor=8.0)), model_with(MultiOptimizer(mapped()))
    around = model_with(LossScaleOptimizer(MultiOptimizer(mapped())))
    for one in (model, plain, around):
        one.fit(X, Y, epochs=2, **FIT)
    assert [part.loss_scale_factor for part in model.optimizer.optimizers] == [8.0, 8.0]
    for a, b, c in zip(*(one.get_weights() for one in (model, plain, around)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(b, c)


def test_which_pattern_fits():
    adam, sgd, rms = Adam(), SGD(), optimizers.RMSprop()
    chosen = OptimizerMap(rms)
    chosen["encoder/layer_0/dense"] = adam
    chosen["encoder/.*"] = sgd
    assert chosen["encoder/layer_0/dense"] is adam
    assert chosen["encoder/layer_0/attention"] is sgd
    assert chosen["encoder"] is rms
    assert (len(chosen), list(chosen)) == (2, ["encoder/layer_0/dense", "encoder/.*"])
    del chosen["encoder/.*"]
    assert chosen["encoder/layer_0/attention"] is rms


# --- both ------------------------------------------------------------------------------------------------

WRAPPED = {
    "scaled": lambda: LossScaleOptimizer(Adam(0.01), initial_scale=4.0, dynamic_growth_steps=3),
    "several": lambda: MultiOptimizer(mapped()),
    "scaled-several": lambda: LossScaleOptimizer(MultiOptimizer(mapped())),
}


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_configurations_come_back(make):
    optimizer = make()
    config = optimizers.serialize(optimizer)
    assert optimizers.serialize(optimizers.deserialize(json.loads(json.dumps(config)))) == config
    assert config["module"] == "keras.optimizers"


def test_a_configuration_of_keras():
    # What Keras 3.15 writes on its torch backend, shortened to what differs from the defaults.
    inner = {"module": "keras.src.backend.torch.optimizers.torch_adam", "class_name": "Adam",
             "config": {"name": "adam", "learning_rate": 0.25}, "registered_name": "Adam"}  # fmt: skip
    config = {"name": "scaled", "inner_optimizer": inner, "initial_scale": 8.0, "dynamic_growth_steps": 2}
    optimizer = optimizers.deserialize({"module": "keras.optimizers", "class_name": "LossScaleOptimizer",
                                        "config": config, "registered_name": None})  # fmt: skip
    assert (type(optimizer.inner_optimizer), optimizer.loss_scale_factor) == (Adam, 8.0)
    assert float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_a_saved_model_goes_on_as_if_never_stopped(make, tmp_path):
    model = model_with(make())
    model.fit(X, Y, epochs=2, **FIT)
    model.save(tmp_path / "model.keras")
    again = gw.load_model(tmp_path / "model.keras")
    other = copy.deepcopy(model)
    for one in (model, again, other):
        one.fit(X, Y, epochs=2, **FIT)
    for one in (again, other):
        for a, b in zip(model.optimizer.get_weights(), one.optimizer.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(model.get_weights(), one.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: LossScaleOptimizer("sgd"), "inner_optimizer must be another optimizer.*got str"),
        (lambda: LossScaleOptimizer(LossScaleOptimizer(SGD())), "got LossScaleOptimizer"),
        (lambda: LossScaleOptimizer(SGD(), dynamic=False), "give the inner optimizer a loss_scale_factor"),
        (lambda: LossScaleOptimizer(SGD(), clipnorm=1.0), "has no clipnorm: give it to the inner optimizer"),
        (lambda: LossScaleOptimizer(SGD(), lr=0.1), "has no lr: give it to the inner optimizer"),
        (lambda: LossScaleOptimizer(SGD(), initial_scale=0), "initial_scale must be a number above 0; got 0"),
        (lambda: LossScaleOptimizer(SGD(), dynamic_growth_steps=0), "dynamic_growth_steps must be|must lie"),
        (lambda: LossScaleOptimizer(SGD(), dynamic_growth_steps=2.5), "dynamic_growth_steps is an integer; got 2.5"),
        (lambda: setattr(LossScaleOptimizer(SGD()), "loss_scale_factor", 2), "finds its scale itself"),
        (lambda: MultiOptimizer({"a": SGD()}), "takes an OptimizerMap.*got dict"),
        (
            lambda: MultiOptimizer(lambda v: "sgd").build(two_variables()),
            "optimizer of variable 'a' must be one.*'sgd'",
        ),
        (lambda: MultiOptimizer(lambda v: MultiOptimizer(mapped())).build(two_variables()), "is a MultiOptimizer; ins"),
        (lambda: MultiOptimizer(mapped()).learning_rate, r"has no learning_rate; each of its optimizers has one"),
        (lambda: setattr(MultiOptimizer(mapped()), "learning_rate", 1), r"cannot be set to 1; .*optimizers\[0\]"),
        (lambda: MultiOptimizer(mapped()).apply([np.ones(3)]), "needs the variables"),
        (lambda: OptimizerMap("sgd"), "default_optimizer must be an optimizer.*got str 'sgd'"),
        (lambda: OptimizerMap(SGD(), [SGD()]), r"must be a dictionary \{pattern of paths: optimizer\}; got list"),
        (lambda: OptimizerMap(SGD(), {1: SGD()}), "a key is a path or a pattern of paths; got int 1"),
        (lambda: OptimizerMap(SGD(), {"(": SGD()}), r"'\(' is no regular expression"),
        (lambda: OptimizerMap(SGD(), {"a": "adam"}), "The optimizer of 'a' must be one.*got str 'adam'"),
        (lambda: OptimizerMap(SGD(), {"a": LossScaleOptimizer(SGD())}), "is a LossScaleOptimizer; inside a MultiOpt"),
        (lambda: OptimizerMap(SGD(), {"a": SGD()}).__setitem__("a", SGD()), "'a' has an optimizer already"),
        (lambda: OptimizerMap(SGD(), {"a.*": SGD(), ".*b": SGD()})["ab"], r"fits several patterns.*'a\.\*'"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError, AttributeError), match=message):
        wrong()
