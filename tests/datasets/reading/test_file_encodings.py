"""Encodings: found where the bytes are clear, refused with the row where they are not, never read as another."""

from __future__ import annotations

import re

import pytest

from popcast.core.errors import BadInput
from popcast.datasets.reading.encodings.legacy_encodings import judge
from popcast.datasets.reading.open_rows import FileForm, read_rows

GERMAN = "Die schöne Müllerin läuft über die Straße; größer geht’s nicht – „Ärger“ für 5 €, 20 °C"
FRENCH = "Ça a été l’été où j’ai mangé des crêpes à la crème brûlée, « naïve » et cœur"
SPANISH = "¿Qué pasó mañana? ¡El niño comió piña! Güero, año, corazón"
PORTUGUESE = "Não é possível: ações, corações e irmãos às três"
SWEDISH = "Å, är det så? Göteborg får snö på måndag"
RUSSIAN = "Сегодня хорошая погода, и мы пошли гулять в парк с друзьями, а потом домой"
CHINESE = "今天天气很好，我们去公园玩了一天，晚上回家吃饭。这是我最喜欢的城市！😀"
TAIWANESE = "今天天氣很好，我們去公園玩了一天，晚上回家吃飯。這是我最喜歡的城市"
JAPANESE = "今日はとても良い天気ですね。公園で遊びました。コーヒーを飲みます"
KOREAN = "오늘은 날씨가 정말 좋아서 우리는 공원에 갔습니다. 맛있는 음식을 먹었어요"
POLISH = "Zażółć gęślą jaźń, chrząszcz brzmi w trzcinie, łąka i ścieżka są piękne"
TURKISH = "Bugün hava çok güzel, ağaçların altında şarkı söyledik, İstanbul'a gittik"
GREEK = "Σήμερα ο καιρός είναι πολύ καλός και πήγαμε στο πάρκο με τους φίλους μας"

CLEAR = {
    "German": (GERMAN, "cp1252"), "French": (FRENCH, "cp1252"), "Spanish": (SPANISH, "cp1252"),
    "Portuguese": (PORTUGUESE, "cp1252"), "Swedish": (SWEDISH, "cp1252"), "a blank": ("a\u00a0b", "cp1252"),
    "one letter": ("Café", "cp1252"), "Chinese": (CHINESE, "gb18030"), "one Chinese word": ("中国人", "gb18030"),
    "Taiwanese": (TAIWANESE, "big5"), "Japanese": (JAPANESE, "cp932"), "Russian": (RUSSIAN, "cp1251"),
}  # fmt: skip
UNCLEAR = {
    "Korean": (KOREAN, "euc_kr"), "Polish": (POLISH, "cp1250"), "Turkish": (TURKISH, "cp1254"),
    "Greek": (GREEK, "cp1253"), "Mac": (GERMAN, "mac_roman"), "DOS": ("schöne Müllerin läuft über", "cp850"),
    "Koi": (RUSSIAN, "koi8_r"), "Cyrillic DOS": (RUSSIAN, "cp866"), "Japanese EUC": (JAPANESE, "euc_jp"),
    "Hebrew": ("היום מזג האוויר יפה מאוד והלכנו לטייל בפארק עם החברים שלנו", "cp1255"),
    "Arabic": ("الطقس جميل جدا اليوم وذهبنا إلى الحديقة مع الأصدقاء", "cp1256"),
    "Thai": ("วันนี้อากาศดีมาก เราไปเที่ยวสวนสาธารณะกับเพื่อน", "cp874"),
    "random": (bytes(range(128, 256)).decode("latin-1"), "latin-1"),
}  # fmt: skip


