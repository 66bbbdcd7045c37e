"""Reading pictures back: the texts with their keys and rectangles, and what overlaps."""

import re
from xml.etree import ElementTree

from gatewise.explain.draw import measure

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture):
    """The root of a picture's XML; it is well formed, has a title and a description, and runs nothing."""
    root = ElementTree.fromstring(picture.svg)
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == picture.title and root.findtext(f"{SVG}desc") == picture.description
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "defs", "pattern", "rect", "line", "circle", "polygon", "path", "text"}
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    return root


def words_of(text):
    """The text of an element without its title."""
    title = text.find(f"{SVG}title")
    return (text.text or "") + ((title.tail or "") if title is not None else "")


def texts(picture):
    """(key or None, words, rectangle) of every text."""
    found = []
    for element in parsed(picture).iter(f"{SVG}text"):
        a = element.attrib
        box = measure.text_box(
            float(a["x"]), float(a["y"]), words_of(element), float(a["font-size"]), a.get("text-anchor", "start"),
            a.get("font-weight") == "bold", "transform" in a,
        )  # fmt: skip
        found.append((a.get("data-key"), words_of(element), box))
    return found


def keyed(picture):
    """{key: [words]} of the texts that say what they are."""
    found = {}
    for key, words, _box in texts(picture):
        if key:
            found.setdefault(key, []).append(words)
    return found


def numbers_in(text):
    """The whole numbers in a text, groups of three put together."""
    return [int(n.replace(",", "")) for n in re.findall(r"\d+(?:,\d{3})*", text)]


def number_of(keys, key):
    """The last number of the one text with this key."""
    (text,) = set(keys[key])
    return numbers_in(text)[-1]


def shape_in(text):
    """(5, 12) of "(5, 12) = (F, 4H)"."""
    return tuple(int(n) for n in re.match(r"\(([^)]*)\)", text).group(1).split(",") if n.strip())


def assert_nothing_overlaps(picture):
    """No two texts share room, and none leaves the picture."""
    found = texts(picture)
    for k, (_key, words, box) in enumerate(found):
        assert picture.left <= box.left and box.right <= picture.left + picture.width, words
        assert picture.top <= box.top and box.bottom <= picture.top + picture.height, words
        for _other_key, other, its_box in found[k + 1 :]:
            assert not box.overlaps(its_box), (words, other, box, its_box)
