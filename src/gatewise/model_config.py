"""Models as configurations: Keras 3.15's JSON of Sequential and Functional models, written and read.

A Functional's configuration lists its layers; each lists its uses (`inbound_nodes`): the arguments of the call, in
which a tensor is named by where it comes from, ["layer", use, output].  Keras 2's form of the same is read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import configuration, keras2_config, ops, serialization, tree
from gatewise.arguments import is_array
from gatewise.functional import Functional
from gatewise.graph import Node, SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.cell import Cell
from gatewise.layers.input_layer import InputLayer
from gatewise.layers.recurrent import RNN
from gatewise.layers.sequence_layer import SequenceLayer
from gatewise.sequential import Sequential

_CODE = ("Lambda", "__lambda__")
_TENSOR = "__keras_tensor__"
_KERAS_OPERATIONS = "keras.src.ops."


# ---- writing ------------------------------------------------------------------------------------------


def functional_config(model: Functional) -> dict[str, Any]:
    """Keras's configuration of a Functional; of a user's subclass with its own constructor, that one's arguments."""
    own = _class_with_constructor(type(model))
    if own is not None:
        return configuration.config_of(model, Layer, own)
    return _FunctionalWriter(model).config()


def sequential_config(model: Sequential) -> dict[str, Any]:
    """Keras's configuration of a Sequential."""
    first = model._first
    written = {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": configuration.dtype_config(model.dtype),
        "layers": [serialization.serialize_object(layer) for layer in [*([first] if first else []), *model.layers]],
    }
    return {**written, "build_input_shape": first.batch_shape} if first else written


def model_to_json(model: Any, **kwargs: Any) -> str:
    """The model's structure as JSON text; `kwargs` go to `json.dumps`."""
    return json.dumps(serialization.serialize_object(model), **kwargs)


class _FunctionalWriter:
    """One Functional, with its uses of layers numbered."""

    def __init__(self, model: Functional) -> None:
        self.model = model
        used = {id(node) for node in model._graph.nodes}
        self.uses = {
            id(layer): [node for node in layer._inbound_nodes if id(node) in used] for layer in model.operations
        }
        self.origins = {
            id(tensor): [entry.name, 0, 0] for tensor, entry in zip(model.inputs, model._entries, strict=True)
        }

    def config(self) -> dict[str, Any]:
        model = self.model
        return {
            "name": model.name,
            "trainable": model.trainable,
            "layers": [self._layer(layer) for layer in model.operations],
            "input_layers": tree.map_leaves(self._origin, model._input_tree),
            "output_layers": tree.map_leaves(self._end, model._output_tree),
        }

    def _layer(self, layer: Layer) -> dict[str, Any]:
        written = serialization.serialize_object(layer)
        nodes = self.uses.get(id(layer), [])
        if nodes and isinstance(layer, SequenceLayer) and len(nodes[0].inputs) > 1:
            sequences, *states = [x.shape for x in nodes[0].inputs]
            shapes = {"sequences_shape": sequences, "initial_state_shape": states}
            written["build_config"] = serialization.serialize_object({"shapes_dict": shapes})
        return {**written, "name": layer.name, "inbound_nodes": [self._node(node) for node in nodes]}

    def _node(self, node: Node) -> dict[str, Any]:
        args, kwargs = call_of(node)
        if node.training is not None:
            kwargs["training"] = node.training
        if node.mask is not None:
            kwargs["mask"] = node.mask
        write = self._exact_argument if node.layer.is_operation else self._argument
        return {"args": [write(value) for value in args], "kwargs": {key: write(v) for key, v in kwargs.items()}}

    def _exact_argument(self, value: Any) -> Any:
        """An argument of an operation: there a tuple, such as an index, is not a list."""
        if isinstance(value, tuple):
            return {"class_name": "__tuple__", "items": [self._exact_argument(item) for item in value]}
        return [self._exact_argument(v) for v in value] if isinstance(value, list) else self._argument(value)

    def _argument(self, value: Any) -> Any:
        """An argument of a call as JSON."""
        if isinstance(value, SymbolicTensor):
            described = {"shape": list(value.shape), "dtype": value.dtype, "keras_history": self._origin(value)}
            return {"class_name": _TENSOR, "config": described}
        if isinstance(value, list | tuple):
            return [self._argument(item) for item in value]
        if isinstance(value, dict):
            return {key: self._argument(item) for key, item in value.items()}
        return serialization.serialize_object(np.asarray(value) if is_array(value) else value)

    def _origin(self, tensor: SymbolicTensor) -> list[Any]:
        """[layer, use, output]: where a tensor comes from."""
        known = self.origins.get(id(tensor))
        if known is not None:
            return known
        assert tensor.history is not None
        node, index = tensor.history
        return [node.layer.name, self.uses[id(node.layer)].index(node), index]

    def _end(self, tensor: SymbolicTensor) -> list[Any]:
        """`_origin` of an output, where Keras counts the making of a Functional as its first use."""
        name, use, index = self._origin(tensor)
        maker = tensor.node.layer
        counted = id(tensor) not in self.origins and isinstance(maker, Functional) and not isinstance(maker, Sequential)
        return [name, use + 1 if counted else use, index]


