"""The table: which names of Keras and TensorFlow are answered by which names of gatewise.

Nothing is copied.  A module of theirs is described by a list of sources, each one of

* `"gatewise.layers"`: every public name of that module;
* `"gatewise.files:load_model"`: one name of it;
* `"gatewise.ops:mean as reduce_mean"`: one name of it, under another.
"""

from __future__ import annotations

KERAS_VERSION = "3.15.1"
TENSORFLOW_VERSION = "2.21.0"

ROOTS = ("keras", "keras_preprocessing", "tensorflow", "tf_keras")
"""First parts of the module names that are answered; every other module imports, or fails, as always."""

KERAS_PACKAGES = (
    "keras", "keras.api", "keras.api._v2.keras", "keras.src", "tf_keras", "tf_keras.src",
    "tensorflow.keras", "tensorflow.python.keras", "tensorflow.compat.v1.keras", "tensorflow.compat.v2.keras",
    "tensorflow.contrib.keras",
)  # fmt: skip
"""Where Keras's package is found: under its own name, and inside TensorFlow."""

_CUSTOM_OBJECTS = tuple(
    f"gatewise.saving:{name}"
    for name in (
        "CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
        "get_registered_name", "get_registered_object", "register_keras_serializable", "serialize_keras_object",
    )
)  # fmt: skip
_WINDOWS = "gatewise.compat.tensors:timeseries_dataset_from_array"
_CLEAR = "gatewise.backend:clear_session"
_SETTINGS = ("gatewise.config", "gatewise.compat.stand_ins:backend", "gatewise.compat.stand_ins:image_data_format")

_OPTIMIZERS = (
    "gatewise.optimizers",
    # Once files as well, but what scripts of Keras 1 and 2 ask for by these names is the class.
    *(f"gatewise.optimizers:{name}" for name in "adadelta adagrad adam adamax nadam rmsprop sgd".split()),
)
_OPTIMIZER_FILES = (
    "adadelta adafactor adagrad adam adamax adamw ftrl gradient_descent lamb lion muon nadam optimizer optimizer_v2 "
    "rmsprop schedule_free_adamw sgd"
)

KERAS_MODULES: dict[str, tuple[str, ...]] = {
    "": (
        "gatewise",
        "gatewise.compat.names:KERAS_VERSION as __version__",
        "gatewise.layers:InputSpec",
        "gatewise.initializers:Initializer",
        "gatewise.regularizers:Regularizer",
        "gatewise.losses:Loss",
        "gatewise.metrics:Metric",
        "gatewise.optimizers:Optimizer",
    ),
    "activations": ("gatewise.activations",),
    "backend": ("gatewise.backend", "gatewise.ops"),
    "callbacks": ("gatewise.callbacks",),
    "config": _SETTINGS,
    "constraints": ("gatewise.constraints",),
    "engine": (
        "gatewise:Model",
        "gatewise:Sequential",
        "gatewise:Layer",
        "gatewise:Input",
        "gatewise.layers:InputLayer",
        "gatewise.layers:InputSpec",
    ),
    "initializers": ("gatewise.initializers",),
    "layers": ("gatewise.layers",),
    "losses": ("gatewise.losses",),
    "metrics": ("gatewise.metrics",),
    "models": ("gatewise.models",),
    "ops": ("gatewise.ops",),
    "optimizers": _OPTIMIZERS,
    "optimizers.schedules": ("gatewise.training.schedules",),
    "preprocessing": (_WINDOWS,),
    "preprocessing.sequence": ("gatewise.preprocessing.sequence",),
    "preprocessing.text": ("gatewise.preprocessing.text",),
    "random": ("gatewise.random",),
    "regularizers": ("gatewise.regularizers",),
    "saving": ("gatewise.saving",),
    "utils": (_WINDOWS, "gatewise.utils", _CLEAR, *_CUSTOM_OBJECTS),
}
"""Below Keras's package ("" is the package itself)."""

_OLD_FILES = {
    "engine": "base_layer functional input_layer network sequential topology training",
    "layers": "advanced_activations attention convolutional core core.dense embeddings experimental local merge "
    "merging noise normalization pooling recurrent recurrent_v2 rnn rnn.gru rnn.lstm rnn.simple_rnn wrappers",
    "losses": "losses",
    "metrics": "metrics",
    "models": "functional model sequential",
    "optimizers": f"{_OPTIMIZER_FILES} adadelta_v2 adagrad_v2 adam_v2 adamax_v2 experimental gradient_descent_v2 "
    "legacy nadam_v2 rmsprop_v2",
    "saving": "hdf5_format object_registration save",
    "preprocessing": "timeseries",
    "utils": "data_utils generic_utils io_utils layer_utils np_utils numerical_utils sequence_utils tf_utils "
    "timeseries_dataset_utils vis_utils",
}
OLD_PATHS: dict[str, str] = {
    **{f"{now}.{old}": now for now, files in _OLD_FILES.items() for old in files.split()},
    **{
        f"{folder}.{old}": "optimizers"
        for folder in ("optimizer_v2", "optimizers.legacy", "optimizers.experimental")
        for old in _OPTIMIZER_FILES.split()
    },
    **{
        f"{folder}.{name}": f"preprocessing.{name}"
        for folder in ("_legacy.preprocessing", "legacy.preprocessing")
        for name in ("sequence", "text")
    },
    **{f"{folder}preprocessing": "preprocessing" for folder in ("_legacy.", "legacy.")},
    "_legacy": "layers",
    "legacy": "layers",
    "objectives": "losses",
    "optimizer_v2": "optimizers",
}
"""Paths of Keras 1 and 2, and of the inside of Keras 3 -> where these names are now."""

