"""Random calls of Keras's functions for sequence data, and what they give; `sequence_data.json` is what Keras gave.

    KERAS_BACKEND=tensorflow PYTHONHASHSEED=0 python tests/golden/keras_sequence_data.py tests/golden/sequence_data.json

runs them in Keras (3.15.1 on TensorFlow 2.21.0; the older functions are its `legacy` ones).
"""

import json
import random
import sys
from types import SimpleNamespace

import numpy as np

_WORDS = "the a Cat dog, runs! far away\tfrom home the the dog Zebra".split(" ")
_LEARNT = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")


def results(keras):
    """{kind: [result or the word "refused", ...]} of all calls.

    Args:
        keras: has `timeseries_dataset_from_array`, `normalize`, `Dataset`, `sequence` and `text`.
    """
    chance = np.random.default_rng(0)
    kinds = (datasets, chains, generators, pairs, tokenizers, norms)
    return {kind.__name__: [outcome(call) for call in kind(keras, chance)] for kind in kinds}


def outcome(call):
    try:
        return call()
    except Exception:
        return "refused"


def listed(value):
    return [str(np.asarray(value).dtype), np.asarray(value).tolist()]


def elements(dataset):
    return [[listed(item) for item in (e if isinstance(e, tuple) else (e,))] for e in dataset]


def datasets(keras, chance):
    for k in range(60):
        n = int(chance.integers(5, 30))
        data = np.round(chance.normal(size=(n,) if k % 3 == 0 else (n, 2)), 3)
        data = data.astype("float32") if k % 5 == 0 else (data * 100).astype("int64") if k % 7 == 0 else data
        data = data.tolist() if k % 11 == 0 else data
        targets = None if k % 6 == 0 else np.arange(n if k % 4 else int(chance.integers(max(1, n - 12), n + 4))) * 1.5
        options = {
            "sequence_length": int(chance.integers(1, 8)), "sequence_stride": int(chance.integers(1, 5)),
            "sampling_rate": int(chance.integers(1, 4)),
            "batch_size": None if k % 13 == 0 else int(chance.integers(1, 9)),
        }  # fmt: skip
        if k % 2:
            options["start_index"] = int(chance.integers(0, n))
        if k % 5 > 2:
            options["end_index"] = int(chance.integers(1, n + 2))

        def call(data=data, targets=targets, options=options):
            dataset = keras.timeseries_dataset_from_array(data, targets, **options)
            return [len(dataset), elements(dataset)]

        yield call


def chains(keras, chance):
    Dataset = keras.Dataset
    for n in (1, 5, 8):
        pair = (np.arange(n) * 1.5, np.arange(n * 2).reshape(n, 2))
        base = Dataset.from_tensor_slices(pair)
        for made in (
            base.take(3), base.take(-1), base.skip(4), base.skip(-1), base.batch(3), base.batch(3, drop_remainder=True),
            base.repeat(2).batch(4), base.repeat(0), base.cache().map(lambda a, b: (b, a)),
            base.prefetch(2).skip(1).take(5), Dataset.zip((Dataset.range(n), Dataset.range(3))),
            Dataset.from_tensor_slices([1, 2]), base.enumerate(start=2),
        ):  # fmt: skip
            yield lambda made=made: [len(made), elements(flattened(made))]
        for made in (base.filter(lambda a, b: a > 3), base.batch(3).unbatch()):
            yield lambda made=made: elements(made)
        for shift in (None, 1, 6):
            for stride in (1, 2):
                for drop in (False, True):
                    windows = Dataset.range(n).window(3, shift, stride, drop).flat_map(lambda window: window.batch(3))
                    yield lambda windows=windows: elements(windows)


def flattened(dataset):
    """Elements whose items are arrays: of (number, (a, b)) the three."""
    for element in dataset:
        items = element if isinstance(element, tuple) else (element,)
        yield tuple(x for item in items for x in (item if isinstance(item, tuple) else (item,)))


