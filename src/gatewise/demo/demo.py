"""`gatewise demo`: the main job end to end, each step printed as it is done."""

from __future__ import annotations

import importlib.util
import math
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from gatewise import Model, Sequential, callbacks, layers, optimizers, utils
from gatewise.demo import DemoError
from gatewise.demo.judging import Score, autoregression, persistence, score, share_beyond, verdict
from gatewise.demo.ledger import ledger_text
from gatewise.demo.series import Series, place_text, read_series, sunspots
from gatewise.demo.windows import Task, make_task
from gatewise.explain.counting import account
from gatewise.training.progress import Progress, numbers

# Chosen on the sunspot record's training and validation years; the test years took no part.
SUNSPOT_WINDOW = 11  # one solar cycle
WINDOW = 24
UNITS = 32
EPOCHS = 100
LEARNING_RATE = 0.005
RECURRENT_DROPOUT = 0.2

_TREND = (
    "{beyond:.0%} of the held-out values lie beyond all values of the training part. A network of bounded units cannot "
    "follow a trend out of what it has seen; try a column of differences from row to row."
)


def run_demo(
    out: Path,
    epochs: int | None = None,
    units: int | None = None,
    seed: int = 0,
    csv: Path | None = None,
    column: str | None = None,
    lang: str | None = None,
) -> None:
    """Forecast a series with an LSTM, compare, save and draw.

    Args:
        out: folder for the model and the pictures; made if it does not exist.
        epochs, units: of the training and of the LSTM; default 100 and 32.
        seed: where chance begins; the same seed gives the same numbers.
        csv, column: a series of the user's own; default the sunspot record.
        lang: language of the ledger: "en", "zh", "de"; default the locale's.

    Raises:
        DemoError: if the arguments or the file cannot be used.
    """
    epochs, units = _checked(epochs, EPOCHS, "--epochs"), _checked(units, UNITS, "--units")
    if csv is None and column is not None:
        raise DemoError("--column names a column of your own table; give the table too, with --csv FILE.")
    if not 0 <= seed < 2**32:
        raise DemoError(f"--seed is an integer from 0 to 2**32 - 1; got {seed}.")
    series = sunspots() if csv is None else read_series(csv, column)
    task = make_task(series, SUNSPOT_WINDOW if csv is None else WINDOW)
    _make_folder(out)
    utils.set_random_seed(seed)

    _print_task(task)
    model = _forecaster(task.length, units)
    _heading("2. The model")
    model.summary()
    _heading("3. What it is made of")
    print(ledger_text(account(model), lang))
    _heading(f"4. Training: {epochs} epochs, seed {seed}")
    course = _train(model, task, epochs)
    scores = _judge(model, task)
    _heading("6. Files")
    _write(out, model, task, scores, course)


def _checked(value: int | None, default: int, option: str) -> int:
    if value is not None and value < 1:
        raise DemoError(f"{option} must be at least 1; got {value}.")
    return default if value is None else value


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"the folder {str(out)!r} cannot be made: {error.strerror}.") from None


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def _print_task(task: Task) -> None:
    """Say what the series is and how it is cut."""
    series = task.series
    _heading("1. The series")
    first, last = place_text(series.positions[0]), place_text(series.positions[-1])
    print(f"{series.name}: {len(series.values)} values, {series.position_name} {first} to {last}, "
          f"between {series.values.min():g} and {series.values.max():g}")  # fmt: skip
    print(f"source: {series.source}")
    for note in series.notes:
        print(f"note: {note}")
    print(f"windows: {task.length} values are known, the next one is to be forecast")
    for name, part in (("training", task.training), ("validation", task.validation), ("test", task.test)):
        print(f"  {name:<10} {len(part):>5} windows, forecasting {series.position_name} {task.span(part)}")
    print(f"scaled by the training part alone: mean {task.mean:.4g}, standard deviation {task.deviation:.4g}")


def _forecaster(length: int, units: int) -> Model:
    """An LSTM that reads a window, and a Dense layer that makes its last output a forecast."""
    model = Sequential(
        [
            layers.Input((length, 1)),
            layers.LSTM(units, recurrent_dropout=RECURRENT_DROPOUT, name="lstm"),
            layers.Dense(1, name="dense"),
        ],
        name="forecaster",
    )
    model.compile(optimizer=optimizers.Adam(LEARNING_RATE), loss="mse")
    return model


