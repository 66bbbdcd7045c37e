"""The demo: as a process from the numbers to the pictures, on its own series and on others; reading tables; judging."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from commands import gatewise
from gatewise.demo import DemoError
from gatewise.demo.judging import advantage, autoregression, persistence, score, verdict
from gatewise.demo.series import Series, place_text, read_series, sunspots
from gatewise.demo.windows import make_task, rows_needed

FILES = ["forecast.png", "loss.png", "model.keras"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run with the defaults: (the finished process, its folder, seconds)."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    began = time.perf_counter()
    done = gatewise("demo", "--out", out)
    return done, out, time.perf_counter() - began


def results(text):
    """RMSE by method."""
    return {
        name.strip(): float(rmse)
        for name, rmse in re.findall(r"^(LSTM|linear autoregression|persistence) +(\d+\.\d+) ", text, re.M)
    }


def test_the_whole_demo(whole):
    done, out, seconds = whole
    assert done.returncode == 0 and done.stderr == ""
    assert sorted(os.listdir(out)) == FILES
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in FILES[:2])
    assert seconds < 15
    for said in (
        "309 values, year 1700 to 2008", "SIDC", 'Model: "forecaster"', "Total params: 4,385",
        "4 x ((1 + 32) x 32 + 32)", "100/100", "kept: the weights after epoch", "1947 to 2008",
    ):  # fmt: skip
        assert said in done.stdout


def test_the_lstm_beats_persistence_clearly_and_what_is_said_is_what_was_measured(whole):
    found = results(whole[0].stdout)
    assert set(found) == {"LSTM", "linear autoregression", "persistence"}
    assert found["LSTM"] < 0.65 * found["persistence"]
    assert found["LSTM"] < 1.1 * found["linear autoregression"]
    words = " ".join(whole[0].stdout.split())
    for other in ("persistence", "linear autoregression"):
        better = found["LSTM"] < found[other]
        share = abs(found["LSTM"] / found[other] - 1) * 100
        said = re.search(
            rf"The LSTM is (better|WORSE) than {other}: its RMSE is (\S+) \((\S+)%\) (lower|higher)", words
        )
        assert said and said.group(1) == ("better" if better else "WORSE")
        assert said.group(4) == ("lower" if better else "higher")
        assert float(said.group(2)) == pytest.approx(abs(found["LSTM"] - found[other]), abs=0.011)
        assert float(said.group(3)) == pytest.approx(share, abs=0.1)
    assert f"Least error here: {min(found, key=found.get)}." in words


def test_persistence_and_autoregression_are_what_numpy_says(whole):
    """The same numbers from the file, without any of the demo's code."""
    from importlib import resources

    values = np.genfromtxt(
        resources.files("gatewise.demo").joinpath("data/sunspots.csv"), delimiter=",", skip_header=1
    )[:, 1]
    truth = values[-62:]
    rows = np.array([[*values[k - 11 : k], 1.0] for k in range(11, 309)])
    fitted, *_ = np.linalg.lstsq(rows[:-62], values[11:-62], rcond=None)
    found = results(whole[0].stdout)
    assert found["persistence"] == pytest.approx(np.sqrt(np.mean((values[-63:-1] - truth) ** 2)), abs=0.005)
    assert found["linear autoregression"] == pytest.approx(
        np.sqrt(np.mean((rows[-62:] @ fitted - truth) ** 2)), abs=0.005
    )


def without_time_and_paths(text):
    return re.sub(r" - \d+s", "", text.split("6. Files")[0])


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_the_same_seed_gives_the_same_numbers_with_any_number_of_threads(whole, tmp_path, threads):
    again = gatewise(
        "demo", "--out", tmp_path, GATEWISE_THREADS=threads, OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads
    )
    assert again.returncode == 0
    assert without_time_and_paths(again.stdout) == without_time_and_paths(whole[0].stdout)


def test_another_seed_gives_others(whole, tmp_path):
    other = gatewise("demo", "--out", tmp_path, "--seed", "1")
    assert results(other.stdout)["LSTM"] != results(whole[0].stdout)["LSTM"]
    assert results(other.stdout)["persistence"] == results(whole[0].stdout)["persistence"]


def test_the_saved_model_makes_the_forecast_that_was_printed(whole):
    import gatewise as library

    model = library.load_model(whole[1] / "model.keras")
    task = make_task(sunspots(), 11)
    after = task.unscaled(model.predict(task.latest[None, :, None], verbose=0))[0, 0]
    assert f"forecast for the year after 2008: {after:.1f}" in whole[0].stdout


