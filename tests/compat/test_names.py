"""Imports of Keras and TensorFlow answered by gatewise: what is found, what is refused and how, what is left behind."""

import importlib
import sys
import types

import pytest

import gatewise
from gatewise.compat import keras_names
from gatewise.compat.modules import known_names
from gatewise.compat.names import KERAS_MODULES, KERAS_PACKAGES, OLD_PATHS, TENSORFLOW_MODULES


def every_module():
    """The names of all answered modules, with one package for Keras's own."""
    below = [f"keras.{name}" for name in (*KERAS_MODULES, *OLD_PATHS) if name]
    return ["keras", *below, *KERAS_PACKAGES, *TENSORFLOW_MODULES]


@pytest.mark.parametrize("module", sorted(set(every_module())))
def test_every_answered_module_imports_and_has_every_name_it_lists(module):
    with keras_names():
        found = importlib.import_module(module)
        for name in known_names(module):
            assert getattr(found, name) is not None


@pytest.mark.parametrize("package", KERAS_PACKAGES)
def test_keras_is_the_same_wherever_it_is_found(package):
    with keras_names():
        layers = importlib.import_module(f"{package}.layers")
        models = importlib.import_module(f"{package}.models")
        assert layers.LSTM is gatewise.layers.LSTM
        assert models.Sequential is gatewise.Sequential
        assert importlib.import_module(package).Model is gatewise.Model


def test_the_usual_ways_to_import():
    with keras_names():
        import keras
        import tensorflow as tf
        import tensorflow.keras.backend as K
        from keras.layers.recurrent import LSTM
        from keras.preprocessing.sequence import pad_sequences
        from keras.utils.np_utils import to_categorical
        from tensorflow import keras as tf_keras
        from tensorflow.keras import layers
        from tensorflow.python.keras.layers import Dense

        assert (
            LSTM
            is layers.LSTM
            is keras.layers.LSTM
            is tf_keras.layers.LSTM
            is tf.keras.layers.LSTM
            is gatewise.layers.LSTM
        )
        assert Dense is gatewise.layers.Dense
        assert (tf.__version__, keras.__version__) == ("2.21.0", "3.15.1")
        assert K.floatx() == "float32"
        assert pad_sequences([[1], [2, 3]]).tolist() == [[0, 1], [2, 3]]
        assert to_categorical([0, 1]).tolist() == [[1, 0], [0, 1]]
        assert tf.reduce_mean(tf.constant([1.0, 2.0])) == 1.5
        assert tf.constant([1.0]).dtype == tf.float32
        assert tf.config.list_physical_devices("GPU") == []
        tf.random.set_seed(3)
        first = tf.random.normal([4])
        tf.random.set_seed(3)
        assert (first == tf.random.normal([4])).all()


def test_everything_of_a_module_at_once():
    with keras_names():
        names = {}
        exec("from keras.layers import *", names)
        assert names["LSTM"] is gatewise.layers.LSTM and names["Dense"] is gatewise.layers.Dense


def test_an_attribute_that_is_missing():
    with keras_names():
        import keras

        with pytest.raises(AttributeError) as caught:
            keras.layers.LSTMM  # noqa: B018
        text = str(caught.value)
        assert "'LSTMM'" in text and "keras.layers.LSTM" in text and f"{__file__}, line " in text
        assert not hasattr(keras.layers, "LSTMM")


def test_old_paths_are_answered_but_not_suggested():
    with keras_names():
        assert importlib.import_module("keras.layers.embeddings").LSTM is gatewise.layers.LSTM
        with pytest.raises(AttributeError) as caught:
            importlib.import_module("keras.layers").Embeddingss  # noqa: B018
    assert "keras.layers.embeddings" not in str(caught.value)


def test_a_name_to_import_that_is_missing():
    with keras_names(), pytest.raises(ImportError) as caught:
        from keras.optimizers import Adamm  # noqa: F401
    text = str(caught.value)
    assert "'Adamm'" in text and "keras.optimizers.Adam" in text and f"{__file__}, line " in text


def test_a_module_that_is_missing():
    with keras_names(), pytest.raises(ModuleNotFoundError) as caught:
        import keras.layer.core  # noqa: F401
    text = str(caught.value)
    assert "'keras.layer'" in text and "keras.layers" in text and f"{__file__}, line " in text


def test_a_script_may_try_one_import_and_fall_back_on_another():
    with keras_names():
        try:
            from keras.layers import CuDNNLSTMNever as Chosen
        except ImportError:
            from keras.layers import LSTM as Chosen
        assert Chosen is gatewise.layers.LSTM


def test_a_class_is_not_a_module():
    with keras_names(), pytest.raises(ModuleNotFoundError, match="keras.layers.LSTM"):
        import keras.layers.LSTM  # noqa: F401


def test_other_modules_are_left_alone():
    with keras_names(), pytest.raises(ModuleNotFoundError, match="No module named 'tensorflow_nonexistent'"):
        import tensorflow_nonexistent  # noqa: F401


def test_nothing_stays_behind():
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    with keras_names():
        import keras.layers
        import tensorflow

        assert keras.layers and tensorflow
    assert sys.meta_path == finders and sys.path == path
    assert not [name for name in set(sys.modules) - modules if name.split(".")[0] in ("keras", "tensorflow")]


def test_an_installed_keras_is_back_afterwards(monkeypatch, tmp_path):
    """Also where it was imported before, and whether or not the block raises."""
    (tmp_path / "tf_keras.py").write_text("kind = 'installed'")
    monkeypatch.syspath_prepend(tmp_path)
    imported = types.ModuleType("keras")
    monkeypatch.setitem(sys.modules, "keras", imported)
    with pytest.raises(RuntimeError), keras_names():
        import keras
        import tf_keras

        assert keras.layers.LSTM is tf_keras.layers.LSTM is gatewise.layers.LSTM
        raise RuntimeError
    assert sys.modules["keras"] is imported
    import tf_keras

    assert tf_keras.kind == "installed"
    monkeypatch.delitem(sys.modules, "tf_keras")


def test_blocks_nest():
    with keras_names():
        import keras

        with keras_names():
            import keras as inner

            assert inner.layers.LSTM is keras.layers.LSTM
        import keras as again

        assert again is keras


def test_importing_gatewise_installs_nothing():
    import subprocess

    code = "import sys; before = list(sys.meta_path); import gatewise.compat; assert sys.meta_path == before"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
