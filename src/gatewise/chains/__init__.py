"""Chains: models (and layers) that are built-in layers one after another, run by one native call.

For small models most of the time goes to what lies between the kernels.  A chain is the same kernels with nothing in
between: the same numbers, to the last bit.  Whatever is not an ordinary case goes the general way.

`links` says which layers can be part of a chain; `prediction` makes what `layer(x)` and `predict` use, `training` what
`fit` uses.
"""

from gatewise.chains.prediction import notice_call, prediction_chain
from gatewise.chains.training import TrainingSteps, notice_step

__all__ = ["TrainingSteps", "notice_call", "notice_step", "prediction_chain"]
