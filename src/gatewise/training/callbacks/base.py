"""The base of callbacks, and the list that calls them."""

from __future__ import annotations

from typing import Any

from gatewise import tree
from gatewise.arguments import describe

HOOKS = tuple(
    f"on_{what}_{when}"
    for what in ("train", "test", "predict", "epoch", "train_batch", "test_batch", "predict_batch")
    for when in ("begin", "end")
)


class Callback:
    """Base of callbacks: override the methods that are needed.

    Attributes:
        model: the model being trained.
        params: {"epochs", "steps", "verbose"} of the run.
        state_names: names of the attributes that `BackupAndRestore` keeps, so that a resumed run goes on as if it
            had never stopped: numbers, text, arrays, and lists and dictionaries of them.
        comes_last: whether the hooks are called after those of all callbacks for which this is False.
    """

    model: Any = None
    params: dict[str, Any] = {}
    state_names: tuple[str, ...] = ()
    comes_last = False

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None: ...
    def on_train_end(self, logs: Any = None) -> None: ...
    def on_test_begin(self, logs: Any = None) -> None: ...
    def on_test_end(self, logs: Any = None) -> None: ...
    def on_predict_begin(self, logs: Any = None) -> None: ...
    def on_predict_end(self, logs: Any = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: Any = None) -> None: ...
    def on_batch_end(self, batch: int, logs: Any = None) -> None: ...
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None: ...
    def on_test_batch_end(self, batch: int, logs: Any = None) -> None: ...
    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None: ...
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None: ...


class CallbackList:
    """Calls a hook of several callbacks, in order; knows which hooks any of them cares about.

    Args:
        callbacks: `Callback` objects, or others with some of its methods; possibly nested in lists.
        model, params: handed to each of them.
    """

    def __init__(self, callbacks: Any, model: Any, params: dict[str, Any]) -> None:
        self.callbacks = sorted(listed(callbacks), key=lambda callback: getattr(callback, "comes_last", False))
        for callback in self.callbacks:
            for setter, value in (("set_model", model), ("set_params", params)):
                if hasattr(callback, setter):
                    getattr(callback, setter)(value)
        self._heard = {hook: [getattr(c, hook) for c in self.callbacks if _overrides(c, hook)] for hook in HOOKS}

    def wants(self, hook: str) -> bool:
        """True if any callback does something at this hook."""
        return bool(self._heard[hook])

    def call(self, hook: str, *args: Any, logs: dict[str, Any] | None = None) -> None:
        """Call a hook of every callback; `logs` is the last argument, an empty dictionary where there are none."""
        for method in self._heard[hook]:
            method(*args, {} if logs is None else logs)


def listed(callbacks: Any) -> list[Any]:
    """The callbacks in what a user gives as `callbacks`: one, a `CallbackList`, lists of them, or None.

    Raises:
        TypeError: for something that is no callback.
    """
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    found = [] if callbacks is None else list(tree.leaves(callbacks))
    for callback in found:
        if isinstance(callback, type):
            raise TypeError(f"callbacks holds the class {callback.__name__}; write {callback.__name__}(...).")
        if not any(hasattr(callback, hook) for hook in HOOKS):
            raise TypeError(f"callbacks holds {describe(callback)}, which has no method such as on_epoch_end.")
    return found


def _overrides(callback: Any, hook: str) -> bool:
    if not hasattr(callback, hook):
        return False
    if not isinstance(callback, Callback):
        return True
    hooks = [hook, hook.replace("train_batch", "batch")]
    return any(
        getattr(type(callback), name) is not getattr(Callback, name) or name in vars(callback)
        for name in hooks
        if hasattr(Callback, name)
    )