_ARRAYS = (
    *(f"numpy:{name}" for name in (
        "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    )),
    "numpy:bool_ as bool",
    "numpy:ndarray as Tensor",
    *(f"gatewise.ops:{name}" for name in (
        "abs", "add", "argmax", "argmin", "cast", "convert_to_tensor", "cos", "divide", "exp", "expand_dims",
        "linspace", "matmul", "maximum", "minimum", "multiply", "one_hot", "ones", "ones_like", "reshape", "round",
        "shape", "sigmoid", "sign", "sin", "sqrt", "square", "squeeze", "stack", "subtract", "tanh", "tile",
        "transpose", "where", "zeros", "zeros_like",
    )),
    *(f"gatewise.ops:{ours} as {theirs}" for theirs, ours in (
        ("clip_by_value", "clip"), ("concat", "concatenate"), ("pow", "power"), ("range", "arange"),
        ("reduce_max", "max"), ("reduce_mean", "mean"), ("reduce_min", "min"), ("reduce_prod", "prod"),
        ("reduce_sum", "sum"), ("reverse", "flip"),
    )),
)  # fmt: skip

TENSORFLOW_MODULES: dict[str, tuple[str, ...]] = {
    "keras_preprocessing": (),
    "keras_preprocessing.sequence": ("gatewise.preprocessing.sequence",),
    "keras_preprocessing.text": ("gatewise.preprocessing.text",),
    "tensorflow": (
        *_ARRAYS,
        "gatewise.compat.names:TENSORFLOW_VERSION as __version__",
        *(f"gatewise.compat.stand_ins:{name}" for name in ("constant", "executing_eagerly", "function", "get_logger")),
    ),
    "tensorflow.compat": (),
    "tensorflow.compat.v1": ("gatewise.utils:set_random_seed",),
    "tensorflow.compat.v2": (),
    "tensorflow.config": tuple(
        f"gatewise.compat.stand_ins:{name}"
        for name in ("list_physical_devices", "list_physical_devices as list_logical_devices", "run_functions_eagerly")
    ),
    "tensorflow.config.experimental": tuple(
        f"gatewise.compat.stand_ins:{name}"
        for name in ("list_physical_devices", "list_physical_devices as list_logical_devices")
    ),
    "tensorflow.contrib": (),
    "tensorflow.data": ("gatewise.compat.tensors:Dataset", "gatewise.data:AUTOTUNE"),
    "tensorflow.data.experimental": ("gatewise.data:AUTOTUNE",),
    "tensorflow.math": _ARRAYS,
    "tensorflow.nn": ("gatewise.activations",),
    "tensorflow.optimizers": _OPTIMIZERS,
    "tensorflow.optimizers.legacy": _OPTIMIZERS,
    "tensorflow.optimizers.schedules": ("gatewise.training.schedules",),
    "tensorflow.python": (),
    "tensorflow.random": (
        "gatewise.utils:set_random_seed as set_seed",
        "gatewise.compat.stand_ins:normal",
        "gatewise.compat.stand_ins:uniform",
    ),
    "tensorflow.version": ("gatewise.compat.names:TENSORFLOW_VERSION as VERSION",),
}
"""TensorFlow's own modules, in full: so much as is NumPy's under another name.  And the package that Keras 2 kept its
preprocessing in."""


def sources_of(module: str) -> tuple[str, ...] | None:
    """The sources of a module's names, or None if it is not answered."""
    if module in TENSORFLOW_MODULES:
        return TENSORFLOW_MODULES[module]
    for below in _places_in_keras(module):
        found = KERAS_MODULES.get(OLD_PATHS.get(below, below))
        if found is not None:
            return found
    # "keras.api._v2" and its like: folders on the way to a package.
    return () if any(package.startswith(module + ".") for package in KERAS_PACKAGES) else None


def is_old_path(module: str) -> bool:
    """True for a path of Keras 1 or 2, which is answered but not what one would write today."""
    return any(below in OLD_PATHS for below in _places_in_keras(module))


def _places_in_keras(module: str) -> list[str]:
    """Where in Keras's package a module may be: "layers" for "keras.src.layers", which is also "src.layers"."""
    packages = [package for package in KERAS_PACKAGES if f"{module}.".startswith(f"{package}.")]
    return [module[len(package) + 1 :] for package in sorted(packages, key=len, reverse=True)]


def submodules_of(module: str) -> list[str]:
    """The last parts of the names of the modules directly inside a module."""
    every = [*TENSORFLOW_MODULES, *KERAS_PACKAGES]
    for package in KERAS_PACKAGES:
        every += [f"{package}.{below}" for below in (*KERAS_MODULES, *OLD_PATHS) if below]
    lead = module + "."
    return sorted({name[len(lead) :].split(".")[0] for name in every if name.startswith(lead)})
