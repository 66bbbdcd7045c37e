"""Variables in arithmetic, with NumPy's functions, assigned to, and copied."""

import operator

import numpy as np
import pytest

import gatewise as gw

A = np.arange(1.0, 7.0).reshape(2, 3)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"])
@pytest.mark.parametrize("other", [2.0, np.full((2, 3), 3.0), np.ones(3)], ids=["number", "array", "row"])
def test_operators_on_either_side(name, other):
    apply = getattr(operator, name)
    variable = gw.Variable(A)
    for found, expected in (
        (apply(variable, other), apply(A, other)),
        (apply(other, variable), apply(other, A)),
        (apply(variable, variable), apply(A, A)),
    ):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)


def test_products_signs_and_parts():
    v = gw.Variable(A)
    x = np.ones((4, 2))
    for found, expected in (
        (x @ v, x @ A), (v @ np.ones(3), A @ np.ones(3)), (np.dot(x, v), x @ A), (-v, -A), (abs(v), A), (v[0], A[0]),
        (v[:, 1:], A[:, 1:]), (np.einsum("ij,kj->ik", v, v), A @ A.T), (np.concatenate([v, A]), np.concatenate([A, A])),
        (np.sum(v, axis=0), A.sum(axis=0)), (np.sqrt(v), np.sqrt(A)), (np.where(v > 2, v, 0), np.where(A > 2, A, 0)),
        (gw.ops.mean(v), A.mean()), (np.add(v, 1, out=np.zeros((2, 3))), A + 1), (np.stack(list(v)), A),
    ):  # fmt: skip
        np.testing.assert_array_equal(found, expected)
    assert len(v) == 2 and (v.shape, v.ndim, v.size) == ((2, 3), 2, 6)


def test_scalars_are_numbers():
    v = gw.Variable(2.0)
    assert float(v) == 2.0 and int(v) == 2 and bool(v) and v * 3 == 6.0
    with pytest.raises(TypeError):
        float(gw.Variable(A))


def test_types():
    assert gw.Variable(A).dtype == "float64" and gw.Variable(2.0).dtype == "float32"
    assert gw.Variable([1, 2]).dtype == "int64" and gw.Variable(A, dtype="float32").dtype == "float32"
    assert gw.Variable("zeros", shape=(2, 3)).shape == (2, 3)
    assert gw.Variable(gw.initializers.Ones(), shape=(2,)).numpy().tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="needs a shape"):
        gw.Variable("zeros")


def test_the_value_is_read_only_and_copies_are_not():
    v = gw.Variable(A)
    with pytest.raises(ValueError, match="read-only"):
        v.value[0, 0] = 9
    for copy in (np.array(v), v.numpy(), np.array(v, copy=True), np.array(v, dtype="float32")):
        copy[0, 0] = 9
    assert v.value[0, 0] == 1


def test_assign():
    v = gw.Variable(A)
    v.assign(A.tolist())
    v.assign_add(gw.Variable(A))
    v.assign_sub(np.ones((2, 3)))
    np.testing.assert_array_equal(v.value, 2 * A - 1)
    for wrong in (np.zeros((3, 2)), 1.0, "abc"):
        with pytest.raises(ValueError, match=r"has shape \(2, 3\)"):
            v.assign(wrong)
    stamp = v.stamp
    v.assign(A)
    assert v.stamp != stamp


def test_assignment_reaches_the_kernels():
    layer = gw.layers.LSTM(3)
    x = np.ones((2, 4, 2), "float32")
    before = layer(x)
    layer.kernel.assign(layer.kernel * 2)
    layer.bias.assign_add(np.ones(12))
    assert not np.array_equal(layer(x), before)


def test_an_attribute_of_the_cell_is_not_set_on_the_layer_by_mistake():
    layer = gw.layers.LSTM(3)
    layer(np.ones((2, 4, 2), "float32"))
    for name in ("kernel", "dropout", "activation", "units"):
        with pytest.raises(AttributeError, match="belongs to the layer's cell"):
            setattr(layer, name, 0.5)
    layer.trainable, layer.name = False, "other"
    assert not layer.cell.trainable
