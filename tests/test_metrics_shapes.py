"""Metrics given arrays that do not fit, and arguments that mean nothing: what the messages say."""

import numpy as np
import pytest

from gatewise import config, metrics


@pytest.fixture(autouse=True)
def fresh_names():
    config.reset_names()


DECISIONS = {
    "AUC": {}, "Precision": {}, "Recall": {}, "TruePositives": {}, "TrueNegatives": {}, "FalsePositives": {},
    "FalseNegatives": {}, "SensitivityAtSpecificity": {"specificity": 0.5}, "F1Score": {}, "FBetaScore": {},
    "SpecificityAtSensitivity": {"sensitivity": 0.5}, "PrecisionAtRecall": {"recall": 0.5}, "R2Score": {},
    "RecallAtPrecision": {"precision": 0.5}, "IoU": {"num_classes": 2, "target_class_ids": [0]}, "BinaryIoU": {},
    "MeanIoU": {"num_classes": 2},
}  # fmt: skip
ELEMENTS = [
    "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "MeanSquaredError", "RootMeanSquaredError",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "LogCoshError",
    "CosineSimilarity", "Poisson", "KLDivergence", "Hinge", "SquaredHinge", "PearsonCorrelation",
    "ConcordanceCorrelation",
]  # fmt: skip
ONE_HOT = ["CategoricalAccuracy", "CategoricalCrossentropy", "CategoricalHinge", "TopKCategoricalAccuracy"]
CLASSES = ["SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy"]


@pytest.mark.parametrize("name", [*DECISIONS, *ELEMENTS, *ONE_HOT])
def test_other_shapes_are_refused_by_name(name):
    metric = getattr(metrics, name)(**DECISIONS.get(name, {}))
    with pytest.raises(ValueError, match=rf"Metric '{metric.name}' \({name}\)") as raised:
        metric.update_state(np.ones((8, 2)), np.ones((8, 5)))
    assert "(8, 2)" in str(raised.value)
    assert "(8, 5)" in str(raised.value)
    assert all(np.all(v.array == 0) for v in metric.variables)


@pytest.mark.parametrize("name", CLASSES)
def test_one_hot_targets_of_sparse_metrics_are_refused(name):
    metric = getattr(metrics, name)()
    with pytest.raises(ValueError, match=rf"\({name}\) wants one class for each prediction.*needs \(4,\)"):
        metric.update_state(np.eye(4), np.eye(4))
    metric.update_state(np.zeros((4, 1)), np.eye(4))


@pytest.mark.parametrize("name", ["AUC", "F1Score", *ONE_HOT])
def test_integer_classes_of_other_metrics_are_told_of_one_hot(name):
    metric = getattr(metrics, name)()
    with pytest.raises(ValueError, match=r"utils\.to_categorical\(y_true"):
        metric.update_state(np.array([0, 1, 2, 0]), np.ones((4, 3)))


@pytest.mark.parametrize("name", [*DECISIONS, *ELEMENTS])
def test_weights_that_do_not_fit_are_refused(name):
    metric = getattr(metrics, name)(**DECISIONS.get(name, {}))
    with pytest.raises(ValueError, match=rf"Metric '{metric.name}' \({name}\): sample_weight of shape \(5,\)"):
        metric.update_state(np.ones((4, 1)), np.ones((4, 1)), sample_weight=np.ones(5))


