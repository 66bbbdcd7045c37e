"""Metrics of compile: names in the history as Keras's, running values, weights, masks; state, types and forms."""

import copy
import pickle

import numpy as np
import pytest

import gatewise as gw
from gatewise import config, layers, metrics

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("float32")
BINARY = (RNG.random((20, 1)) > 0.5).astype("float32")
ONE_HOT = np.eye(3, dtype="float32")[RNG.integers(0, 3, 20)]
WEIGHT = RNG.random(20).astype("float32")


@pytest.fixture(autouse=True)
def fresh_names():
    config.reset_names()


def model_of(units, activation):
    gw.utils.set_random_seed(0)
    return gw.Sequential([layers.Input((4,)), layers.Dense(units, activation=activation)])


def history_of(model, y, asked, weighted=None, sample_weight=None):
    model.compile("sgd", "mse", metrics=asked, weighted_metrics=weighted)
    return model.fit(X, y, sample_weight=sample_weight, batch_size=7, epochs=2, verbose=0).history


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ([metrics.AUC, metrics.AUC], ["auc", "auc_1"]),
        (["auc", "AUC", "precision"], ["auc", "AUC", "precision"]),
        (["accuracy", "true_positives", "mse", "rmse"], ["accuracy", "true_positives", "mse", "rmse"]),
    ],
)
def test_names_in_the_history(asked, keys):
    made = [item() if isinstance(item, type) else item for item in asked]
    assert list(history_of(model_of(1, "sigmoid"), BINARY, made)) == ["loss", *keys]


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_several_numbers_a_metric(verbose, capsys):
    model = model_of(3, "softmax")
    model.compile("sgd", "mse", metrics=[metrics.F1Score(), metrics.Recall(thresholds=[0.2, 0.6])])
    history = model.fit(X, ONE_HOT, epochs=1, verbose=verbose).history
    assert np.shape(history["f1_score"]) == (1, 3)
    assert np.shape(history["recall"]) == (1, 2)
    assert np.shape(model.evaluate(X, ONE_HOT, verbose=verbose)[1]) == (3,)


def test_evaluate_equals_the_metric_of_all_predictions():
    model = model_of(3, "softmax")
    made = [metrics.AUC(), metrics.AUC(curve="PR", multi_label=True), metrics.F1Score("macro"), metrics.R2Score()]
    model.compile("sgd", "mse", metrics=made, weighted_metrics=[metrics.Precision(), metrics.OneHotMeanIoU(3)])
    found = model.evaluate(X, ONE_HOT, sample_weight=np.round(WEIGHT * 3), batch_size=6, verbose=0)
    predicted = model.predict(X, verbose=0)
    alone = [type(m).from_config(m.get_config()) for m in made]
    expected = [metric(ONE_HOT, predicted) for metric in alone]
    for metric in (metrics.Precision(), metrics.OneHotMeanIoU(3)):
        expected.append(metric(ONE_HOT, predicted, np.round(WEIGHT * 3)))
    np.testing.assert_allclose(found[1:], expected, rtol=1e-6)


def test_several_outputs():
    x = layers.Input((4,))
    outputs = [layers.Dense(1, "sigmoid", name="a")(x), layers.Dense(3, "softmax", name="b")(x)]
    model = gw.Model(x, outputs)
    model.compile(
        "sgd",
        "mse",
        metrics=[[metrics.AUC()], [metrics.AUC(), "accuracy"]],
        weighted_metrics=[["AUC"], [metrics.F1Score(average="macro")]],
    )
    history = model.fit(X, [BINARY, ONE_HOT], sample_weight=[WEIGHT, WEIGHT], verbose=0).history
    assert set(history) == {
        "loss", "a_loss", "b_loss", "a_auc", "b_auc_1", "b_accuracy", "a_AUC", "b_f1_score"
    }  # fmt: skip


def test_masked_steps_do_not_count():
    x = RNG.normal(size=(6, 5, 2)).astype("float32")
    x[:, 3:] = 0
    y = (RNG.random((6, 5, 1)) > 0.5).astype("float32")
    model = gw.Sequential(
        [layers.Input((5, 2)), layers.Masking(), layers.LSTM(3, return_sequences=True), layers.Dense(1, "sigmoid")]
    )
    model.compile("sgd", "binary_crossentropy", metrics=[metrics.AUC(), metrics.TruePositives(0.0)])
    other = y.copy()
    other[:, 3:] = 1 - other[:, 3:]
    assert model.evaluate(x, y, verbose=0) == model.evaluate(x, other, verbose=0)
    assert model.evaluate(x, y, verbose=0)[2] == y[:, :3].sum()


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (metrics.AUC, ["true_positives", "false_positives", "true_negatives", "false_negatives"]),
        (metrics.Precision, ["true_positives", "false_positives"]),
        (metrics.Recall, ["true_positives", "false_negatives"]),
        (metrics.TrueNegatives, ["accumulator"]),
        (metrics.F1Score, ["true_positives", "false_positives", "false_negatives", "intermediate_weights"]),
        (metrics.R2Score, ["num_samples", "squared_sum", "sum", "residual", "count"]),
        (metrics.BinaryIoU, ["total_confusion_matrix"]),
    ],
)
def test_state(metric, names):
    made = metric()
    assert made.result() == 0.0
    y_true, y_pred = ONE_HOT[:, :2], np.abs(X[:, :2])
    first = made(y_true, y_pred)
    assert [v.name for v in made.variables] == names
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        np.testing.assert_array_equal(other.result(), first)
        other.update_state(1 - y_true, y_pred)
    np.testing.assert_array_equal(made.result(), first)
    made.reset_state()
    np.testing.assert_array_equal(made(y_true, y_pred), first)


