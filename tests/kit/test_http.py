"""How every connector talks to its vendor, held against a server that breaks off, lies, loops and leads astray."""

from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import json
import logging
import random
import ssl
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipelines.errors import ConfigError
from pipelines.http import (
    Answer,
    Auth,
    BadAnswer,
    Http,
    HttpOptions,
    Refuse,
    Refused,
    Request,
    Signal,
    SourceDown,
    SourceError,
    SourceLimited,
    SourceRefused,
    StaticToken,
    Stop,
    Wait,
)
from tests.kit.raw import Heard, RawServer, Said, hang_up, reset, said, short

TOKEN = "quince/0123456789+abcdef=="
FINE = {"items": [1, 2, 3]}
MEGABYTE = 1024 * 1024


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every pause that is made, in place of making it."""
    found: list[float] = []
    monkeypatch.setattr("pipelines.http.sleep", found.append)
    return found


@pytest.fixture
def start(waits: list[float]) -> Iterator[Callable[..., RawServer]]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def started(*answers: Said | Callable[[Heard], Said], **given: Any) -> RawServer:
            by = given.pop("by", None)
            return stack.enter_context(RawServer(by or list(answers)).running(**given))

        yield started


def client(server: RawServer | str, auth: Auth | None = None, classify: Any = None, **options: Any) -> Http:
    patience = HttpOptions(**{"backoff_seconds": 1.0, "attempts": 4, "timeout_seconds": 5, **options})
    url = server if isinstance(server, str) else server.url
    return Http(url, source="quince", auth=auth, options=patience, classify=classify)


@dataclass
class Renewing:
    """Client credentials: a token on first use, another one after it was turned down."""

    secret: str = "hunter-two/9876543210"
    token: str = ""
    given: list[str] = field(default_factory=list)

    def headers(self, http: Http) -> dict[str, str]:
        if not self.token:
            form = {"grant_type": "client_credentials", "client_secret": self.secret}
            self.token = http.json("POST", "token", form=form, auth=False, expect=("access_token",))["access_token"]
            self.given.append(self.token)
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        self.token = ""
        return True

    def secrets(self) -> list[str]:
        return [self.secret, self.token]


def gives_tokens(rest: Callable[[Heard], Said]) -> Callable[[Heard], Said]:
    """A vendor that hands out token-1, token-2, ... and leaves the rest to `rest`."""
    count = 0

    def answer(heard: Heard) -> Said:
        nonlocal count
        if heard.path == "/token":
            count += 1
            return said({"access_token": f"token-{count}"})
        return rest(heard)

    return answer


# -- patience ----------------------------------------------------------------------------------------------------------


def test_pauses_double_and_have_some_chance_in_them(start: Callable[..., RawServer], waits: list[float]) -> None:
    random.seed(1)
    for _ in range(2):
        server = start(*[said(b"busy", 503)] * 4, said(FINE))
        assert client(server, attempts=5).json("GET", "x") == FINE
    first, second = waits[:4], waits[4:]
    for pauses in (first, second):
        for number, pause in enumerate(pauses):
            assert 0.75 * 2**number <= pause <= 1.25 * 2**number
    assert first != second


def test_no_pause_is_longer_than_the_bound(start: Callable[..., RawServer], waits: list[float]) -> None:
    with pytest.raises(SourceDown):
        client(start(said(b"", 500)), attempts=8, backoff_seconds=60, longest_wait_seconds=100).request("GET", "x")
    assert len(waits) == 7
    assert max(waits) == 100


def test_after_the_last_attempt_it_says_what_came_and_how_often(
    start: Callable[..., RawServer], waits: list[float]
) -> None:
    server = start(said(b"we are\n  setting things up", 503))
    with pytest.raises(SourceDown) as caught:
        client(server).json("GET", "v1/orders", params={"since": "2026"})
    assert str(caught.value) == (
        f"source quince: 127.0.0.1:{server.port}/v1/orders: the vendor answers 503 (we are setting things up), "
        "4 attempts; nothing was loaded\n  next: look at the vendor's status page, then run again; what was read so "
        "far is kept"
    )
    assert (len(server.heard), len(waits)) == (4, 3)


@pytest.mark.parametrize("status", [408, 423, 425, 429, 500, 502, 503, 504, 520, 524])
def test_a_status_that_passes_is_asked_again(start: Callable[..., RawServer], waits: list[float], status: int) -> None:
    server = start(said(b"", status), said(FINE))
    assert client(server).json("GET", "x") == FINE
    assert (len(server.heard), len(waits)) == (2, 1)


@pytest.mark.parametrize("status", [300, 304, 400, 403, 404, 405, 409, 410, 414, 422, 501])
def test_a_status_that_stays_is_told_at_once(start: Callable[..., RawServer], waits: list[float], status: int) -> None:
    server = start(said(b"" if status == 304 else b"no such field: amuont", status))
    with pytest.raises(Refused, match=f"the vendor answers {status}") as caught:
        client(server).json("GET", "x")
    assert (caught.value.status, caught.value.answer.status) == (status, status)
    assert (len(server.heard), waits) == (1, [])


@pytest.mark.parametrize(("told", "pause"), [("7", 7.0), ("0.5", 0.5), ("0", 0.0), ("-3", 0.0)])
def test_retry_after_in_seconds_is_waited(
    start: Callable[..., RawServer], waits: list[float], told: str, pause: float
) -> None:
    assert client(start(said(b"", 429, {"Retry-After": told}), said(FINE))).json("GET", "x") == FINE
    assert waits == [pause]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        # The vendor's clock is a day behind ours: its own date counts.
        ({"Date": "Wed, 30 Sep 2026 12:00:00 GMT", "Retry-After": "Wed, 30 Sep 2026 12:00:42 GMT"}, 42.0),
        ({"Retry-After": "Thu, 01 Oct 2026 12:00:20 GMT"}, 20.0),
        ({"Date": "yesterday", "Retry-After": "Thu, 01 Oct 2026 12:00:20 GMT"}, 20.0),
        ({"Date": "Thu, 01 Oct 2026 12:00:00 GMT", "Retry-After": "Thu, 01 Oct 2026 11:00:00 GMT"}, 0.0),
    ],
    ids=["the vendor's clock", "ours", "no clock of the vendor's", "gone by"],
)
def test_retry_after_as_a_date_is_waited(
    start: Callable[..., RawServer],
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    pause: float,
) -> None:
    monkeypatch.setenv("SEGMENTS_NOW", "2026-10-01T12:00:00Z")
    assert client(start(said(b"", 503, headers), said(FINE))).json("GET", "x") == FINE
    assert waits == [pause]


@pytest.mark.parametrize("told", ["soon", "", "Thu, 99 Oct 2026 12:00:20 GMT", "nan"])
def test_a_retry_after_that_says_nothing_leaves_the_usual_pause(
    start: Callable[..., RawServer], waits: list[float], told: str
) -> None:
    assert client(start(said(b"", 429, {"Retry-After": told}), said(FINE))).json("GET", "x") == FINE
    assert len(waits) == 1
    assert 0.75 <= waits[0] <= 1.25


def test_a_pause_beyond_the_bound_is_not_waited(start: Callable[..., RawServer], waits: list[float]) -> None:
    server = start(said(b"slow down", 429, {"Retry-After": "3600"}))
    with pytest.raises(SourceLimited) as caught:
        client(server, longest_wait_seconds=3599).json("GET", "x")
    assert "asks for a pause of 3,600 s, more than the 3,599 s we wait" in str(caught.value)
    assert "raise http.longest_wait_seconds" in str(caught.value)
    assert (len(server.heard), waits) == (1, [])
    assert client(start(said(b"", 429, {"Retry-After": "3600"}), said(FINE)), longest_wait_seconds=3600).json(
        "GET", "x"
    )
    assert waits == [3600.0]


def endless_pause(connection: Any) -> None:
    connection.sendall(said(b"", 429, {"Retry-After": "inf"}))


def test_a_pause_without_end_is_not_waited(start: Callable[..., RawServer], waits: list[float]) -> None:
    with pytest.raises(SourceLimited):
        client(start(endless_pause)).json("GET", "x")
    assert waits == []


def half_a_chunk(connection: Any) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"items": [1')


def no_http(connection: Any) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def header_without_end(connection: Any) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n")


@pytest.mark.parametrize("manner", [reset, short, hang_up, half_a_chunk, no_http, header_without_end])
def test_an_answer_that_breaks_off_is_asked_for_again(
    start: Callable[..., RawServer], waits: list[float], manner: Said
) -> None:
    server = start(manner, said(FINE))
    assert client(server).json("GET", "x") == FINE
    assert (len(server.heard), len(waits)) == (2, 1)
    with pytest.raises(SourceDown, match="4 attempts"):
        client(start(manner)).json("GET", "x")


def test_a_vendor_that_says_nothing_is_left_after_the_time_out(
    start: Callable[..., RawServer], waits: list[float]
) -> None:
    server = start(said(FINE))
    server.answers = [server.hang, said(FINE)]
    assert client(server, timeout_seconds=0.2).json("GET", "x") == FINE
    assert (len(server.heard), len(waits)) == (2, 1)
    server.answers = [server.hang]
    with pytest.raises(SourceDown, match="no answer in time, 2 attempts"):
        client(server, timeout_seconds=0.1, attempts=2).json("GET", "x")


def test_a_body_that_stops_coming_is_left_after_the_time_out(
    start: Callable[..., RawServer], waits: list[float]
) -> None:
    server = start(said(FINE))

    def stalls(connection: Any) -> None:
        connection.sendall(said(FINE)[:-4])
        server.hang(connection)

    server.answers = [stalls, said(FINE)]
    assert client(server, timeout_seconds=0.2).json("GET", "x") == FINE


def test_nobody_there_is_a_vendor_that_is_down(waits: list[float]) -> None:
    with RawServer([said(FINE)]).running() as server:
        url = server.url
    with pytest.raises(SourceDown, match="no connection, or it broke, 4 attempts"):
        client(url).json("GET", "x")
    assert len(waits) == 3


@pytest.mark.parametrize(
    "body",
    [b'{"items": [1, 2', b"<html><body>Please try again</body></html>", b"", b"\xff\xfe\x00", b"[" * 5000],
    ids=["cut off", "a page for people", "nothing", "no text", "too deep"],
)
def test_a_200_that_is_no_json_is_asked_for_again_and_then_told(
    start: Callable[..., RawServer], waits: list[float], body: bytes
) -> None:
    assert client(start(said(body), said(FINE))).json("GET", "x") == FINE
    server = start(said(body))
    with pytest.raises(BadAnswer, match=r"the answer is no JSON .*4 attempts; nothing was loaded"):
        client(server).json("GET", "x")
    assert len(server.heard) == 4


@pytest.mark.parametrize("content", [{}, {"items": None}, {"error": "quota"}, [1, 2], "items", None])
def test_a_200_without_what_was_promised_is_asked_for_again_and_then_told(
    start: Callable[..., RawServer], waits: list[float], content: Any
) -> None:
    assert client(start(said(content), said(FINE))).json("GET", "x", expect=("items",)) == FINE
    with pytest.raises(BadAnswer, match="the answer is 200 and has no 'items'"):
        client(start(said(content))).json("GET", "x", expect=("items",))


@pytest.mark.parametrize("content", [{"items": []}, {"items": {}}, {"items": 0}, {"items": False}, {"items": ""}])
def test_nothing_is_an_answer_when_it_is_said(start: Callable[..., RawServer], content: Any) -> None:
    assert client(start(said(content))).json("GET", "x", expect=("items",)) == content


def test_half_a_character_is_no_reason_to_read_nothing(start: Callable[..., RawServer]) -> None:
    """A vendor that cuts a text at so many characters may cut an emoji in two."""
    body = rb'{"items": ["cut \ud83d", "\ude00 cut", "\ud83d\ud83d\ude00", "whole \uD83D\uDE00", "no escape: \\ud83d"]}'
    found = client(start(said(body))).json("GET", "x")["items"]
    assert found == ["cut \ufffd", "\ufffd cut", "\ufffd😀", "whole 😀", "no escape: \\ud83d"]


def test_a_keyword_that_does_not_exist_is_not_swallowed(start: Callable[..., RawServer]) -> None:
    with pytest.raises(TypeError):
        client(start(said(FINE))).json("GET", "x", parms={"since": "2026"})


# -- the vendor's own words --------------------------------------------------------------------------------------------


def test_wait_pauses_as_long_as_the_connector_says(start: Callable[..., RawServer], waits: list[float]) -> None:
    attempts: list[int] = []

    def classify(answer: Answer, attempt: int) -> Signal | None:
        attempts.append(attempt)
        return Wait(11.5, "ten-second limit") if b"RATE" in answer.content else None

    server = start(said({"policy": "RATE"}), said({"policy": "RATE"}, 429, {"Retry-After": "1"}), said(FINE))
    assert client(server, classify=classify).json("GET", "x") == FINE
    assert (waits, attempts) == ([11.5, 11.5], [1, 2, 3])


def test_wait_is_bounded_in_length_and_in_number(start: Callable[..., RawServer], waits: list[float]) -> None:
    with pytest.raises(
        SourceLimited, match=r"daily limit and asks for a pause of 86,400 s.*what was read so far is kept"
    ):
        client(start(said(b"", 429)), classify=lambda answer, attempt: Wait(86400, "daily limit")).json("GET", "x")
    assert waits == []
    with pytest.raises(SourceDown, match="ten-second limit, 4 attempts"):
        client(start(said(b"", 429)), classify=lambda answer, attempt: Wait(10, "ten-second limit")).json("GET", "x")
    assert waits == [10, 10, 10]


def test_stop_ends_the_reading_at_once(start: Callable[..., RawServer], waits: list[float]) -> None:
    until = dt.datetime(2026, 10, 2, tzinfo=dt.UTC)
    server = start(said(b"REQUEST_LIMIT_EXCEEDED", 403))
    with pytest.raises(
        SourceLimited, match="the daily quota is used up until 2026-10-02 00:00 UTC; nothing was loaded"
    ):
        client(server, classify=lambda *_: Stop("the daily quota is used up", until)).json("GET", "x")
    assert (len(server.heard), waits) == (1, [])


def test_refuse_gives_up_with_the_connectors_words(start: Callable[..., RawServer], waits: list[float]) -> None:
    server = start(said(b"API_DISABLED", 403))
    with pytest.raises(SourceRefused) as caught:
        client(server, classify=lambda *_: Refuse("the edition has no API", "ask for one that has")).json("GET", "x")
    assert str(caught.value).endswith("the edition has no API; nothing was loaded\n  next: ask for one that has")
    assert (len(server.heard), waits) == (1, [])


def test_refuse_on_a_401_asks_for_no_other_token(start: Callable[..., RawServer]) -> None:
    auth = Renewing()
    server = start(by=gives_tokens(lambda heard: said(b"INSUFFICIENT_SCOPE", 401)))
    with pytest.raises(SourceRefused, match="the app has no scope"):
        client(server, auth, lambda answer, _: Refuse("the app has no scope") if answer.status == 401 else None).json(
            "GET", "x"
        )
    assert auth.given == ["token-1"]


def test_the_pace_holds_for_pages_retries_and_redirects_alike(
    start: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, paused = 100.0, []

    def pause(seconds: float) -> None:
        nonlocal moment
        paused.append(seconds)
        moment += seconds

    monkeypatch.setattr("pipelines.http.sleep", pause)
    monkeypatch.setattr("pipelines.http.time", SimpleNamespace(monotonic=lambda: moment))
    server = start(said(FINE), said(b"", 302, {"Location": "/there"}), said(b"", 500), said(FINE), said(FINE))
    http = client(server, requests_per_second=4, backoff_seconds=0)
    for _ in range(3):
        http.json("GET", "x")
    assert (len(server.heard), http.requests_made) == (5, 5)
    assert [seconds for seconds in paused if seconds] == pytest.approx([0.25] * 4)


# -- who we are --------------------------------------------------------------------------------------------------------


def test_one_token_serves_many_requests(start: Callable[..., RawServer]) -> None:
    auth = Renewing()
    server = start(by=gives_tokens(lambda heard: said(FINE)))
    http = client(server, auth)
    for _ in range(3):
        http.json("GET", "x")
    assert [heard.path for heard in server.heard] == ["/token", "/x", "/x", "/x"]
    assert {heard.headers.get("authorization") for heard in server.heard} == {None, "Bearer token-1"}
    assert b"client_secret=hunter-two" in server.heard[0].body


def test_a_token_that_dies_early_is_renewed_once_and_the_request_replayed(
    start: Callable[..., RawServer], waits: list[float]
) -> None:
    auth = Renewing()

    def rest(heard: Heard) -> Said:
        return said(FINE) if heard.headers["authorization"] == "Bearer token-2" else said(b"expired", 401)

    server = start(by=gives_tokens(rest))
    # One attempt: a new token is no second try.
    http = client(server, auth, attempts=1)
    assert http.json("POST", "search", json={"limit": 3}, params={"q": "a b"}) == FINE
    asked = [heard for heard in server.heard if heard.path == "/search"]
    assert [(x.method, x.target, x.body) for x in asked] == [("POST", "/search?q=a+b", b'{"limit":3}')] * 2
    assert (auth.given, [x for x in waits if x]) == (["token-1", "token-2"], [])


def test_every_request_may_renew_once(start: Callable[..., RawServer]) -> None:
    auth = Renewing()
    dead: set[str] = set()

    def rest(heard: Heard) -> Said:
        token = heard.headers["authorization"]
        if token in dead:
            return said(b"expired", 401)
        dead.add(token)
        return said({"items": [token]})

    http = client(start(by=gives_tokens(rest)), auth)
    assert [http.json("GET", "x")["items"] for _ in range(3)] == [[f"Bearer token-{n}"] for n in (1, 2, 3)]


def test_a_new_token_that_is_turned_down_too_is_final(start: Callable[..., RawServer], waits: list[float]) -> None:
    auth = Renewing()
    server = start(by=gives_tokens(lambda heard: said({"message": "unknown client"}, 401)))
    with pytest.raises(SourceRefused) as caught:
        client(server, auth).json("GET", "x")
    assert auth.given == ["token-1", "token-2"]
    assert len(server.heard) == 4
    assert 'credentials turned down (401: {"message": "unknown client"}); nothing was loaded' in str(caught.value)
    assert "SEGMENTS_QUINCE_" in str(caught.value)
    assert "segments sources probe quince" in str(caught.value)


def test_a_token_that_cannot_be_renewed_is_final_at_once(start: Callable[..., RawServer], waits: list[float]) -> None:
    server = start(said(b"who are you", 401))
    with pytest.raises(SourceRefused, match="credentials turned down"):
        client(server, StaticToken(TOKEN)).json("GET", "x")
    assert (len(server.heard), waits) == (1, [])


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (said({"error": "invalid_client"}, 400), Refused, "the vendor answers 400 .*invalid_client"),
        (said({"error": "invalid_client"}, 401), Refused, "the vendor answers 401 .*invalid_client"),
        (said(b"", 503), SourceDown, "/token: the vendor answers 503 .*4 attempts"),
        (said({"error": "none today"}), BadAnswer, "/token: the answer is 200 and has no 'access_token'"),
        (hang_up, SourceDown, "/token: no connection, or it broke"),
    ],
)
def test_a_token_request_that_fails_is_told_as_such_and_nothing_else_is_asked(
    start: Callable[..., RawServer], answer: Said, error: type[Exception], words: str
) -> None:
    server = start(by=lambda heard: answer if heard.path == "/token" else said(FINE))
    auth = Renewing()
    with pytest.raises(error, match=words) as caught:
        client(server, auth).json("GET", "x")
    assert {heard.path for heard in server.heard} == {"/token"}
    assert auth.secret not in str(caught.value)


def test_a_renewal_that_fails_is_told_as_such(start: Callable[..., RawServer]) -> None:
    tokens = iter([said({"access_token": "token-1"}), said({"error": "access revoked"}, 400)])
    server = start(by=lambda heard: next(tokens) if heard.path == "/token" else said(b"", 401))
    with pytest.raises(Refused, match="access revoked"):
        client(server, Renewing()).json("GET", "x")


@pytest.mark.parametrize("token", ["quince-0123456789\n", "quince-0123\r\nX-Evil: 1", "quince-€-0123456789"])
def test_a_token_that_no_header_can_hold_is_refused_without_being_shown(
    start: Callable[..., RawServer], waits: list[float], token: str
) -> None:
    server = start(said(FINE))
    with pytest.raises(SourceRefused, match="SEGMENTS_QUINCE_") as caught:
        client(server, StaticToken(token)).json("GET", "x")
    assert "0123" not in told_by(caught.value)
    assert (server.heard, waits) == ([], [])


def test_a_netrc_is_nobodys_business(
    start: Callable[..., RawServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password hunter2\ndefault login x password y\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = start(said(b"", 302, {"Location": "/there"}), said(FINE))
    client(server).json("GET", "x")
    client(server, StaticToken(TOKEN)).json("GET", "x")
    assert [heard.headers.get("authorization") for heard in server.heard] == [None, None, f"Bearer {TOKEN}"]


def test_a_proxy_does_not_hear_what_goes_to_this_machine(
    start: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = start(said(FINE)), start(said(FINE))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    client(server, StaticToken(TOKEN)).json("GET", "x")
    assert (len(server.heard), proxy.connections) == (1, 0)


def test_a_proxy_on_the_way_sees_no_token_and_its_password_is_not_told(
    start: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = start(said(b"no way", 502))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy.url.replace("://", "://carol:proxy-password-7@"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SourceDown) as caught:
        client("https://api.example.com", StaticToken(TOKEN), attempts=2).json("GET", "x")
    assert [(heard.method, heard.target) for heard in proxy.heard] == [("CONNECT", "api.example.com:443")] * 2
    assert TOKEN not in str([heard.headers for heard in proxy.heard])
    assert "proxy-password-7" not in told_by(caught.value)


# -- where a link leads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"), (302, "GET", "GET"), (307, "GET", "GET"), (308, "GET", "GET"), (303, "POST", "GET"),
        (301, "POST", "GET"), (302, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
    ],
)  # fmt: skip
def test_a_redirect_on_the_vendors_host_is_followed(
    start: Callable[..., RawServer], status: int, method: str, then: str
) -> None:
    server = start(said(b"", status, {"Location": "/v2/x?page=2"}), said(FINE))
    body: dict[str, Any] = {"json": {"limit": 3}} if method == "POST" else {}
    assert client(server, StaticToken(TOKEN)).json(method, "v1/x", params={"page": 1}, **body) == FINE
    first, second = server.heard
    assert (first.target, second.method, second.target) == ("/v1/x?page=1", then, "/v2/x?page=2")
    assert second.headers["authorization"] == f"Bearer {TOKEN}"
    assert second.body == (b'{"limit":3}' if then == "POST" else b"")
    assert ("content-type" in second.headers) == (then == "POST")


def test_a_form_is_not_sent_on_where_a_redirect_turns_into_a_get(start: Callable[..., RawServer]) -> None:
    server = start(said(b"", 302, {"Location": "/welcome"}), said(FINE))
    client(server).json("POST", "token", form={"client_secret": "hunter-two"}, auth=False)
    assert (server.heard[1].method, server.heard[1].body) == ("GET", b"")
    assert "hunter" not in server.heard[1].target


def test_redirects_in_a_circle_end(start: Callable[..., RawServer]) -> None:
    server = start(said(b"", 302, {"Location": "/round"}))
    with pytest.raises(BadAnswer, match="more than 5 redirects"):
        client(server).json("GET", "x")
    assert len(server.heard) == 6


def test_a_redirect_to_another_host_is_not_followed(start: Callable[..., RawServer], tmp_path: Path) -> None:
    other = start(said(FINE))
    place = {"Location": f"{other.url}/take", "Set-Cookie": "session=abc; Path=/"}
    for ask in (
        lambda http: http.json("GET", "x"),
        lambda http: http.request("POST", "x", json={"a": 1}),
        lambda http: http.request("POST", "token", form={"secret": "s"}, auth=False),
        lambda http: http.download("GET", "x", tmp_path / "file"),
        lambda http: list(http.pages(Request("GET", "x"), lambda page, answer: None)),
    ):
        server = start(said(b"", 302, place))
        with pytest.raises(BadAnswer, match=f"a link leads to http://127.0.0.1:{other.port}, which is not"):
            ask(client(server, StaticToken(TOKEN)))
        assert len(server.heard) == 1
    assert other.connections == 0


def spellings(other: RawServer, own: RawServer) -> Sequence[str]:
    """Ways to write an address that lead, or may be read to lead, to another server."""
    there, here = f"127.0.0.1:{other.port}", f"127.0.0.1:{own.port}"
    return (
        f"http://{there}/x",
        f"HTTP://{there}/x",
        f"http://{there}\\@{here}/x",
        f"http://{there}\\.{here}/x",
        f"http://{here}@{there}/x",
        f"http://user:word@{there}/x",
        f"http://{there}#@{here}/x",
        f"http://{there}?@{here}/x",
        f"http://{here}\t@{there}/x",
        f" http://{there}/x",
        f"http://localhost:{other.port}/x",
        f"http://localhost:{own.port}/x",
        f"https://{here}/x",
        f"ftp://{here}/x",
        f"http://127.0.0.1:99999/{here}",
        "http://127.0.0.1:80:80/x",
        "http://[127.0.0.1/x",
        "http:///x",
        "http://",
        f"http:\\\\{there}\\x",
    )


@pytest.mark.parametrize("number", range(20))
def test_no_spelling_of_a_link_leads_elsewhere(
    start: Callable[..., RawServer], waits: list[float], number: int
) -> None:
    other, server = start(said(FINE)), start(said(FINE))
    link = spellings(other, server)[number]
    with pytest.raises(BadAnswer, match=r"a link leads to .*which is not|a link that is no address"):
        client(server, StaticToken(TOKEN)).json("GET", link)
    assert (other.connections, server.connections) == (0, 0)


@pytest.mark.parametrize("number", [*range(20), 20, 21])
def test_no_spelling_of_a_redirect_leads_elsewhere(
    start: Callable[..., RawServer], waits: list[float], number: int
) -> None:
    other, server = start(said(FINE)), start()
    more = (f"//127.0.0.1:{other.port}/x", f"\\\\127.0.0.1:{other.port}/x")
    place = [*spellings(other, server), *more][number]
    # What may be read as a path of the vendor's own is asked for there, and leads back to the same place.
    server.answers = [said(b"", 302, {"Location": place})]
    with pytest.raises(BadAnswer):
        client(server, StaticToken(TOKEN)).json("GET", "x")
    assert other.connections == 0


def test_twenty_spellings(start: Callable[..., RawServer]) -> None:
    assert len(spellings(start(said(FINE)), start(said(FINE)))) == 20


def test_the_same_host_may_be_written_out(start: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(said(FINE))
    assert client(server).json("GET", f"{server.url}/v2/x?after=http://elsewhere.example/") == FINE
    assert client(server).json("GET", "v2/x?link=https://elsewhere.example/") == FINE
    assert [heard.path for heard in server.heard] == ["/v2/x", "/v2/x"]
    asked: list[str] = []

    def refuse(adapter: Any, request: Any, **_: Any) -> Any:
        asked.append(request.url)
        raise ConnectionAbortedError

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", refuse)
    for link in ("https://api.example.com:443/x", "https://API.example.com/x"):
        with pytest.raises(ConnectionAbortedError):
            client("https://api.example.com").json("GET", link)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com", "http://10.0.0.7", "http://127.0.0.1.example.com", "http://localhost.example.com",
        "api.example.com", "ftp://api.example.com", "https://", "", "https://user:word-in-address@api.example.com",
        "http://127.0.0.1\\@api.example.com", "https://api.example.com:99999",
    ],
)  # fmt: skip
def test_an_address_that_a_token_must_not_go_to_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ConfigError, match="source quince: ") as caught:
        client(url, StaticToken(TOKEN))
    assert "word-in-address" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.example.com", "http://localhost:8080", "http://[::1]:80", "http://127.9.9.9"]
)
def test_an_address_that_is_safe_is_taken(url: str) -> None:
    assert client(url).base_url == url


# -- pages -------------------------------------------------------------------------------------------------------------


def following(page: Any, answer: Answer) -> Request | None:
    return Request("GET", page["next"]) if page.get("next") else None


def test_pages_are_followed_to_their_end(start: Callable[..., RawServer]) -> None:
    pages = {"/1": {"items": [1], "next": "2"}, "/2": {"items": [], "next": "3"}, "/3": {"items": [3]}}
    server = start(by=lambda heard: said(pages[heard.path]))
    found = list(client(server).pages(Request("GET", "1"), following, expect=("items",)))
    assert [page["items"] for page in found] == [[1], [], [3]]


@pytest.mark.parametrize("circle", [("1",), ("2", "1"), ("2", "3", "2")])
def test_a_page_that_leads_back_ends_the_reading(start: Callable[..., RawServer], circle: tuple[str, ...]) -> None:
    places = ["1", *circle]
    answers = [said({"items": [number], "next": place}) for number, place in enumerate(circle)]
    server = start(*answers)
    with pytest.raises(BadAnswer, match="a page that was read already"):
        list(client(server).pages(Request("GET", "1"), following))
    assert [heard.path.strip("/") for heard in server.heard] == places[:-1]


def test_a_search_that_never_moves_ends_the_reading(start: Callable[..., RawServer]) -> None:
    server = start(said({"items": [1]}))
    with pytest.raises(BadAnswer, match="a page that was read already"):
        list(
            client(server).pages(
                Request("POST", "s", json={"after": 1}), lambda *_: Request("POST", "s", json={"after": 1})
            )
        )
    assert len(server.heard) == 1
    counted = iter(range(2, 100))
    with pytest.raises(BadAnswer, match="the same page came twice running"):
        list(client(server).pages(Request("POST", "s", json={"after": 1}),
                                  lambda *_: Request("POST", "s", json={"after": next(counted)})))  # fmt: skip
    assert len(server.heard) == 3


def test_the_same_page_twice_is_fine_when_it_was_the_last(start: Callable[..., RawServer]) -> None:
    server = start(said({"items": []}))
    places = iter([Request("GET", "2"), None])
    assert len(list(client(server).pages(Request("GET", "1"), lambda *_: next(places)))) == 2


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:{port}/2", "https://127.0.0.1:{own}/2", "http://localhost:{own}/2"]
)
def test_a_next_link_to_another_host_is_not_asked(start: Callable[..., RawServer], place: str) -> None:
    other = start(said(FINE))
    server = start()
    server.answers = [said({"items": [1], "next": place.format(port=other.port, own=server.port)})]
    read = client(server, StaticToken(TOKEN)).pages(Request("GET", "1"), following)
    assert next(read)["items"] == [1]
    with pytest.raises(BadAnswer, match="a link leads to"):
        next(read)
    assert (len(server.heard), other.connections) == (1, 0)


# -- size --------------------------------------------------------------------------------------------------------------


def peak_of(ask: Callable[[], Any]) -> int:
    """Bytes that Python held at most while it ran into a `BadAnswer`."""
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer, match="is larger than 1 MB"):
            ask()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"1" * 0x10000 + b"\r\n"


def bomb(megabytes: int) -> bytes:
    """A gzip stream of so many megabytes of nothing, a thousandth as long."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("way", ["json", "file"])
