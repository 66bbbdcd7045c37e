"""Every layer of the registry in a stream: its steps are what predict gives, or it is refused by name."""

import re
import warnings

import numpy as np
import pytest

import gatewise as gw
from contract_cases import CASES
from gatewise import tree
from streaming_models import compare

REFUSED = {
    "AdditiveAttention", "Attention", "AveragePooling1D", "AveragePooling2D", "Bidirectional", "CategoryEncoding",
    "Conv1DTranspose", "Conv2D", "Cropping1D", "Dot", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
    "GroupNormalization", "IntegerLookup", "Lambda", "MaxPooling1D", "MaxPooling2D", "MultiHeadAttention", "Permute",
    "UpSampling1D", "ZeroPadding1D",
}  # fmt: skip
"""Layers that may look at other steps, whatever their arguments."""

ARGUMENTS_DECIDE = {
    "BatchNormalization", "Concatenate", "Conv1D", "ConvLSTM1D", "DepthwiseConv1D", "Discretization",
    "EinsumDense", "GRU", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "LSTM", "LayerNormalization",
    "Normalization", "PReLU", "RMSNormalization", "RNN", "Reshape", "SeparableConv1D", "SimpleRNN", "Softmax",
    "UnitNormalization",
}  # fmt: skip
"""Layers that do so with some arguments."""


def timed(case):
    shape = case.shape[0] if isinstance(case.shape, list) else case.shape
    return len(shape) >= 3


def has_steps(shape):
    return len(shape) > 2 and shape[1] > 1


def model_of(case, any_steps):
    shapes = case.shape if isinstance(case.shape, list) else [case.shape]
    dtype = "float32" if case.integers is None else "int32"
    steps = [None if any_steps and has_steps(shape) else shape[1] for shape in shapes]
    inputs = [gw.Input((t, *shape[2:]), dtype=dtype) for t, shape in zip(steps, shapes, strict=True)]
    layer = case.make(dtype="float32")
    outputs = layer(inputs if len(inputs) > 1 else inputs[0])
    return layer, gw.Model(inputs, outputs)


@pytest.mark.parametrize("case", [case for case in CASES if timed(case)], ids=lambda case: case.name)
def test_steps_are_what_predict_gives_or_the_layer_is_named(case):
    try:
        layer, model = model_of(case, any_steps=True)
    except ValueError:  # the layer must know how many steps there are
        layer, model = model_of(case, any_steps=False)
    shapes = case.shape if isinstance(case.shape, list) else [case.shape]
    rng = np.random.default_rng(0)
    try:
        stream = model.stream(shapes[0][0])
    except ValueError as refusal:
        named = re.search(r"layer '(\S+)' .(\w+).: ", str(refusal))
        assert named and named[2] in REFUSED | ARGUMENTS_DECIDE, refusal
        return
    assert type(layer).__name__ not in REFUSED
    for variable in model.variables:
        value = rng.normal(size=variable.shape)
        variable.assign(value if variable.trainable else np.abs(value) + 0.5)
    if case.integers is None:
        xs = [rng.normal(size=shape).astype("float32") for shape in shapes]
    else:
        xs = [rng.integers(0, case.integers, size=shape).astype("int32") for shape in shapes]

    def given(steps):
        parts = [x[:, steps] if has_steps(x.shape) else x for x in xs]
        return parts if len(parts) > 1 else parts[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        chunk = model.stream(shapes[0][0]).run(given(slice(None)))
        for t in range(shapes[0][1]):
            y, expected = stream.step(given(t)), model.predict(given(slice(0, t + 1)), verbose=0)
            model.reset_states()
            compare(model, y, expected, chunk, t)
    assert len(list(tree.leaves(y))) == len(model.outputs)
