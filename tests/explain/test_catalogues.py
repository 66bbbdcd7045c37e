"""The catalogues: every message translated, with the same placeholders, and compiled from what the code says."""

from __future__ import annotations

import pathlib
import string
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
pytest.importorskip("babel")
import catalogues  # noqa: E402

PLURALS = {"de": 2, "zh": 1}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("lang", PLURALS)
def test_every_message_is_translated(lang):
    catalogue = catalogues.read(catalogues.LOCALE / lang / "LC_MESSAGES" / "gatewise.po")
    messages = [message for message in catalogues.extract() if message.id]
    assert len(messages) > 80
    for message in messages:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        found = catalogue.get(ids[0])
        assert found is not None and not found.fuzzy, ids[0]
        texts = found.string if isinstance(found.string, tuple) else (found.string,)
        assert len(texts) == (PLURALS[lang] if len(ids) == 2 else 1)
        for text in texts:
            assert text, ids[0]
            assert placeholders(text) <= placeholders(ids[-1]), ids[0]
            assert placeholders(ids[0]) <= placeholders(text) or len(ids) == 2, ids[0]
    assert {m.id for m in catalogue if m.id} == {m.id for m in messages}


@pytest.mark.parametrize("lang", PLURALS)
def test_every_message_passes_the_checks_of_babel(lang):
    catalogue = catalogues.read(catalogues.LOCALE / lang / "LC_MESSAGES" / "gatewise.po")
    assert [(message.id, errors) for message, errors in catalogue.check()] == []


def test_the_template_is_up_to_date():
    template = catalogues.read_po(catalogues.TEMPLATE.open(encoding="utf-8"))
    assert {m.id for m in template if m.id} == {m.id for m in catalogues.extract() if m.id}


@pytest.mark.parametrize("lang", PLURALS)
def test_the_compiled_catalogue_is_the_written_one(lang):
    from gatewise.explain.language import words_in

    words = words_in(lang)
    for message in catalogues.read(catalogues.LOCALE / lang / "LC_MESSAGES" / "gatewise.po"):
        if message.id and not isinstance(message.id, tuple):
            assert words._(message.id) == message.string
