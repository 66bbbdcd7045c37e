"""The language of an explanation: which one is meant, its catalogue of messages, its numbers.

Messages stand in the code in English, inside `_()`; the other languages come from gettext catalogues in `locale/`.
"""

from __future__ import annotations

import gettext
import os
import pathlib
from functools import cache

LANGUAGES = {"en": "English", "zh": "中文", "de": "Deutsch"}
_CATALOGUES = pathlib.Path(__file__).with_name("locale")
_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def chosen_language(lang: str | None = None) -> str:
    """The language to write in: `lang`, or the one that the environment asks for, or English.

    Raises:
        ValueError: if `lang` is given and is none of the three.
    """
    if lang is None:
        return _language_of_environment()
    code = _code(lang) if isinstance(lang, str) else ""
    if code not in LANGUAGES:
        known = ", ".join(f'"{code}" ({name})' for code, name in LANGUAGES.items())
        raise ValueError(f"gatewise speaks {known}; got lang={lang!r}.")
    return code


def _language_of_environment() -> str:
    """As in gettext: of LC_ALL, LC_MESSAGES and LANG the first that is set; before it LANGUAGE, unless that is C."""
    locale = next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), "")
    if _code(locale) in ("", "c", "posix"):
        return "en"
    wanted = [*os.environ.get("LANGUAGE", "").split(":"), locale]
    return next((code for code in map(_code, wanted) if code in LANGUAGES), "en")


def _code(name: str) -> str:
    """ "zh" of "zh_CN.UTF-8"."""
    return name.replace("-", "_").split("_")[0].split(".")[0].split("@")[0].lower()


class Words:
    """Messages and numbers in one language."""

    def __init__(self, lang: str, translations: gettext.NullTranslations) -> None:
        self.lang = lang
        self._ = translations.gettext
        self.ngettext = translations.ngettext

    def joined(self, *sentences: str) -> str:
        """Sentences one after another, with spaces where the language has them."""
        return ("" if self.lang == "zh" else " ").join(sentence for sentence in sentences if sentence)

    def count(self, number: int) -> str:
        """A number of four digits or less as it is, a longer one in groups of three."""
        if abs(number) < 10_000:
            return str(number)
        return f"{number:,}".replace(",", "." if self.lang == "de" else ",")


@cache
def words_in(lang: str) -> Words:
    """The catalogue of a language.

    Raises:
        FileNotFoundError: if it was not compiled, which happens when the package runs from its sources.
    """
    if lang == "en":
        return Words(lang, gettext.NullTranslations())
    try:
        return Words(lang, gettext.translation("gatewise", _CATALOGUES, [lang]))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"The {LANGUAGES[lang]} texts are not compiled in {_CATALOGUES}. Run python tools/catalogues.py compile."
        ) from error
