"""Sequence to sequence: the encoder's last states are where the decoder begins.

The task: repeat a sequence of up to six symbols backwards.
"""

import numpy as np

import gatewise as gw
from gatewise import layers

gw.utils.set_random_seed(0)
SYMBOLS, STEPS = 5, 6

rng = np.random.default_rng(0)
lengths = rng.integers(3, STEPS + 1, 2000)
sequences = [rng.integers(1, SYMBOLS + 1, n) for n in lengths]
one_hot = np.eye(SYMBOLS + 1)
source = np.zeros((2000, STEPS, SYMBOLS + 1))
target = np.zeros((2000, STEPS), int)
for row, symbols in enumerate(sequences):
    source[row, : len(symbols)] = one_hot[symbols]
    target[row, : len(symbols)] = symbols[::-1]
# The decoder is given the symbol before the one it has to say, and nothing at first.
before = np.concatenate([np.zeros((2000, 1, SYMBOLS + 1)), one_hot[target[:, :-1]]], axis=1)

encoder_in = gw.Input((None, SYMBOLS + 1), name="source")
decoder_in = gw.Input((None, SYMBOLS + 1), name="before")
_, h, c = layers.LSTM(48, return_state=True)(layers.Masking()(encoder_in))  # padding steps are all zero: masked
spoken = layers.LSTM(48, return_sequences=True)(decoder_in, initial_state=[h, c])
symbol = layers.TimeDistributed(layers.Dense(SYMBOLS + 1, activation="softmax"))(spoken)
model = gw.Model([encoder_in, decoder_in], symbol)

model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit([source, before], target, epochs=20, batch_size=32, validation_split=0.1, verbose=2)
said = model.predict({"source": source[-3:], "before": before[-3:]}, verbose=0).argmax(axis=-1)
for row in range(-3, 0):
    print("given", sequences[row], "said", said[row, : lengths[row]])
