"""Metrics against Keras, update by update; resolution of "accuracy"; users' metrics; messages."""

import numpy as np
import pytest

from gatewise import config, serialization
from gatewise.training import metrics
from golden import load

CASES = [c for c in load.cases("losses_metrics", "metrics") if hasattr(metrics, c["metric"]["class"])]


def make(case):
    return getattr(metrics, case["metric"]["class"])(**case["metric"]["kwargs"])


@pytest.fixture(autouse=True)
def fresh_names():
    config.reset_names()


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = config.floatx()
    config.set_floatx(request.param)
    yield request.param
    config.set_floatx(before)


def typed(value, dtype):
    return value.astype(dtype) if value.dtype.kind == "f" else value


@pytest.mark.filterwarnings("ignore:.*fractions of sample_weight")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['metric']['class']}")
def test_equals_keras(case, dtype):
    metric, arrays = make(case), case["arrays"]
    for k, spec in enumerate(case["updates"]):
        update = {name: typed(arrays[ref["$"]], dtype) for name, ref in spec.items()}
        mask = arrays.get(f"u{k}.mask")
        if "values" in update:
            metric.update_state(**update)
        else:
            metrics.update(metric, mask=mask, **update)
        load.assert_close(np.asarray(metric.result(), dtype), case, f"result{k}")
    metric.reset_state()
    again = {name: typed(arrays[ref["$"]], dtype) for name, ref in case["updates"][case["reset_then"]].items()}
    metric.update_state(**again)
    load.assert_close(np.asarray(metric.result(), dtype), case, "result_after_reset")


@pytest.mark.parametrize("case", [c for c in CASES if "config" in c], ids=lambda case: case["id"])
def test_config_equals_keras(case):
    metric = make(case)
    assert metric.name == case["name"]
    found = metrics.serialize(metric)
    assert found == case["config"]
    assert metrics.serialize(metrics.deserialize(found)) == found


@pytest.mark.parametrize(
    ("y_true", "y_pred", "kind"),
    [
        ((8, 1), (8, 1), "BinaryAccuracy"),
        ((8,), (8, 1), "BinaryAccuracy"),
        ((8, 5, 1), (8, 5, 1), "BinaryAccuracy"),
        ((8,), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 1), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 5), (8, 5, 3), "SparseCategoricalAccuracy"),
        ((8, 3), (8, 3), "CategoricalAccuracy"),
        ((8, 5, 3), (8, 5, 3), "CategoricalAccuracy"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_suits_the_shapes(name, y_true, y_pred, kind):
    metric = metrics.resolve(name, y_true, y_pred)
    assert type(metric).__name__ == kind
    assert metric.name == name


def test_names():
    assert metrics.resolve("mse", (1,), (1,)).name == "mse"
    assert metrics.resolve("mean_absolute_error", (1,), (1,)).name == "mean_absolute_error"
    assert metrics.resolve(metrics.MeanSquaredError(), (1,), (1,)).name == "mean_squared_error"
    assert type(metrics.get("rmse")) is metrics.RootMeanSquaredError


def test_users_function():
    @serialization.register_keras_serializable("test_metrics")
    def largest_error(y_true, y_pred):
        return np.max(np.abs(y_true - y_pred))

    metric = metrics.resolve(largest_error, (2, 1), (2, 1))
    assert metric.name == "largest_error"
    metrics.update(metric, np.zeros((2, 1)), np.array([[1.0], [3.0]]))
    metrics.update(metric, np.zeros((2, 1)), np.array([[1.0], [2.0]]))
    assert metric.result() == 2.5
    again = metrics.deserialize(metrics.serialize(metric))
    assert again(np.zeros(1), np.ones(1)) == 1.0


def test_users_metric():
    class Hits(metrics.Metric):
        def __init__(self, name="hits", **options):
            super().__init__(name=name, **options)
            self.hits = self.add_weight(name="hits", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            weight = 1 if sample_weight is None else sample_weight
            self.hits.assign_add(np.sum((y_true == y_pred) * weight))

        def result(self):
            return self.hits.value

    metric = Hits()
    metrics.update(metric, np.array([1, 2, 3]), np.array([1, 2, 4]))
    assert metric.result() == 2
    metrics.update(metric, np.array([1, 2, 3]), np.array([1, 2, 3]), mask=np.array([True, False, True]))
    assert metric.result() == 4
    metric.reset_state()
    assert metric.result() == 0
    assert [v.path for v in metric.variables] == ["hits/hits"]


def test_masked_steps_do_not_count():
    y_true, y_pred = np.zeros((2, 3, 1)), np.array([[[1.0], [9.0], [9.0]], [[2.0], [3.0], [9.0]]])
    mask = np.array([[True, False, False], [True, True, False]])
    metric = metrics.MeanAbsoluteError()
    metrics.update(metric, y_true, y_pred, mask=mask)
    assert metric.result() == pytest.approx(2.0)
    assert metrics.Mean().result() == 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: metrics.get("acuracy"), "Did you mean 'accuracy'"),
        (lambda: metrics.resolve(None, (1,), (1,)), "holds None"),
        (lambda: metrics.MeanSquaredError(treshold=1), "treshold"),
        (lambda: metrics.Metric().update_state(1, 2), "give it a method update_state"),
        (
            lambda: metrics.MeanSquaredError()(np.ones((3, 1)), np.ones((3, 1)), np.ones(4)),
            r"shape \(4,\) does not fit",
        ),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()
