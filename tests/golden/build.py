"""Makes gatewise's objects from the golden cases' specs, and runs them.

A spec is {"class": name, "module": "layers", "kwargs": {...}}, its values possibly specs themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gatewise
from gatewise import config, layers, tree
from gatewise.arguments import CallArguments

_HOMES = {
    "layers": layers.REGISTRY.objects,
    "models": {"Sequential": gatewise.Sequential, "Functional": gatewise.Model},
}


def home(module: str) -> dict[str, Any]:
    """Name -> class, for one of Keras's modules."""
    if module in _HOMES:
        return _HOMES[module]
    if module == "schedules":
        from gatewise.training import schedules as found
    elif module in ("optimizers", "losses", "metrics", "callbacks"):
        import importlib

        found = importlib.import_module(f"gatewise.training.{module}")
    else:
        found = getattr(gatewise, module)
    return vars(found)


def is_supported(spec: Any) -> bool:
    """True if every class that a spec names exists."""
    if isinstance(spec, list):
        return all(map(is_supported, spec))
    if not isinstance(spec, dict):
        return True
    if "class" in spec and spec["class"] not in ("Functional", "Input"):
        if spec["class"] not in home(spec.get("module", "layers")):
            return False
    return all(map(is_supported, spec.values()))


def build(spec: Any) -> Any:
    """The object that a spec stands for."""
    if isinstance(spec, list):
        return [build(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    if "class" not in spec:
        return {key: build(value) for key, value in spec.items()}
    if spec["class"] == "Functional":
        return _functional(spec)
    kwargs = build(spec.get("kwargs", {}))
    if spec["class"] == "Input":
        return gatewise.Input(**kwargs)
    return home(spec.get("module", "layers"))[spec["class"]](**kwargs)


def _functional(spec: dict[str, Any]) -> Any:
    tensors = {i["name"]: gatewise.Input(**i) for i in spec["inputs"]}
    # In the order of use, as Keras's side built them: the JSON sorts the names.
    made = {node["layer"]: None for node in spec["nodes"]}
    made = {name: build(spec["layers"][name]) for name in made}

    def look(value: Any) -> Any:
        if isinstance(value, dict) and "$" in value:
            return tensors[value["$"]]
        return [look(item) for item in value] if isinstance(value, list) else value

    for node in spec["nodes"]:
        args = [tensors[name] for name in node["in"]]
        args = [args] if node.get("pack") else args
        y = made[node["layer"]](*args, **{key: look(value) for key, value in node.get("kwargs", {}).items()})
        tensors.update(zip(node["out"], tree.leaves(y), strict=False))
    inputs = [tensors[i["name"]] for i in spec["inputs"]]
    outputs = [tensors[name] for name in spec["outputs"]]
    return gatewise.Model(
        inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], name=spec.get("name")
    )


def array_of(case: dict[str, Any], name: str, dtype: str) -> np.ndarray:
    """An input or weight of a case: stored as float32, used exactly in either type."""
    array = case["arrays"][name]
    return array.astype(dtype) if array.dtype.kind == "f" else array


def filled(node: Any, case: dict[str, Any], dtype: str) -> Any:
    """The same nesting with each {"$": name} replaced by its array."""
    if isinstance(node, dict):
        if "$" in node:
            return array_of(case, node["$"], dtype)
        return {key: filled(value, case, dtype) for key, value in node.items()}
    return [filled(value, case, dtype) for value in node] if isinstance(node, list) else node


def names_in(node: Any) -> list[str]:
    """The array names in a nesting, in order."""
    if isinstance(node, dict):
        return [node["$"]] if "$" in node else [n for value in node.values() for n in names_in(value)]
    return [n for value in node for n in names_in(value)] if isinstance(node, list) else []


def weights_of(case: dict[str, Any], dtype: str, prefix: str = "w") -> list[np.ndarray]:
    """The weights of a case in `get_weights()` order."""
    names = [name for name in case["arrays"] if name.startswith(prefix) and name[len(prefix) :].isdigit()]
    return [array_of(case, name, dtype) for name in sorted(names, key=lambda name: int(name[len(prefix) :]))]


def run_layer(case: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Outputs, gradients, masks and states of every call of a case of the `layers` family, by their golden names."""
    config.reset_names()
    layer = build(case["spec"])
    found: dict[str, Any] = {}
    for k, call in enumerate(case["calls"]):
        args = filled(call["args"], case, dtype)
        kwargs = filled(call.get("kwargs", {}), case, dtype)
        if k == 0:
            layer(*args, **kwargs)
            layer.set_weights(weights_of(case, dtype))
        if (k == 0 or call.get("reset_before")) and getattr(layer, "stateful", False):
            layer.reset_states()
        found.update(_call(layer, case, call, k, args, kwargs, dtype))
    return found


def _call(layer: Any, case: dict, call: dict, k: int, args: list, kwargs: dict, dtype: str) -> dict[str, Any]:
    leaves, structure = layer.arrange(tuple(args), kwargs)
    given = CallArguments.of(leaves, structure, kwargs)
    inputs = [layer._as_input(leaf) for leaf in given.leaves]
    y, pullback = layer.differentiate(inputs, given.mask, bool(given.training), given.structure)
    outputs = list(tree.leaves(y))
    found = {f"c{k}.y{j}": value for j, value in enumerate(outputs)}
    masks = layer.masks_after(inputs, outputs, given.mask) if given.mask is not None or layer.may_create_mask else []
    found.update({f"c{k}.ymask{j}": mask for j, mask in enumerate(masks) if mask is not None})
    found.update({f"c{k}.state{j}": state.numpy() for j, state in enumerate(getattr(layer, "states", None) or [])})
    found.update({f"c{k}.wafter{j}": v.numpy() for j, v in enumerate(layer.weights) if not v.trainable})
    if not case.get("grads", True):
        return found
    cotangents = [array_of(case, f"c{k}.ct{j}", dtype) for j in range(len(outputs))]
    d_inputs, gradients = pullback(cotangents if isinstance(y, list) else cotangents[0])
    names = names_in(call["args"]) + names_in({n: v for n, v in call.get("kwargs", {}).items() if n != "mask"})
    for name, gradient in zip(names, d_inputs, strict=False):
        found[f"c{k}.g.{name.removeprefix(f'c{k}.')}"] = gradient
    for j, variable in enumerate(layer.weights):
        found[f"c{k}.g.w{j}"] = gradients.get(variable)
    return found
