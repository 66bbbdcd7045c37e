"""Functional: a model whose layers are known as a graph, between symbolic inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, masks, ragged, tree, validation
from gatewise.added_ends import AddedEnds
from gatewise.arguments import CallArguments, describe, is_array
from gatewise.graph import Graph, SymbolicTensor
from gatewise.layer import Layer
from gatewise.layer_order import layers_by_depth
from gatewise.layers.input_layer import InputLayer
from gatewise.model import Model
from gatewise.variable import structure_clock


class Functional(Model):
    """The layers between symbolic inputs and outputs."""

    _uses_call = False
    _may_chain = True
    _ends: AddedEnds | None = None

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True, **kwargs: Any
    ) -> None:
        Layer.__init__(self, name=name, **kwargs)
        self._connect_between(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _connect_between(self, inputs: Any, outputs: Any) -> None:
        """Take the layers between these tensors as the model's."""
        for what, given in (("inputs", inputs), ("outputs", outputs)):
            for leaf in tree.leaves(given):
                if not isinstance(leaf, SymbolicTensor):
                    raise ValueError(
                        f"The {what} of a Model are symbolic tensors, made by Input() and by calling layers; got "
                        f"{describe(leaf)}."
                    )
        self._input_tree, self._output_tree = inputs, outputs
        self.inputs: list[SymbolicTensor] = list(tree.leaves(inputs))
        self.outputs: list[SymbolicTensor] = list(tree.leaves(outputs))
        self._graph = Graph(self.inputs, self.outputs)
        self._entries = [_entry_of(tensor) for tensor in self.inputs]
        self._ordered_layers = self._with_entries(layers_by_depth(self.inputs, outputs))
        _check_unique_names(self._ordered_layers, self.name)
        self.supports_masking = True
        self.takes_list = len(self.inputs) > 1
        self._creates_mask = any(layer.may_create_mask for layer in self._ordered_layers)
        self.input_names = [entry.name for entry in self._entries]
        self.output_names = _output_names(self._output_tree, self.outputs)
        self._accepted_shapes: set[tuple] = set()
        self.built = True
        structure_clock.tick()

    def _with_entries(self, ordered: list[Layer]) -> list[Layer]:
        """The layers with each maker of an input replaced by the entry that stands for it."""
        used = {id(node.layer) for node in self._graph.nodes}
        found: dict[int, Layer] = {}
        for layer in ordered:
            entries = [e for e, x in zip(self._entries, self.inputs, strict=True) if x.node.layer is layer]
            for item in [*entries, *([layer] if not entries or id(layer) in used else [])]:
                found.setdefault(id(item), item)
        return list(found.values())

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer in self._ordered_layers if not layer.is_operation]

    @property
    def operations(self) -> list[Layer]:
        return list(self._ordered_layers)

    def sublayers(self) -> list[Layer]:
        found = {id(layer): layer for layer in [*self._ordered_layers, *super().sublayers()]}
        return list(found.values())

    @property
    def input(self) -> Any:
        return self._input_tree

    @property
    def output(self) -> Any:
        return self._output_tree

    @property
    def may_create_mask(self) -> bool:
        return self._creates_mask

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        given = args[0] if args else kwargs.get("inputs")
        if len(args) > 1:
            raise TypeError(f"Model '{self.name}' takes its inputs as one argument: model([a, b]), not model(a, b).")
        return self.flat_inputs(given), None

    def split_inputs(self, given: Any) -> tuple[list, Any]:
        return self.flat_inputs(given), None

    def flat_inputs(self, given: Any) -> list:
        """The arrays for the model's inputs, in order, from one array, a list, or a dictionary by input name.

        Raises:
            ValueError: if their number or names differ from the model's inputs.
        """
        if isinstance(given, dict):
            names = list(self._input_tree) if isinstance(self._input_tree, dict) else self.input_names
            missing = [name for name in names if name not in given]
            if missing:
                raise ValueError(
                    f"Model '{self.name}' has the inputs {names}; the dictionary given has {list(given)} (missing: "
                    f"{missing})."
                )
            return [next(iter(self._branch(k, given[name])), given[name]) for k, name in enumerate(names)]
        if len(self.inputs) == 1:
            leaves = self._branch(0, given)
            if len(leaves) > 1:
                raise ValueError(
                    f"Model '{self.name}' has one input ('{self.input_names[0]}'); it was given {len(leaves)} arrays. "
                    "If they are samples of one input, give each the shape "
                    f"{validation.drawn(self.inputs[0].shape[1:])}; sequences may differ in their number of steps."
                )
            return leaves
        if not isinstance(given, list | tuple) or len(given) != len(self.inputs):
            came = f"{len(given)} arrays" if isinstance(given, list | tuple) else describe(given)
            raise ValueError(
                f"Model '{self.name}' has {len(self.inputs)} inputs ({', '.join(self.input_names)}); it was given "
                f"{came}. "
                "Give a list of arrays in that order, or a dictionary by name."
            )
        return [leaf for k, branch in enumerate(given) for leaf in self._branch(k, branch)]

    def _branch(self, k: int, given: Any) -> list:
        """What is given for input k, flat: one array, or one `Ragged` for a list of sequences."""
        given = ragged.from_samples(given, self.inputs[k].shape)
        if isinstance(given, list | tuple) and len(given) == 1 and is_array(given[0]):
            return [given[0]]
        return CallArguments.arrange((given,), {})[0]

    def readers_of(self, tensor: SymbolicTensor) -> list[Layer]:
        """The layers that a tensor of the graph goes into."""
        return [node.layer for node in self._graph.nodes if any(x is tensor for x in node.inputs)]

    def check_ragged(self, given: Sequence[Any]) -> None:
        for k, (leaf, wanted) in enumerate(zip(given, self.inputs, strict=False)):
            if not isinstance(leaf, ragged.Ragged) or leaf.ndim != 2 or wanted.shape[1:] in ((None,), (None, 1)):
                continue
            readers = self.readers_of(wanted)
            if len(wanted.shape) == 2 and any(layer.takes_floats and not layer._uses_call for layer in readers):
                ragged.refuse_features(leaf, f"Model '{self.name}', input {k} ('{self.input_names[k]}'),")

    def _as_input(self, value: Any) -> Any:
        return value if isinstance(value, SymbolicTensor | np.ndarray) else super()._as_input(value)

    def _in_own_type(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return inputs  # each Input has a type of its own: see `prepared`

    def prepared(self, inputs: Sequence[Any]) -> list:
        """Each input in the type of its Input, with a last axis of length 1 added or taken away where one is meant.

        Raises:
            ValueError: for a shape that does not suit the layers it would reach.
        """
        if len(inputs) == 1:
            found = [self._in_type_and_rank(0, inputs[0])]
            samples = (found[0].shape[1:],)
        else:
            found = [self._in_type_and_rank(k, x) for k, x in enumerate(inputs)]
            samples = tuple([x.shape[1:] for x in found])
        if samples not in self._accepted_shapes:
            if not all(_fits(x.shape, wanted.shape) for x, wanted in zip(found, self.inputs, strict=True)):
                self._check_other_shapes([x.shape for x in found])
            self._accepted_shapes.add(samples)
        return found

    def _in_type_and_rank(self, k: int, x: Any) -> Any:
        wanted = self.inputs[k]
        if wanted.dtype == "string":
            x = self._as_text(k, x)
        elif not isinstance(x, np.ndarray):
            x = Layer._as_input(self, x)
        ndim = len(wanted.shape)
        if x.ndim == ndim + 1 and x.shape[-1] == 1 and ndim > 1:
            x = x.reshape(x.shape[:-1])
        elif x.ndim == ndim - 1 and wanted.shape[-1] == 1:
            x = x[..., None]
        if isinstance(x, np.ndarray) and x.dtype != wanted.array_type:
            x = super()._as_input(x) if x.dtype.kind not in "fiub" else x.astype(wanted.dtype)
        return x

    def _as_text(self, k: int, x: Any) -> np.ndarray:
        """What is given for an Input of strings, as an array of objects."""
        x = np.asarray(x)
        if x.dtype.kind not in "OUST":
            raise TypeError(
                f"Model '{self.name}': input {k} ('{self.input_names[k]}') takes strings; it was given {describe(x)}."
            )
        return x.astype(object, copy=False)

    def _check_other_shapes(self, shapes: Sequence[tuple]) -> None:
        """Check shapes other than the Inputs declare: as in Keras they are fine if every layer can take them."""
        for k, shape in enumerate(shapes):
            if len(shape) != len(self.inputs[k].shape):
                self._refuse(k, shape)
        known: dict[int, Any] = {id(x): SymbolicTensor(s, x.dtype) for x, s in zip(self.inputs, shapes, strict=True)}
        for node in self._graph.nodes:
            leaves = [known.get(id(x), x) for x in node.inputs]
            node.layer.check_inputs([tuple(leaf.shape) for leaf in leaves])
            new = node.layer._symbolic_outputs(leaves, node.structure)
            known.update((id(y), leaf) for y, leaf in zip(node.outputs, tree.leaves(new), strict=True))

    def _refuse(self, k: int, shape: tuple) -> None:
        """Raise the error of the layer that an unsuitable input would reach, or one that names the input."""
        consumers = [node for node in self._graph.nodes if any(i is self.inputs[k] for i in node.inputs)]
        for node in consumers:
            if node.inputs[0] is self.inputs[k] and len(node.inputs) == 1:
                node.layer.check_inputs([shape])
        layer = consumers[0].layer if consumers else None
        reached = f", which feeds layer '{layer.name}' ({type(layer).__name__})" if layer else ""
        raise ValueError(
            f"Model '{self.name}': input {k} ('{self.input_names[k]}'{reached}) does not fit.\n"
            f"    expected: {validation.drawn(self.inputs[k].shape)}\n    given:    {validation.drawn(shape)}"
        )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        graph = self._graph if self._ends is None else self._ends.graph
        outputs, found, back = graph.forward(self.prepared(inputs), self._mask_list(mask), training)
        if self._ends is not None:
            outputs, found, back = self._ends.told(outputs, found, back)
        single = len(outputs) == 1

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            return back([dy] if single else dy, wants_dx)

        return self._with_masks(outputs, found), pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        graph = self._graph if self._ends is None else self._ends.graph
        outputs, found = graph.run(self.prepared(inputs), self._mask_list(mask), training)
        if self._ends is not None:
            outputs, found, _ = self._ends.told(outputs, found, None)
        return self._with_masks(outputs, found)

    def _add_symbolic(self, method: str, tensor: Any, name: str | None) -> None:
        known = () if self._ends is None else self._ends.wanted
        self._ends = AddedEnds(self, (*known, (name, tensor)))
        self._layers_of_ends = self._ends.layers
        structure_clock.tick()

    def _called(self, call: CallArguments) -> Any:
        y = super()._called(call)
        flat = y if isinstance(y, list) else [y]
        return tree.fill(self._output_tree, flat)

    def _mask_list(self, mask: Any) -> list | None:
        if mask is None:
            return None
        return list(mask) if isinstance(mask, list | tuple) else [mask, *[None] * (len(self.inputs) - 1)]

    def _with_masks(self, outputs: list, found: list) -> Any:
        for y, mask in zip(outputs, found, strict=True):
            if mask is not None:
                masks.attach(y, mask)
        return outputs[0] if len(outputs) == 1 else outputs

    def masks_after(self, inputs: Sequence[Any], outputs: Sequence[Any], mask: Any) -> list[Any]:
        return [masks.mask_of(autodiff.plain(y)) for y in outputs]

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        """Outputs for other symbolic inputs: the graph's layers asked again with the new shapes."""
        known: dict[int, Any] = {id(x): leaf for x, leaf in zip(self.inputs, leaves, strict=True)}
        for node in self._graph.nodes:
            new = node.layer._symbolic_outputs([known.get(id(x), x) for x in node.inputs], node.structure)
            known.update((id(y), leaf) for y, leaf in zip(node.outputs, tree.leaves(new), strict=True))
        fresh = [SymbolicTensor(known[id(y)].shape, known[id(y)].dtype) for y in self.outputs]
        return fresh[0] if len(fresh) == 1 else fresh

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = [input_shape] if tree.is_shape(input_shape) else list(tree.leaves_of_shapes(input_shape))
        leaves = [SymbolicTensor(s, x.dtype) for s, x in zip(shapes, self.inputs, strict=True)]
        return tree.map_leaves(lambda y: y.shape, self._symbolic_outputs(leaves, None))

    def get_config(self) -> dict[str, Any]:
        from gatewise.model_config import functional_config

        return functional_config(self)

    def get_build_config(self) -> dict[str, Any] | None:
        return {"input_shape": None}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        from gatewise.model_config import functional_from_config

        return functional_from_config(cls, config, custom_objects)


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        n > 0 if w is None else w == n for w, n in zip(wanted[1:], shape[1:], strict=True)
    )


def _entry_of(tensor: SymbolicTensor) -> InputLayer:
    """The input layer that makes a tensor; a new one where a model begins in the middle of another."""
    maker = tensor.node.layer
    if isinstance(maker, InputLayer):
        return maker
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype, name=f"{tensor.name}CLONE")


def _check_unique_names(layers: Sequence[Layer], model: str) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise ValueError(f"Model '{model}' has two layers named '{layer.name}'; give each a name of its own.")
        seen.add(layer.name)


def _output_names(output_tree: Any, outputs: Sequence[SymbolicTensor]) -> list[str]:
    """A dictionary's keys; else the name of the layer that makes each output."""
    return list(output_tree) if isinstance(output_tree, dict) else [tensor.node.layer.name for tensor in outputs]
