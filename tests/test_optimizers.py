"""Optimizers against Keras, step by step; users' own; the flat buffers; messages."""

import copy
import inspect
import pickle

import numpy as np
import pytest

from gatewise import constraints
from gatewise.training import optimizers, schedules
from gatewise.training.optimizers import SGD, Adam, Optimizer, RMSprop
from gatewise.variable import ParameterStore, Variable
from golden import load

CASES = [c for c in load.cases("training", "optimizer_steps") if hasattr(optimizers, c["optimizer"]["class"])]


def make(case):
    return getattr(optimizers, case["optimizer"]["class"])(name=case["config"]["config"]["name"],
                                                           **case["optimizer"]["kwargs"])  # fmt: skip


def variables_of(case, dtype):
    arrays = case["arrays"]
    return [Variable(arrays[f"v{j}"], dtype=dtype, name=f"kernel{j}") for j in range(case["variables"])]


@pytest.mark.parametrize("entry", ["apply", "step"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['optimizer']['class']}")
def test_steps_equal_keras(case, dtype, entry):
    optimizer, variables, arrays = make(case), variables_of(case, dtype), case["arrays"]
    tolerance = 1e-10 if isinstance(optimizer, optimizers.ScheduleFreeAdamW) else 1e-13  # Keras's own agreement
    store = ParameterStore(variables, dtype)
    optimizer.build(variables)
    for t in range(case["steps"]):
        gradients = [arrays[f"g{t}.{j}"].astype(dtype) for j in range(len(variables))]
        if entry == "apply":
            optimizer.apply(gradients, variables)
        else:
            store.set_gradients(dict(zip(variables, gradients, strict=True)))
            optimizer.step(store.values, store.gradients)
        for j, variable in enumerate(variables):
            load.assert_close(variable.value, case, f"after{t}.{j}", float64=tolerance)
    assert [v.path for v in optimizer.variables] == case["optimizer_variables"]
    for k, variable in enumerate(optimizer.variables):
        if arrays[f"opt.{k}"].dtype.kind == "i":
            assert variable.array == arrays[f"opt.{k}"]
        else:
            load.assert_close(variable.value, case, f"opt.{k}", float64=tolerance)
    optimizer.finalize_variable_values(variables)
    for j, variable in enumerate(variables):
        load.assert_close(variable.value, case, f"finalized.{j}", float64=tolerance)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_config_equals_keras(case):
    config = optimizers.serialize(make(case))
    assert config == case["config"]
    assert optimizers.serialize(optimizers.deserialize(config)) == config


KINDS = [
    SGD, RMSprop, Adam, optimizers.AdamW, optimizers.Adagrad, optimizers.Adadelta, optimizers.Adamax, optimizers.Nadam,
    optimizers.Ftrl, optimizers.Lion, optimizers.Lamb, optimizers.Adafactor, optimizers.Muon,
    optimizers.ScheduleFreeAdamW,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_padding_between_slots_stays_zero(kind):
    variables = [Variable(np.ones(shape), name=f"v{k}") for k, shape in enumerate([(3,), (2, 5), ()])]
    smallest = {"epsilon": 0.0, "initial_accumulator_value": 0.0}
    parameters = {name for base in kind.__mro__ for name in inspect.signature(base.__init__).parameters}
    optimizer = kind(0.1, **{name: value for name, value in smallest.items() if name in parameters})
    for _ in range(2):
        optimizer.apply([np.ones(v.shape) for v in variables], variables)
    assert np.isfinite(variables[0].store.values).all()
    values = variables[0].store.values.copy()
    for slot in variables[0].store.slots:
        values[slot.start : slot.stop] = 0
    assert not values.any()


def test_apply_without_a_store_makes_one():
    v, w = Variable(np.ones(3), name="v"), Variable(np.ones(2), name="w")
    optimizer = SGD(0.5)
    assert optimizer.apply_gradients([(np.ones(3), v), (np.ones(2), w)]) is optimizer.iterations
    optimizer.apply([None, np.ones(2)], [v, w])
    assert v.value.tolist() == [0.5] * 3
    assert w.value.tolist() == [0.0] * 2
    assert int(optimizer.iterations.array) == 2


def test_no_gradient_leaves_momentum_alone():
    v, w = Variable(np.ones(3), name="v"), Variable(np.ones(2), name="w")
    optimizer = Adam(0.1, weight_decay=0.1)
    optimizer.apply([np.ones(3), np.ones(2)], [v, w])
    before = v.numpy()
    optimizer.apply([None, np.ones(2)], [v, w])
    np.testing.assert_array_equal(v.value, before)


def test_a_model_may_take_its_variables_back():
    v = Variable(np.ones(3), name="v")
    optimizer = SGD(0.5)
    optimizer.apply([np.ones(3)], [v])
    ParameterStore([v], "float64")
    optimizer.apply([np.ones(3)], [v])
    assert v.value.tolist() == [0.0] * 3


def test_state_survives_a_new_store():
    v, w = Variable(np.ones(3), name="v"), Variable(np.ones(2), name="w")
    optimizer = SGD(0.5, momentum=0.9)
    optimizer.bind(ParameterStore([v, w], "float64"))
    optimizer.apply([np.ones(3), np.ones(2)])
    optimizer.bind(ParameterStore([w], "float64"))
    assert optimizer.variables[-1].value.tolist() == [-0.5, -0.5]


def test_constraint_follows_the_update():
    v = Variable(np.full(3, 0.1), name="v", constraint=constraints.NonNeg())
    SGD(1.0).apply([np.array([1.0, 0.0, -1.0])], [v])
    np.testing.assert_allclose(v.value, [0, 0.1, 1.1])


def test_learning_rate_can_be_set():
    optimizer = SGD(0.5)
    v = Variable(np.ones(1), name="v")
    optimizer.learning_rate = 0.25
    optimizer.apply([np.ones(1)], [v])
    optimizer.learning_rate.assign(0.125)
    optimizer.apply([np.ones(1)], [v])
    assert v.value == 1 - 0.25 - 0.125
    assert (float(optimizer.learning_rate), int(optimizer.iterations)) == (0.125, 2)
    optimizer.learning_rate = lambda: 0.5
    assert optimizer.learning_rate == 0.5
    assert optimizer.lr == 0.5
    assert len(optimizer.variables) == 1


def test_schedule_sees_the_step():
    optimizer = SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    v = Variable(np.zeros(1), name="v")
    for _ in range(3):
        optimizer.apply([np.ones(1)], [v])
    assert v.value == -2.0
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.learning_rate == 1.0


def test_older_spellings():
    assert float(SGD(lr=0.3).learning_rate.array) == np.float32(0.3)
    assert Adam(epsilon=None).epsilon == 1e-7
    optimizer, v = SGD(1.0, decay=1.0), Variable(np.zeros(1), name="v")
    for _ in range(2):
        optimizer.apply([np.ones(1)], [v])
    assert v.value == -1.5
    old = {"class_name": "Adam", "config": {"lr": 0.01, "beta_1": 0.8, "decay": 0.0, "epsilon": 1e-8, "amsgrad": False}}
    assert optimizers.get(old).beta_1 == 0.8
    assert [w.path for w in optimizer.weights] == [v.path for v in optimizer.variables]


@pytest.mark.parametrize("name", ["adam", "Adam", "ADAM", "rmsprop", "RMSprop", "sgd", "AdamW", "LAMB", "ftrl"])
def test_names_in_any_case(name):
    assert type(optimizers.get(name)).__name__.lower() == name.lower()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_goes_on_like_the_original(kind, copied):
    rng = np.random.default_rng(0)
    variables = [
        Variable(rng.normal(size=shape), name=f"v{k}", dtype="float32") for k, shape in enumerate([(2, 3), (4,)])
    ]
    gradients = [[rng.normal(size=v.shape) for v in variables] for _ in range(3)]
    optimizer = kind(0.1)
    optimizer.apply(gradients[0], variables)
    other = copied(optimizer)
    others = other._state.store.variables
    for step in (1, 2):
        optimizer.apply(gradients[step], variables)
        other.apply(gradients[step], others)
    pairs = [*zip(variables, others, strict=True), *zip(optimizer.variables, other.variables, strict=True)]
    assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in pairs)


def test_lower_case_and_legacy_classes():
    assert optimizers.nadam is optimizers.legacy.Nadam is optimizers.Nadam
    assert optimizers.legacy.Ftrl(lr=0.1).get_config()["learning_rate"] == np.float32(0.1)
    of_keras_2 = optimizers.get({"class_name": "Nadam", "config": {"lr": 0.002, "schedule_decay": 0.004}})
    assert of_keras_2.get_config()["schedule_decay"] == 0.004
    assert "schedule_decay" not in optimizers.Nadam().get_config()


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Custom>Adam", "config": {"jit_compile": True, "is_legacy_optimizer": False}},
        {"module": "keras.optimizers", "class_name": "Custom>Adam", "config": {}, "registered_name": "Custom>Adam"},
        {"module": "keras.optimizers.legacy", "class_name": "Adam", "config": {"decay": 0.1}, "registered_name": None},
    ],
)
def test_configurations_of_tensorflow(config):
    assert type(optimizers.get(config)) is Adam


