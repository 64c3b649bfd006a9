import base64
import itertools
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers._base64_stream import FilmDecoder
from bot.providers._decoders import Malformed

PREFIX = "data:video/mp4;base64,"
FILM = bytes(range(256)) * 3


def decoded(pieces: list[bytes]) -> bytes:
    decoder = FilmDecoder()
    film = b"".join(decoder.feed(piece) for piece in pieces)
    decoder.finish()
    return film


def cut(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def result(text: str) -> bytes:
    return json.dumps({"video": {"data_uri": text}}).encode()


def escaped(text: str, how: list[int]) -> str:
    """The same JSON string content, characters here and there written as escapes."""
    written = []
    for index, character in enumerate(text):
        kind = how[index % len(how)] if how else 0
        if kind == 1 or (kind == 2 and character != "/"):
            written.append(f"\\u{ord(character):04x}")
        else:
            written.append("\\/" if kind == 2 else character)
    return "".join(written)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(max_size=12) | st.just("data_uri"), children, max_size=3)
    ),
    max_leaves=8,
)


@given(
    film=st.binary(min_size=1, max_size=600),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
    prefixed=st.booleans(),
    how=st.lists(st.integers(0, 2), max_size=5),
    before=st.dictionaries(st.text(max_size=12).filter(lambda key: key != "video"), anything, max_size=3),
    inside=st.dictionaries(st.text(max_size=12).filter(lambda key: key != "data_uri"), anything, max_size=2),
    indent=st.sampled_from([None, 0, 2, "\t"]),
    ascii_only=st.booleans(),
)
def test_any_chunking_of_any_surroundings_gives_the_film(
    film, cuts, prefixed, how, before, inside, indent, ascii_only
) -> None:
    text = (PREFIX if prefixed else "") + base64.b64encode(film).decode()
    body = json.dumps(
        {**before, "video": {**inside, "data_uri": "@@@"}, "video2": {"data_uri": 5}},
        indent=indent,
        ensure_ascii=ascii_only,
    ).encode("utf-8", "surrogatepass" if ascii_only else "replace")
    spot = body.rindex(b'"@@@"')
    body = body[:spot] + b'"' + escaped(text, how).encode() + body[spot + 4 :]
    assert decoded(cut(body, cuts)) == film


@given(text=st.text(alphabet="AZaz09+/= \n-_é", max_size=24))
def test_it_accepts_exactly_what_strict_base64_is(text: str) -> None:
    bare = text.replace(" ", "").replace("\n", "")
    try:
        expected = base64.b64decode(bare, validate=True) if bare.isascii() else None
        # Python's own decoder takes padding in odd places; four at a time, and at the end only, is the rule here.
        if expected is not None and base64.b64encode(expected).decode()[:-2] != bare[:-2]:
            expected = None
    except ValueError:
        expected = None
    try:
        got = decoded([result(text)])
    except Malformed:
        got = None
    assert got == (expected or None)


@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_a_film_or_malformed(body: bytes, cuts: list[int]) -> None:
    with pytest.raises(Malformed):
        decoded(cut(body, cuts))


@given(
    body=st.text(alphabet='{}[]",:videodata_ur\\n/ A=', max_size=60).map(str.encode),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_json_like_bytes_are_read_as_json_reads_them(body: bytes, cuts: list[int]) -> None:
    try:
        text = json.loads(body)["video"]["data_uri"]
        expected = base64.b64decode(text.strip("\n "), validate=True) or None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        expected = None
    try:
        got = decoded(cut(body, cuts))
    except Malformed:
        got = None
    assert got == expected


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64])
def test_every_boundary_falls_somewhere(step: int) -> None:
    text = escaped(PREFIX + base64.b64encode(FILM).decode(), [0, 0, 1, 2])
    body = ('{ "\\u0076ideo" : {"n": [1, {"data_uri": "x"}], "data\\u005furi" : "' + text + '" } }\n').encode()
    assert decoded([body[at : at + step] for at in range(0, len(body), step)]) == FILM


def test_wrapped_lines_are_base64_too() -> None:
    wrapped = base64.encodebytes(FILM).decode()
    assert decoded([result(wrapped)]) == FILM
    assert decoded([result(wrapped.replace("\n", "\r\n"))]) == FILM


