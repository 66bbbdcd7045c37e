"""Constraints: the norms they leave, the axes they take, the types they keep."""

import numpy as np
import pytest

from gatewise import config, constraints

W = np.random.default_rng(0).normal(size=(4, 3))


def norms(w, axis=0):
    return np.sqrt((w * w).sum(axis=axis))


def test_max_norm():
    w = constraints.MaxNorm(1.2)(W)
    np.testing.assert_allclose(norms(w), np.minimum(norms(W), 1.2), rtol=1e-6)
    np.testing.assert_allclose(norms(constraints.MaxNorm(0.5, axis=1)(W), 1), 0.5, rtol=1e-6)
    np.testing.assert_allclose(norms(constraints.MaxNorm(0.5, axis=[0, 1])(W), (0, 1)), 0.5, rtol=1e-6)


def test_non_negative():
    np.testing.assert_array_equal(constraints.NonNeg()(W), np.where(W < 0, 0, W))


def test_unit_norm():
    np.testing.assert_allclose(norms(constraints.UnitNorm()(W)), 1, rtol=1e-6)
    assert np.isfinite(constraints.UnitNorm()(np.zeros((2, 2)))).all()


def test_min_max_norm():
    w = constraints.MinMaxNorm(0.3, 0.7, rate=0.5)(W)
    np.testing.assert_allclose(norms(w), 0.5 * norms(W) + 0.5 * np.clip(norms(W), 0.3, 0.7), rtol=1e-6)


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_types_and_configurations(name):
    constraint = constraints.get(name)
    assert constraint(W.astype("float32")).dtype == np.float32
    config = constraints.serialize(constraint)
    assert config["module"] == "keras.constraints"
    np.testing.assert_array_equal(constraints.deserialize(config)(W), constraint(W))


def test_get():
    assert constraints.get(None) is None
    assert constraints.get(np.abs) is np.abs
    assert constraints.get({"class_name": "MaxNorm", "config": {"m": 3, "axis": 0}}).max_value == 3
    with pytest.raises(ValueError, match="unknown constraint 'maxnrom'. Did you mean 'maxnorm'"):
        constraints.get("maxnrom")
    with pytest.raises(TypeError, match="give it a method __call__"):
        constraints.Constraint()(W)


def test_every_name_of_keras():
    for name in ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"):
        cls = getattr(constraints, name)
        for known in (name, config.snake_case(name), cls, cls(), {"class_name": name, "config": {}}):
            assert type(constraints.get(known)) is cls
    for old, name in {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"}.items():
        assert type(constraints.get(old)) is getattr(constraints, name)