@pytest.mark.parametrize("lang, word", [("zh", "参数"), ("de", "Parameter"), ("en", "parameters")])
def test_the_ledger_speaks_three_languages(tmp_path, lang, word):
    done = gatewise("demo", "--out", tmp_path, "--epochs", "1", "--units", "3", "--lang", lang)
    assert done.returncode == 0 and word in done.stdout
    assert "4 x ((1 + 3) x 3 + 3)" in done.stdout and "Total params: 64" in done.stdout


def test_the_folder_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("")
    done = gatewise("demo", "--out", tmp_path / "taken")
    assert done.returncode == 2 and "cannot be made" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--epochs", "0"), "--epochs must be at least 1; got 0"),
        (("--units", "-3"), "--units must be at least 1; got -3"),
        (("--seed", "-1"), "--seed is an integer from 0"),
        (("--column", "sunspots"), "give the table too, with --csv FILE"),
        (("--csv", "nowhere.csv"), "there is no file 'nowhere.csv'"),
        (("--csv", "."), "cannot be read"),
        (("--epochs", "many"), "invalid int value: 'many'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, said):
    done = gatewise("demo", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


# --- the user's own table ---------------------------------------------------------------------------------------


def table(folder, rows, header="month;passengers;note", name="own.csv", **writing):
    path = folder / name
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n", **writing)
    return path


def wave(n=150):
    return 100 + 20 * np.sin(np.arange(n) / 3)


def test_a_table_of_the_users(tmp_path):
    path = table(tmp_path, [f"{1900 + k / 12:.3f};{v:.2f};{'text'}".replace(".", ",") for k, v in enumerate(wave())])
    done = gatewise(
        "demo", "--csv", path, "--column", "passengers", "--out", tmp_path / "out", "--epochs", "5", "--units", "4"
    )
    assert done.returncode == 0 and done.stderr == ""
    assert "passengers: 150 values, month 1900 to 1912.417" in done.stdout
    assert sorted(os.listdir(tmp_path / "out")) == FILES
    assert set(results(done.stdout)) == {"LSTM", "linear autoregression", "persistence"}


@pytest.mark.parametrize(
    "rows, header, column, said",
    [
        (
            ["1;2;x"] * 200,
            "month;passengers;note",
            "pasengers",
            "Did you mean 'passengers'? Its columns: month, passengers, note.",
        ),
        (["1;2;x"] * 200, "month;passengers;note", "note", "column 'note' of own.csv holds 'x' in row 2"),
        (
            ["1;2;3"] * 200,
            "a;b;c",
            None,
            "3 columns of numbers; say which to take with --column NAME. Its columns: a, b, c.",
        ),
        (["x;y;z"] * 200, "a;b;c", None, "no column of numbers"),
        ([f"{k};{k % 7}" for k in range(30)], "t;v", "v", "has 30 usable rows in column 'v'"),
        (["5"] * 200, "v", "v", "does not change in its first"),
        ([""] * 3, "v", "v", "has only 0 numbers in 0 rows"),
        (["1", "", "NA", "nan", ""] * 40, "v", "v", "only 40 numbers in"),
        (["1", "inf", "2"] * 60, "v", "v", "holds 'inf' in row 3"),
        ([], None, None, "is empty"),
    ],
)
def test_bad_tables(tmp_path, rows, header, column, said):
    table(tmp_path, rows, header)
    options = [] if column is None else ["--column", column]
    done = gatewise("demo", "--csv", "own.csv", *options, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr and "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["own.csv"]


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "own.xls").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(DemoError, match="not a text file; save the table as CSV"):
        read_series(tmp_path / "own.xls")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_separators_and_decimal_signs(tmp_path, sign, decimal):
    if sign == decimal:
        return
    rows = [sign.join((str(1900 + k), f"{k / 2:.1f}".replace(".", decimal))) for k in range(9)]
    found = read_series(table(tmp_path, rows, sign.join(("year", "value"))))
    assert found.name == "value" and found.position_name == "year"
    assert found.values.tolist() == [k / 2 for k in range(9)]
    assert found.positions.tolist() == list(range(1900, 1909))


def test_a_table_without_header(tmp_path):
    rows = [f"{k},{k * k}" for k in range(9)]
    found = read_series(table(tmp_path, rows, None))
    assert found.name == "column 2" and found.values[3] == 9
    assert read_series(table(tmp_path, rows, None), "2").values.tolist() == found.values.tolist()


def test_names_with_separators_quotes_spaces_and_another_case(tmp_path):
    path = table(tmp_path, [f'{k},"{k}.5"' for k in range(9)], '"time, s" , "Load, kW"', encoding="utf-8-sig")
    assert read_series(path, "load, kw").values.tolist() == [k + 0.5 for k in range(9)]


GAPS = ["", "1", "NA", "3", "", "5", "6", "7", "n/a"]


@pytest.mark.parametrize("rows, header", [([f"{k},{v}" for k, v in enumerate(GAPS)], "k,v"), (["#", *GAPS[1:]], "v")])
def test_missing_values_are_filled_in_and_it_is_said(tmp_path, rows, header):
    found = read_series(table(tmp_path, rows, header), "v")
    assert found.values.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert "missing values at the ends" in found.notes[0] and "2 missing values" in found.notes[1]


def test_more_cells_than_columns(tmp_path):
    with pytest.raises(DemoError, match="row 2 of .* has 2 cells and the first row 1, with ',' between"):
        read_series(table(tmp_path, ["1,5", "2,7"], "v"))


def test_dates_stand_on_the_axis(tmp_path):
    rows = [f"19{49 + k // 12}-{k % 12 + 1:02d},{k}" for k in range(24)]
    found = read_series(table(tmp_path, rows, "month,passengers"))
    assert place_text(found.positions[0]) == "1949-01" and found.position_name == "month" and found.notes == []


def test_unequal_steps_are_noted(tmp_path):
    years = [*range(1900, 1910), *range(1930, 1940)]
    found = read_series(table(tmp_path, [f"{y},{y % 7}" for y in years], "year,v"))
    assert "not equally far apart" in found.notes[0]


def test_text_in_another_encoding(tmp_path):
    path = table(tmp_path, [f"{k};{k}" for k in range(9)], "Monat;Höhe", encoding="latin-1")
    found = read_series(path, "Höhe")
    assert found.values[8] == 8 and "Latin-1" in found.notes[0]


# --- windows and judging ----------------------------------------------------------------------------------------


def series_of(values):
    return Series("v", np.asarray(values, float), np.arange(1.0, len(values) + 1), "row", "v", "own.csv")


def test_nothing_leaks_across_the_split():
    """What comes later changes neither the scale nor the windows of what comes before."""
    values = wave(200)
    task = make_task(series_of(values), 10)
    changed = values.copy()
    changed[task.validation.rows[0] :] += 1000
    other = make_task(series_of(changed), 10)
    assert (task.mean, task.deviation) == (other.mean, other.deviation)
    np.testing.assert_array_equal(task.training.x, other.training.x)
    np.testing.assert_array_equal(task.training.y, other.training.y)
    rows = [task.training.rows, task.validation.rows, task.test.rows]
    assert np.concatenate(rows).tolist() == list(range(10, 200))
    for part in (task.training, task.validation, task.test):
        for x, y, row in zip(part.x, part.y, part.rows, strict=True):
            np.testing.assert_allclose(task.unscaled(np.append(x, y)), values[row - 10 : row + 1])


@pytest.mark.parametrize("length", [1, 5, 11, 24, 100])
def test_the_number_of_rows_that_is_asked_for_is_enough_and_the_fewest(length):
    n = rows_needed(length)
    make_task(series_of(wave(n)), length)
    with pytest.raises(DemoError, match=f"at least {n} are needed"):
        make_task(series_of(wave(n - 1)), length)


def test_baselines_by_hand():
    task = make_task(series_of(wave(200)), 4)
    np.testing.assert_array_equal(persistence(task, task.test), wave(200)[task.test.rows - 1])
    # A sine obeys a linear recurrence, so the autoregression is exact.
    np.testing.assert_allclose(autoregression(task, task.test), wave(200)[task.test.rows], atol=1e-8)


def test_scores_and_verdicts():
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    good, bad = score("LSTM", truth + 0.5, truth), score("persistence", truth - [2.0, 2.1, 2.0, 2.1], truth)
    assert good.rmse == good.mae == 0.5
    said = verdict(good, bad, truth)
    assert "better than persistence" in said and "lower" in said and "4 of 4" in said and "more than chance" in said
    assert advantage(good, bad, truth) > 0 > advantage(bad, good, truth)
    worse = verdict(score("LSTM", truth + [0.5, 0, 3, 0], truth), good, truth)
    assert "WORSE" in worse and "higher" in worse and "may be chance" in worse


def test_a_trend_that_the_lstm_cannot_follow_is_explained(tmp_path):
    path = table(tmp_path, [f"{k},{10 * k + k % 5}" for k in range(150)], "t,v")
    done = gatewise("demo", "--csv", path, "--out", tmp_path / "out", "--epochs", "3", "--units", "4")
    assert "WORSE than persistence" in done.stdout and "100% of the held-out values lie beyond" in done.stdout


def test_numbers_too_large_to_compute_with(tmp_path):
    rows = "\n".join(f"{1900 + k},{1e300 if k % 2 else 1e-300}" for k in range(200))
    (tmp_path / "huge.csv").write_text("year,v\n" + rows)
    command = [sys.executable, "-m", "gatewise", "demo", "--csv", "huge.csv", "--column", "v"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert run.returncode == 2 and "too large" in run.stderr and "Traceback" not in run.stderr
