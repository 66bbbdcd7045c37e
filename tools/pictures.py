"""Draw the pictures of the documentation: python tools/pictures.py"""

import pathlib

import numpy as np

import gatewise
from gatewise import layers
from gatewise.explain.draw.picture import Picture

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs" / "pictures"


def pictures() -> dict[str, Picture]:
    """The documentation's pictures by the names of their files."""
    lstm = layers.LSTM(3, name="lstm")
    model = gatewise.Sequential(
        [
            gatewise.Input((13, 5)),
            layers.LSTM(8, return_sequences=True, seed=1),
            layers.GRU(4, seed=2),
            layers.Dense(1),
        ],
        name="forecast",
    )
    wave = np.sin(np.arange(30)[None, :, None] / np.array([3.0, 5.0, 7.0])).astype("float32")
    trace = gatewise.trace(layers.LSTM(8, seed=3, name="lstm"), wave)
    shape = {"input_shape": (13, 5), "lang": "en"}
    return {
        **{view: gatewise.draw(lstm, view, **shape) for view in ("layer", "unit", "cell", "unrolled", "matrices")},
        "graph": gatewise.draw(model, "graph", "en"),
        "gates": gatewise.draw(trace, "gates", "en"),
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        print(picture.save(FOLDER / f"{name}.svg"))


if __name__ == "__main__":
    main()
