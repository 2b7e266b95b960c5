"""Files, folders and pipes as records, and how far they were sent."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamlabel.cli.record_sources import Columns, Item, RecordSource, SourceFormat, source_at
from streamlabel.cli.rejects import Rejects
from streamlabel.cli.send_progress import SendProgress, Sent
from streamlabel.core.record import ImagePayload, TextPayload
from streamlabel.errors import ConfigurationError
from streamlabel.local.places import DataDir
from support.door import PNG


def items(path: Path, **columns: object) -> list[Item]:
    return list(source_at(str(path), project="p", columns=Columns(**columns)).items())  # type: ignore[arg-type]


def texts(found: list[Item]) -> list[str]:
    return [item.record.payload.text for item in found if item.record and isinstance(item.record.payload, TextPayload)]


def test_json_lines_with_bad_ones_among_them(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"text": "one", "record_id": "1"}\n\n{"txt": "typo"}\ncaf\xe9\n{"text": "two"}')
    found = items(file)
    assert texts(found) == ["one", "two"]
    assert [(item.line, item.reason) for item in found if item.record is None] == [
        (3, "UNKNOWN_FIELD"),
        (4, "MALFORMED"),
    ]
    assert found[-1].position == file.stat().st_size
    assert found[0].record is not None
    assert found[0].record.record_id == "1"


def test_a_json_array_in_a_line_says_how_to_unpack_it(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"text": "one"}]')
    (item,) = items(file)
    assert "jq" in item.detail


def test_a_table_with_quotes_line_breaks_and_short_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(
        b'\xef\xbb\xbfid,text,lang\n1,"hello, ""you""",en\n2,"two\nlines",\n3,short\n4,caf\xe9,fr\n,no id,en\n'
    )
    found = items(file, record_id="id", all_attributes=True)
    assert texts(found) == ['hello, "you"', "two\nlines"]
    assert found[0].record is not None
    assert found[0].record.attributes == {"lang": "en"}
    assert found[1].record is not None
    assert found[1].record.attributes == {}
    assert [(item.line, item.reason) for item in found[2:]] == [
        (5, "MALFORMED"),
        (6, "INVALID_TEXT"),
        (7, "INVALID_RECORD_ID"),
    ]


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text("body\tlang\tnote\nhi\ten\tn\n")
    (item,) = items(file, text="body", attributes=("lang",))
    assert item.record is not None
    assert (item.record.record_id, item.record.attributes) == ("", {"lang": "en"})
    with pytest.raises(ConfigurationError, match=r"no column 'bdy' \(--text-column\); did you mean 'body'"):
        items(file, text="bdy")
    with pytest.raises(ConfigurationError, match=r"--attribute"):
        items(file, text="body", attributes=("zzz",))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_seen_by_the_names_of_the_columns(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"id{separator}text{separator}a,b\r\n1{separator}one, two{separator}x\r\n")
    (item,) = items(file, record_id="id", all_attributes=True)
    assert texts([item]) == ["one, two"]
    assert item.record is not None
    assert item.record.attributes == {"a,b": "x"}
    with pytest.raises(ConfigurationError, match="there are 'id', 'text', 'a,b'"):
        items(file, text="zzz")