def call_of(node: Node) -> tuple[tuple, dict[str, Any]]:
    """The arguments of the call that a node stands for, mask and training apart."""
    layer, leaves = node.layer, node.inputs
    if node.structure is not None:
        args, kwargs = node.structure.fill(leaves)
        return args, dict(kwargs)
    if isinstance(layer, Functional):
        return (tree.fill(layer._input_tree, leaves) if len(leaves) > 1 else leaves[0],), {}
    if isinstance(layer, Cell):
        return (leaves[0], tree.fill(layer.get_initial_state(1), leaves[1:])), {}
    if isinstance(layer, SequenceLayer) and len(leaves) > 1:
        return (leaves[0],), {"initial_state": tree.fill(layer.get_initial_state(1), leaves[1:])}
    return (list(leaves) if layer.takes_list else leaves[0],), {}


def _class_with_constructor(cls: type) -> type | None:
    """The user's subclass that makes its own inputs and outputs, if there is one."""
    for base in cls.__mro__:
        if base is Functional:
            return None
        if "__init__" in vars(base):
            return base
    return None


# ---- reading ------------------------------------------------------------------------------------------


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A new model from the text that `to_json` made, with new weights.

    Raises:
        ValueError: for text that is not JSON, unknown classes, and configurations that hold code.
    """
    try:
        config = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not the JSON of a model: {error}") from error
    return model_from_config(config, custom_objects)


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A new model from what `serialize` wrote: {"class_name", "config", ...}.

    Raises:
        ValueError: for unknown classes, and configurations that hold code.
    """
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError('The configuration of a model is a dictionary with "class_name" and "config".')
    refuse_code(config, custom_objects)
    try:
        model = layer_from(config, custom_objects)
    except (TypeError, KeyError) as error:
        raise ValueError(f"The configuration of the model is not complete, or has parts too many: {error}") from error
    if not hasattr(model, "predict"):
        raise ValueError(f"The configuration is that of a {type(model).__name__}, which is not a model.")
    return model


def refuse_code(config: Any, custom_objects: Mapping[str, Any] | None = None) -> None:
    """Raise ValueError if a configuration holds code, unless the user says what stands for it."""
    stack = [config]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        if not isinstance(item, dict):
            continue
        stack.extend(item.values())
        name = item.get("class_name")
        known = {"__lambda__": "<lambda>"}.get(str(name), name)
        if name in _CODE and serialization.get_registered_object(str(known), custom_objects) is None:
            inner = item.get("config")
            if isinstance(inner, dict) and _names_its_function(inner):
                continue
            who = f" named '{inner['name']}'" if isinstance(inner, dict) and "name" in inner else ""
            what = "a Lambda layer" if name == "Lambda" else "a lambda"
            raise ValueError(
                f"The configuration holds {what}{who}: code, which is never run from a file. If you know what it does, "
                f"write it as a layer or function of your own and pass custom_objects={{{known!r}: ...}}."
            )


