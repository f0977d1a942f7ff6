"""What the server refuses: always 4xx in one line, nothing of its disk in it, and the server goes on."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zlib
from pathlib import Path

import orjson
import pytest
from PIL import Image

from popcast.serving.http.gate import Rates
from popcast.serving.http.request_bodies import SentDraft
from popcast.serving.http.request_limits import RequestLimits
from popcast.serving.http.sent_pictures import PREFIX, pictures_of
from popcast.serving.http.served_bundle import ServedBundle
from tests.serving.http.conftest import app_of, client_of

JSON = {"content-type": "application/json"}
TOKEN = "a-token-of-some-length"


def one_line_of(found, served: ServedBundle) -> str:
    """The line of an answer to something that is refused."""
    content = orjson.loads(found.content)
    assert set(content) <= {"error", "field"}
    line = content["error"]
    assert line
    assert line.isprintable()
    assert "Traceback" not in line
    assert str(served.folder) not in line
    assert tempfile.gettempdir() + "/" not in line
    return line


BODIES = {
    "nothing": (b"", 422),
    "no JSON": (b"drafts", 400),
    "not a number": (b'{"drafts": [{"text": "a", "numbers": {"fans": NaN}}]}', 400),
    "infinity": (b'{"drafts": [{"text": "a"}], "above": Infinity}', 400),
    "beyond all floats": (b'{"drafts": [{"text": "a"}], "above": 1e999}', 400),
    "a key twice": (b'{"drafts": [{"text": "a", "text": "b"}]}', 400),
    "a key twice, escaped": (b'{"drafts": [{"text": "a", "te\\u0078t": "b"}]}', 400),
    "half a surrogate pair": (b'{"drafts": [{"text": "\\ud800"}]}', 400),
    "half a surrogate pair in a key": (b'{"drafts": [{"text": "a", "\\udfff": 1}]}', 400),
    "no UTF-8": (b'{"drafts": [{"text": "\xff\xfe"}]}', 400),
    "UTF-16": ('{"drafts": [{"text": "a"}]}'.encode("utf-16"), 400),
    "deep": (b'{"drafts": ' + b"[" * 900 + b"]" * 900 + b"}", 400),
    "deeper": (b"[" * 100_000 + b"]" * 100_000, 400),
    "deep objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
    "a great many values": (b'{"drafts": [' + b"[]," * 400_000 + b"1]}", 400),
    "a great many keys": (b'{"drafts": [{' + b",".join(b'"k%d": 1' % i for i in range(100_000)) + b"}]}", 422),
    "something behind it": (b'{"drafts": [{"text": "a"}]} {}', 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "a number": (b"7", 422),
    "a whole number of 5,000 digits": (b'{"drafts": [{"text": "a"}], "above": ' + b"9" * 5000 + b"}", 400),
    "an empty object": (b"{}", 422),
    "no drafts": (b'{"drafts": []}', 422),
    "drafts that are null": (b'{"drafts": null}', 422),
    "a draft that is null": (b'{"drafts": [null]}', 422),
    "an empty draft": (b'{"drafts": [{}]}', 422),
    "a draft of nulls": (b'{"drafts": [{"text": null, "tags": null, "picture": null}]}', 422),
    "an unknown key": (b'{"drafts": [{"txet": "a"}]}', 422),
    "an unknown key with an escape code": (b'{"drafts": [{"\\u001b[2J<script>": "a"}]}', 422),
    "an unknown key outside": (b'{"drafts": [{"text": "a"}], "keeep": true}', 422),
    "a text that is a number": (b'{"drafts": [{"text": 7}]}', 422),
    "a truth value that is a number": (b'{"drafts": [{"text": "a"}], "keep": 1}', 422),
    "tags that are a text": (b'{"drafts": [{"tags": "a,b"}]}', 422),
    "a number that is a truth value": (b'{"drafts": [{"text": "a", "numbers": {"fans": true}}]}', 422),
    "a number that posts have not": (b'{"drafts": [{"text": "a", "numbers": {"fanss": 7}}]}', 422),
    "an empty id": (b'{"drafts": [{"text": "a", "id": ""}]}', 422),
    "no time": (b'{"drafts": [{"time": "soon"}]}', 422),
    "a day that is none": (b'{"drafts": [{"time": "2025-02-30"}]}', 422),
    "before all time": (b'{"drafts": [{"time": "0001-01-01T00:00+14:00"}]}', 422),
    "after all time": (b'{"drafts": [{"time": "9999-12-31T23:59-14:00"}]}', 422),
    "the year 9000": (b'{"drafts": [{"time": "9000-01-01"}]}', 422),
    "a long text": (b'{"drafts": [{"text": "' + b"a" * 20_001 + b'"}]}', 422),
    "many tags": (orjson.dumps({"drafts": [{"tags": ["a"] * 501}]}), 422),
    "too many drafts": (orjson.dumps({"drafts": [{"text": "a"}] * 1001}), 422),
    "a count below 0 to beat": (b'{"drafts": [{"text": "a"}], "above": -1}', 422),
    "a picture where posts have none": (b'{"drafts": [{"text": "a", "picture": {"data": "aGk="}}]}', 422),
    "a picture by its place": (b'{"drafts": [{"text": "a", "picture": "/etc/passwd"}]}', 422),
    "media": (b'{"drafts": [{"text": "a", "media": "/etc/passwd"}]}', 422),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_one_line(name, client, served):
    body, status = BODIES[name]
    found = client.post("/forecast", content=body, headers=JSON)
    assert found.status_code == status, found.text
    one_line_of(found, served)
    assert client.post("/forecast", json={"drafts": [{"text": "a"}]}).status_code == 200


def test_a_line_says_what_of_a_draft_it_is_about(client, served):
    for draft, field in (
        ({"time": "soon"}, "time"), ({"text": 7}, "text"), ({"text": "a", "numbers": {"fanss": 7}}, "numbers"),
        ({"time": "9000-01-01"}, "time"), ({"txet": "a"}, None),
    ):  # fmt: skip
        found = client.post("/forecast", json={"drafts": [draft]})
        one_line_of(found, served)
        assert found.json().get("field") == field
    post = {"id": "p0001", "author": "nobody"}
    assert client.post("/observe", json={"posts": [post]}).json()["field"] == "author"


OBSERVED = {
    "no id": {"text": "a", "outcome": 3},
    "a fraction of a count": {"id": "a", "outcome": 3.5},
    "a count below 0": {"id": "a", "outcome": -3},
    "an id of another author's post": {"id": "p0001", "author": "nobody"},
    "an outcome that is a text": {"id": "a", "outcome": "3"},
}


@pytest.mark.parametrize("name", OBSERVED)
def test_posts_that_cannot_be_observed_are_one_line(name, client, served):
    before = served.observed
    good = {"id": "good", "text": "a", "outcome": 3}
    found = client.post("/observe", json={"posts": [good, OBSERVED[name]]})
    assert found.status_code == 422
    one_line_of(found, served)
    assert served.observed == before, "half of it was taken in"
    twice = client.post("/observe", json={"posts": [good, good]})
    assert twice.status_code == 422
    assert "two posts of one id" in one_line_of(twice, served)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=a"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_only_plain_json_is_read(headers, status, client, served):
    found = client.post("/forecast", content=b'{"drafts": [{"text": "a"}]}', headers=headers)
    assert found.status_code == status
    if status != 200:
        one_line_of(found, served)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/forecast", 405), ("PUT", "/forecast", 405), ("OPTIONS", "/forecast", 405), ("DELETE", "/", 405),
        ("GET", "/nothing", 404), ("GET", "/static/../../etc/passwd", 404),
        ("GET", "/static/%2e%2e%2fapi_page.py", 404),
        ("GET", "/static/..%2f..%2f..%2fbundle.json", 404), ("GET", "/static//etc/passwd", 404),
        ("GET", "/static/api.css%00", 404), ("GET", "/bundle.json", 404), ("GET", "/health/", 404),
        ("GET", "/authors?most=0", 422), ("GET", "/authors?most=51", 422), ("GET", "/authors?most=NaN", 422),
        ("GET", f"/authors?like={'a' * 201}", 422), ("GET", "/authors?like=%ff%00", 200),
    ],
)  # fmt: skip
def test_other_paths_and_methods(method, path, status, client, served):
    found = client.request(method, path)
    assert found.status_code == status
    if status != 200:
        one_line_of(found, served)


def test_a_body_belongs_to_post(client, served):
    found = client.request("GET", "/health", content=b"abc")
    assert found.status_code == 400
    one_line_of(found, served)


def test_a_large_body_is_refused_by_what_it_says_and_by_what_it_is(served):
    small = ServedBundle.__new__(ServedBundle)
    small.__dict__.update(served.__dict__, limits=RequestLimits(body=1000, per_second=0))
    with client_of(app_of(small)) as client:
        body = orjson.dumps({"drafts": [{"text": "a" * 1000}]})
        assert client.post("/forecast", content=body, headers=JSON).status_code == 413
        found = client.post("/forecast", content=(body[i : i + 10] for i in range(0, len(body), 10)), headers=JSON)
        assert found.status_code == 413
        assert found.headers["connection"] == "close"
        one_line_of(found, served)
        assert client.post("/forecast", content=b'{"drafts": [{"text": "a"}]}', headers=JSON).status_code == 200


def test_a_token_is_asked_for_everywhere_but_at_health_and_the_page(served):
    with client_of(app_of(served, token=TOKEN)) as client:
        paths = [("GET", path) for path in ("/facts", "/authors", "/track", "/metrics", "/nothing")]
        paths += [("POST", path) for path in ("/forecast", "/explain", "/what-if", "/audience", "/observe")]
        for method, path in paths:
            for given in (None, "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer \xe9"):
                headers = {} if given is None else {"authorization": given.encode("latin-1")}
                found = client.request(method, path, headers=headers)
                assert found.status_code == 401, (path, given)
                assert found.headers["www-authenticate"] == "Bearer"
                one_line_of(found, served)
        for path in ("/", "/health", "/docs", "/openapi.json", "/static/api.css"):
            assert client.get(path).status_code == 200
            assert "page 3" not in client.get(path).text
        allowed = client.get("/authors", params={"like": "page 3"}, headers={"authorization": f"Bearer {TOKEN}"})
        assert allowed.json()["authors"][0]["author"] == "page 3"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("LOCALHOST", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example:8000", 421), ("", 421), ("[::1", 421),
        ("0.0.0.0", 421),
    ],
)  # fmt: skip
def test_on_loopback_no_other_host_is_answered_for(host, status, served):
    with client_of(app_of(served, hosts={"localhost", "127.0.0.1", "[::1]"})) as client:
        assert client.get("/health", headers={"host": host}).status_code == status


def test_a_client_that_asks_too_often_waits(served):
    few = ServedBundle.__new__(ServedBundle)
    few.__dict__.update(served.__dict__, limits=RequestLimits(per_second=0.5))
    with client_of(app_of(few)) as client:
        answers = [client.get("/health") for _ in range(3)]
        assert [found.status_code for found in answers] == [200, 429, 429]
        assert "too many" in one_line_of(answers[1], served)
        assert answers[1].headers["retry-after"] == "1"


def test_rates_are_counted_by_client_and_fill_again():
    now = 0.0
    rates = Rates(2, lambda: now)
    assert [rates.allow("a") for _ in range(5)] == [True] * 4 + [False]
    assert rates.allow("b")
    now = 0.5
    assert [rates.allow("a"), rates.allow("a")] == [True, False]
    assert all(Rates(0, lambda: now).allow("a") for _ in range(1000))


def picture(form: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, "teal").save(content, form)
    return content.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


def draft_with(content: bytes, name: str = "a.png") -> SentDraft:
    return SentDraft(text="a", picture={"name": name, "data": base64.b64encode(content).decode()})


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "a/b.png", "", "x\x00.png", "http://host/a.png", "C:\\a.png"]
)
def test_pictures_lie_in_a_private_folder_under_names_of_ours(name):
    forms = [picture(form) for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")]
    with pictures_of([draft_with(form, name) for form in forms], 10_000, "drafts") as (folder, names):
        assert names == ["0.png", "1.jpg", "2.gif", "3.bmp", "4.webp", "5.tif"]
        assert folder.stat().st_mode & 0o077 == 0
        assert sorted(path.name for path in folder.iterdir()) == names
        assert [(folder / one).read_bytes() for one in names] == forms
    assert not folder.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", picture()[:40], b"%!PS-Adobe-3.0\nquit\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        bomb(6000, 6000), bomb(2_000_000_000, 1), bomb(21_000, 2), picture() * 200,
    ],
    ids=["empty", "text", "cut short", "postscript", "svg", "pdf", "bomb", "wide bomb", "wide", "large"],
)  # fmt: skip
def test_what_is_no_picture_or_too_large_a_one_is_one_line(content):
    from popcast.core.errors import BadInput

    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    with (
        pytest.raises(BadInput, match=r"drafts\[0\]\.picture\.data"),
        pictures_of([draft_with(content)], 10_000, "drafts"),
    ):
        pass
    assert set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) <= before


def test_pictures_that_say_they_are_large_are_refused_together():
    from popcast.core.errors import BadInput

    large = draft_with(bomb(5000, 5000))
    with pytest.raises(BadInput, match=r"drafts\[0\].*to its end"), pictures_of([large] * 4, 10_000, "drafts"):
        pass
    with pytest.raises(BadInput, match=r"drafts\[4\].*too many pixels"), pictures_of([large] * 5, 10_000, "drafts"):
        pass


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_a_picture_that_breaks_off_is_refused_and_not_taken_as_none(form):
    from popcast.core.errors import BadInput

    whole = picture(form, (300, 200))
    with pictures_of([draft_with(whole)], 1_000_000, "drafts"):
        pass
    broken = draft_with(whole[: len(whole) * 2 // 3])
    refused = pytest.raises(BadInput, match=r"drafts\[1\]\.picture\.data")
    with refused, pictures_of([draft_with(whole), broken], 1_000_000, "drafts"):
        pass


@pytest.mark.parametrize("mode", ["CMYK", "LA", "P", "1", "I;16", "RGBA", "L"])
def test_a_picture_of_any_colours_is_one(mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    content = io.BytesIO()
    Image.new(mode, (40, 30)).save(content, form)
    with pictures_of([draft_with(content.getvalue())], 100_000, "drafts") as (folder, names):
        assert (folder / names[0]).is_file()


def test_what_is_not_base64_is_one_line():
    from popcast.core.errors import BadInput

    for data in ("not base64!", "aGk", "aGk=\n", "é"):
        draft = SentDraft(text="a", picture={"data": data})
        with pytest.raises(BadInput, match="not base64"), pictures_of([draft], 10_000, "drafts"):
            pass


def test_a_fault_of_popcast_is_one_line_and_the_next_request_is_answered(served, monkeypatch, caplog):
    def broken(body: object) -> None:
        raise ZeroDivisionError(f"secret {served.folder}")

    def full(body: object) -> None:
        raise OSError(28, "No space left on device", str(served.folder / "x"))

    with client_of(app_of(served)) as client:
        for fault, status in ((broken, 500), (full, 507)):
            monkeypatch.setattr(served, "forecasts", fault)
            found = client.post("/forecast", json={"drafts": [{"text": "a"}]})
            assert found.status_code == status
            assert "secret" not in one_line_of(found, served)
            assert found.headers["x-content-type-options"] == "nosniff"
        monkeypatch.undo()
        assert "ZeroDivisionError" in caplog.text
        assert client.post("/forecast", json={"drafts": [{"text": "a"}]}).status_code == 200