def test_the_text_column_of_a_comma_table_outweighs_semicolons_in_another_name(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,x;y;z\nhi;there,1\n")
    assert texts(items(file)) == ["hi;there"]


def test_an_open_quotation_mark_swallows_no_records_in_silence(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id,text\n1,fine "as is"\n2,"so" wrong\n3,fine too\n4,"open\n5,lost\n')
    found = items(file, record_id="id")
    assert texts(found) == ['fine "as is"', "fine too"]
    bad = [(item.line, item.reason, item.detail) for item in found if item.record is None]
    assert [(line, reason) for line, reason, _ in bad] == [(3, "MALFORMED"), (5, "MALFORMED")]
    assert "written twice" in bad[0][2]
    assert "never closed" in bad[1][2]

    assert [item.swallowed for item in found] == [0, 0, 0, 1]
    assert "the line behind it" in bad[1][2]


def test_white_space_is_no_text(tmp_path: Path) -> None:
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text('id,text\n1,\n2,"  \t"\n3,\u00a0\n4, padded \n')
    lines.write_text('{"text": " \\n"}\n{"text": " padded "}\n')
    found = [*items(table, record_id="id"), *items(lines)]
    assert texts(found) == [" padded ", " padded "]
    assert [(item.line, item.reason, item.detail) for item in found if item.record is None] == [
        (2, "INVALID_TEXT", "column 'text' is empty"),
        (3, "INVALID_TEXT", "column 'text' is white space only"),
        (4, "INVALID_TEXT", "column 'text' is white space only"),
        (1, "INVALID_TEXT", "text is white space only"),
    ]


def test_refused_rows_are_kept_as_they_were_under_the_names_of_the_columns(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    head = b'id;"the\ntext"\r\n'
    refused = [b'2;"so" wrong\r\n', b"3;caf\xe9\r\n", b"4;\r\n", b'5;"open\r\n6;lost']
    source.write_bytes(b"\xef\xbb\xbf" + head + b"1;good\r\n\r\n" + b"".join(refused))
    columns = Columns(text="the\ntext", record_id="id")
    form = SourceFormat.CSV
    found = list(source_at(str(source), project="p", columns=columns).items())

    def keep(item: Item, *, goes_on: bool) -> Rejects:
        rejects = Rejects(tmp_path / "a.csv.rejects.jsonl", form, goes_on=goes_on)
        assert (rejects.file, rejects.table_file) == (None, None)
        rejects.add(item, item.reason, item.detail)
        rejects.close()
        return rejects

    bad = [item for item in found if item.record is None]
    kept = [keep(item, goes_on=number > 0) for number, item in enumerate(bad)]
    assert kept[0].file is not None
    assert kept[0].table_file == tmp_path / "a.csv.rejects.csv"
    assert kept[0].table_file.read_bytes() == head + b"".join(refused) + b"\n"
    rows = [json.loads(line) for line in kept[0].file.read_text().splitlines()]
    assert [row["input"] for row in rows] == ['2;"so" wrong', "3;caf\ufffd", "4;", '5;"open\r\n6;lost']
    # The good row too knows how it stood there: the door may refuse it yet.
    assert (found[0].shown, found[0].heading) == ("1;good\r\n", head.decode())


def test_lists_of_other_sources_have_no_table_beside_them(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text("nonsense\n")
    rejects = Rejects(tmp_path / "bad", SourceFormat.JSONL, goes_on=False)
    rejects.add(items(source)[0], "MALFORMED", "")
    rejects.close()
    assert rejects.table_file is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "bad"]


def test_the_table_never_takes_the_place_of_the_list(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("text\n \n")
    rejects = Rejects(tmp_path / "bad.csv", SourceFormat.CSV, goes_on=False)
    rejects.add(items(source)[0], "INVALID_TEXT", "")
    assert rejects.table_file == tmp_path / "bad.csv.csv"
    rejects.close()


def test_a_bad_row_is_named_by_the_line_where_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('text,lang\n"two\nlines",en\n"three\nmore\nlines"\n')
    assert [item.line for item in items(file)] == [2, 4]


def test_an_empty_table_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        items(tmp_path / "a.csv")


def test_a_folder_of_images_in_order_of_path(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.PNG").write_bytes(PNG)
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8\xff\xe0rest")
    (tmp_path / "0.jpeg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not an image")
    found = items(tmp_path)
    assert [item.shown for item in found] == ["0.jpeg", "1.jpg", "b/2.PNG"]
    assert found[0].record is None
    assert found[1].record is not None
    assert found[1].record.payload == ImagePayload(b"\xff\xd8\xff\xe0rest", "image/jpeg")
    assert found[2].record is not None
    assert found[2].record.record_id == "b/2.PNG"


def test_sources_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        source_at(str(tmp_path / "nothing"), project="p")
    with pytest.raises(ConfigurationError, match=r"holds no file named \*\.png"):
        source_at(str(tmp_path), project="p")
    (tmp_path / "a.xls").touch()
    with pytest.raises(ConfigurationError, match=r"--format jsonl\|csv"):
        source_at(str(tmp_path / "a.xls"), project="p")
    with pytest.raises(ConfigurationError, match="folder"):
        source_at("-", project="p", form=SourceFormat.IMAGES)


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"text": "piped"}\n')))
    assert texts(list(source_at("-", project="p").items())) == ["piped"]


def progress_of(path: Path, data: Path, address: str = "a:1", project: str = "p") -> SendProgress:
    return SendProgress(DataDir(data), source_at(str(path), project=project), address)


def test_progress_is_found_again_for_the_same_source_only(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "one"}\n')
    data = tmp_path / "data"
    progress_of(file, data).write(Sent(items=7, is_whole=False))
    assert progress_of(file, data).read() == Sent(items=7, is_whole=False)
    nothing = Sent(items=0, is_whole=False)
    assert progress_of(file, data, address="b:1").read() == nothing
    assert progress_of(file, data, project="q").read() == nothing
    file.write_text('{"text": "two"}\n')
    os.utime(file, ns=(1, 1))
    assert progress_of(file, data).read() == nothing


def test_a_damaged_progress_file_means_beginning_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.touch()
    progress_of(file, tmp_path / "data").write(Sent(items=7, is_whole=True))
    (saved,) = (tmp_path / "data" / "sends").iterdir()
    saved.write_text("{")
    assert progress_of(file, tmp_path / "data").read() == Sent(items=0, is_whole=False)


def test_standard_input_leaves_no_progress(tmp_path: Path) -> None:
    source = RecordSource(project="p", path=None, form=SourceFormat.JSONL, columns=Columns(), size=None)
    SendProgress(DataDir(tmp_path), source, "a:1").write(Sent(items=7, is_whole=False))
    assert list(tmp_path.iterdir()) == []
