"""Steps: one batch through a model, there and back, and what `train_on_batch` and its relatives do with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import masks, regularizers, tree
from gatewise.arguments import apart_from
from gatewise.context import collected_losses, collected_metrics, going_back_once
from gatewise.ragged import Ragged
from gatewise.training import finite
from gatewise.training.data import Batch
from gatewise.training.objective import Objective
from gatewise.training.preparation import Preparing
from gatewise.variable import ParameterStore, Variable, structure_clock


class Outcome(NamedTuple):
    """What a batch gave: the total loss, each output's loss, the flat outputs, their masks, what `add_metric` told."""

    loss: float
    parts: Sequence[float]
    outputs: list
    masks: list
    told: list


class Stepping(Preparing):
    """The part of a model that runs single batches.  It needs `differentiate` and `compute` of a model."""

    _store_stamp = 0
    _penalties: tuple[int, list[Variable]] = (0, [])
    _may_chain = False
    _chain: Any = None
    _training: Any = None
    """What takes the ordinary steps of a model that is a chain: see gatewise.chains."""
    _training_tried: tuple[int, tuple, bool] = (0, (), False)

    def _loss_and_gradients(self, batch: Batch, training: bool = True) -> tuple[Outcome, dict]:
        outcome, back = self._loss_and_back(batch, training)
        with going_back_once():
            return outcome, back(False)[1]

    def _loss_and_back(self, batch: Batch, training: bool) -> tuple[Outcome, Callable[[bool], tuple[Any, dict]]]:
        """The outcome, and `back(wants_dx)`: the gradients of the flat inputs, and {variable: gradient}."""
        with collected_losses() as added, collected_metrics() as told:
            outputs, pullback = self.differentiate(batch.x, batch.mask, training, batch.structure)  # type: ignore[attr-defined]
        flat = outputs if isinstance(outputs, list) else [outputs]
        found = masks_of(flat, batch)
        objective = self._objective_for(batch, flat)
        total, parts, of_outputs = objective.forward(targets_of(batch.y, found), flat, batch.weights, found)
        penalized = self._penalized()
        if not (objective.has_loss or added or penalized):
            raise ValueError(
                f"Model '{self.name}' has no loss to make small: write model.compile(..., loss='mse'), or add_loss() "
                "in a layer."
            )
        for loss in added:
            total += float(loss)
        penalties = [regularizers.forward_of(variable.regularizer)(variable.array) for variable in penalized]
        for value, _ in penalties:
            total += float(value)

        def back(wants_dx: bool) -> tuple[Any, dict]:
            dys = of_outputs()
            d_inputs, gradients = pullback(dys if isinstance(outputs, list) else dys[0], wants_dx)
            for variable, (_, slope_of) in zip(penalized, penalties, strict=True):
                slope, before = slope_of(1.0), gradients.get(variable)
                gradients[variable] = slope if before is None else before + slope
            return d_inputs, gradients

        return Outcome(total, parts, flat, found, told), back

    def _objective_for(self, batch: Batch, outputs: list) -> Objective:
        """The objective; checks the targets of a subclassed model, whose outputs' shapes were not known before."""
        objective = self._ready_objective(len(outputs))
        if batch.y is not None and not hasattr(self, "outputs"):
            objective.check_targets(batch.y, [y.shape for y in outputs])
        return objective

    def _penalized(self) -> list[Variable]:
        """The trainable variables that have a regularizer."""
        if self._penalties[0] != structure_clock.stamp:
            trainable = self.trainable_variables  # type: ignore[attr-defined]
            self._penalties = (structure_clock.stamp, [v for v in trainable if v.regularizer is not None])
        return self._penalties[1]

    def _train_batch(self, batch: Batch) -> float:
        """One step of training, counted into the running means; returns the loss."""
        if self._training is not None and (loss := self._step_as_chain(batch)) is not None:
            return loss
        batch = self._padded_batch(batch) if batch.is_ragged else batch
        outcome, gradients = self._loss_and_gradients(batch)
        self._apply_to_weights(gradients)
        self._count(batch, outcome)
        if self._may_chain and self._training is None:
            from gatewise.chains import notice_step

            notice_step(self)
        return outcome.loss

    def _step_as_chain(self, batch: Batch) -> float | None:
        """`_train_batch` where a native object does it; None where the general way is to be gone."""
        x, y, weights, structure, is_ragged, mask, _ = batch
        if y is None or weights is not None or structure is not None or is_ragged or mask is not None:
            return None
        return self._training.step(self, x[0], y[0])

    def _apply_to_weights(self, gradients: dict[Variable, Any]) -> None:
        store = self._ready_store()
        slots = store.set_gradients(gradients)
        if self.optimizer.loss_scale_factor:
            store.gradients *= self.optimizer.loss_scale_factor
        self.optimizer.step(store.values, store.gradients, slots)

    def _test_batch(self, batch: Batch) -> None:
        """The loss and the metrics of a batch, counted into the running means."""
        batch = self._padded_batch(batch) if batch.is_ragged else batch
        with collected_losses() as added, collected_metrics() as told:
            outputs = self._outputs_of(batch)
        found = masks_of(outputs, batch)
        objective = self._objective_for(batch, outputs)
        total, parts, _ = objective.forward(targets_of(batch.y, found), outputs, batch.weights, found)
        total += sum(map(float, added)) + sum(float(v.regularizer(v.array)) for v in self._penalized())
        self._count(batch, Outcome(total, parts, outputs, found, told))

    def _count(self, batch: Batch, outcome: Outcome) -> None:
        objective = self._objective
        assert objective is not None
        objective.update(
            targets_of(batch.y, outcome.masks),
            outcome.outputs,
            batch.weights,
            outcome.masks,
            outcome.loss,
            outcome.parts,
            batch.size,
        )
        if outcome.told:
            objective.count_added(outcome.told)

    def _outputs_of(self, batch: Batch) -> list:
        """The outputs, flat, of the model outside of training."""
        batch = self._padded_batch(batch) if batch.is_ragged else batch
        if self._chain is not None and batch.mask is None and (y := self._chain(batch.x[0])) is not None:
            return [y]
        outputs = self.compute(batch.x, batch.mask, False, batch.structure)  # type: ignore[attr-defined]
        if self._may_chain:
            self._notice_call()  # type: ignore[attr-defined]
        return list(tree.leaves(outputs))

    def _ready_store(self) -> ParameterStore:
        """The parameter buffer, holding exactly the variables that are trainable now, known to the optimizer."""
        store = self._store
        if store is None or self._store_stamp != structure_clock.stamp:
            trainable = self.optimizer.arranged(self.trainable_variables)  # type: ignore[attr-defined]
            if store is None or store.variables != trainable:
                store = ParameterStore.of(trainable)
                self.optimizer.bind(store)
            self._store, self._store_stamp = store, structure_clock.stamp
        if not store.owns_all():
            store.take_in()
        return store

    # --- one batch at a time ---------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch.  Where the loss is not finite, a warning says where the data are not.

        Returns:
            the batch's loss; with metrics a list, the loss first; with `return_dict` a dictionary.
        """
        if self._training is not None and sample_weight is None and class_weight is None and not return_dict:
            found = self._training.alone(self, x, y)
            if found is not None:
                loss, returned = found
                if not math.isfinite(loss):
                    finite.warn_about(self, Batch([x], [y], None))
                return returned
        self._require_compiled("train_on_batch")
        batch = self._single_batch(x, y, sample_weight, class_weight)
        if not math.isfinite(self._train_batch(batch)):
            finite.warn_about(self, batch)
        return self._returned(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss (and metrics) of one batch, without training; returned as by `train_on_batch`."""
        self._require_compiled("test_on_batch")
        self._test_batch(self._single_batch(x, y, sample_weight, None))
        return self._returned(return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch, nested as the model returns them."""
        if self._chain is not None and (y := self._chain(x)) is not None:
            return y
        arrays, structure = self._flat_x(x)
        is_ragged = any(isinstance(x, Ragged) for x in arrays)
        return self._nested(apart_from(arrays, self._outputs_of(Batch(arrays, None, None, structure, is_ragged))))

    def _predicted_at_once(self, x: Any, batch_size: Any) -> Any:
        """What `predict` returns where one ordinary batch holds all samples and a chain takes it; else None."""
        if type(x) is not np.ndarray or not x.ndim or type(batch_size) is not int or not 0 < len(x) <= batch_size:
            return None
        is_ordinary = x.dtype.kind == "f" and self.inputs[0].shape[0] is None and np.isfinite(x).all()
        return self._chain(x) if is_ordinary else None

    def _single_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        batch = self._checked_batch(x, y, sample_weight, class_weight)
        self.reset_metrics()
        return batch

    def _returned(self, return_dict: bool) -> Any:
        """The running means as `evaluate` returns them: a number, a list, or a dictionary."""
        logs = self._logs()
        return logs if return_dict else next(iter(logs.values())) if len(logs) == 1 else list(logs.values())


def masks_of(outputs: Sequence[Any], batch: Batch) -> list:
    """The mask of each output; where targets were padded, only of steps that have one."""
    found = [masks.mask_of(y) for y in outputs]
    if batch.target_masks is None:
        return found
    pairs = zip(found, batch.target_masks, strict=True)
    return [a if b is None else b if a is None or a.shape != b.shape else a & b for a, b in pairs]


def targets_of(y: list | None, found: Sequence[Any]) -> list | None:
    """The targets; where they are NaN in masked steps (a usual padding), zeros in their place, which count nothing."""
    if y is None or all(mask is None for mask in found):
        return y
    pairs = zip(y, found, strict=True)
    return [y if mask is None or y is None else _finite_where_masked(y, mask) for y, mask in pairs]


def _finite_where_masked(y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if y.dtype.kind != "f" or y.shape[: mask.ndim] != mask.shape or math.isfinite(y.sum()):
        return y
    return np.where(mask.reshape(*mask.shape, *[1] * (y.ndim - mask.ndim)), y, y.dtype.type(0))
