"""What an LSTM has to beat: persistence and a linear autoregression; and how much better or worse it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewise.demo.windows import Task, Windows

_CLEAR = 2.0  # statistics beyond this come by chance about once in twenty times


def persistence(task: Task, windows: Windows) -> np.ndarray:
    """The forecast that the next value is the last one."""
    return task.series.values[windows.rows - 1]


def autoregression(task: Task, windows: Windows) -> np.ndarray:
    """The forecast of a linear function of the same windows, fitted by least squares.

    It is fitted to the training and the validation windows: the LSTM learns its weights from the one part and the best
    epoch from the other, so both methods have seen the same values.
    """
    x = np.concatenate([task.training.x, task.validation.x])
    y = np.concatenate([task.training.y, task.validation.y])
    coefficients = np.linalg.lstsq(_with_constant(x), y, rcond=None)[0]
    return task.unscaled(_with_constant(windows.x) @ coefficients)


def _with_constant(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x, np.ones(len(x))])


@dataclass(frozen=True)
class Score:
    """How far the forecasts of one method lie from the truth, in the series' unit.

    Attributes:
        method: its name.
        forecast: (n,) values.
        rmse: root of the mean squared error.  mae: mean absolute error.
    """

    method: str
    forecast: np.ndarray
    rmse: float
    mae: float


def score(method: str, forecast: np.ndarray, truth: np.ndarray) -> Score:
    """Compare forecasts with what came."""
    error = forecast - truth
    return Score(method, forecast, float(np.sqrt(np.mean(error**2))), float(np.mean(np.abs(error))))


def verdict(ours: Score, other: Score, truth: np.ndarray) -> str:
    """Two sentences: which of two methods is better, by how much and how often, and whether that may be chance."""
    n = len(truth)
    difference = ours.rmse - other.rmse
    nearer = int(np.sum(np.abs(ours.forecast - truth) < np.abs(other.forecast - truth)))
    share = f" ({abs(difference) / other.rmse:.1%})" if other.rmse else ""
    compared = f"its RMSE is {abs(difference):.2f}{share} {'lower' if difference < 0 else 'higher'}"
    how = "better" if difference < 0 else "WORSE"
    likely = advantage(ours, other, truth)
    what = "A difference this small may be chance" if abs(likely) < _CLEAR else "That is more than chance would make"
    chance = f"{what} (Diebold-Mariano statistic {likely:+.1f}, clear from {_CLEAR:g} on)."
    nearer_in = f"it was nearer to the truth in {nearer} of {n}"
    return f"The {ours.method} is {how} than {other.method}: {compared}; {nearer_in}. {chance}"


def advantage(ours: Score, other: Score, truth: np.ndarray) -> float:
    """The Diebold-Mariano statistic for one step ahead: mean difference of the squared errors over its standard error.

    Positive where `ours` is better.  Source: Diebold & Mariano 1995, Comparing Predictive Accuracy.
    """
    gains = (other.forecast - truth) ** 2 - (ours.forecast - truth) ** 2
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return float(gains.mean() / error) if error else 0.0


def share_beyond(known: np.ndarray, values: np.ndarray) -> float:
    """Which part of the values is greater or less than all that were known."""
    return float(np.mean((values > known.max()) | (values < known.min())))
