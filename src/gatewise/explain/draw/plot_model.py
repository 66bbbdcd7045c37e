"""`utils.plot_model`: a model's graph in a file, without Graphviz."""

from __future__ import annotations

from typing import Any

from gatewise.arguments import describe
from gatewise.explain.draw.drawing import RANKDIRS, graph_picture
from gatewise.explain.draw.graph_view import GraphStyle
from gatewise.explain.draw.picture import Picture
from gatewise.model import Model


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    show_params: bool = False,
    lang: str | None = None,
    splines: str = "ortho",
) -> Picture:
    """Draw a model's layers and how they are connected, and write the picture to a file.

    Nothing needs to be installed for .svg; .png and .pdf need `pip install "gatewise[draw]"`.

    Args:
        model: a built model; of a subclassed one only the layers are known, not how they are connected.
        to_file: a .png, .svg or .pdf file; None writes none.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what a box shows besides
            the layer's class.
        show_params: also the number of each layer's parameters, and its share of the whole as a bar.
        rankdir: "TB", "BT", "LR" or "RL": top to bottom, left to right, ...
        expand_nested: show the layers of a model in the model, in a frame.
        dpi: dots per inch of a PNG.
        lang: "en", "zh" or "de".
        splines: how Graphviz would draw edges; accepted for old scripts and without effect.

    Returns:
        Picture, which shows itself in notebooks.

    Raises:
        TypeError: for something that is not a model.
        ValueError: for a model that is not built, another rankdir, or another kind of file.
        ModuleNotFoundError: for .png and .pdf without the libraries of the extra `draw`.
    """
    if not isinstance(model, Model):
        raise TypeError(f"plot_model takes a model; got {describe(model)}. gatewise.draw() draws layers.")
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) is not built, so its layers have no shapes: call "
            "build(input_shape), or the model on data, first."
        )
    if rankdir not in RANKDIRS:
        raise ValueError(f"plot_model: rankdir is one of {', '.join(map(repr, RANKDIRS))}; got {rankdir!r}.")
    style = GraphStyle(
        shapes=show_shapes,
        dtype=show_dtype,
        names=show_layer_names,
        activations=show_layer_activations,
        trainable=show_trainable,
        params=show_params,
        nested=expand_nested,
        rankdir=rankdir,
    )
    picture = graph_picture(model, style, lang, dpi)
    if to_file is not None:
        picture.save(to_file)
    return picture


def model_to_dot(*_arguments: Any, **_named: Any) -> None:
    """Keras's way to a Graphviz object, which there is none of here.

    Raises:
        RuntimeError: always, with what to call instead.
    """
    raise RuntimeError(
        "model_to_dot makes a Graphviz object, and gatewise draws without Graphviz: call "
        "utils.plot_model(model, to_file='model.svg'), or gatewise.draw(model).svg for the text of the picture."
    )