def test_results_are_numbers_of_python_where_they_are_one():
    for metric in (
        metrics.AUC(),
        metrics.Precision(),
        metrics.F1Score("micro"),
        metrics.R2Score(),
        metrics.BinaryIoU(),
    ):
        assert type(metric(ONE_HOT, ONE_HOT)) is float


def test_predictions_that_are_not_numbers_are_above_no_threshold():
    y_true, y_pred = np.array([1.0, 0.0, 1.0]), np.array([np.nan, np.nan, 0.9])
    assert metrics.TruePositives()(y_true, y_pred) == 1
    assert metrics.FalseNegatives()(y_true, y_pred) == 1
    assert metrics.TrueNegatives(thresholds=[0.0, 0.5, 1.0])(y_true, y_pred).tolist() == [1, 1, 1]


def test_the_area_is_the_share_of_pairs_in_order():
    scores = RNG.permutation(np.arange(1, 21) / 21)
    y_true = BINARY[:, 0]
    above = scores[y_true == 1][:, None] > scores[y_true == 0]
    assert metrics.AUC(num_thresholds=1000)(y_true, scores) == pytest.approx(above.mean(), abs=1e-12)


def test_which_way_is_better():
    """What callbacks with mode="auto" go by; as Keras has it."""
    up = """BinaryAccuracy CategoricalAccuracy SparseTopKCategoricalAccuracy CosineSimilarity PearsonCorrelation AUC
    Precision Recall F1Score FBetaScore R2Score BinaryIoU""".split()
    down = "MeanSquaredError RootMeanSquaredError BinaryCrossentropy Hinge KLDivergence Poisson LogCoshError".split()
    for direction, names in (("up", up), ("down", down), (None, ["Mean", "Sum", "TruePositives", "FalseNegatives"])):
        assert {getattr(metrics, name)()._direction for name in names} == {direction}


def test_thresholds_in_an_array_become_a_list():
    assert metrics.Precision(thresholds=np.array([0.25, 0.5])).get_config()["thresholds"] == [0.25, 0.5]


def test_a_configuration_with_label_weights_comes_back():
    metric = metrics.AUC(multi_label=True, label_weights=[0.5, 0.25, 1.0])
    found = metrics.serialize(metric)
    assert found["config"]["label_weights"]["config"]["value"] == [0.5, 0.25, 1.0]
    again = metrics.deserialize(found)
    assert metrics.serialize(again) == found
    assert again(ONE_HOT, np.abs(X[:, :3])) == metric(ONE_HOT, np.abs(X[:, :3]))


class Counting(metrics.Metric):
    """A user's metric that takes no weights."""

    def __init__(self, name="counting"):
        super().__init__(name=name)
        self.total = self.add_variable((), name="total")

    def update_state(self, y_true, y_pred):
        self.total.assign_add(len(y_true))

    def result(self):
        return self.total


def steps_model(masked, **compiled):
    masking = [layers.Masking()] if masked else []
    model = gw.Sequential([layers.Input((5, 2)), *masking, layers.Dense(1)])
    model.compile("sgd", "mse", **compiled)
    return model


STEPS = np.arange(60.0).reshape(6, 5, 2) % 7
STEPS[:, 3:] = 0
STEP_TARGETS = np.ones((6, 5, 1))


def test_a_metric_without_weights_counts_each_epoch_anew():
    history = steps_model(False, metrics=[Counting()]).fit(STEPS, STEP_TARGETS, epochs=2, batch_size=4, verbose=0)
    assert history.history["counting"] == [6.0, 6.0]


def of_the_batch(y_true, y_pred):
    return np.mean(np.abs(y_true - y_pred))


@pytest.mark.parametrize(
    ("masked", "compiled", "message"),
    [
        (True, {"metrics": [Counting()]}, r"Metric 'counting' \(Counting\): there are a mask.*sample_weight=None"),
        (False, {"weighted_metrics": [Counting()]}, "there are sample weights.*list it in metrics, not in weighted"),
        (True, {"metrics": [of_the_batch]}, "'of_the_batch'.*one number for a whole batch.*leave out the mean"),
    ],
)
def test_metrics_that_cannot_know_what_counts(masked, compiled, message):
    weight = np.ones((6, 5))
    with pytest.raises((TypeError, ValueError), match=message):
        steps_model(masked, **compiled).evaluate(STEPS, STEP_TARGETS, sample_weight=weight, verbose=0)
