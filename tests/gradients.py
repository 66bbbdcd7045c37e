"""Gradients held against central differences, for any layer and any nesting of inputs."""

import numpy as np

from gatewise import tree
from gatewise.context import collected_losses


def assert_gradients(layer, *args, tolerance=1e-6, **kwargs):
    """Check all gradients of a random scalar function of `layer(*args, **kwargs)`, in float64.

    Weights become random first; losses that the layer adds count too.  Returns {variable: gradient}.
    """
    rng = np.random.default_rng(7)
    layer(*args, **kwargs)
    for variable in layer.trainable_weights:
        variable.assign(rng.normal(size=variable.shape) * 0.5)
    call = layer.arrange(args, kwargs)

    def outputs():
        with collected_losses() as losses:
            y, pullback = layer.differentiate(*call_arguments(call))
        return y, pullback, losses

    y, pullback, _ = outputs()
    cotangents = [rng.normal(size=np.shape(leaf)) for leaf in tree.leaves(y)]
    d_inputs, gradients = pullback(cotangents if isinstance(y, list) else cotangents[0])

    def value():
        y, _, losses = outputs()
        pairs = zip(cotangents, tree.leaves(y), strict=True)
        return sum(float((c * leaf).sum()) for c, leaf in pairs) + sum(float(loss) for loss in losses)

    for array, gradient in zip(call[0], d_inputs, strict=True):
        if array.dtype.kind == "f":
            compare(gradient, central_differences(value, array), tolerance, "input")
    for variable in layer.trainable_weights:
        found = central_differences(value, variable.array, variable.touch)
        compare(gradients.get(variable), found, tolerance, variable.path)
    return gradients


def call_arguments(call):
    leaves, structure = call
    return leaves, None, False, structure


def compare(gradient, expected, tolerance, what):
    gradient = np.zeros_like(expected) if gradient is None else gradient
    np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance, err_msg=what)


def central_differences(value, array, changed=lambda: None):
    """The gradient of `value()` with respect to `array`, which is changed in place and put back."""
    found = np.empty_like(array)
    step = 1e-5
    for index in np.ndindex(array.shape):
        before = array[index]
        ends = []
        for moved in (before + step, before - step):
            array[index] = moved
            changed()
            ends.append(value())
        array[index] = before
        changed()
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found
