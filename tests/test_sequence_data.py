"""Sequence data as Keras makes it: windows of a series, pairs of words, tokenizers; against what Keras gave."""

import json
import pathlib
import random
from types import SimpleNamespace

import numpy as np
import pytest

from gatewise import Sequential, callbacks, layers, utils
from gatewise.data import Dataset
from gatewise.preprocessing import sequence, text
from gatewise.utils import normalize, timeseries_dataset_from_array
from golden import keras_sequence_data

ROOT = pathlib.Path(__file__).parent
EXPECTED = json.loads((ROOT / "golden/sequence_data.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found():
    ours = SimpleNamespace(
        timeseries_dataset_from_array=timeseries_dataset_from_array, normalize=normalize, Dataset=Dataset,
        sequence=sequence, text=text,
    )  # fmt: skip
    return json.loads(json.dumps(keras_sequence_data.results(ours)))


@pytest.mark.parametrize("kind", EXPECTED)
def test_the_same_as_keras(found, kind):
    assert len(found[kind]) == len(EXPECTED[kind])
    for k, (ours, theirs) in enumerate(zip(found[kind], EXPECTED[kind], strict=True)):
        assert ours == theirs, k
    assert sum(result != "refused" for result in EXPECTED[kind]) > len(EXPECTED[kind]) / 2


def test_shuffled_windows_come_in_another_order_in_every_pass_and_keep_their_targets():
    data = np.arange(60.0)
    dataset = timeseries_dataset_from_array(data, data + 100, 5, batch_size=8, shuffle=True, seed=3)
    passes = []
    for _ in range(2):
        windows, targets = (np.concatenate(parts) for parts in zip(*dataset, strict=True))
        assert (windows[:, 0] + 100 == targets).all() and (np.diff(windows) == 1).all()
        assert sorted(targets) == list(np.arange(100, 156))
        passes.append(targets.tolist())
    assert passes[0] != passes[1] != sorted(passes[1])
    again = timeseries_dataset_from_array(data, data + 100, 5, batch_size=8, shuffle=True, seed=3)
    assert np.concatenate([y for _, y in again]).tolist() == passes[0]


def test_windows_are_gathered_batch_by_batch():
    data = np.zeros((1_000_000, 1))  # all windows would take 4 GB
    windows, targets = next(iter(timeseries_dataset_from_array(data, data[:, 0], 500, batch_size=4)))
    assert windows.shape == (4, 500, 1) and targets.shape == (4,)


def test_a_model_trains_on_a_dataset():
    data = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
    dataset = timeseries_dataset_from_array(data[:-4], data[4:, 0], 4, batch_size=16)
    model = Sequential([layers.Input((4, 2)), layers.LSTM(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(dataset, epochs=2, validation_data=dataset.take(2), verbose=0)
    whole_x, whole_y = (np.concatenate(parts) for parts in zip(*dataset, strict=True))
    assert model.evaluate(dataset, verbose=0) == pytest.approx(model.evaluate(whole_x, whole_y, verbose=0), rel=1e-6)
    assert np.array_equal(model.predict(dataset, verbose=0), model.predict(whole_x, batch_size=16, verbose=0))


ROWS = np.zeros((10, 2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sequence_length": 0}, "sequence_length.*positive integer"),
        ({"sequence_length": 2.5}, "sequence_length.*positive integer"),
        ({"sequence_stride": 0}, "sequence_stride.*positive integer"),
        ({"sampling_rate": 10}, "sampling_rate must be less than the 10 rows"),
        ({"batch_size": -1}, "batch_size.*positive integer"),
        ({"start_index": 10}, "start_index must be from 0 to 9"),
        ({"start_index": 1.5}, "start_index must be an integer"),
        ({"end_index": 10}, "end_index must be .* less than the number of rows .10.*leave it out"),
        ({"start_index": 4, "end_index": 3}, r"greater than start_index \(4\)"),
        ({"shuffle": True, "seed": "1"}, "A seed is a non-negative integer"),
        ({"format": "csv"}, "format is 'tf' or 'grain'"),
        ({"data": 3}, "data must be an array with a row for each time step"),
        ({"data": [[1], [2, 3]]}, "data must be an array"),
        ({"targets": np.zeros(5), "start_index": 3}, "the last window begins at row 7.*targets has 5 rows"),
    ],
)
def test_bad_arguments_of_timeseries_dataset(options, said):
    with pytest.raises(ValueError, match=said):
        timeseries_dataset_from_array(**{"data": ROWS, "targets": None, "sequence_length": 2, **options})


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda d: d.take("a"), ValueError, "Dataset.take takes a number"),
        (lambda d: d.batch(0), ValueError, "batch_size.*positive integer"),
        (lambda d: d.batch(2, size=3), TypeError, "no argument 'size'"),
        (lambda d: d.shuffle(0), ValueError, "buffer_size.*positive integer"),
        (lambda d: d.shuffle(2, seed=-1), ValueError, "A seed is a non-negative integer"),
        (lambda d: d.window(0), ValueError, "size.*positive integer"),
        (lambda d: d.cache("file"), ValueError, r"in memory only.*Write cache\(\)"),
        (lambda d: d.map(abs, speed=3), TypeError, "no argument 'speed'"),
        (lambda d: len(d.filter(bool)), TypeError, "has no len"),
        (lambda d: Dataset.from_tensor_slices((ROWS, ROWS[:3])), ValueError, "the same number of rows"),
        (lambda d: Dataset.from_generator(3), TypeError, "a function that yields"),
    ],
)
def test_bad_arguments_of_datasets(call, error, said):
    with pytest.raises(error, match=said):
        call(Dataset.range(5))


def test_shuffling_from_a_buffer():
    made = Dataset.range(50).shuffle(8, seed=1)
    first, second = [int(x) for x in made], [int(x) for x in made]
    assert sorted(first) == sorted(second) == list(range(50)) and first != second
    assert all(value <= place + 7 for place, value in enumerate(first))  # none comes before it is in the buffer
    kept = Dataset.range(50).shuffle(8, seed=1, reshuffle_each_iteration=False)
    assert list(kept) == list(kept)
    assert [int(x) for x in Dataset.range(50).shuffle(8, seed=1)] == first


def test_endless_and_made_datasets():
    assert [int(x) for x in Dataset.range(3).repeat().take(7)] == [0, 1, 2, 0, 1, 2, 0]
    made = Dataset.from_generator(lambda n: iter(range(n)), output_types="int32", args=(3,))
    assert list(made) == list(made) == [0, 1, 2] and made.cardinality() == -2
    calls = []
    kept = Dataset.range(3).map(lambda x: calls.append(x) or x).cache()
    assert [int(x) for x in kept] == [int(x) for x in kept] == [0, 1, 2] and len(calls) == 3


def test_a_generator_is_written_and_read():
    made = sequence.TimeseriesGenerator(np.arange(20.0), np.arange(20), 3, stride=2, start_index=2, batch_size=4)
    again = sequence.timeseries_generator_from_json(made.to_json())
    assert len(again) == len(made) == 2
    for ours, theirs in zip(again, made, strict=True):
        assert np.array_equal(ours[0], theirs[0]) and np.array_equal(ours[1], theirs[1])
    assert json.loads(made.to_json())["class_name"] == "TimeseriesGenerator"
    assert np.array_equal(made[-1][1], made[1][1])
    with pytest.raises(IndexError, match="There are 2 batches"):
        made[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": [1, 2]}, "the same number of rows"),
        ({"length": 0}, "length.*positive integer"),
        ({"stride": 0}, "stride.*positive integer"),
        ({"sampling_rate": 1.5}, "sampling_rate.*positive integer"),
        ({"batch_size": None}, "batch_size.*positive integer"),
        ({"start_index": 8}, "the first target is row 10; it must not lie after end_index, 9"),
        ({"end_index": 10}, "nor end_index after the last row, 9"),
    ],
)
def test_bad_arguments_of_the_generator(options, said):
    with pytest.raises(ValueError, match=said):
        sequence.TimeseriesGenerator(**{"data": ROWS, "targets": ROWS, "length": 2, **options})


def test_what_json_has_not():
    with pytest.raises(TypeError, match="Targets cannot be written as JSON"):
        sequence.TimeseriesGenerator([1, 2, 3], [{1}, {2}, {3}], 1).to_json()
    for read in (sequence.timeseries_generator_from_json, text.tokenizer_from_json):
        with pytest.raises(ValueError, match="'class_name' and 'config'"):
            read("{}")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sequence.make_sampling_table(0), "size.*positive integer"),
        (lambda: sequence.make_sampling_table(5, -1), "sampling_factor must be greater than 0"),
        (lambda: sequence.skipgrams([1], 0), "vocabulary_size.*positive integer"),
        (lambda: sequence.skipgrams([1], 5, window_size=0), "window_size.*positive integer"),
        (lambda: sequence.skipgrams([1], 5, negative_samples=-1), "negative_samples must be at least 0"),
        (lambda: text.hashing_trick("a", 1), "n must be an integer of at least 2"),
        (lambda: text.hashing_trick("a", 9, "sha"), "hash_function is 'md5', a function or None"),
        (lambda: text.Tokenizer(num_words="5"), "num_words must be an integer or None"),
        (lambda: text.Tokenizer().texts_to_matrix(["a"]), "knows no words yet"),
        (lambda: text.Tokenizer(5).texts_to_matrix(["a"], "tfidf"), "has seen no texts yet"),
        (lambda: text.Tokenizer(5).texts_to_matrix(["a"], "counts"), "unknown mode 'counts'. Did you mean 'count'"),
        (lambda: normalize(["a"]), "normalize takes numbers"),
        (lambda: normalize([1.0], axis=1), "axis must be one of x's 1"),
    ],
)
def test_bad_values(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_bad_texts():
    with pytest.raises(TypeError, match="takes one text"):
        text.text_to_word_sequence(["a"])
    with pytest.raises(TypeError, match="takes a list of texts; got int 3"):
        text.Tokenizer().fit_on_texts(3)
    with pytest.raises(TypeError, match="Unrecognized keyword arguments passed to Tokenizer: {'words': 3}"):
        text.Tokenizer(words=3)
    with pytest.warns(UserWarning, match=r"each of its characters counts as a text. Write \[text\]"):
        text.Tokenizer().fit_on_texts("one text")
    with pytest.warns(UserWarning, match="`nb_words` is called `num_words` now"):
        assert text.Tokenizer(nb_words=3).num_words == 3


def test_characters_of_one_text_as_in_books():
    tokenizer = text.Tokenizer(char_level=True)
    tokenizer.fit_on_texts("abca")
    assert tokenizer.word_index == {"a": 1, "b": 2, "c": 3} and tokenizer.document_count == 4


def test_a_read_tokenizer_learns_on():
    tokenizer = text.Tokenizer()
    tokenizer.fit_on_texts(["a b"])
    again = text.tokenizer_from_json(tokenizer.to_json())
    again.fit_on_texts(["b c"])
    assert again.word_index == {"b": 1, "a": 2, "c": 3} and again.document_count == 2


def test_an_analyzer_cuts_texts():
    tokenizer = text.Tokenizer(analyzer=lambda t: t.split("|"))
    tokenizer.fit_on_texts(["New York|rain", "rain"])
    assert tokenizer.texts_to_sequences(["New York|rain|?"]) == [[2, 1]]
    assert text.one_hot("a|b", 5, analyzer=lambda t: t.split("|")) == [hash(w) % 4 + 1 for w in "ab"]


def test_axis_0_is_normalized_along_axis_0():
    assert normalize(np.array([[3.0, 0], [4, 2]]), axis=0).tolist() == [[0.6, 0], [0.8, 1]]


def test_skipgrams_leave_labels_of_their_own():
    random.seed(0)
    _, labels = sequence.skipgrams([1, 2, 3], 9, categorical=True)
    labels[0][0] = 7
    assert sum(label[0] == 7 for label in labels) == 1


@pytest.mark.parametrize("stopped_at", [7, 10, 13])  # an epoch has 5 batches
def test_a_resumed_training_finds_the_orders_again(tmp_path, stopped_at):
    data = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")

    class Stop(callbacks.Callback):
        def __init__(self, stopped_at):
            super().__init__()
            self.batches, self.stopped_at = 0, stopped_at

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            if self.batches == self.stopped_at:
                raise KeyboardInterrupt

    def trained(*extra):
        utils.set_random_seed(7)
        dataset = timeseries_dataset_from_array(data[:-4], data[4:, 0], 4, batch_size=16, shuffle=True)
        model = Sequential([layers.Input((4, 2)), layers.LSTM(3), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(dataset, epochs=3, verbose=0, callbacks=list(extra))
        return model.get_weights()

    whole = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(callbacks.BackupAndRestore(tmp_path, save_freq=1), Stop(stopped_at))
    resumed = trained(callbacks.BackupAndRestore(tmp_path, save_freq=1), Stop(None))
    for ours, theirs in zip(resumed, whole, strict=True):
        assert np.array_equal(ours, theirs)
