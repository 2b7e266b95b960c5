"""The rated texts come from one pinned source distribution: fetched as every package is, read text by text."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.local.pinned_package import PinnedPackage, fetch_package
from streamlabel.local.rated_texts import ARCHIVE_MEMBER, Kind, RatedText, opinion_of, read_rated_texts

TEXTS = "1_1\t1.5\tGood, \u0085isn't it?\n1_2\t-0.9\tNo\ttabs please \n"
RATINGS = "\ufeff1_1\t1.5\t0.5\t[1, 2]\n1_2\t-1.0\t0.0\t[-1, -1, -1]\n"


def tar_of(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def distribution(
    folder: Path, texts: str = TEXTS, ratings: str = RATINGS, kinds: tuple[Kind, ...] = tuple(Kind)
) -> Path:
    files: dict[str, str | bytes] = {}
    for kind in kinds:
        files[f"hutto_ICWSM_2014/{kind.value}_GroundTruth.txt"] = texts
        files[f"hutto_ICWSM_2014/{kind.value}_anonDataRatings.txt"] = ratings
    path = folder / "texts.tar.gz"
    path.write_bytes(tar_of({ARCHIVE_MEMBER: tar_of(files)}))
    return path


def test_each_text_has_its_own_ratings(tmp_path: Path) -> None:
    found = read_rated_texts(distribution(tmp_path))

    assert set(found) == set(Kind)
    assert found[Kind.TWEETS] == (
        RatedText("Good, \u0085isn't it?", (1, 2)),
        RatedText("No\ttabs please", (-1, -1, -1)),
    )


def test_the_mean_is_that_of_the_ratings_whatever_stands_beside_the_text(tmp_path: Path) -> None:
    found = read_rated_texts(distribution(tmp_path))
    assert [each.mean for each in found[Kind.FILMS]] == [1.5, -1.0]


def test_one_rating_and_a_mean_are_judged_alike() -> None:
    assert [opinion_of(rating) for rating in (-4, -1, 0, 1, 4)] == ["negative"] * 2 + ["neutral"] + ["positive"] * 2
    assert [opinion_of(mean) for mean in (-0.5, -0.49, 0.49, 0.5)] == ["negative", "neutral", "neutral", "positive"]


@pytest.mark.parametrize(
    ("texts", "ratings"),
    [
        (TEXTS, "1_1\t1.5\t0.5\t[1, 2]\n"),
        (TEXTS, RATINGS.replace("[1, 2]", "[1, 5]")),
        (TEXTS, RATINGS.replace("[1, 2]", "[]")),
        (TEXTS, RATINGS.replace("[1, 2]", "[1.5]")),
        (TEXTS, RATINGS.replace("[1, 2]", "one, two")),
        (TEXTS.replace("\tNo", " No").replace("\ttabs", ""), RATINGS),
        ("", ""),
    ],
)
def test_texts_that_do_not_fit_their_ratings_are_refused(tmp_path: Path, texts: str, ratings: str) -> None:
    path = distribution(tmp_path, texts, ratings)
    with pytest.raises(ConfigurationError, match=r"texts\.tar\.gz holds no readable .*; delete the file"):
        read_rated_texts(path)


def test_a_distribution_without_a_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="amazonReviewSnippets"):
        read_rated_texts(distribution(tmp_path, kinds=(Kind.FILMS, Kind.TWEETS)))


def test_a_file_that_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "texts.tar.gz").write_bytes(b"not a tar")
    with pytest.raises(ConfigurationError, match="holds no readable"):
        read_rated_texts(tmp_path / "texts.tar.gz")


NAME = "tiny_texts-1.0.tar.gz"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def pinned(data: bytes) -> PinnedPackage:
    return PinnedPackage(
        package="tiny-texts",
        version="1.0",
        file_name=NAME,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


def source_distribution(note: str = "") -> bytes:
    return tar_of(
        {
            "tiny_texts-1.0/PKG-INFO": "Metadata-Version: 2.1\nName: tiny-texts\nVersion: 1.0\n",
            "tiny_texts-1.0/setup.py": f"from setuptools import setup\nsetup(name='tiny-texts', version='1.0')\n{note}",
        }
    )


def test_a_source_distribution_is_fetched_without_another_download_and_once(tmp_path: Path, index: Path) -> None:
    data = source_distribution()
    (index / NAME).write_bytes(data)

    fetched = fetch_package(pinned(data), tmp_path / "cache")
    (index / NAME).unlink()

    assert fetch_package(pinned(data), tmp_path / "cache") == fetched
    assert fetched.read_bytes() == data
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [NAME]


def test_a_source_distribution_of_another_hash_is_refused_before_it_runs(tmp_path: Path, index: Path) -> None:
    ran = tmp_path / "ran"
    (index / NAME).write_bytes(source_distribution(f"open({str(ran)!r}, 'w')\n"))

    with pytest.raises(ConfigurationError, match=f"cannot download tiny-texts 1.0: .*put {NAME}"):
        fetch_package(pinned(source_distribution()), tmp_path / "cache")
    assert not ran.exists()
    assert not list((tmp_path / "cache").iterdir())