def refused(folder, content: bytes, name="posts.csv", **form) -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_rows(folder, name, None, FileForm(**form))
    return str(error.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize("case", list(CLEAR))
def test_an_encoding_that_is_clear(tmp_path, case):
    text, encoding = CLEAR[case]
    (tmp_path / "posts.csv").write_bytes(f"id\ttext\n1\t{text}\n2\tplain\n".encode(encoding))
    rows = read_rows(tmp_path, "posts.csv", None)
    assert rows.columns["text"].to_list() == [text, "plain"]
    assert rows.said == [f"posts.csv: separated by tab, encoding {encoding}"]


@pytest.mark.parametrize("case", list(UNCLEAR))
def test_an_encoding_that_is_not_clear_is_refused_with_the_row(tmp_path, case):
    text, encoding = UNCLEAR[case]
    content = f"id\ttext\n1\tplain\n2\t{text}\n".encode(encoding)
    said = refused(tmp_path, content)
    assert said.startswith("posts.csv: row 3: not UTF-8, and unclear what else: expected table.encoding, ")
    rows = read_rows(tmp_path, "posts.csv", None, FileForm(encoding=encoding))
    assert rows.columns["text"][1] == text


@pytest.mark.parametrize("case", list(CLEAR))
def test_a_text_of_any_length_is_the_same_encoding_or_none(case):
    """Parts of the texts with three letters on end are never taken for another encoding."""
    text, encoding = CLEAR[case]
    words = [text[at : at + size] for size in (3, 5, 9, 20) for at in range(max(len(text) - size, 1))]
    found = {judge(word.encode(encoding))[0] for word in words if re.search("[^\x00-\x7f]{3}", word)}
    assert found <= {encoding, None}


@pytest.mark.parametrize("bad", [b"\xff", b"\xe9", b"\x80", b"\xc3"])
def test_damaged_utf8_is_not_taken_for_cp1252(tmp_path, bad):
    content = bytearray(f"id,text\n1,{FRENCH.replace(',', '')}\n2,plain\n3,x".encode() + bad + b"y\n")
    assert refused(tmp_path, bytes(content)).startswith("posts.csv: row 4: UTF-8 with bytes that are none, or two")


def test_a_bad_byte_far_into_the_file_has_its_row(tmp_path):
    content = b"id,text\r\n" + "1,é\r\n".encode() * 400_000 + b"2,\xe9\r\n"
    assert refused(tmp_path, content).startswith("posts.csv: row 400002: UTF-8 with bytes")


WRONG = {
    "no such name": ("a,b\n", "utf-8", "utf9", "posts.csv: unknown encoding: got 'utf9'"),
    "no text": ("a,b\n", "utf-8", "base64", "posts.csv: unknown encoding: got 'base64'"),
    "UTF-8 as cp1252": (f"a\n{GERMAN}\n", "utf-8", "cp1252", "posts.csv: written in UTF-8: got 'cp1252'"),
    "cp1252 as UTF-8": ("a\nb\né\n", "cp1252", "utf-8", "posts.csv: row 3: not utf-8"),
    "marked": ("a\nb\n", "utf-16", "utf-8", "posts.csv: begins with the mark of utf-16: got 'utf-8'"),
    "UTF-8 as UTF-16": ("a\nb\nc", "utf-8", "utf-16-le", "posts.csv: row "),
    "UTF-16 as cp1252": ("a\nb\n", "utf-16-le", "cp1252", "posts.csv: row 1: not cp1252: a zero byte"),
    "ASCII": ("a\né\n", "cp1252", "ascii", "posts.csv: row 2: not ascii"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_an_encoding_that_is_set_must_fit(tmp_path, case):
    text, written, given, said = WRONG[case]
    assert refused(tmp_path, text.encode(written), encoding=given).startswith(said)


def test_wide_texts_that_are_damaged_have_their_row(tmp_path):
    content = "id,text\n1,a\n2,b\n".encode("utf-16") + b"\x00\xd8" + "x\n".encode("utf-16-le")
    assert refused(tmp_path, content).startswith("posts.csv: row 4: not utf-16")
    assert refused(tmp_path, "id,é\n1,a\n".encode("utf-16-be")[:-1]).startswith("posts.csv: row 1: no text: a zero")


@pytest.mark.parametrize("name", ["posts.csv", "posts.json", "posts.jsonl", "posts.tsv", "posts.txt"])
@pytest.mark.parametrize("content", [b"\0" * 1000, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", bytes(range(256)) * 40,
                                     b"a,b\n1,\0\n", bytes(range(1, 32)) * 9])  # fmt: skip
def test_what_is_no_text_is_refused(tmp_path, name, content):
    said = refused(tmp_path, content, name)
    assert said.startswith(name)
    assert "text" in said or "UTF-8" in said
