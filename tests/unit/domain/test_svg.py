"""What may be in an SVG, and what may not."""

from __future__ import annotations

import pytest

from domain.errors import InvalidIconError, UnsafeIconError
from domain.svg import MAX_DEPTH, MAX_ELEMENTS, MAX_SIDE, is_svg, read_svg

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(content: str = '<path d="M0 0h9v9z"/>', root: str = 'viewBox="0 0 24 24"', before: str = "") -> bytes:
    return f"{before}<svg {NAMESPACES} {root}>{content}</svg>".encode()


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('viewBox="0 0 24 24"', (24, 24)),
        ('viewBox="-3,-3,30,12.4"', (30, 12)),
        ('width="120" height="60px" viewBox="0 0 24 24"', (120, 60)),
        ('width="100%" height="100%" viewBox="0 0 24 24"', (24, 24)),
        (f'width="{MAX_SIDE}" height="1"', (MAX_SIDE, 1)),
    ],
)
def test_a_drawing_s_size_is_what_it_names(root, size):
    assert read_svg(svg(root=root)) == size


@pytest.mark.parametrize(
    "content",
    [
        '<title>A &amp; B</title><g id="a"><circle r="3"/></g><use href="#a"/><use xlink:href="#a"/>',
        '<defs><linearGradient id="g"><stop offset="0"/></linearGradient></defs><rect fill="url(#g)" height="9"/>',
        "<defs><clipPath id=\"c\"><rect/></clipPath></defs><g style=\"clip-path: url('#c')\"><ellipse rx='2'/></g>",
        "<style>.a{fill:#fff}</style><path class='a' d='M0 0'/>",
        "<style><![CDATA[ path { fill: red } ]]></style><path d='M0 0'/>",
        (
            "<metadata><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' rdf:about=''>"
            "<cc:Work xmlns:cc='http://creativecommons.org/ns#' rdf:resource='http://example.com'/></rdf:RDF></metadata>"
        ),
    ],
)
def test_shapes_gradients_and_references_inside_are_taken(content):
    assert read_svg(svg(content)) == (24, 24)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<script>alert(1)</script>", "script"),
        ("<g><x:script xmlns:x='http://www.w3.org/1999/xhtml'/></g>", "script"),
        ("<metadata><x:script xmlns:x='http://www.w3.org/2000/svg'/></metadata>", "script"),
        ("<path onclick='x()'/>", "onclick"),
        ("<path ONLOAD='x()'/>", "ONLOAD"),
        ("<a href='#x'><path/></a>", "element a;"),
        ("<image href='data:image/png;base64,AAAA'/>", "image"),
        ("<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>", "foreignObject"),
        ("<animate attributeName='x'/>", "animate"),
        ("<filter id='f'/>", "filter"),
        ("<text>ABC</text>", "text"),
        ("<use href='https://example.com/a.svg#b'/>", "outside"),
        ("<use href='other.svg#b'/>", "outside"),
        ("<use xlink:href='file:///etc/passwd'/>", "outside"),
        ("<rect fill='url(https://example.com/a.svg#g)'/>", "outside"),
        ("<rect style='fill: url( \"//example.com\")'/>", "outside"),
        ("<rect style='fill: U\\52L(//example.com)'/>", "backslash"),
        ("<style>@import 'https://example.com/a.css';</style>", "@import"),
        ("<style>@imp<!-- -->ort 'a.css';</style>", "@import"),
        ("<style>@im&#112;ort 'a.css';</style>", "@import"),
        ("<style>@font-face { src: url(a.woff) }</style>", "url()"),
        ("<g xml:base='https://example.com/'><path/></g>", "base"),
        ("<?xml-stylesheet href='a.css'?>", "xml-stylesheet"),
    ],
)
def test_what_could_run_or_fetch_something_is_refused_by_its_name(content, words):
    with pytest.raises(UnsafeIconError) as refusal:
        read_svg(svg(content))
    assert words in refusal.value.message


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
        '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_document_type_is_refused(before):
    data = svg(before=before)
    assert is_svg(data)
    with pytest.raises(UnsafeIconError, match="document type"):
        read_svg(data)


def test_a_style_sheet_named_before_the_drawing_is_refused():
    with pytest.raises(UnsafeIconError, match="xml-stylesheet"):
        read_svg(svg(before="<?xml-stylesheet href='https://example.com/a.css'?>"))


def nested(levels: int, copies: int) -> str:
    """Groups of which each draws the one after it several times."""
    groups = [f'<g id="g{level}">' + f'<use href="#g{level + 1}"/>' * copies + "</g>" for level in range(levels)]
    return "".join(groups) + f'<g id="g{levels}"><path/></g>'


def test_references_that_multiply_are_refused():
    assert read_svg(svg(nested(levels=5, copies=4))) == (24, 24)
    with pytest.raises(UnsafeIconError, match="draws more than"):
        read_svg(svg(nested(levels=20, copies=4)))
    with pytest.raises(UnsafeIconError, match="too deep"):
        read_svg(svg(nested(levels=400, copies=1)))


@pytest.mark.parametrize(
    "content",
    [
        '<g id="a"><use href="#a"/></g>',
        '<mask id="m"><rect mask="url(#n)"/></mask><mask id="n"><rect style="mask:url(#m)"/></mask>',
    ],
)
def test_a_drawing_that_refers_to_itself_is_refused(content):
    with pytest.raises(UnsafeIconError, match="itself"):
        read_svg(svg(content))


@pytest.mark.parametrize("content", ["<path/>" * (MAX_ELEMENTS + 1), "<g>" * MAX_DEPTH + "</g>" * MAX_DEPTH])
def test_too_many_or_too_deep_elements_are_refused(content):
    with pytest.raises(UnsafeIconError, match="elements"):
        read_svg(svg(content))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (svg()[:-3], "well-formed"),
        (b"<?xml version='1.0' encoding='no-such'?>" + svg(), "well-formed"),
        (b"<svg/>", "root"),
        (b"<html xmlns='http://www.w3.org/2000/svg'/>", "root"),
        (svg(root=""), "size|viewBox"),
        (svg(root='width="1e9" height="2" viewBox="a"'), "viewBox"),
        (svg(root=f'width="{MAX_SIDE + 1}" height="8"'), "pixels"),
        (svg(root='viewBox="0 0 20000 20000"'), "20000x20000"),
        (svg(root='viewBox="0 0 nan 9"'), "pixels"),
        (svg(root='viewBox="0 0 0 9"'), "pixels"),
    ],
)
def test_a_damaged_one_or_one_without_a_sensible_size_is_refused(data, words):
    with pytest.raises((InvalidIconError, UnsafeIconError), match=words):
        read_svg(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (svg(), True),
        (b"\xef\xbb\xbf\n" + svg(before="<?xml version='1.0'?><!-- drawn by hand -->"), True),
        (b"<s:svg xmlns:s='http://www.w3.org/2000/svg'/>", True),
        (b"<html><body/></html>", False),
        (b"GIF89a <svg", False),
        (b"", False),
    ],
)
def test_an_svg_is_told_by_its_beginning(data, expected):
    assert is_svg(data) is expected
