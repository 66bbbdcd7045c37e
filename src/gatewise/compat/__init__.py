"""Running scripts written for Keras unmodified: gatewise answers their imports of keras and tensorflow."""

from gatewise.compat.capture import captured_models
from gatewise.compat.hook import keras_names
from gatewise.compat.runner import run_script

__all__ = ["captured_models", "keras_names", "run_script"]
