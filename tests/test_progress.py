"""What fit and evaluate print: plain lines, the live bar on a terminal, nothing."""

import io
import os
import re
import subprocess
import sys
import textwrap

import pytest

from gatewise.training import progress
from training_models import data, forecaster

X, Y = data(14)


def compiled():
    model = forecaster(1, "sigmoid")
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return model


NUMBERS = r"loss: \d\.\d{4} - accuracy: \d\.\d{4}"


def lines_of(capsys):
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("verbose", [1, 2, "auto", True])
def test_lines_where_there_is_no_terminal(verbose, capsys):
    compiled().fit(X, Y > 0, batch_size=3, epochs=2, verbose=verbose)
    lines = lines_of(capsys)
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(re.fullmatch(rf"5/5 - 0s - {NUMBERS}", line) for line in lines[1::2])


def test_validation_values_come_after_the_others(capsys):
    model = compiled()
    history = model.fit(X, Y > 0, batch_size=3, validation_split=0.2, verbose=2).history
    assert lines_of(capsys) == [
        "Epoch 1/1",
        "4/4 - 0s" + "".join(f" - {name}: {values[0]:.4f}" for name, values in history.items()),
    ]
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]


@pytest.mark.parametrize("verbose", [0, False])
def test_nothing(verbose, capsys):
    model = compiled()
    model.fit(X, Y > 0, verbose=verbose)
    model.evaluate(X, Y > 0, verbose=verbose)
    model.predict(X, verbose=verbose)
    model.predict(X)
    model.train_on_batch(X, Y > 0)
    assert capsys.readouterr() == ("", "")


def test_evaluate_and_predict_print_one_line(capsys):
    model = compiled()
    model.evaluate(X, Y > 0, batch_size=3)
    model.predict(X, batch_size=3, verbose=2)
    first, second = lines_of(capsys)
    assert re.fullmatch(rf"5/5 - 0s - {NUMBERS}", first) and second == "5/5 - 0s"


def test_epochs_are_numbered_from_initial_epoch(capsys):
    compiled().fit(X, Y > 0, epochs=4, initial_epoch=2, verbose=2)
    assert lines_of(capsys)[0::2] == ["Epoch 3/4", "Epoch 4/4"]


def test_steps_of_a_generator_are_counted(capsys):
    compiled().fit(((X[k : k + 3], Y[k : k + 3] > 0) for k in range(0, 14, 3)), verbose=2)
    assert lines_of(capsys)[1].startswith("5/5 - 0s - loss: ")


@pytest.mark.parametrize("wrong", ["loud", 3, -1, 1.5, None, [1]])
def test_wrong_verbosity(wrong):
    model = compiled()
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="verbose is 0, 1, 2 or 'auto'"):
            call(X, Y > 0, verbose=wrong)
    with pytest.raises(ValueError, match="verbose is 0, 1, 2 or 'auto'"):
        model.predict(X, verbose=wrong)


@pytest.mark.parametrize(
    "value, text",
    [(0.5914, "0.5914"), (0.0, "0.0000"), (1e-4, "1.0000e-04"), (-2.5e-5, "-2.5000e-05"), (1234.56789, "1234.5679"),
     (float("nan"), "nan"), (float("inf"), "inf"), (3, "3.0000"), ("text", "text")],
)  # fmt: skip
def test_numbers(value, text):
    assert progress.number(value) == text


@pytest.mark.parametrize("seconds, text", [(0.9, "0s"), (59.9, "59s"), (61, "1:01"), (3723, "1:02:03")])
def test_durations(seconds, text):
    assert progress.duration(seconds) == text


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_redrawn_bar_covers_the_one_before(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0)
    with progress.Progress(1, 1, stream) as bar:
        bar.begin_epoch(0)
        bar.batch(1, 4, lambda: {"loss": 0.25})
        bar.batch(2, 4, lambda: {"loss": 0.5})
        bar.end_epoch(4, {"loss": 0.5})
    first, *drawn = stream.getvalue().split("\r")
    assert first == "Epoch 1/1\n" and len(drawn) == 3
    assert drawn[0].startswith("1/4 ━━━━━━━╺ ") and drawn[0].endswith("0s left - loss: 0.2500")
    assert drawn[1].startswith("2/4 ━━━━━━━━━━━━━━━╺")
    assert len(drawn[2].rstrip("\n")) == len(drawn[1]) and drawn[2].rstrip() == "4/4 - 0s - loss: 0.5000"


def test_a_bar_without_a_known_number_of_steps(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0)
    bar = progress.Progress(1, None, stream)
    bar.begin_epoch(0)
    bar.batch(3, None, lambda: {"loss": 1.0})
    assert stream.getvalue() == "\r3/? 0s - loss: 1.0000"


def test_an_interrupted_bar_ends_its_line(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt), progress.Progress(1, 1, stream) as bar:
        bar.begin_epoch(0)
        bar.batch(1, 2, dict)
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\n")


def shown(written):
    """What a notebook shows: of each line, what was written after the last return to its beginning."""
    return [line.split("\r")[-1].rstrip() for line in written.split("\n")]