def test_nadam_of_keras_2_uses_a_slow_schedule():
    """The first step is by hand: u_t = beta_1 (1 - 0.96^(0.004 t) / 2)."""
    v = Variable(np.zeros(1), name="v", dtype="float64")
    optimizer = optimizers.Nadam(1.0, 0.9, 0.5, 0.0, schedule_decay=0.004)
    optimizer.apply([np.ones(1)], [v])
    first, second = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (1, 2))
    expected = second * 0.1 / (1 - first * second) + (1 - first) / (1 - first)
    np.testing.assert_allclose(v.value, -expected, rtol=1e-12)


def test_ftrl_at_a_rate_of_zero_waits():
    v = Variable(np.ones(2), name="v")
    optimizer = optimizers.Ftrl(schedules.PiecewiseConstantDecay([0], [0.0, 0.1]), beta=0.1)
    optimizer.apply([np.ones(2)], [v])
    assert v.value.tolist() == [1, 1]
    optimizer.apply([np.ones(2)], [v])
    assert np.isfinite(v.value).all()
    assert (v.value != 1).all()


def test_muon_leaves_matrices_nearly_orthogonal():
    rng = np.random.default_rng(0)
    for shape in ((6, 4), (4, 6)):
        v = Variable(np.zeros(shape), name="kernel", dtype="float64")
        optimizers.Muon(1.0, weight_decay=None, adam_weight_decay=None, rms_rate=None).apply(
            [rng.normal(size=shape)], [v]
        )
        assert np.abs(np.linalg.svd(v.value, compute_uv=False) - 1).max() < 0.4


