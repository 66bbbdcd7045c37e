"""The layout of summaries: against every text that Keras printed, and against the library that Keras lays out with."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import load

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from golden_summaries import sheet_from_box

from gatewise.explain.tables import Row, Sheet, box_text, readable_bytes, ruled_text
from gatewise.explain.text_width import paragraph_lines, width_of

SAVED = list(load.saved_models("keras3"))


@pytest.mark.parametrize("folder", [folder for _, folder in SAVED], ids=lambda folder: folder.name)
def test_box_is_what_keras_prints(folder):
    def golden(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8").rstrip("\n") + "\n"

    nested = sheet_from_box(golden("summary_nested.txt"), with_trainable=True)
    plain = dataclasses.replace(nested, rows=tuple(row for row in nested.rows if row.level == 0))
    assert box_text(plain, 80) == golden("summary.txt")
    assert box_text(plain, 200) == golden("summary_wide.txt")
    assert box_text(nested, 200, show_trainable=True) == golden("summary_nested.txt")


def rich_box(sheet: Sheet, length: int, ends: list[float]) -> str:
    """The same table, laid out by rich as Keras asks it to."""
    rich_table, rich_console = pytest.importorskip("rich.table"), pytest.importorskip("rich.console")
    header, align = ["Layer (type)", "Output Shape", "Param #", "Connected to"], ["left", "left", "right", "left"]
    widths: list[int] = []
    for end in ends:
        widths.append(int(end * length) - sum(widths))
    columns = [rich_table.Column(h, justify=a, width=w) for h, a, w in zip(header, align, widths, strict=True)]
    table = rich_table.Table(*columns, width=length, show_lines=True)
    for row in sheet.rows:
        cells = [row.title, row.output_shape, row.params, ", ".join(row.connections) or "-"]
        table.add_row(*(cell.replace("[", "\\[") for cell in cells))
    out = io.StringIO()
    rich_console.Console(file=out, width=400, highlight=False, color_system=None).print(table)
    return out.getvalue()


names = st.text(alphabet=st.sampled_from("abc_XYZ09层门单"), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(
        st.builds(
            Row,
            names,
            names,
            st.sampled_from(["(None, 4)", "[(None, 12), (None, 12), (None, 12)]", "?"]),
            st.sampled_from(["0", "0 (unbuilt)", "1,234,567"]),
            st.lists(names.map("{}[0][1]".format), max_size=4).map(tuple),
        ),
        max_size=4,
    ),
    length=st.integers(40, 130),
)
def test_box_is_what_rich_lays_out(rows, length):
    ends = [0.3, 0.56, 0.74, 1.0]
    sheet = Sheet("m", tuple(rows), False, (0, 0), (0, 0))
    ours = box_text(sheet, line_length=length).split("\n", 1)[1].split("\n Total")[0] + "\n"
    assert ours == rich_box(sheet, length, ends)


def test_ruled_table_of_two_layers():
    rows = (
        Row("lstm_4", "LSTM", "(None, None, 10)", "480"),
        Row("time_distributed_4", "TimeDistributed", "(None, None, 1)", "11"),
    )
    text = ruled_text(Sheet("sequential", rows, True, (491, 1964), (0, 0)), heading=False)
    assert text == (
        "_________________________________________________________________\n"
        "Layer (type)                 Output Shape              Param #   \n"
        "=================================================================\n"
        "lstm_4 (LSTM)                (None, None, 10)          480       \n"
        "_________________________________________________________________\n"
        "time_distributed_4 (TimeDist (None, None, 1)           11        \n"
        "=================================================================\n"
        "Total params: 491\n"
        "Trainable params: 491\n"
        "Non-trainable params: 0\n"
        "_________________________________________________________________"
    )


def test_ruled_table_with_connections():
    rows = (
        Row("sequential_1", "Sequential", "(None, 4, 2)", "172", ("x[0][0]", "sequential_1[1][0]")),
        Row("encoder", "LSTM", "[(None, 4), (None, 4), (None, 4)]", "1,280", ("enc_in[0][0]",)),
    )
    lines = ruled_text(Sheet("model", rows, False, (1452, 0), (0, 0))).splitlines()
    assert lines[0] == 'Model: "model"'
    assert [lines[k] for k in (2, 4, 5, 7)] == [
        "Layer (type)                    Output Shape         Param #     Connected to".ljust(98),
        "sequential_1 (Sequential)       (None, 4, 2)         172         x[0][0]".ljust(98),
        "                                                                 sequential_1[1][0]".ljust(98),
        "encoder (LSTM)                  [(None, 4), (None, 4 1280        enc_in[0][0]".ljust(98),
    ]
    assert lines[-4] == "Total params: 1,452"
    assert {len(line) for line in lines if line[0] in "_="} == {98}


def test_bytes_are_written_as_keras_writes_them():
    assert [readable_bytes(n) for n in (0, 1000, 1023, 1024, 2560, 1024**2, 5 * 1024**3)] == [
        "0.00 B", "1000.00 B", "1023.00 B", "1.00 KB", "2.50 KB", "1.00 MB", "5.00 GB",
    ]  # fmt: skip


def test_columns_that_are_too_narrow_are_refused():
    with pytest.raises(ValueError, match="line_length"):
        box_text(Sheet("m", (), True, (0, 0), (0, 0)), line_length=10)


def test_positions_in_characters_are_those_of_the_fractions():
    sheet = Sheet("m", (Row("lstm", "LSTM", "(None, 4)", "128"),), True, (128, 512), (0, 0))
    assert ruled_text(sheet, 100, [50, 80, 100]) == ruled_text(sheet, 100, [0.5, 0.8, 1.0])


@given(st.text(alphabet=st.sampled_from("ab c层门"), max_size=120), st.integers(8, 40))
def test_paragraphs_keep_their_text_and_their_width(text, width):
    lines = paragraph_lines(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    longest = max((width_of(word) for word in text.split()), default=0)
    assert all(width_of(line) <= max(width, longest) for line in lines)


def test_chinese_breaks_between_characters_but_not_before_a_full_stop():
    assert paragraph_lines("隐状态的长度。门", 12) == ["隐状态的长", "度。门"]
    assert paragraph_lines("共有 4 x 10\u00a0=\u00a040 个", 10) == ["共有 4 x", "10 = 40 个"]