@pytest.mark.parametrize("text", ["AA==", "AAA=", "AAAA", f"{PREFIX}AA==", f"{PREFIX}data"])
def test_short_films(text: str) -> None:
    assert decoded([result(text)]) == base64.b64decode(text.removeprefix(PREFIX))


def test_what_looks_like_the_prefix_may_be_the_film() -> None:
    assert decoded([b'{"video":{"data_uri":"da', b'ta"}}']) == base64.b64decode("data")
    assert decoded([b'{"video":{"data_uri":"data', b'AAAA"}}']) == base64.b64decode("dataAAAA")


@pytest.mark.parametrize(
    "text",
    [
        "",
        PREFIX,
        "A",
        "AA",
        "AAA",
        "AAAAA",
        "AA=",
        "AA===",
        "====",
        "=AAA",
        "AA==AAAA",
        "AAAA*AAA",
        "AA-_",
        "data:",
        "data:video/mp4;base64",
        "data:video/webm;base64,AAAA",
        "DATA:video/mp4;base64,AAAA",
        f"{PREFIX}{PREFIX}AAAA",
        "AAAA\x00",
        "AAAA\x08",
        "AAAA\\",
        'AAAA"',
        "AAÄA",
        "AA\ud800AA",
    ],
)
def test_what_is_not_base64_is_malformed(text: str) -> None:
    body = result(text)
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(Malformed):
            decoded(pieces)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"AAAA"',
        b"{",
        b'{"video"',
        b'{"video":{"data_uri":"AAAA"',
        b'{"video":{"data_uri":"AAAA"}',
        b'{"video":{"data_uri":"AAAA"}}}',
        b'{"video":{"data_uri":"AAAA"}} x',
        b'{"video":{"data_uri":"AAAA"}}{"video":{"data_uri":"AAAA"}}',
        b'{"video":{"data_uri":"AAAA" "AAAA"}}',
        b'{"video":{"data_uri":"AAAA","data_uri":"AAAA"}}',
        b'{"video":{"data_uri":"AAAA"},"video":{"data_uri":"AAAA"}}',
        b'{"video":{"data_uri":"AAAA"},"video":null}',
        b'{"video":{"data_uri":["AAAA"]}}',
        b'{"video":[{"data_uri":"AAAA"}]}',
        b'[{"video":{"data_uri":"AAAA"}}]',
        b'{"video" {"data_uri":"AAAA"}}',
        b'{"video":{"data_uri" "AAAA"}}',
        b'{"video":{"data_uri":"AA\nAA"}}',
        b'{"video":{"data_uri":"AA\\xAA"}}',
        b'{"video":{"data_uri":"AA\\u00"}}',
        b'{"video":{"data_uri":"AA\\u00zzAA"}}',
        b'{"vi\\xdeo":{"data_uri":"AAAA"}}',
        b'{"vid\xff\xfeeo":1,"video":{"data_uri":"AAAA"}}',
        b"{'video':{'data_uri':'AAAA'}}",
        b'\xef\xbb\xbf{"video":{"data_uri":"AAAA"}}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"deep":' + b"[" * 40 + b"]" * 40 + b',"video":{"data_uri":"AAAA"}}',
        b"]" * 10,
        b'{"padding":"' + b"x" * 70_000 + b'","video":{"data_uri":"AAAA"}}',
        b" " * 70_000,
    ],
)
def test_what_is_not_the_documented_json_is_malformed(body: bytes) -> None:
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(Malformed):
            decoded(pieces)


def test_a_complaint_repeats_nothing_of_the_body() -> None:
    with pytest.raises(Malformed) as caught:
        decoded([b'{"video":{"data_uri":"secret!"}}'])
    assert "secret" not in str(caught.value)


def test_a_long_film_takes_neither_memory_nor_time() -> None:
    """A 40 MB body; pieces as a socket gives them. No step may hold the loop for long."""
    piece = base64.b64encode(bytes(range(256)) * 192)
    decoder = FilmDecoder()
    tracemalloc.start()
    decoder.feed(b'{"video":{"data_uri":"')
    total, slowest = 0, 0.0
    for _ in range(40_000_000 // len(piece)):
        started = time.perf_counter()
        total += len(decoder.feed(piece))
        slowest = max(slowest, time.perf_counter() - started)
    decoder.feed(b'"}}')
    decoder.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 40_000_000 // len(piece) * 192 * 256
    assert peak < 1_000_000
    assert slowest < 0.1
