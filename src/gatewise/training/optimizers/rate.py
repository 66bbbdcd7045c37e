"""The learning rate of an optimizer: a number in a variable, or what gives a number for each step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import config
from gatewise.serialization import deserialize_object, serialize_object
from gatewise.training.schedules import LearningRateSchedule, rate_of
from gatewise.variable import Variable


class Rate:
    """A learning rate.

    Args:
        owner: the optimizer's class, for messages.
        name: the optimizer's name, the first part of the variable's path.
        value: a number, a schedule, its configuration, or a callable of nothing or of the step.
        decay: Keras 1 and 2: the rate is divided by 1 + decay * step.
    """

    def __init__(self, owner: str, name: str, value: Any, decay: float = 0.0) -> None:
        self.owner = owner
        self.name = name
        self.decay = decay
        self.variable: Variable | None = None
        self.source: Any = None
        self._given = 0.0
        self.replace(value)

    def replace(self, value: Any) -> None:
        """Begin anew with another number, schedule or callable."""
        if isinstance(value, dict):
            value = deserialize_object(value, kind="learning rate schedule")
        if callable(value) and not hasattr(value, "__array__"):
            self.source, self.variable = value, None
        else:
            self.source, self._given = None, self._number(value)
            self.hold_in(config.floatx())

    def set(self, value: Any) -> None:
        """Change the number.

        Raises:
            TypeError: if the rate comes from a schedule.
        """
        if callable(value) and not hasattr(value, "__array__"):
            self.replace(value)
        elif isinstance(self.source, LearningRateSchedule):
            raise TypeError(
                f"{self.owner} was made with a schedule, so its learning_rate cannot be set to {value!r}. "
                "Make it with a number, learning_rate=0.01, to set it later."
            )
        elif self.variable is None:
            self.replace(value)
        else:
            self._given = self._number(value)
            self.variable.assign(self._given)

    def hold_in(self, dtype: Any) -> None:
        """Keep the number in this float type: as it was given, unless the variable was assigned to since."""
        if self.source is not None:
            return
        number = self._given
        if self.variable is not None:
            if self.variable.dtype == dtype:
                return
            held = float(self.variable.array)
            number = number if held == float(self.variable.array.dtype.type(number)) else held
        path = f"{self.name}/learning_rate"
        self.variable = Variable(np.asarray(number, dtype), trainable=False, name="learning_rate", path=path)

    def current(self, step: int) -> float:
        """The rate of step 0, 1, ..."""
        rate = float(self.variable.array) if self.variable is not None else rate_of(self.source, step)
        return rate / (1 + self.decay * step) if self.decay else rate

    def get_config(self) -> Any:
        """The number (as the default float type holds it, which is what Keras shows), or the schedule's form."""
        if self.variable is None:
            return serialize_object(self.source)
        return float(np.asarray(self.variable.array, config.floatx()))

    def _number(self, value: Any) -> float:
        array = np.asarray(getattr(value, "array", value))
        if array.ndim or array.dtype.kind not in "fiu" or not math.isfinite(array):
            raise ValueError(
                f"{self.owner}: learning_rate must be a number, a LearningRateSchedule or a callable; got {value!r}."
            )
        return float(array)