class Notebook(io.StringIO):
    """The output of a notebook's kernel as it looks from here; a real one was tried by hand."""

    encoding = "UTF-8"

    def __init__(self):
        super().__init__()
        self.flushes = 0

    def isatty(self):
        return False

    def fileno(self):
        raise io.UnsupportedOperation("IOStream has no fileno.")

    def flush(self):
        self.flushes += 1


Notebook.__module__ = "ipykernel.iostream"


def test_a_notebook_shows_one_line_an_epoch_and_is_sent_few(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    stream, clock = Notebook(), iter(k / 100 for k in range(10**6))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys, "stdout", stream)
    compiled().fit(X, Y > 0, batch_size=1, epochs=2, validation_split=0.2, verbose=1)
    lines = shown(stream.getvalue())
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2", ""]
    assert all(re.fullmatch(rf"11/11 - 0s - {NUMBERS} - val_{NUMBERS.replace('- acc', '- val_acc')}", line)
               for line in lines[1::2])  # fmt: skip
    assert stream.getvalue().count("\r") <= 4 and stream.flushes <= 8


def test_time_left_is_told_from_the_batches_after_the_first(monkeypatch):
    stream = Terminal()
    times = iter([0.0, 10.0, 11.0, 12.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(times))
    bar = progress.Progress(1, 1, stream)
    bar.begin_epoch(0)
    for done in (1, 2, 3):
        bar.batch(done, 10, dict)
    assert [re.findall(r"(\S+) left", line)[0] for line in stream.getvalue().split("\r")[1:]] == ["1:30", "8s", "7s"]


def test_a_terminal_that_became_narrower(monkeypatch):
    stream, columns = Terminal(), [80]
    monkeypatch.setattr(progress, "_columns", lambda _: columns[0])
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0)
    bar = progress.Progress(1, None, stream)
    bar.begin_epoch(0)
    bar.batch(1, 4, lambda: {"a long name of a metric": 1.0, "another": 1.0})
    columns[0] = 30
    bar.batch(2, 4, lambda: {"a long name of a metric": 1.0, "another": 1.0})
    lines = stream.getvalue().split("\r")
    assert len(lines[1]) == 79 and len(lines[2]) == 29


@pytest.mark.parametrize("encoding, name", [("ascii", "Fl??che"), ("cp1252", "Fl\u00e4che"), ("cp437", "Fl\u00e4che")])
def test_names_that_the_output_cannot_write(encoding, name):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    bar = progress.Progress(1, 1, stream)
    bar.begin_epoch(0)
    bar.end_epoch(3, {"Fl\u00e4che": 1.0, "\u9762\u79ef": 2.0})
    written = stream.buffer.getvalue().decode(encoding)
    assert written.split("- ", 2)[2].startswith(name.replace("??", "?")) and "??: 2.0000" in written


def test_wide_characters_take_two_columns(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress, "_columns", lambda _: 30)
    monkeypatch.setattr(progress, "_REDRAW_SECONDS", 0)
    bar = progress.Progress(1, None, stream)
    bar.begin_epoch(0)
    bar.batch(1, None, lambda: {"\u51c6\u786e\u7387" * 3: 1.0})
    line = stream.getvalue().split("\r")[1]
    assert sum(1 + (ord(c) > 0x2000) for c in line) in (28, 29)


pty = pytest.importorskip("pty")

SCRIPT = """
    import numpy as np
    import gatewise
    from gatewise.layers import LSTM, Dense

    gatewise.utils.set_random_seed(0)
    model = gatewise.Sequential([gatewise.Input((5, 3)), LSTM(4), Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    x, y = np.ones((20000, 5, 3)), np.ones((20000, 1))
    model.fit(x, y, batch_size=4, epochs=2, verbose=1)
"""


def run_on_terminal(environment, columns=80):
    """What a script writes to a terminal of its own."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, **environment}) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("encoding, stroke", [("utf-8", "━"), ("ascii", "=")])
def test_the_live_bar_on_a_terminal(encoding, stroke):
    written = run_on_terminal({"PYTHONIOENCODING": encoding})
    assert written.endswith("\n")
    drawn = written.split("\n")
    assert drawn[0] == "Epoch 1/2" and drawn[2] == "Epoch 2/2" and drawn[4:] == [""]
    for line in (drawn[1], drawn[3]):
        bars = line.split("\r")[1:]
        assert len(bars) > 1, "nothing was drawn on the way"
        assert stroke in bars[-2] and " left" in bars[-2] and all(len(bar) < 80 for bar in bars[:-1])
        assert re.fullmatch(rf"5000/5000 - \ds - {NUMBERS}\s*", bars[-1])


def test_a_narrow_terminal_cuts_the_bar_and_not_the_result():
    written = run_on_terminal({"PYTHONIOENCODING": "utf-8"}, columns=30)
    bars = written.split("\n")[1].split("\r")[1:]
    assert all(len(bar) < 30 for bar in bars[:-1]) and "accuracy" in bars[-1]
