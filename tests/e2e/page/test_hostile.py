"""What was sent to be labelled cannot do anything but be seen."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import pytest
from playwright.async_api import expect

from streamlabel.v1 import project_pb2, record_pb2
from support.page_samples import digit_png, image, project, task, text
from support.page_visitor import Visit, Visitor
from support.paper_desk import PaperDesk

Kind = project_pb2.PayloadKind

MARKUP: Mapping[str, str] = {
    "script": "<script>window.hacked = 1; alert(1)</script>",
    "svg": '<svg onload="window.hacked = 1"><script>window.hacked = 1</script></svg>',
    "img": '<img src=x onerror="window.hacked = 1">',
    "iframe": '<iframe srcdoc="<script>parent.hacked = 1</script>"></iframe>',
    "breakout": '"></textarea></title></style></script><script>window.hacked = 1</script>',
    "template": "{{constructor.constructor('window.hacked = 1')()}} ${window.hacked = 1} <%= 1 %>",
    "mutation": '<noscript><p title="</noscript><img src=x onerror=window.hacked=1>">',
    "form": '<form action="javascript:window.hacked=1"><button autofocus>Start</button></form>',
    "style": "<style>* { display: none !important }</style><link rel=stylesheet href=//evil.example/x.css>",
    "meta": '<meta http-equiv="refresh" content="0;url=https://evil.example/"><base href="//evil.example/">',
    "javascript-uri": "javascript:window.hacked=1",
}


async def is_unharmed(visitor: Visitor) -> None:
    """Nothing ran, nothing was added to the page but text, and we are where we were."""
    assert await visitor.page.evaluate("() => window.hacked") is None
    added = visitor.page.locator("iframe, form, object, embed, base, main script, main style, main link, main meta")
    await expect(added).to_have_count(0)
    assert visitor.page.url.startswith("http://127.0.0.1:")
    assert visitor.faults == []


async def test_markup_in_a_text_is_text(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, [("spam", "s"), ("ham", "h")])
    await desk.put(*(task("mail", name, text(markup)) for name, markup in MARKUP.items()))
    ada = await visit(project="mail")
    for name, markup in MARKUP.items():
        await ada.sees(name)
        await expect(ada.stage.locator(".text")).to_have_text(markup)
        await is_unharmed(ada)
        await ada.press("s")


@pytest.mark.parametrize("name", MARKUP)
async def test_markup_in_every_name_is_text(visit: Visit, desk: PaperDesk, name: str) -> None:
    bad = MARKUP[name]
    desk.projects["mail"] = project(
        "mail", Kind.PAYLOAD_KIND_TEXT, [(bad, "s"), ("ham", "h")], instructions=bad, description=bad
    )
    await desk.put(
        task("mail", f"file {bad}", text("hello"), suggestion=(bad, 0.5), attributes={bad: bad, "file": f"{bad}.png"}),
        task("mail", "m2", text("hello")),
    )
    ada = await visit(name=f"{bad[:60]}", project="mail")
    await expect(ada.page.locator(".instructions")).to_have_text(bad)
    await expect(ada.hint.locator("strong")).to_have_text(bad)
    await ada.record.click()
    await expect(ada.stage.locator("dl")).to_contain_text(f"{bad}.png")
    await ada.press("s")
    await expect(ada.trail).to_contain_text(bad)
    await ada.page.get_by_role("button", name="Project mail: choose another").click()
    await expect(ada.page.locator(".card-text").first).to_be_visible()
    await is_unharmed(ada)


@pytest.mark.parametrize("count", [2, 150])
async def test_direction_and_hiding_are_made_visible_and_stay_inside(visit: Visit, desk: PaperDesk, count: int) -> None:
    sneaky = "pay \u202egnp.exe\u202c to\u200b bob\u0000\u2066!"
    names = [(f"ok\u202e{number}", "") for number in range(count)]
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, names)
    await desk.put(task("mail", "m1", text(sneaky)))
    ada = await visit(project="mail")
    await expect(ada.stage.locator(".mark")).to_have_text(["RLO", "PDF", "ZWSP", "NUL", "LRI"])
    await expect(ada.stage.locator(".text")).to_have_text("pay RLOgnp.exePDF toZWSP bobNULLRI!")
    await expect(ada.page.locator(".answers .mark, .options .mark").first).to_have_text("RLO")
    shown = await ada.page.evaluate("() => document.body.innerText + document.title")
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u0000")
    await is_unharmed(ada)


async def test_right_to_left_scripts_read_as_they_should(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, [("أزرق", "a"), ("ירוק", "b")])
    await desk.put(
        task("mail", "m1", text("مرحبا بالعالم\nHello, world\nשלום\nThe text is as wide as its longest line."))
    )
    ada = await visit(project="mail")
    await expect(ada.stage.locator(".text")).to_be_visible()
    # Each paragraph takes its own direction: the Arabic one begins at the right edge, the English one at the left.
    edges = await ada.stage.locator(".text").evaluate(
        """(element) => {
          const box = element.getBoundingClientRect();
          const node = element.firstChild;
          const edge = (from, to) => { const range = document.createRange(); range.setStart(node, from); range.setEnd(node, to);
            const r = range.getBoundingClientRect(); return [r.left - box.left, box.right - r.right]; };
          return [edge(0, 13), edge(14, 26)];
        }"""
    )
    (arabic_left, arabic_right), (english_left, english_right) = edges
    assert arabic_right < 1 < arabic_left
    assert english_left < 1 < english_right


async def test_a_megabyte_of_text_opens_at_once_and_whole_on_demand(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, [("spam", "s"), ("ham", "h")])
    await desk.put(task("mail", "m1", text("x" * 19_999 + "🎉" + "y" * 1_000_000)), task("mail", "m2", text("next")))
    ada = await visit(project="mail")
    await expect(ada.stage.locator(".text")).to_be_visible()
    shown = await ada.stage.locator(".text").evaluate("(element) => element.firstChild.data")
    # Not in the middle of the emoji's two halves.
    assert shown == "x" * 19_999
    await ada.page.get_by_role("button", name="Show all 1,020,000 characters").click()
    assert len(await ada.stage.locator(".text").evaluate("(element) => element.textContent")) == 1_020_000
    assert await ada.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    await ada.press("s")
    await ada.sees("m2")


async def test_white_space_alone_is_told(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, [("spam", "s"), ("ham", "h")])
    await desk.put(task("mail", "m1", text(" \n\t ")))
    ada = await visit(project="mail")
    await expect(ada.stage).to_contain_text("Only white space, 4 characters.")


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it is this large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1"><script>window.hacked=1</script></svg>'


@pytest.mark.parametrize(
    ("data", "media_type", "says"),
    [
        (SVG, "image/svg+xml", "no PNG or JPEG"),
        (SVG, "image/png", "no PNG or JPEG"),
        (b"<html><script>window.hacked=1</script></html>", "text/html", "no PNG or JPEG"),
        (b"GIF89a" + b"\0" * 20, "image/gif", "no PNG or JPEG"),
        (b"", "image/png", "no PNG or JPEG"),
        (digit_png("7")[:30], "image/png", "cannot be decoded"),
        (b"\xff\xd8\xff\xe0" + SVG, "image/jpeg", "cannot be decoded"),
        (png_of_size(30_000, 30_000), "image/png", "30,000 × 30,000 pixels"),
    ],
    ids=["svg", "svg-as-png", "html", "gif", "empty", "cut-png", "svg-behind-jpeg-sign", "bomb"],
)
async def test_what_is_no_sound_picture_is_refused_and_can_be_answered(
    visit: Visit, desk: PaperDesk, data: bytes, media_type: str, says: str
) -> None:
    desk.sheets.clear()
    await desk.put(task("digits", "bad", image(data, media_type)), task("digits", "good", image(digit_png("7"))))
    ada = await visit()
    await ada.sees("bad")
    await expect(ada.stage).to_contain_text(says)
    await expect(ada.stage.locator("img")).to_have_count(0)
    await ada.press("0")
    await ada.sees("good")
    await expect(ada.stage.locator("img")).to_be_visible()
    await is_unharmed(ada)


async def test_a_picture_that_calls_itself_html_is_shown_as_the_picture_it_is(visit: Visit, desk: PaperDesk) -> None:
    desk.sheets.clear()
    await desk.put(task("digits", "odd", image(digit_png("7"), "text/html")))
    ada = await visit()
    await expect(ada.stage.get_by_role("img", name="Picture to label, 28 × 28 pixels")).to_be_visible()
    await is_unharmed(ada)


@pytest.mark.parametrize(
    ("uri", "is_link"),
    [
        ("https://example.org/a?b=<script>", True),
        ("HTTP://example.org/", True),
        ("javascript:window.hacked=1", False),
        ("JaVaScRiPt:window.hacked=1", False),
        ("data:text/html,<script>window.hacked=1</script>", False),
        ("file:///etc/passwd", False),
        ("s3://bucket/key", False),
    ],
)
async def test_only_web_addresses_are_links_and_they_tell_nothing_of_us(
    visit: Visit, desk: PaperDesk, uri: str, is_link: bool
) -> None:
    desk.projects["links"] = project("links", Kind.PAYLOAD_KIND_URI, [("good", "g"), ("bad", "b")])
    await desk.put(task("links", "l1", record_pb2.Payload(uri=uri)))
    ada = await visit(project="links")
    await expect(ada.stage.locator(".link")).to_have_text(uri)
    await expect(ada.stage.get_by_role("link")).to_have_count(int(is_link))
    if is_link:
        link = ada.stage.get_by_role("link")
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert await link.get_attribute("target") == "_blank"
    await is_unharmed(ada)


async def test_json_and_features_are_shown_as_they_are(visit: Visit, desk: PaperDesk) -> None:
    desk.projects["docs"] = project("docs", Kind.PAYLOAD_KIND_JSON, [("good", "g"), ("bad", "b")])
    await desk.put(
        task("docs", "1", record_pb2.Payload(json='{"id": 12345678901234567890, "x": "<b>"}')),
        task("docs", "2", record_pb2.Payload(json="{<script>window.hacked=1</script>")),
        task("docs", "3", record_pb2.Payload(features=record_pb2.Features(values=[0.5, -1, 1e-9, 40_000]))),
        task("docs", "4", record_pb2.Payload(features=record_pb2.Features(values=range(1000)))),
        task("docs", "5", record_pb2.Payload()),
    )
    ada = await visit(project="docs")
    await expect(ada.stage.locator(".code")).to_have_text('{\n  "id": 12345678901234567890,\n  "x": "<b>"\n}')
    await ada.press("g")
    await expect(ada.stage).to_contain_text("This is no valid JSON; shown as it came.")
    await ada.press("g")
    await expect(ada.stage.get_by_role("row")).to_contain_text(["Position", "0.5", "-1", "1e-9", "40000"])
    await ada.press("g")
    await expect(ada.stage.get_by_role("row")).to_have_count(201)
    await ada.page.get_by_role("button", name="Show all 1,000 features").click()
    await expect(ada.stage.get_by_role("row")).to_have_count(1001)
    await ada.press("g")
    await expect(ada.stage).to_contain_text("no content that this page knows")
    await is_unharmed(ada)


async def test_another_page_cannot_frame_this_one(visit: Visit) -> None:
    ada = await visit()
    await ada.sees("d-0000")
    url = ada.page.url
    other = await ada.page.context.new_page()
    await other.set_content(f"<iframe src='{url}' width=800 height=600></iframe>")
    frame = other.frames[-1]
    await other.wait_for_timeout(500)
    assert await frame.locator("main").count() == 0
