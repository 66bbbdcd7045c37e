"""Convolutions, and layers that change how many steps there are."""

from __future__ import annotations

from typing import Any

from contract_cases.case import Case
from gatewise import layers

STEPS = (3, 7, 4)
IMAGES = (3, 5, 6, 2)


def _case(cls: str, name: str, shape: Any = STEPS, is_smooth: bool = True, **options: Any) -> Case:
    return Case(f"{cls} {name}", lambda **c: getattr(layers, cls)(**options, **c), shape, is_smooth=is_smooth)


def _conv1d(name: str, **options: Any) -> Case:
    return _case("Conv1D", name, **{"filters": 6, "kernel_size": 3, **options})


def _conv2d(name: str, **options: Any) -> Case:
    return _case("Conv2D", name, **{"shape": IMAGES, "filters": 2, "kernel_size": (2, 3), **options})


def _transposed(name: str, **options: Any) -> Case:
    return _case("Conv1DTranspose", name, **{"filters": 2, "kernel_size": 3, **options})


def _depthwise(name: str, **options: Any) -> Case:
    return _case("DepthwiseConv1D", name, **{"kernel_size": 3, **options})


def _separable(name: str, **options: Any) -> Case:
    return _case("SeparableConv1D", name, **{"filters": 3, "kernel_size": 3, **options})


CASES = [
    _conv1d("plain"),
    _conv1d("same", padding="same"),
    _conv1d("same, even window, strides", padding="same", kernel_size=4, strides=2),
    _conv1d("causal, dilated", padding="causal", dilation_rate=2),
    _conv1d("causal, strides", padding="causal", strides=3),
    _conv1d("strides past the window", kernel_size=2, strides=3),
    _conv1d("one step", kernel_size=1, use_bias=False),
    _conv1d("groups", groups=2, padding="same"),
    _conv1d("a group a channel", groups=4, filters=8, strides=2),
    _conv1d("channels first", data_format="channels_first", padding="causal"),
    _conv1d("channels first, softmax", data_format="channels_first", activation="softmax"),
    _conv1d("tanh, regularized", activation="tanh", kernel_regularizer="l2", bias_regularizer="l1",
            activity_regularizer="l2"),
    _conv1d("constrained", kernel_constraint="max_norm", bias_constraint="non_neg"),
    _conv1d("initializers", kernel_initializer="he_normal", bias_initializer="ones"),
    _conv1d("relu", activation="relu", is_smooth=False),
    _conv2d("plain"),
    _conv2d("same, strides", padding="same", strides=2),
    _conv2d("dilated", dilation_rate=(2, 1), padding="same"),
    _conv2d("groups, channels first", data_format="channels_first", groups=5, filters=5, kernel_size=2,
            activation="tanh"),
    _transposed("plain"),
    _transposed("same, strides", padding="same", strides=2),
    _transposed("strides past the window", kernel_size=2, strides=3),
    _transposed("output padding", strides=3, output_padding=2, activation="tanh"),
    _transposed("output padding, same", strides=2, padding="same", output_padding=1, kernel_size=4),
    _transposed("dilated", dilation_rate=2, use_bias=False),
    _transposed("channels first", data_format="channels_first", strides=2),
    _depthwise("plain"),
    _depthwise("two filters a channel", depth_multiplier=2, padding="same", strides=2),
    _depthwise("causal, dilated", padding="causal", dilation_rate=2, activation="tanh"),
    _depthwise("channels first", data_format="channels_first", use_bias=False),
    _depthwise("regularized", depthwise_regularizer="l2", depthwise_constraint="max_norm"),
    _separable("plain"),
    _separable("two filters a channel", depth_multiplier=2, padding="same", activation="tanh"),
    _separable("strides, no bias", strides=2, use_bias=False),
    _separable("causal, channels first", data_format="channels_first", padding="causal"),
    _separable("regularized", depthwise_regularizer="l2", pointwise_regularizer="l1", pointwise_constraint="max_norm"),
    _case("Cropping1D", "one number", cropping=2),
    _case("Cropping1D", "two numbers", cropping=(0, 3)),
    _case("ZeroPadding1D", "two numbers", padding=(1, 2)),
    _case("ZeroPadding1D", "channels first", padding=1, data_format="channels_first"),
    _case("UpSampling1D", "three times", size=3),
]  # fmt: skip
