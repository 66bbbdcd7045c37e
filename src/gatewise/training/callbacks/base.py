"""The base of callbacks, and the list that calls them."""

from __future__ import annotations

from collections.abc import Callable
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

    In loops of one's own, `CallbackList([...], model=model, epochs=3).on_epoch_end(0, logs)` calls them all.

    Args:
        callbacks: `Callback` objects, or others with some of its methods; possibly nested in lists.
        add_history, add_progbar: put a `History`, or a `ProgbarLogger`, among them if there is none.
        model: handed to each of them.
        **params: "epochs", "steps", "verbose", handed to each of them as a dictionary.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        given = [*listed(callbacks), *_defaults(listed(callbacks), add_history, add_progbar)]
        self.callbacks = sorted(given, key=lambda callback: getattr(callback, "comes_last", False))
        self.set_model(model)
        self.set_params(params)
        self._heard = {hook: [getattr(c, hook) for c in self.callbacks if _overrides(c, hook)] for hook in HOOKS}

    def set_model(self, model: Any) -> None:
        """Hand a model to all callbacks."""
        self.model = model
        if model is not None:
            self._tell("set_model", model)

    def set_params(self, params: dict[str, Any]) -> None:
        """Hand the parameters of a run to all callbacks."""
        self.params = params
        if params:
            self._tell("set_params", params)

    def _tell(self, setter: str, value: Any) -> None:
        for callback in self.callbacks:
            if hasattr(callback, setter):
                getattr(callback, setter)(value)

    def wants(self, hook: str) -> bool:
        """True if any callback does something at this hook."""
        return bool(self._heard[hook])

    def call(self, hook: str, *args: Any, logs: dict[str, Any] | None = None) -> None:
        """Call a hook of every callback; `logs` is the last argument, an empty dictionary where there are none."""
        for method in self._heard[hook]:
            method(*args, {} if logs is None else logs)


def _give_hooks() -> None:
    """`on_epoch_end(epoch, logs=None)` and the others, as methods of a `CallbackList`."""

    def hook(name: str, calls: str) -> Callable[..., None]:
        def of_run(self: CallbackList, logs: dict[str, Any] | None = None) -> None:
            self.call(calls, logs=logs)

        def numbered(self: CallbackList, number: int, logs: dict[str, Any] | None = None) -> None:
            self.call(calls, number, logs=logs)

        method = numbered if "epoch" in name or "batch" in name else of_run
        method.__name__, method.__doc__ = name, f"Call {calls} of all callbacks."
        return method

    for name in (*HOOKS, "on_batch_begin", "on_batch_end"):
        setattr(CallbackList, name, hook(name, name.replace("on_batch", "on_train_batch")))


_give_hooks()


def _defaults(given: list[Any], add_history: bool, add_progbar: bool) -> list[Any]:
    """The `History` and the `ProgbarLogger` that are asked for and not there."""
    from gatewise.training.callbacks.history import History
    from gatewise.training.callbacks.progbar_logger import ProgbarLogger

    wanted = [kind for kind, asked in ((History, add_history), (ProgbarLogger, add_progbar)) if asked]
    return [kind() for kind in wanted if not any(isinstance(callback, kind) for callback in given)]


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
