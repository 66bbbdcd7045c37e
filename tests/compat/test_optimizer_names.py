"""Optimizers by the paths that scripts of Keras 1, 2 and 3 and of TensorFlow use."""

import pytest

from gatewise import optimizers
from gatewise.compat import keras_names


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from keras.optimizers import adam as found", "Adam"),
        ("import keras; found = keras.optimizers.rmsprop", "RMSprop"),
        ("from keras.optimizers.adam import Adam as found", "Adam"),
        ("from keras.optimizers import adam_v2; found = adam_v2.Adam", "Adam"),
        ("from keras.optimizers.adamw import AdamW as found", "AdamW"),
        ("from keras.optimizers.legacy import SGD as found", "SGD"),
        ("from keras.optimizers.legacy.adagrad import Adagrad as found", "Adagrad"),
        ("from keras.src.optimizers.nadam import Nadam as found", "Nadam"),
        ("import tensorflow as tf; found = tf.keras.optimizers.legacy.Ftrl", "Ftrl"),
        ("import tensorflow as tf; found = tf.keras.optimizers.experimental.AdamW", "AdamW"),
        ("import tensorflow as tf; found = tf.optimizers.Adamax", "Adamax"),
        ("from tensorflow.python.keras.optimizer_v2.adam import Adam as found", "Adam"),
        ("from keras.optimizer_v2.gradient_descent import SGD as found", "SGD"),
    ],
)
def test_paths(code, name):
    names: dict = {}
    with keras_names():
        exec(code, names)
    assert names["found"] is getattr(optimizers, name)


def test_schedules_of_tensorflow():
    names: dict = {}
    with keras_names():
        exec("import tensorflow as tf; found = tf.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)", names)
    assert names["found"](2) == 0.05
