"""Scripts that prepare sequence data run unmodified: datasets with tensors, and Keras 2's preprocessing."""

import importlib
import textwrap

import numpy as np
import pytest

from gatewise.compat import keras_names, run_script
from gatewise.compat.tensors import Tensor

FORECAST = """
import numpy as np
from tensorflow import keras

data = np.random.RandomState(0).randn(200, 3).astype("float32")
dataset = keras.preprocessing.timeseries_dataset_from_array(
    data[:-10], data[10:, [1]], sequence_length=20 / 2, sampling_rate=2, batch_size=32)
for batch in dataset.take(1):
    inputs, targets = batch
shapes = inputs.numpy().shape, targets.numpy().shape
layer = keras.layers.Input(shape=(inputs.shape[1], inputs.shape[2]))
model = keras.Model(layer, keras.layers.Dense(1)(keras.layers.LSTM(4)(layer)))
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss="mse")
history = model.fit(dataset, epochs=2, validation_data=dataset.take(2), verbose=0).history
for x, y in dataset.take(1):
    seen = [x[0][:, 1].numpy(), y[0].numpy(), model.predict(x, verbose=0)[0]]
"""

WINDOWED = """
import numpy as np
import tensorflow as tf

def windowed_dataset(series, window_size, batch_size, shuffle_buffer):
    dataset = tf.data.Dataset.from_tensor_slices(series)
    dataset = dataset.window(window_size + 1, shift=1, drop_remainder=True)
    dataset = dataset.flat_map(lambda window: window.batch(window_size + 1))
    dataset = dataset.shuffle(shuffle_buffer).map(lambda window: (window[:-1], window[-1:]))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)

dataset = windowed_dataset(np.sin(np.arange(100.0)), 20, 32, 50)
model = tf.keras.models.Sequential([tf.keras.layers.Dense(1, input_shape=[20])])
model.compile(loss="mse", optimizer="sgd")
history = model.fit(dataset, epochs=2, verbose=0).history
numbers = [n.numpy() for n in tf.data.Dataset.range(3)]
"""

TEXTS = """
from keras.preprocessing.sequence import TimeseriesGenerator, make_sampling_table, pad_sequences, skipgrams
from keras.preprocessing.text import Tokenizer, one_hot, text_to_word_sequence
from keras_preprocessing.text import tokenizer_from_json
from tensorflow.keras.utils import normalize, to_categorical

tokenizer = Tokenizer(num_words=100, oov_token="<OOV>")
tokenizer.fit_on_texts(["the cat sat", "the dog"])
padded = pad_sequences(tokenizer_from_json(tokenizer.to_json()).texts_to_sequences(["the dog ran"]), maxlen=5)
"""


def ran(folder, script):
    path = folder / "script.py"
    path.write_text(textwrap.dedent(script), encoding="utf-8")
    return run_script(path)


def test_a_forecasting_script(tmp_path):
    found = ran(tmp_path, FORECAST)
    assert found["shapes"] == ((32, 10, 3), (32, 1))
    assert len(found["history"]["val_loss"]) == 2
    assert [value.shape for value in found["seen"]] == [(10,), (1,), (1,)]
    assert all(type(value) is np.ndarray for value in found["seen"])


def test_a_script_that_cuts_windows_with_tf_data(tmp_path):
    found = ran(tmp_path, WINDOWED)
    assert len(found["history"]["loss"]) == 2 and found["numbers"] == [0, 1, 2]


def test_a_script_of_keras_2_with_texts(tmp_path):
    assert ran(tmp_path, TEXTS)["padded"].tolist() == [[0, 0, 2, 5, 1]]


@pytest.mark.parametrize(
    "module",
    ["keras.preprocessing.text", "tf_keras.preprocessing.text", "tensorflow.keras.preprocessing.text"]
    + ["keras.src.legacy.preprocessing.text", "keras_preprocessing.text", "tensorflow.python.keras.preprocessing.text"],
)
def test_the_tokenizer_is_found_wherever_scripts_look(module):
    from gatewise.preprocessing.text import Tokenizer

    with keras_names():
        assert importlib.import_module(module).Tokenizer is Tokenizer


def test_a_tensor_is_an_array_with_numpy():
    tensor = np.arange(6.0).reshape(2, 3).view(Tensor)
    assert type(tensor.numpy()) is np.ndarray and tensor.get_shape() == (2, 3)
    assert tensor[1, 2].numpy() == 5 and tensor[0].numpy().tolist() == [0, 1, 2]
    assert [row.numpy().sum() for row in tensor] == [3, 12]
    assert float(tensor[1, 2]) == 5 and (tensor * 2).numpy()[0, 1] == 2
    tensor.set_shape((2, 3))
