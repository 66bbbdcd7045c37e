"""The demo's model with weights of fewer bits: what it loses on years that it has not seen, and what it saves."""

import contextlib
import io
import tempfile
from pathlib import Path

import gatewise
from gatewise.demo.demo import SUNSPOT_WINDOW, run_demo
from gatewise.demo.judging import score
from gatewise.demo.series import sunspots
from gatewise.demo.windows import make_task

task = make_task(sunspots(), SUNSPOT_WINDOW)
known, test = task.training.sequences, task.test
truth = task.series.values[test.rows]

with tempfile.TemporaryDirectory() as folder:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run_demo(Path(folder))  # trains the forecaster, 100 epochs
    model = gatewise.load_model(Path(folder) / "model.keras")

print(f"{'weights':<10}{'RMSE':>9}{'MAE':>9}{'bytes':>9}   (error in {task.series.unit}, {len(truth)} unseen steps)")
for dtype in ("float32", "bfloat16", "int8"):
    used = model if dtype == "float32" else gatewise.quantize(model, known, dtype, evaluation=(test.sequences, test.y))
    found = score(dtype, task.unscaled(used.predict(test.sequences, verbose=0)[:, 0]), truth)
    size = sum(variable.numpy().nbytes for variable in used.weights)
    print(f"{dtype:<10}{found.rmse:>9.3f}{found.mae:>9.3f}{size:>9,}")

print()
print(used.quantization_report)  # of int8