def generators(keras, chance):
    for k in range(30):
        n = int(chance.integers(5, 25))
        data, targets = np.round(chance.normal(size=(n, 2)), 3), np.arange(n)
        options = {
            "length": int(chance.integers(1, 7)), "sampling_rate": int(chance.integers(1, 4)),
            "stride": int(chance.integers(1, 4)), "start_index": int(chance.integers(0, 4)), "reverse": bool(k % 2),
            "shuffle": k % 5 == 0, "batch_size": int(chance.integers(1, 7)),
        }  # fmt: skip
        if k % 3 == 0:
            options["end_index"] = int(chance.integers(4, n))

        def call(data=data, targets=targets, options=options, k=k):
            np.random.seed(k)
            made = keras.sequence.TimeseriesGenerator(data, targets, **options)
            return [len(made), [[part.tolist() for part in made[i]] for i in range(len(made))]]

        yield call


def pairs(keras, chance):
    table = keras.sequence.make_sampling_table(20, 0.01)
    yield lambda: table.tolist()
    for k in range(30):
        text = chance.integers(0, 20, int(chance.integers(0, 20))).tolist()
        options = {
            "window_size": int(chance.integers(1, 5)), "negative_samples": float(chance.choice([0, 0.5, 1, 2.3])),
            "shuffle": bool(k % 2), "categorical": k % 3 == 0, "sampling_table": table if k % 4 == 0 else None,
            "seed": None if k % 5 else k,
        }  # fmt: skip

        def call(text=text, options=options, k=k):
            random.seed(k)
            return list(keras.sequence.skipgrams(text, 20, **options))

        yield call


def tokenizers(keras, chance):
    for k in range(40):
        texts = [" ".join(chance.choice(_WORDS, int(chance.integers(0, 9)))) for _ in range(int(chance.integers(1, 6)))]
        more = [" ".join(chance.choice([*_WORDS, "unseen", "Nothing"], 5)) for _ in range(3)]
        if k % 7 == 0:
            texts[0] = texts[0].split()
        options = {
            "num_words": None if k % 2 else int(chance.integers(1, 9)), "lower": bool(k % 3), "char_level": k % 5 == 0,
            "oov_token": "<o>" if k % 4 == 0 else None, "split": " " if k % 6 else "a",
        }  # fmt: skip
        yield lambda texts=texts, more=more, options=options: tokenized(keras.text, texts, more, options)
    yield lambda: keras.text.hashing_trick("Hi, you! a-b\nc", 50, "md5")
    yield lambda: keras.text.text_to_word_sequence("Hi, you! a-b\nc")


def tokenized(text, texts, more, options):
    tokenizer = text.Tokenizer(**options)
    tokenizer.fit_on_texts(texts)
    tokenizer.fit_on_texts(more[:1])
    numbers = tokenizer.texts_to_sequences(more)
    written = json.loads(tokenizer.to_json())
    for name in _LEARNT:  # sets have no order, and so these have none
        written["config"][name] = sorted(json.loads(written["config"][name]).items())
    again = text.tokenizer_from_json(tokenizer.to_json())
    matrices = [tokenizer.texts_to_matrix(more, mode).tolist() for mode in ("binary", "count", "freq", "tfidf")]
    texts_again = tokenizer.sequences_to_texts([*numbers, [1, 2, 99]])
    tokenizer.fit_on_sequences(numbers)
    learnt = sorted([k, v] for k, v in tokenizer.index_docs.items() if v)
    return [numbers, written, again.texts_to_sequences(more), matrices, texts_again, learnt]


def norms(keras, chance):
    for x in (np.array([3, 4]), np.array([[3.0, 4], [0, 0]], "float32"), np.ones((2, 3, 2)), [[3.0, 4.0], [1.0, 2.0]]):
        for order in (1, 2, np.inf):
            if order == 2 or isinstance(x, np.ndarray):  # of lists Keras knows only this
                yield lambda x=x, order=order: listed(keras.normalize(x, order=order))


if __name__ == "__main__":
    import tensorflow
    from keras import utils
    from keras.src.legacy.preprocessing import sequence, text

    found = results(
        SimpleNamespace(
            timeseries_dataset_from_array=utils.timeseries_dataset_from_array, normalize=utils.normalize,
            Dataset=tensorflow.data.Dataset, sequence=sequence, text=text,
        )
    )  # fmt: skip
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(found, file, separators=(",", ":"))