def test_an_answer_without_end_is_left(start: Callable[..., RawServer], tmp_path: Path, way: str) -> None:
    server = start(said(FINE))
    server.answers = [server.drip(CHUNKED, CHUNK)]
    http = client(server, largest_answer_mb=1, largest_download_mb=1)
    file = tmp_path / "file"
    assert peak_of(lambda: http.json("GET", "x") if way == "json" else http.download("GET", "x", file)) < 8 * MEGABYTE
    assert (len(server.heard), list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize("way", ["json", "file"])
def test_a_small_answer_that_unpacks_into_a_large_one_is_left(
    start: Callable[..., RawServer], tmp_path: Path, way: str
) -> None:
    server = start(said(bomb(200), headers={"Content-Encoding": "gzip"}))
    http = client(server, largest_answer_mb=1, largest_download_mb=1)
    file = tmp_path / "file"
    assert peak_of(lambda: http.json("GET", "x") if way == "json" else http.download("GET", "x", file)) < 8 * MEGABYTE
    assert (len(server.heard), list(tmp_path.iterdir())) == (1, [])


def test_a_redirect_without_end_is_not_read(start: Callable[..., RawServer]) -> None:
    server, head = start(said(FINE)), CHUNKED.replace(b"200 OK\r\n", b"302 There\r\nLocation: /there\r\n")
    server.answers = [server.drip(head, CHUNK), said(FINE)]
    assert client(server, largest_answer_mb=1).json("GET", "x") == FINE
    assert [heard.path for heard in server.heard] == ["/x", "/there"]


def test_an_error_without_end_is_left_too(start: Callable[..., RawServer], tmp_path: Path) -> None:
    server = start(said(FINE))
    server.answers = [server.drip(CHUNKED.replace(b"200 OK", b"500 No"), CHUNK)]
    http = client(server, largest_answer_mb=1)
    assert peak_of(lambda: http.download("GET", "x", tmp_path / "file")) < 8 * MEGABYTE


def test_a_long_error_is_told_in_few_words(start: Callable[..., RawServer], waits: list[float]) -> None:
    http = client(start(said(b"word " * 1_000_000, 503)), attempts=2)
    tracemalloc.start()
    with pytest.raises(SourceDown) as caught:
        http.json("GET", "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(str(caught.value)) < 500
    assert peak < 30 * MEGABYTE, "the body and little else, not a list of its words"


# -- files -------------------------------------------------------------------------------------------------------------

CONTENT = "".join(f"{number},Grüße aus Łódź,{number * 1.5}\n" for number in range(20_000)).encode()


def packed(content: bytes, kind: str) -> bytes:
    if kind == "deflate":
        return zlib.compress(content)
    return gzip.compress(content) if kind == "gzip" else content


@pytest.mark.parametrize("kind", ["", "gzip", "deflate"])
def test_a_file_arrives_unpacked(start: Callable[..., RawServer], tmp_path: Path, kind: str) -> None:
    server = start(said(packed(CONTENT, kind), headers={"Content-Encoding": kind, "Sforce-Locator": "abc"}))
    answer = client(server).download("GET", "x", tmp_path / "file", params={"a": 1}, headers={"Accept": "text/csv"})
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (answer.status, answer.content, answer.headers["sforce-locator"]) == (200, b"", "abc")
    assert (server.heard[0].target, server.heard[0].headers["accept"]) == ("/x?a=1", "text/csv")
    assert "gzip" in server.heard[0].headers["accept-encoding"]


def broken(kind: str, manner: str) -> Said:
    body = packed(CONTENT, kind)
    head = {"Content-Encoding": kind}
    if manner == "short":
        whole = said(body, headers=head)
        return lambda connection: connection.sendall(whole[: len(whole) // 2])
    if manner == "cut before it was sent":
        # The length is right, the stream inside is not at its end: only unpacking can tell.
        return said(body[: len(body) // 2], headers=head)
    return said(body[:50] + b"\x00" * 200 + body[250:], headers=head)


@pytest.mark.parametrize(
    ("kind", "manner"),
    [
        ("", "short"), ("gzip", "short"), ("deflate", "short"), ("gzip", "cut before it was sent"),
        ("gzip", "damaged"),
    ],
)  # fmt: skip
def test_a_file_comes_whole_or_again(
    start: Callable[..., RawServer], waits: list[float], tmp_path: Path, kind: str, manner: str
) -> None:
    bad, good = broken(kind, manner), said(packed(CONTENT, kind), headers={"Content-Encoding": kind})
    server = start(bad, good)
    client(server).download("GET", "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (len(server.heard), len(waits)) == (2, 1)
    with pytest.raises(SourceDown, match="4 attempts"):
        client(start(bad)).download("GET", "x", tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "half a file looks like a file"


@pytest.mark.parametrize("content", [b"", b"id,amount\n"])
def test_a_packed_file_of_next_to_nothing_is_whole(
    start: Callable[..., RawServer], tmp_path: Path, content: bytes
) -> None:
    client(start(said(gzip.compress(content), headers={"Content-Encoding": "gzip"}))).download(
        "GET", "x", tmp_path / "f"
    )
    client(start(said(b"", headers={"Content-Encoding": "gzip"}))).download("GET", "x", tmp_path / "nothing")
    assert ((tmp_path / "f").read_bytes(), (tmp_path / "nothing").read_bytes()) == (content, b"")


def test_several_packed_parts_in_a_row_are_one_file(start: Callable[..., RawServer], tmp_path: Path) -> None:
    body = gzip.compress(CONTENT) + gzip.compress(b"and more")
    client(start(said(body, headers={"Content-Encoding": "gzip"}))).download("GET", "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT + b"and more"


def test_a_file_that_fails_leaves_the_one_before_alone(
    start: Callable[..., RawServer], waits: list[float], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"yesterday's")
    with pytest.raises(Refused):
        client(start(said(b"gone", 404))).download("GET", "x", file)
    with pytest.raises(SourceDown):
        client(start(broken("", "short"))).download("GET", "x", file)
    assert file.read_bytes() == b"yesterday's"


def test_a_file_asked_for_with_a_dead_token_is_asked_for_again(start: Callable[..., RawServer], tmp_path: Path) -> None:
    server = start(by=gives_tokens(
        lambda heard: said(CONTENT) if heard.headers["authorization"] == "Bearer token-2" else said(b"expired", 401)
    ))  # fmt: skip
    client(server, Renewing()).download("GET", "x", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


# -- certificates ------------------------------------------------------------------------------------------------------


def certificate(folder: Path, host: str) -> Path:
    """A key and a certificate that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    moment = dt.datetime.now(dt.UTC)
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(days=1))
        .not_valid_after(moment + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def over_tls(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_nobody_vouches_for_ends_the_reading(
    start: Callable[..., RawServer], waits: list[float], tmp_path: Path
) -> None:
    server = start(said(FINE), context=over_tls(certificate(tmp_path, "127.0.0.1")))
    with pytest.raises(SourceRefused, match="the vendor's certificate does not hold") as caught:
        client(server, StaticToken(TOKEN)).json("GET", "x", params={"api_key": TOKEN})
    assert (server.heard, waits) == ([], [])
    assert "quince%2F0123456789" not in told_by(caught.value)


def test_a_certificate_of_another_host_ends_the_reading(
    start: Callable[..., RawServer], waits: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "api.example.com")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    server = start(said(FINE), context=over_tls(path))
    with pytest.raises(SourceRefused, match="the vendor's certificate does not hold"):
        client(server, StaticToken(TOKEN)).json("GET", "x")
    assert (server.heard, waits) == ([], [])


def test_a_certificate_of_the_companys_own_is_taken_and_a_link_to_http_is_not(
    start: Callable[..., RawServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    server = start(said(FINE), context=over_tls(path))
    http = client(server, StaticToken(TOKEN))
    assert http.json("GET", "x") == FINE
    with pytest.raises(BadAnswer, match="a link leads to http://"):
        http.json("GET", f"http://127.0.0.1:{server.port}/x")
    server.answers = [said(b"", 302, {"Location": f"http://127.0.0.1:{server.port}/x"})]
    with pytest.raises(BadAnswer, match="a link leads to http://"):
        http.json("GET", "x")
    assert [heard.headers["authorization"] for heard in server.heard] == [f"Bearer {TOKEN}"] * 2


def test_a_connection_that_breaks_while_it_is_secured_is_tried_again(
    start: Callable[..., RawServer], waits: list[float]
) -> None:
    """A server that answers a handshake with anything else is down; what its certificate says is not known."""
    listening = start(said(FINE))
    url = listening.url.replace("http:", "https:")
    with pytest.raises(SourceDown, match="4 attempts"):
        client(url).json("GET", "x")
    assert len(waits) == 3


# -- secrets -----------------------------------------------------------------------------------------------------------


def told_by(problem: BaseException) -> str:
    """All that an error and what stands behind it may put into a log, shown or not."""
    parts, one, seen = ["".join(traceback.format_exception(problem))], problem, set()
    waiting: list[BaseException | None] = [one]
    while waiting:
        behind = waiting.pop()
        if behind is None or id(behind) in seen:
            continue
        seen.add(id(behind))
        parts += [str(behind), repr(behind), repr(behind.args)]
        waiting += [behind.__cause__, behind.__context__]
    return "\n".join(parts)


ECHOES = [
    f"token {TOKEN} is not known",
    "x" * 190 + TOKEN,
    "url was /x?api_key=quince%2F0123456789%2Babcdef%3D%3D",
    json.dumps({"token": TOKEN}).replace("/", "\\/"),
    f"token\n{TOKEN}\nis not known",
]


@pytest.mark.parametrize("echo", ECHOES, ids=["plain", "at the cut", "in a link", "in JSON", "over lines"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_a_vendor_that_repeats_our_token_does_not_make_us_tell_it(
    start: Callable[..., RawServer], waits: list[float], caplog: pytest.LogCaptureFixture, status: int, echo: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(said(echo.encode(), status, {"Retry-After": "6"}))
    with pytest.raises(SourceError) as caught:
        client(server, StaticToken(TOKEN), attempts=2).json("GET", "x", params={"api_key": TOKEN}, expect=("items",))
    told = told_by(caught.value) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "***" in told
    assert "0123456789" not in told


def test_the_words_of_a_connector_are_masked_too(start: Callable[..., RawServer]) -> None:
    signals = [Wait(9999, f"a {TOKEN}"), Stop(f"b {TOKEN}"), Refuse(f"c {TOKEN}", f"d {TOKEN}"), Wait(1, f"e {TOKEN}")]
    for signal in signals:
        with pytest.raises(SourceError) as caught:
            client(start(said(b"", 429)), StaticToken(TOKEN), lambda *_, signal=signal: signal).json("GET", "x")
        assert "***" in str(caught.value)
        assert "0123456789" not in told_by(caught.value)


def test_a_token_that_was_given_up_stays_masked(start: Callable[..., RawServer]) -> None:
    server = start(by=gives_tokens(lambda heard: said(b"token-1 and token-2 are not known", 401)))
    with pytest.raises(SourceRefused, match=r"401: \*\*\* and \*\*\* are not known"):
        client(server, Renewing()).json("GET", "x")


def test_a_link_with_our_token_in_it_is_told_without(start: Callable[..., RawServer]) -> None:
    server = start(said(b"", 302, {"Location": f"https://user:word-in-link@evil.example/{TOKEN}?k={TOKEN}"}))
    with pytest.raises(BadAnswer, match=r"a link leads to https://evil\.example, which is not") as caught:
        client(server, StaticToken(TOKEN)).json("GET", "x")
    assert "0123456789" not in told_by(caught.value)
    assert "word-in-link" not in told_by(caught.value)


def test_a_key_over_several_lines_is_masked_however_it_is_written(start: Callable[..., RawServer]) -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    http = client(start(said(FINE)), StaticToken(key))
    for written in (key, key.replace("\n", " "), json.dumps(key), repr(key), key.replace("\n", "\r\n")):
        assert "MIIEvQ" not in http.masked(f"the key {written} is wrong")


def test_a_token_does_not_stand_in_what_is_printed_of_it() -> None:
    assert TOKEN not in repr(StaticToken(TOKEN))
