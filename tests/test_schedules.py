"""Learning rate schedules against Keras's, step by step."""

import numpy as np
import pytest

from gatewise.training import schedules
from gatewise.training.optimizers import SGD
from golden import load

CASES = list(load.cases("training", "schedules"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"] + case["schedule"]["class"])
def test_equals_keras(case):
    schedule = getattr(schedules, case["schedule"]["class"])(**case["schedule"]["kwargs"])
    rates = np.array([schedule(int(step)) for step in case["arrays"]["steps"]])
    load.assert_close(rates, case, "rate")
    if "config" in case:
        assert schedules.serialize(schedule) == case["config"]
    again = schedules.deserialize(schedules.serialize(schedule))
    assert [again(step) for step in range(5)] == [schedule(step) for step in range(5)]


def test_users_schedule_and_callables():
    class Mine(schedules.LearningRateSchedule):
        def __init__(self, top):
            self.top = top

        def __call__(self, step):
            return self.top / (step + 1)

    assert Mine(3.0).get_config() == {"top": 3.0}
    assert schedules.rate_of(Mine(3.0), 2) == 1.0
    assert schedules.rate_of(lambda step: step * 2, 2) == 4.0
    assert schedules.rate_of(lambda: 0.5, 2) == 0.5
    with pytest.raises(TypeError, match="made with a schedule"):
        SGD(Mine(1.0)).learning_rate = 0.1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be positive; got 0"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1]), "one value more than boundaries"),
        (lambda: schedules.LearningRateSchedule()(0), "give it a method __call__"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()