@pytest.mark.parametrize("name", ["Precision", "AUC", "TruePositives", "BinaryIoU"])
def test_weights_of_samples_hold_for_all_their_steps(name):
    rng = np.random.default_rng(0)
    y_true, y_pred = (rng.random((2, 3, 3, 1)) > 0.5).astype("float32")
    weight = np.array([1.0, 0.0, 2.0])
    by_sample, by_value = getattr(metrics, name)(), getattr(metrics, name)()
    by_sample.update_state(y_true, y_pred, weight)
    by_value.update_state(y_true, y_pred, np.repeat(weight, 3).reshape(3, 3, 1))
    assert by_sample.result() == by_value.result()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds is an integer of at least 2; got 1"),
        (lambda: metrics.AUC(curve="PRC"), "curve is one of 'roc', 'ROC'.*got 'PRC'"),
        (lambda: metrics.AUC(summation_method="mean"), "summation_method is one of"),
        (lambda: metrics.AUC(num_labels=3), "num_labels is for multi_label=True"),
        (lambda: metrics.AUC(label_weights=[1, -1]), "label_weights is a list of numbers of at least 0"),
        (lambda: metrics.AUC(thresholds=[0.5, 2]), "thresholds is a number from 0 to 1 or a list of them"),
        (lambda: metrics.Precision(thresholds=1.5), "Precision: thresholds is a number from 0 to 1"),
        (lambda: metrics.Recall(thresholds=[None]), "Recall: thresholds"),
        (lambda: metrics.Precision(top_k=0), "top_k is an integer of at least 1; got 0"),
        (lambda: metrics.Precision(class_id=-1), "class_id is an integer of at least 0; got -1"),
        (lambda: metrics.PrecisionAtRecall(1.5), "recall is a number from 0 to 1; got 1.5"),
        (lambda: metrics.RecallAtPrecision(-1), "precision is a number from 0 to 1"),
        (lambda: metrics.SensitivityAtSpecificity("a"), "specificity is a number from 0 to 1"),
        (lambda: metrics.SpecificityAtSensitivity(0.5, num_thresholds=0), "num_thresholds is an integer"),
        (lambda: metrics.F1Score(average="mean"), "average is one of None, 'micro', 'macro', 'weighted'"),
        (lambda: metrics.F1Score(threshold=0), "threshold is a number above 0 and up to 1; got 0"),
        (lambda: metrics.FBetaScore(beta=0), "beta is a number above 0"),
        (lambda: metrics.R2Score(class_aggregation="mean"), "class_aggregation is one of"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors is an integer of at least 0"),
        (lambda: metrics.IoU(2, [2]), "target_class_ids are classes from 0 to 1; got 2"),
        (lambda: metrics.MeanIoU(0), "num_classes is an integer of at least 1"),
    ],
)
def test_arguments_that_mean_nothing(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize(
    ("metric", "shape", "message"),
    [
        (lambda: metrics.F1Score(), (4,), r"'f1_score' \(F1Score\) wants y_pred of shape \(batch, outputs\).*\(4,\)"),
        (lambda: metrics.R2Score(), (4, 2, 2), r"\(R2Score\) wants y_pred of shape \(batch, outputs\)"),
        (lambda: metrics.AUC(multi_label=True), (4,), r"\(AUC\) wants y_pred of shape.*multi_label=True"),
        (lambda: metrics.AUC(multi_label=True, num_labels=3), (4, 2), "counts 3 labels"),
        (lambda: metrics.AUC(multi_label=True, label_weights=[1, 1, 1]), (4, 2), "has 3 label_weights for 2 labels"),
        (lambda: metrics.AUC(label_weights=[1, 1, 1]), (4, 2), "has 3 label_weights"),
        (lambda: metrics.Precision(top_k=3), (4, 2), r"top_k=3, but y_pred of shape \(4, 2\) has 2 classes"),
        (lambda: metrics.Recall(class_id=2), (4, 2), "class_id=2 wants y_pred"),
        (lambda: metrics.Recall(class_id=0), (4,), "class_id=0 wants y_pred"),
        (lambda: metrics.OneHotMeanIoU(2, axis=2), (4, 2), "one number a class along axis 2"),
    ],
)
def test_ranks_and_sizes(metric, shape, message):
    with pytest.raises(ValueError, match=message):
        metric().update_state(np.ones(shape), np.ones(shape))


def test_another_number_of_classes_in_a_later_batch():
    for metric in (metrics.F1Score(), metrics.R2Score()):
        metric.update_state(np.ones((4, 3)), np.ones((4, 3)))
        with pytest.raises(ValueError, match=r"counts 3 .*y_pred has shape \(4, 2\)"):
            metric.update_state(np.ones((4, 2)), np.ones((4, 2)))


def test_fractions_of_weights_are_cut_with_a_warning():
    metric = metrics.MeanIoU(2)
    with pytest.warns(UserWarning, match="dtype='float32'"):
        metric.update_state([0, 1], [0, 1], sample_weight=[1.5, 0.5])
    assert metric.total_cm.numpy().tolist() == [[1, 0], [0, 0]]