class _OneBar(callbacks.Callback):
    """Draws one bar over all epochs; where the output is no terminal, a line after every tenth of them."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.progress = Progress(1, None)

    def on_train_begin(self, logs: Any = None) -> None:
        self.progress.begin_epoch(0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        done = epoch + 1
        self.progress.batch(done, self.epochs, lambda: logs)
        if not self.progress.live and done % max(1, self.epochs // 10) == 0 and done < self.epochs:
            print(f"{done}/{self.epochs}{numbers(logs)}", flush=True)

    def on_train_end(self, logs: Any = None) -> None:
        self.progress.end_epoch(self.epochs, logs)


class Course(NamedTuple):
    """How training went: the losses of each epoch, and which epoch (from 0) was best."""

    losses: list[float]
    validation_losses: list[float]
    best: int


def _train(model: Model, task: Task, epochs: int) -> Course:
    """Train, and go back to the weights that were best on the validation windows."""
    keeping = callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    n = len(task.training)
    history = model.fit(
        task.training.sequences, task.training.y,
        validation_data=(task.validation.sequences, task.validation.y),
        epochs=epochs, batch_size=min(256, max(16, n // 16)), verbose=0, callbacks=[keeping, _OneBar(epochs)],
    ).history  # fmt: skip
    least = history["val_loss"][keeping.best_epoch]
    if not math.isfinite(least):
        raise DemoError("training did not converge: no epoch has a finite validation loss.")
    print(f"kept: the weights after epoch {keeping.best_epoch + 1}, where the validation loss was least ({least:.4f})")
    return Course(history["loss"], history["val_loss"], keeping.best_epoch)


def _judge(model: Model, task: Task) -> list[Score]:
    """Forecast the test part in three ways, and say which is best."""
    series, test = task.series, task.test
    truth = series.values[test.rows]
    ours = score("LSTM", task.unscaled(model.predict(test.sequences, verbose=0)[:, 0]), truth)
    linear = score("linear autoregression", autoregression(task, test), truth)
    last = score("persistence", persistence(task, test), truth)
    scores = [ours, linear, last]
    _heading(f"5. The held-out part: {series.position_name} {task.span(test)}, one step ahead")
    print(f"{'':<24}{'RMSE':>9}{'MAE':>9}   ({series.unit})")
    for one in scores:
        print(f"{one.method:<24}{one.rmse:>9.2f}{one.mae:>9.2f}")
    print()
    for other in (last, linear):
        print(textwrap.fill(verdict(ours, other, truth), 79, break_on_hyphens=False))
    beyond = share_beyond(series.values[: task.validation.rows[0]], truth)
    if ours.rmse > last.rmse and beyond > 0.1:
        print(textwrap.fill(_TREND.format(beyond=beyond), 79))
    print(f"Least error here: {min(scores, key=lambda one: one.rmse).method}.")
    after = float(task.unscaled(model.predict(task.latest[None, :, None], verbose=0))[0, 0])
    print(f"The LSTM's forecast for the {_step(series)} after {place_text(series.positions[-1])}: {after:.1f}")
    return scores


def _write(out: Path, model: Model, task: Task, scores: list[Score], course: Course) -> None:
    """Save the model and draw the pictures."""
    saved = out / "model.keras"
    model.save(saved)
    print(f"{saved}: the model; gatewise.load_model() reads it, and so does Keras")
    if importlib.util.find_spec("matplotlib") is None:
        print('No pictures: matplotlib is not installed. pip install "gatewise[plot]"', file=sys.stderr)
        return
    from gatewise.demo.pictures import draw_forecasts, draw_losses

    series, rows = task.series, task.test.rows
    forecasts, losses = out / "forecast.png", out / "loss.png"
    title = f"{series.name[0].upper()}{series.name[1:]}, {task.span(task.test)}: forecast one {_step(series)} ahead"
    draw_forecasts(
        forecasts, title, series.positions[rows], series.values[rows], scores, (series.position_name, series.unit)
    )
    print(f"{forecasts}: forecasts against what came")
    draw_losses(losses, "Loss by epoch", course.losses, course.validation_losses, course.best)
    print(f"{losses}: loss by epoch")


def _step(series: Series) -> str:
    return series.position_name if series.position_name in ("year", "month", "week", "day", "hour") else "step"
