"""fit_generator, evaluate_generator and predict_generator, with the arguments of Keras 1 and 2."""

import warnings

import numpy as np
import pytest

from gatewise import optimizers
from gatewise.callbacks import LambdaCallback
from training_models import data, forecaster

X, Y = data(12)


def compiled():
    model = forecaster()
    model.compile(optimizers.SGD(0.1), "mse")
    return model


def generator():
    while True:
        for k in range(0, 12, 4):
            yield X[k : k + 4], Y[k : k + 4]


class Shelf:
    def __len__(self):
        return 3

    def __getitem__(self, k):
        return X[4 * k : 4 * k + 4], Y[4 * k : 4 * k + 4]


EXPECTED = compiled().fit(X, Y, batch_size=4, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0).history

FIT = {
    "Keras 2": (generator, {"steps_per_epoch": 3, "epochs": 2, "validation_data": (X, Y)}),
    "by position": (generator, {"positional": (3, 2, 0), "validation_data": generator(), "validation_steps": 3}),
    "queues": (
        generator,
        {"steps_per_epoch": 3, "epochs": 2, "validation_data": (X, Y)}
        | {"max_queue_size": 5, "workers": 4, "use_multiprocessing": True},
    ),
    "a sequence": (Shelf, {"epochs": 2, "validation_data": Shelf(), "shuffle": False}),
    "Keras 1": (
        generator,
        {"samples_per_epoch": 12, "nb_epoch": 2, "validation_data": generator(), "nb_val_samples": 12}
        | {"max_q_size": 5, "nb_worker": 2, "pickle_safe": True},
    ),
    "Keras 1, not a whole batch": (generator, {"samples_per_epoch": 10, "nb_epoch": 2, "validation_data": (X, Y)}),
    "Keras 1, a sequence": (
        Shelf,
        {"samples_per_epoch": 12, "nb_epoch": 2, "validation_data": (X, Y), "shuffle": False},
    ),
}


def warned_once(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    assert [w.category for w in found] == [DeprecationWarning] and found[0].filename == __file__
    return result, str(found[0].message)


@pytest.mark.parametrize("name", FIT)
def test_fit_generator(name):
    source, arguments = FIT[name]
    arguments = {"verbose": 0, **arguments}
    positional = arguments.pop("positional", ())
    if positional:
        del arguments["verbose"]
    history, told = warned_once(lambda: compiled().fit_generator(source(), *positional, **arguments))
    assert "model.fit(x=generator, steps_per_epoch=..." in told
    assert history.history["loss"] == EXPECTED["loss"]
    assert history.history["val_loss"] == pytest.approx(EXPECTED["val_loss"], rel=1e-6)


def test_fit_generator_hands_on_everything_else():
    seen = []
    note = LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    with pytest.warns(DeprecationWarning):
        history = compiled().fit_generator(
            generator(), 3, epochs=3, initial_epoch=1, class_weight={0: 2.0}, validation_data=(X, Y), validation_freq=3,
            verbose=0, callbacks=[note],
        )  # fmt: skip
    assert history.epoch == [1, 2] and len(history.history["val_loss"]) == 1
    assert seen == [1, 2]


@pytest.mark.parametrize(
    "source, arguments", [(generator, {"steps": 3}), (Shelf, {}), (generator, {"val_samples": 12, "max_q_size": 3})]
)
def test_evaluate_and_predict_generator(source, arguments):
    model = compiled()
    found, told = warned_once(lambda: model.evaluate_generator(source(), **arguments))
    assert found == model.evaluate(X, Y, batch_size=4, verbose=0) and "model.evaluate(generator" in told
    found, told = warned_once(lambda: model.predict_generator(source(), **arguments))
    np.testing.assert_array_equal(found, model.predict(X, batch_size=4))
    assert "model.predict(generator" in told


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrong_arguments():
    for method in ("fit_generator", "evaluate_generator", "predict_generator"):
        with pytest.raises(TypeError, match=rf"{method}\(\) has no argument 'epoch'"):
            getattr(compiled(), method)(generator(), epoch=3)
    with pytest.raises(ValueError, match="samples_per_epoch must be a positive integer; got 0"):
        compiled().fit_generator(generator(), samples_per_epoch=0, nb_epoch=1)
    with pytest.raises(ValueError, match="val_samples must be a positive integer; got 2.5"):
        compiled().predict_generator(generator(), val_samples=2.5)
    with pytest.raises(ValueError, match="no batch"):
        compiled().evaluate_generator(iter([]), val_samples=3)
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        compiled().fit_generator(generator(), samples_per_epoch=3, nb_epoch=-1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_generator_that_may_never_end_needs_steps():
    for method, argument in (("fit", "steps_per_epoch"), ("evaluate", "steps"), ("predict", "steps")):
        with pytest.raises(ValueError, match=rf"{method}_generator\(\) needs {argument}=.*write {method}\(generator\)"):
            getattr(compiled(), f"{method}_generator")(generator())
