"""Training keeps nothing of a batch: the process is no larger after many of them."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import gatewise

SCRIPT = """
    import gc, sys
    import numpy as np
    import gatewise
    from gatewise import callbacks, layers, metrics, ops

    BATCHES, KIND = int(sys.argv[1]), sys.argv[2]

    class Own(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight((shape[-1], shape[-1]), name="kernel")

        def call(self, x):
            self.add_loss(1e-3 * ops.sum(self.kernel ** 2))
            return ops.tanh(x @ self.kernel)

    gatewise.utils.set_random_seed(0)
    model = gatewise.Sequential([
        gatewise.Input((5, 3)),
        *([Own()] if KIND == "own" else []),
        layers.LSTM(4, dropout=0.1, recurrent_dropout=0.1),
        layers.Dropout(0.1),
        layers.Dense(1),
    ])
    model.compile("adam", "mse", metrics=["mae", metrics.R2Score()])
    draw = np.random.default_rng(0)
    x, y = draw.random((100, 5, 3), "float32"), draw.random((100, 1), "float32")

    class Measure(callbacks.Callback):
        seen = []

        def on_train_batch_end(self, batch, logs=None):
            assert logs["loss"] >= 0

        def on_epoch_end(self, epoch, logs=None):
            if epoch in (FIRST, LAST):
                gc.collect()
                with open("/proc/self/statm") as file:
                    resident = int(file.read().split()[1]) * 4096
                self.seen.append((sys.getallocatedblocks(), resident))

    batches = ((x[k : k + 1], y[k : k + 1]) for _ in range(BATCHES) for k in range(100))
    data = {"x": batches, "steps_per_epoch": 100} if KIND == "generator" else {"x": x, "y": y, "batch_size": 1}
    LAST = BATCHES // 100 - 1
    FIRST = 1
    model.fit(**data, epochs=LAST + 1, verbose=0, callbacks=[Measure()])
    (blocks, resident), (blocks_after, resident_after) = Measure.seen
    print(blocks_after - blocks, resident_after - resident)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's account of memory")
@pytest.mark.parametrize("kind, batches", [("arrays", 4000), ("generator", 2000), ("own", 1000)])
def test_nothing_is_kept_of_a_batch(kind, batches):
    source = str(pathlib.Path(gatewise.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(batches), kind],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    blocks, resident = map(int, done.stdout.split())
    # History keeps some numbers of each epoch of 100 batches; an object kept of each batch would be one block or more.
    assert blocks < 0.3 * batches, blocks
    assert resident < 2 << 20, resident  # by hand: 0.3 MiB after 1,000,000 batches, all of it before the 200,000th