def test_muon_takes_adam_for_what_is_no_matrix_of_a_layer():
    names = ("dense/kernel", "embedding/embeddings", "dense/bias", "head/kernel")
    variables = [Variable(np.ones((2,) if "bias" in path else (2, 2)), name=path[-6:], path=path) for path in names]
    optimizer = optimizers.Muon(0.1, name="muon", exclude_layers=["^head"])
    optimizer.build(variables)
    with_velocity = [v.path for v in optimizer.variables if v.path.endswith("velocity")]
    assert with_velocity == [f"muon/{path.replace('/', '_')}_velocity" for path in names[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_positional_order_is_keras(kind):
    """Keras's own options follow the formula's: the first of them is weight_decay (AdamW has it second)."""
    formula = [name for name in kind(0.1).get_config() if name not in Optimizer(0.1).get_config()]
    if kind in (optimizers.Muon, optimizers.AdamW):
        return
    own = [getattr(kind(), name) for name in formula]
    optimizer = kind(0.1, *own, 0.25, 1.5)
    assert (optimizer.weight_decay, optimizer.clipnorm) == (0.25, 1.5)


def test_users_optimizer_builds_in_fit():
    class Heavy(Optimizer):
        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.momenta = {v.path: self.add_variable_from_reference(v, "momentum") for v in variables}

        def update_step(self, gradient, variable, learning_rate):
            m = self.momenta[variable.path]
            self.assign(m, m * 0.9 - gradient * learning_rate)
            self.assign_add(variable, m)

    ends = []
    for optimizer in (Heavy(0.1), SGD(0.1, momentum=0.9)):
        v = Variable(np.ones(3), name="v", dtype="float64")
        store = ParameterStore([v], "float64")
        optimizer.bind(store)
        for _ in range(3):
            store.set_gradients({v: np.full(3, 0.5)})
            optimizer.step(store.values, store.gradients)
        ends.append(v.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-15)


def test_users_optimizer():
    class Signs(Optimizer):
        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.counts = [self.add_variable_from_reference(v, "count") for v in variables]

        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, learning_rate * np.sign(gradient))
            self.assign_add(self.counts[0], 1.0)

    v, optimizer = Variable(np.zeros(2), name="v"), Signs(0.5)
    optimizer.apply([np.array([3.0, -2.0])], [v])
    assert v.value.tolist() == [-0.5, 0.5]
    assert [x.path for x in optimizer.variables][2:] == ["signs/v_count"]
    assert optimizer.variables[-1].value.tolist() == [1, 1]


def test_weights_round_trip():
    v, optimizer = Variable(np.zeros(2), name="v"), Adam(0.5)
    optimizer.apply([np.ones(2)], [v])
    other = Adam(0.1)
    other.build([Variable(np.zeros(2), name="v")])
    other.set_weights(optimizer.get_weights())
    for a, b in zip(other.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.value, b.value)


def test_exclude_from_weight_decay():
    kernel, bias = Variable(np.ones(2), name="kernel"), Variable(np.ones(2), name="bias")
    optimizer = SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.zeros(2), np.zeros(2)], [kernel, bias])
    assert kernel.value.tolist() == [0.75, 0.75]
    assert bias.value.tolist() == [1, 1]
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


