"""Reads an SVG as far as it takes to trust it: that it only draws, by itself, and how large it means to be.

What such a file could do besides: run scripts, fetch or show other files, and grow beyond all bounds when it is drawn
(an entity or a reference that stands for ten, each of which stands for ten more). So what may be in it is listed; all
else is refused. A library icon needs no more than shapes and gradients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from domain.errors import InvalidIconError, UnsafeIconError

#: The longest side that a file may name, in pixels: a vector is drawn in the size that is needed, not in this one.
MAX_SIDE = 4096
MAX_ELEMENTS = 5_000
MAX_DEPTH = 64
#: What may be drawn in all, counting what a reference stands for each time that it is named.
MAX_DRAWN = 50_000

_SVG = "http://www.w3.org/2000/svg"
_SHAPES = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})
_GROUPS = frozenset({"svg", "g", "defs", "symbol", "use", "clipPath", "mask", "switch"})
_PAINTS = frozenset({"linearGradient", "radialGradient", "stop", "style"})
_TEXTS = frozenset({"title", "desc", "metadata"})
_ELEMENTS = _SHAPES | _GROUPS | _PAINTS | _TEXTS
#: What editors write about a drawing, which nobody draws.
_NOTES = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://purl.org/dc/",
    "http://creativecommons.org/ns#",
    "http://web.resource.org/cc/",
    "http://www.inkscape.org/namespaces/",
    "http://sodipodi.sourceforge.net/",
)
_URL = re.compile(r"url\s*\(\s*(.{0,2})", re.IGNORECASE | re.DOTALL)
_TARGET = re.compile(r"url\(\s*['\"]?#([^'\")\s]+)")
_LENGTH = re.compile(r"\s*\+?(\d+(?:\.\d+)?)(?:px)?\s*")
# Behind a declaration, comments, a document type; in plain text, as every editor writes it.
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*<.{0,4000}?(?<=[<:])svg\b", re.DOTALL)


@dataclass(slots=True)
class _Node:
    """An element: the IDs that it refers to, the elements in it, and its text if it is a style sheet."""

    name: str
    targets: list[str] = field(default_factory=list)
    children: list[_Node] = field(default_factory=list)
    style: list[str] = field(default_factory=list)


def is_svg(data: bytes) -> bool:
    """Tell whether data begin as an SVG does."""
    return _BEGINS.match(data) is not None


def read_svg(data: bytes) -> tuple[int, int]:
    """Check an SVG, and return its width and height in pixels as it names them, or as its ``viewBox`` does.

    Raises:
        UnsafeIconError: it holds a script, an event handler, a reference to another file, a document type, a picture,
            or anything else that is not a shape or its paint; or it draws more than ``MAX_DRAWN`` elements.
        InvalidIconError: it is damaged, has no size, or is too large.
    """
    drawing = _Drawing()
    parser = DefusedXMLParser(target=drawing, forbid_dtd=True)
    try:
        parser.feed(data)
        parser.close()
    except DefusedXmlException as error:
        raise UnsafeIconError("the SVG has a document type or entities", allowed="no DOCTYPE") from error
    except (ParseError, LookupError, ValueError) as error:
        raise InvalidIconError("the image is no well-formed SVG", allowed="SVG") from error
    return drawing.checked_size()


class _Drawing:
    """Takes in the elements of a file as they are parsed, and refuses what may not be there."""

    def __init__(self) -> None:
        self._path: list[_Node] = []
        self._notes_depth = 0
        self._count = 0
        self._root: _Node | None = None
        self._root_attributes: dict[str, str] = {}
        self._by_id: dict[str, _Node] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take in the begin of an element."""
        namespace, name = _split(tag)
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._path) + self._notes_depth >= MAX_DEPTH:
            raise UnsafeIconError(
                f"the SVG has more than {MAX_ELEMENTS} elements, or they lie more than {MAX_DEPTH} deep",
                allowed=f"<= {MAX_ELEMENTS} elements",
            )
        if self._root is None and (namespace, name) != (_SVG, "svg"):
            raise InvalidIconError("the image is no SVG: its root is another element", allowed="SVG")
        if namespace.startswith(_NOTES):
            self._notes_depth += 1
            return
        if namespace != _SVG or name not in _ELEMENTS or self._notes_depth:
            raise UnsafeIconError(
                f"the SVG holds the element {name}; only shapes, groups and gradients are taken",
                allowed=", ".join(sorted(_ELEMENTS)),
            )
        node = _Node(name, list(_targets(attributes)))
        if self._path:
            self._path[-1].children.append(node)
        else:
            self._root, self._root_attributes = node, attributes
        self._by_id.setdefault(attributes.get("id", ""), node)
        self._path.append(node)

    def end(self, _tag: str) -> None:
        """Take in the end of an element."""
        if self._notes_depth:
            self._notes_depth -= 1
            return
        style = "".join(self._path.pop().style)
        if style:
            _check_style(style)
            if _URL.search(style):
                raise UnsafeIconError("the SVG's style sheet holds url(); write references as attributes")

    def data(self, text: str) -> None:
        """Take in text between tags; that of a style sheet could fetch something."""
        if not self._notes_depth and self._path and self._path[-1].name == "style":
            # Checked when it is whole: the parser hands it over in pieces.
            self._path[-1].style.append(text)

    def pi(self, target: str, _content: str | None = None) -> None:
        """Refuse a processing instruction: it could name a style sheet."""
        raise UnsafeIconError(f"the SVG holds the processing instruction {target}")

    def close(self) -> None:
        """Take in the end of the file."""

    def checked_size(self) -> tuple[int, int]:
        """Return the size in pixels, after a look at how much there is to draw."""
        assert self._root is not None  # a document without a root is not well-formed
        self._check_amount(self._root)
        width, height = _size(self._root_attributes)
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise InvalidIconError(
                f"the image has {width:g}x{height:g} pixels; 1 to {MAX_SIDE} each way are taken",
                allowed=f"1-{MAX_SIDE} px",
            )
        return round(width), round(height)

    def _check_amount(self, root: _Node) -> None:
        drawn: dict[int, int] = {}
        open_nodes: set[int] = set()

        def amount(node: _Node) -> int:
            if id(node) in open_nodes:
                raise UnsafeIconError("the SVG refers to itself")
            if id(node) not in drawn:
                if len(open_nodes) >= 4 * MAX_DEPTH:
                    raise UnsafeIconError("the SVG's references lie too deep")
                open_nodes.add(id(node))
                named = (self._by_id[target] for target in node.targets if target in self._by_id)
                drawn[id(node)] = 1 + sum(map(amount, node.children)) + sum(map(amount, named))
                open_nodes.remove(id(node))
            return drawn[id(node)]

        if amount(root) > MAX_DRAWN:
            raise UnsafeIconError(f"the SVG draws more than {MAX_DRAWN} elements", allowed=f"<= {MAX_DRAWN} elements")


