"""Accounts of the layers that are not recurrent."""

from __future__ import annotations

from typing import Any

from gatewise.explain.accounting import LayerAccount
from gatewise.explain.arithmetic import Number, plus, times
from gatewise.explain.walk import Walk, changed_options, counts, known_input, output_shape_of, unknown


@counts("Dense")
def _count_dense(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    seen: Any = known_input(layer, shape)
    if layer.built:
        features = layer.kernel.shape[0]
    elif seen is None:
        return unknown(layer, walk)
    else:
        features = seen[-1]
    F, units = Number(features, "F"), Number(layer.units, "units")
    built, given = layer.built, {"trainable": layer.trainable, "dtype": layer.dtype}
    rows = [
        walk.matrix(
            "kernel", (features, layer.units), layer.kernel if built else None, **given,
            letters=("F", "units"), arithmetic=times(F, units),
        )
    ]  # fmt: skip
    if layer.use_bias:
        rows.append(walk.matrix("bias", (layer.units,), layer.bias if built else None, **given, letters=("units",)))
    known = (layer.kernel, layer.bias) if built else ()
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "dense",
        input_shape=seen,
        output_shape=output_shape_of(layer, seen),
        trainable=layer.trainable,
        matrices=(*rows, *walk.rest(layer, known)),
        sizes={"units": layer.units, "features": features},
        options=changed_options(layer, {"use_bias": True}),
        arithmetic=plus(times(F, units), units) if layer.use_bias else times(F, units),
    )


@counts("TimeDistributed")
def _count_time_distributed(layer: Any, shape: Any, walk: Walk) -> LayerAccount:
    shape = known_input(layer, shape)
    if shape is None and not layer.layer.built:
        return unknown(layer, walk)
    inner = walk.count(layer.layer, None if shape is None else layer._step_shape(shape))
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        "time_distributed",
        input_shape=shape,
        output_shape=None if shape is None else layer.compute_output_shape(shape),
        trainable=layer.trainable,
        matrices=walk.rest(layer),
        inside=(inner,),
        sizes={"steps": None if shape is None else shape[1]},
        arithmetic=inner.arithmetic,
    )