@pytest.mark.parametrize("name", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_a_limit_of_zero_is_none(name):
    v = Variable(np.zeros(2), name="v")
    SGD(1.0, **{name: 0}).apply([np.array([3.0, 4.0])], [v])
    assert v.value.tolist() == [-3, -4]


def test_scale_loss():
    assert SGD(loss_scale_factor=4).scale_loss(2.0) == 8.0
    assert SGD().scale_loss(2.0) == 2.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: optimizers.get("adamm"), "unknown optimizer 'adamm'. Did you mean 'adam'"),
        (lambda: optimizers.get(3), "optimizers.Adam"),
        (lambda: Adam(learnin_rate=0.1), "unknown argument of Adam 'learnin_rate'. Did you mean 'learning_rate'"),
        (lambda: Adam("fast"), "learning_rate must be a number"),
        (lambda: Adam(beta_1=1.0), r"beta_1 must lie in \[0, 1\)"),
        (lambda: SGD(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm"),
        (lambda: SGD(clipnorm=-1.0), "clipnorm must be a number of 0 or more; got -1.0"),
        (lambda: SGD(gradient_accumulation_steps=1), "2 or more"),
        (lambda: SGD(use_ema=True, ema_momentum=2), "ema_momentum"),
        (lambda: SGD().apply([np.ones(2)]), "needs the variables"),
        (lambda: SGD().apply([None], [Variable(np.ones(2))]), "No gradients"),
        (lambda: SGD().apply([np.ones(3)], [Variable(np.ones(2), name="kernel")]), r"'kernel' has shape \(3,\)"),
        (lambda: Adam(beta_2="0.9"), r"beta_2 must lie in \[0, 1\); got '0.9'"),
        (lambda: Adam(epsilon=-1e-7), "epsilon must be a number of 0 or more"),
        (lambda: Adam(weight_decay=-0.1), "weight_decay must be a number of 0 or more"),
        (lambda: SGD(momentum=1.5), r"momentum must lie in \[0, 1\]"),
        (lambda: SGD(loss_scale_factor=0), "loss_scale_factor must be a number above 0"),
        (lambda: SGD(clipvalue="small"), "clipvalue must be a number of 0 or more; got 'small'"),
        (lambda: RMSprop(rho=2), r"RMSprop: rho must lie in \[0, 1\]; got 2"),
        (lambda: optimizers.AdamW(weight_decay=None), "AdamW: weight_decay must be a number; got None.*write Adam"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value must be a number of 0"),
        (lambda: optimizers.Adadelta(rho=-0.1), "Adadelta: rho must lie"),
        (lambda: optimizers.Adamax(beta_1=1), "Adamax: beta_1 must lie"),
        (lambda: optimizers.Nadam(schedule_decay=-1), "Nadam: schedule_decay must be a number of 0 or more"),
        (lambda: optimizers.ScheduleFreeAdamW(beta_1=0.0), r"beta_1 must lie in \(0, 1\)"),
        (lambda: optimizers.ScheduleFreeAdamW(warmup_steps=None), "warmup_steps must be a number of 0 or more"),
        (lambda: optimizers.Lion(beta_1=0), r"Lion: beta_1 must lie in \(0, 1\]"),
        (lambda: optimizers.Lamb(beta_2=1.2), "Lamb: beta_2 must lie"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), "learning_rate_power must be a number of 0 or less"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1), "l1_regularization_strength must be a number of 0"),
        (lambda: optimizers.Ftrl(beta=float("nan")), "Ftrl: beta must be a number of 0 or more; got nan"),
        (lambda: optimizers.Adafactor(clip_threshold=0), "clip_threshold must be a number above 0"),
        (lambda: optimizers.Adafactor(beta_2_decay=0.8), "beta_2_decay must be a number of 0 or less"),
        (lambda: optimizers.Muon(ns_steps=2.5), "ns_steps must be an integer of 0 or more"),
        (lambda: optimizers.Muon(exclude_layers="dense"), r"write \['dense'\]"),
        (lambda: optimizers.Nadam(momentum=0.9), "unknown argument of Nadam 'momentum'"),
        (lambda: Optimizer(0.1).apply([np.ones(2)], [Variable(np.ones(2))]), "has no formula"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()