def _split(tag: str) -> tuple[str, str]:
    if not tag.startswith("{"):
        return "", tag
    namespace, _, name = tag[1:].partition("}")
    return namespace, name


def _targets(attributes: dict[str, str]) -> Iterator[str]:
    """Check an element's attributes, and yield the IDs that they refer to."""
    for tag, value in attributes.items():
        namespace, name = _split(tag)
        if namespace.startswith(_NOTES):
            continue
        if name.lower().startswith("on"):
            raise UnsafeIconError(f"the SVG holds the event handler {name}", allowed="no scripts")
        if name == "base":
            raise UnsafeIconError("the SVG says where its references lie (xml:base)")
        if name in {"href", "src"}:
            if not value.startswith("#"):
                raise _elsewhere(value)
            yield value[1:]
        _check_style(value)
        for found in _URL.finditer(value):
            if not found[1].lstrip("'\"").startswith("#"):
                raise _elsewhere(value)
        yield from _TARGET.findall(value)


def _check_style(text: str) -> None:
    # A backslash could write any of these in another way.
    if "\\" in text or "@import" in text.lower() or "javascript:" in text.lower():
        raise UnsafeIconError("the SVG's style holds @import, javascript: or a backslash")


def _elsewhere(value: str) -> UnsafeIconError:
    return UnsafeIconError(f"the SVG refers to something outside of itself: {value[:60]}", allowed="#ID")


def _size(attributes: dict[str, str]) -> tuple[float, float]:
    width, height = (_LENGTH.fullmatch(attributes.get(side, "")) for side in ("width", "height"))
    if width is not None and height is not None:
        return float(width[1]), float(height[1])
    try:
        _, _, box_width, box_height = map(float, attributes.get("viewBox", "").replace(",", " ").split())
    except ValueError as error:
        raise InvalidIconError("the SVG has neither a width and height in pixels nor a viewBox") from error
    return box_width, box_height