def _names_its_function(inner: Mapping[str, Any]) -> bool:
    """True if the configuration of a Lambda layer has a function's name, not its code; so Keras 3, then 1 and 2."""
    function = inner.get("function")
    named = isinstance(function, dict) and function.get("class_name") == "function"
    return named or (isinstance(function, str) and inner.get("function_type") == "function")


def layer_from(data: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model of a configuration.  A built-in layer is built when it is connected, not before."""
    wanted = dict(data)
    if serialization.public_module(data.get("module")) == "keras.layers":
        wanted.pop("build_config", None)
    if data.get("class_name") == "Model" and "layers" in (data.get("config") or {}):
        wanted["class_name"] = "Functional"  # Keras 1 and 2
    if str(data.get("module")).startswith((ops.__name__, _KERAS_OPERATIONS)):
        operation = ops.operation_from_config(str(data.get("class_name")), data.get("config") or {})
        operation.lists_are_tuples = str(data["module"]).startswith(_KERAS_OPERATIONS)
        return operation
    return serialization.deserialize_object(wanted, None, custom_objects, "layer")


def sequential_from_config(cls: Any, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A Sequential of Keras 3's configuration, or of Keras 1's and 2's (there also a bare list of layers)."""
    config = {"layers": config} if isinstance(config, list) else config
    if "layers" not in config:
        return cls(**config)
    written = keras2_config.with_old_meanings(config["layers"])
    model = cls(name=config.get("name"), trainable=config.get("trainable", True), dtype=config.get("dtype"))
    for data in written:
        model.add(layer_from(data, custom_objects))
    shape = config.get("build_input_shape")
    if not model.built and shape and model.layers:
        model.build(tuple(shape))
    return model


def functional_from_config(cls: Any, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A Functional (or a user's subclass) of Keras 3's configuration, or of Keras 2's.

    Raises:
        ValueError: if uses of layers refer to ones that do not exist.
    """
    if "layers" not in config:
        return cls(**config)
    reader = _FunctionalReader(config, custom_objects)
    inputs, outputs = reader.ends(config["input_layers"]), reader.ends(config["output_layers"])
    return cls(inputs=inputs, outputs=outputs, name=config.get("name"), trainable=config.get("trainable", True))


class _FunctionalReader:
    """Makes the layers of a configuration and uses them as it says."""

    def __init__(self, config: dict[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
        self.owner = config.get("name")
        self.outputs: dict[str, list[list[SymbolicTensor]]] = {}  # layer -> use -> its outputs
        self.old = any(keras2_config.has_old_nodes(data) for data in config["layers"])
        waiting: list[tuple[str, Layer, list[Any]]] = []
        for data in keras2_config.with_old_meanings(config["layers"]):
            layer = layer_from(data, custom_objects)
            name = data.get("name") or layer.name
            self.outputs[name] = []
            if isinstance(layer, InputLayer):
                self.outputs[name].append([layer.output])
            else:
                waiting.append((name, layer, list(data.get("inbound_nodes") or [])))
        self.models = {name: layer for name, layer, _ in waiting if isinstance(layer, Functional)}
        ends = [config["input_layers"], config["output_layers"]]
        everything = [*ends, *(data.get("inbound_nodes") or [] for data in config["layers"])]
        self.first_use = self._first_numbers(everything) if self.old else {}
        self.first_end = self.first_use if self.old else self._first_numbers(ends)
        self._use_all(waiting)

    def _first_numbers(self, references: Any) -> dict[str, int]:
        """The number of the first use of each model inside the model, where that is not 0.

        Keras 2 counts a model's making as its use 0.  Keras 3 does so only in `output_layers`, and not for Sequential.
        """
        lowest: dict[str, int] = {}
        for name, use, _ in _references(references):
            lowest[name] = min(use, lowest.get(name, use))
        return {
            name: 1
            for name, model in self.models.items()
            if lowest.get(name, 0) >= 1 and (self.old or not isinstance(model, Sequential))
        }

    def _use_all(self, waiting: list[tuple[str, Layer, list[Any]]]) -> None:
        """Make every use once the tensors it needs exist; those of one layer in their order."""
        while waiting:
            before = sum(len(nodes) for _, _, nodes in waiting)
            for name, layer, nodes in waiting:
                while nodes and self._known(nodes[0]):
                    self.outputs[name].append(self._use(layer, nodes.pop(0)))
            waiting = [entry for entry in waiting if entry[2]]
            if waiting and sum(len(nodes) for _, _, nodes in waiting) == before:
                name = waiting[0][0]
                raise ValueError(
                    f"The configuration of model '{self.owner}' cannot be connected: layer '{name}' needs a tensor "
                    "of a layer or use that does not exist."
                )

    def _use(self, layer: Layer, node: Any) -> list[SymbolicTensor]:
        if isinstance(node, dict):
            args = [self._read(value) for value in node.get("args", [])]
            kwargs = {key: self._read(value) for key, value in (node.get("kwargs") or {}).items()}
        else:
            args, kwargs = self._old_call(node)
        if _is_none(kwargs.get("mask")):
            kwargs.pop("mask", None)
        # Keras writes training=False for a recurrent layer that was given no mode; there the model's mode wins anyway.
        if kwargs.get("training") is None or (isinstance(layer, RNN) and not kwargs["training"]):
            kwargs.pop("training", None)
        return list(tree.leaves(layer(*args, **kwargs)))

    def _known(self, node: Any) -> bool:
        """True if all tensors that a use needs exist."""
        return all(self._found(reference, self.first_use) is not None for reference in _references(node))

    def _found(self, reference: Sequence[Any], first: dict[str, int]) -> SymbolicTensor | None:
        name, use, index = reference[:3]
        uses = self.outputs.get(name, [])
        use -= first.get(name, 0)
        return uses[use][index] if 0 <= use < len(uses) and 0 <= index < len(uses[use]) else None

    def _tensor(self, reference: Sequence[Any]) -> SymbolicTensor:
        found = self._found(reference, self.first_use)
        assert found is not None
        return found

    def _read(self, value: Any) -> Any:
        """An argument of a call from JSON."""
        if isinstance(value, list):
            return [self._read(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == _TENSOR:
            return self._tensor(value["config"]["keras_history"])
        if value.get("class_name") == "__tuple__":
            return tuple(self._read(item) for item in value["items"])
        if "class_name" in value:
            return serialization.deserialize_object(value)
        return {key: self._read(item) for key, item in value.items()}

    def _old_call(self, node: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Keras 2: a use is a list of [layer, use, output, kwargs], one for each tensor given."""
        entries = [node] if node and isinstance(node[0], str) else node
        tensors = [np.asarray(entry[2]) if entry[0] == "_CONSTANT_VALUE" else self._tensor(entry) for entry in entries]
        kwargs = entries[0][3] if len(entries[0]) > 3 else {}
        return [tensors[0] if len(tensors) == 1 else tensors], {
            key: self._old_argument(value) for key, value in (kwargs or {}).items()
        }

    def _old_argument(self, value: Any) -> Any:
        if _is_reference(value):
            return self._tensor(value)
        return [self._old_argument(item) for item in value] if isinstance(value, list) else value

    def ends(self, references: Any) -> Any:
        """The tensors of `input_layers` or `output_layers`, nested as those are."""
        if _is_reference(references):
            found = self._found(references, self.first_end)
            if found is None:
                raise ValueError(f"Model '{self.owner}' has no tensor {references}, which its configuration names.")
            return found
        if isinstance(references, dict):
            return {key: self.ends(item) for key, item in references.items()}
        return [self.ends(item) for item in references]


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(item is None for item in value))


def _is_reference(value: Any) -> bool:
    """True for ["layer", 0, 1], and for Keras 2's ["layer", 0, 1, {}]."""
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _references(node: Any) -> list[list[Any]]:
    """The tensors that a use of a layer refers to, each [layer, use, output]."""
    if _is_reference(node):
        inner = _references(node[3]) if len(node) == 4 else []
        return inner if node[0] == "_CONSTANT_VALUE" else [node[:3], *inner]
    if isinstance(node, dict):
        if node.get("class_name") == _TENSOR:
            return [node["config"]["keras_history"]]
        return [found for item in node.values() for found in _references(item)]
    if isinstance(node, list):
        return [found for item in node for found in _references(item)]
    return []
