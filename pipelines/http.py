"""How every connector talks to its vendor: once written, so that seven vendors fail in the same few well-told ways.

requests moves the bytes and tenacity decides when to try again; what stands here is what both leave to the caller: an
answer that is 200 and still no answer, pages that repeat, a link that leads to another host, a quota that is used up, a
token that dies early. What a vendor's own words mean is its connector's `classify`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import random
import re
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import orjson
import requests
from pydantic import BaseModel, ConfigDict, Field
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from urllib3.exceptions import HTTPError

from pipelines.clock import now
from pipelines.errors import ConfigError, InputError
from pipelines.events import emit

_MEGABYTE = 1024 * 1024
_CHUNK = 256 * 1024
# A chain of redirects on one host that is longer leads nowhere.
_MOST_REDIRECTS = 5
_AGAIN = frozenset({406, 408, 420, 423, 425, 429, 477, 500, 502, 503, 504, *range(520, 527)})
# A link that names a host: scheme, and everything up to where the path begins.
_WHOLE = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):[/\\]{1,2}([^/?#]*)")
# Hosts that every parser of addresses reads alike. What one takes for a host, another takes for a password.
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_NO_LINK = re.compile(r"[\x00-\x1f\x7f\\]")
_HEADER_VALUE = re.compile(r"[ -~]*")
_PORTS = {"https": 443, "http": 80}
# Escapes in JSON from left to right: both halves of a character beyond the first 65,536; one half alone; any other.
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
# How much of a body is looked at for a message.
_LOOKED_AT = 64 * 1024


class HttpOptions(BaseModel):
    """How patient one source is with its vendor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_seconds: float = Field(60, gt=0, description="without a byte for so long, a request counts as failed")
    attempts: int = Field(6, ge=1, le=20, description="how often one request is tried")
    backoff_seconds: float = Field(
        1.0, ge=0, description="first pause after a failure; doubles, with some chance in it"
    )
    longest_wait_seconds: float = Field(300, ge=0, description="longer pauses that a vendor asks for end the reading")
    requests_per_second: float | None = Field(None, gt=0, description="pace; unset: as fast as the vendor answers")
    largest_answer_mb: int = Field(256, ge=1, description="an answer beyond this size is taken for a mistake")
    largest_download_mb: int = Field(8192, ge=1, description="a file beyond this size is taken for a mistake")


# Loggers of the library below that tell addresses with all that stands in them.
_TALKATIVE = ("urllib3.connectionpool", "urllib3.util.retry")


class SourceError(InputError):
    """A vendor could not be read; what the lake holds of the source stays as it is."""


class SourceDown(SourceError):
    """No usable answer after all attempts."""


class SourceRefused(SourceError):
    """The vendor knows us and says no, or does not know us."""


class SourceLimited(SourceError):
    """A quota is used up; what was read so far is kept, the next run goes on from there."""


class BadAnswer(SourceError):
    """An answer that says it is fine and is not: another shape, another size, the same page again."""


class Refused(SourceError):
    """The vendor answered with a status that asking again does not change; the connector may know what it means."""

    def __init__(self, message: str, answer: Answer, *, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.answer = answer
        self.status = answer.status


@dataclass(frozen=True)
class Wait:
    """The vendor wants a pause of so many seconds."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Stop:
    """A quota is used up until `until`."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True)
class Refuse:
    """Asking again is pointless."""

    why: str
    next_step: str = ""


Signal = Wait | Stop | Refuse


@dataclass(frozen=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    url: str = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Half a character, as vendors leave it where they cut a text, is replaced.

        Raises:
            ValueError: it is none.
        """
        try:
            return orjson.loads(self.content)
        except ValueError:
            mended = _ESCAPES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], self.content)
            if mended == self.content:
                raise
            return orjson.loads(mended)

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.content.decode("utf-8", "replace")


@dataclass(frozen=True)
class Request:
    """What to ask for."""

    method: str
    url: str
    params: Mapping[str, Any] | None = None
    json: Any = None
    headers: Mapping[str, str] | None = None


class Auth(Protocol):
    """A connector's way to say who it is."""

    def headers(self, http: Http) -> dict[str, str]:
        """Headers for a request; may ask for a token first, through `http.request(..., auth=False)`."""
        ...

    def renew(self) -> bool:
        """Forget a token that was turned down; False when there is nothing else to show."""
        ...

    def secrets(self) -> list[str]:
        """Everything that must not stand in a message."""
        ...


@dataclass(frozen=True)
class StaticToken:
    """A token that a person made and that lives until it is revoked."""

    token: str = field(repr=False)

    def headers(self, http: Http) -> dict[str, str]:
        """The token as a bearer."""
        return {"Authorization": f"Bearer {self.token}"}

    def renew(self) -> bool:
        """There is no other."""
        return False

    def secrets(self) -> list[str]:
        """The token."""
        return [self.token]


def sleep(seconds: float) -> None:
    """Wait; the one door for it, so that tests can watch."""
    time.sleep(seconds)


class _Again(Exception):
    """Try again after `wait` seconds, or after the usual pause."""

    def __init__(self, why: str, *, wait: float | None = None, is_answer: bool = False) -> None:
        super().__init__(why)
        self.wait = wait
        self.is_answer = is_answer


class _Broken(Exception):
    """A body that cannot be unpacked, or not to its end."""


class _Untouched(AuthBase):
    """Keeps requests from looking for credentials in a .netrc of its own accord."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Masks(logging.Filter):
    """Takes secrets out of what the library below says about a request; at DEBUG it tells whole addresses."""

    def __init__(self, masked: Callable[[str], str]) -> None:
        super().__init__()
        self._masked = masked

    def filter(self, record: logging.LogRecord) -> bool:
        told = record.getMessage()
        masked = self._masked(told)
        if masked != told:
            record.msg, record.args = masked, None
        return True


class _Session(requests.Session):
    """A session that leaves redirects to us: to prepare one, the library reads its whole body, however long that is."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class Http:
    """A session with one vendor, for one source. Not for several threads.

    Args:
        base_url: where the API is; https, or http on this machine.
        source: the source's name, for messages.
        auth: who we are; None: nobody asks.
        options: patience and pace.
        classify: what the vendor's own answers mean, beyond their status.

    Raises:
        ConfigError: the base URL is no https address.
    """

    def __init__(
        self,
        base_url: str,
        *,
        source: str,
        auth: Auth | None,
        options: HttpOptions | None = None,
        classify: Callable[[Answer, int], Signal | None] | None = None,
    ) -> None:
        _hold_safe(source, base_url)
        self.base_url = base_url.rstrip("/")
        self.source = source
        self._auth = auth
        self._secrets: set[str] = set()
        self.options = options or HttpOptions()
        self._classify = classify or (lambda answer, attempt: None)
        self._session = _Session()
        self._session.auth = _Untouched()
        # Over http only this machine is spoken to: a proxy would see the token.
        self._session.trust_env = self.base_url.startswith("https:")
        self._session.headers["User-Agent"] = "partner-segments"
        self._session.headers["Accept-Encoding"] = "gzip"
        self._last_request = 0.0
        self.requests_made = 0
        self._masks = _Masks(self.masked)
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(self._masks)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()
        for name in _TALKATIVE:
            logging.getLogger(name).removeFilter(self._masks)

    # -- asking --------------------------------------------------------------------------------------------------------

    def json(self, method: str, path: str, *, expect: tuple[str, ...] = (), **asked: Any) -> Any:
        """The answer's JSON; keys in `expect` have to be there and not null.

        Raises:
            SourceError: see `request`; a body that stays broken is a `BadAnswer`.
        """
        return self._ask(Request(method, path, **_request_of(asked)), expect=expect, reads_json=True, **asked)[1]

    def request(self, method: str, path: str, **asked: Any) -> Answer:
        """One request, retried where that helps. Keywords: params, json, form, headers, auth.

        Raises:
            SourceDown: no usable answer after all attempts.
            SourceRefused: the credentials are turned down.
            SourceLimited: a quota is used up.
            Refused: any other status of 400 and above.
            BadAnswer: the answer is larger than it may be, or leads to another host.
        """
        return self._ask(Request(method, path, **_request_of(asked)), **asked)[0]

    def download(self, method: str, path: str, to: Path, **asked: Any) -> Answer:
        """Stream the body into `to` with gzip undone; a body that breaks off is asked for again from its start.

        Raises:
            SourceError: see `request`; also when the body is shorter than its length says.
        """
        return self._ask(Request(method, path, **_request_of(asked)), to=to, **asked)[0]

    def pages(
        self, first: Request, follow: Callable[[Any, Answer], Request | None], *, expect: tuple[str, ...] = ()
    ) -> Iterator[Any]:
        """The JSON of one page after the other; `follow` says where the next one is.

        Raises:
            BadAnswer: a page is asked for twice, or the same page comes back twice running.
            SourceError: see `request`.
        """
        asked: set[bytes] = set()
        request: Request | None = first
        body = b""
        while request is not None:
            mark = hashlib.md5(
                f"{request.method} {request.url} {request.params} {orjson.dumps(request.json)!r}".encode(),
                usedforsecurity=False,
            ).digest()
            if mark in asked:
                raise self._bad(f"{_path(request.url)}: the vendor sends us to a page that was read already")
            asked.add(mark)
            answer, page = self._ask(request, expect=expect, reads_json=True)
            following = follow(page, answer)
            if answer.content == body and following is not None:
                raise self._bad(f"{_path(request.url)}: the same page came twice running")
            body = answer.content
            yield page
            request = following

    # -- one request ---------------------------------------------------------------------------------------------------

    def _ask(
        self,
        request: Request,
        *,
        expect: tuple[str, ...] = (),
        reads_json: bool = False,
        form: Mapping[str, str] | None = None,
        auth: bool = True,
        to: Path | None = None,
    ) -> tuple[Answer, Any]:
        url = self._inside(request.url)
        has_renewed = False

        def once(attempt: int) -> tuple[Answer, Any]:
            nonlocal has_renewed
            answer = self._send(request, url, form=form, auth=auth, to=to)
            if answer.status == 401 and auth and not has_renewed and self._renews(answer, attempt):
                has_renewed = True
                answer = self._send(request, url, form=form, auth=auth, to=to)
            if answer.status == 401 and auth and self._auth is not None:
                raise self._turned_down(answer, attempt)
            self._hold(answer, attempt, url)
            page = self._read(answer, expect) if reads_json else None
            return answer, page

        retrying = Retrying(
            stop=stop_after_attempt(self.options.attempts),
            retry=retry_if_exception_type(_Again),
            wait=self._pause,
            sleep=sleep,
            reraise=True,
            before_sleep=lambda call: self._tell_again(call, url),
        )
        try:
            for one in retrying:
                with one:
                    return once(one.retry_state.attempt_number)
        except _Again as problem:
            kind = BadAnswer if problem.is_answer else SourceDown
            raise kind(
                f"source {self.source}: {_path(url)}: {self.masked(str(problem))}, {self.options.attempts} attempts; "
                "nothing was loaded",
                next_step="look at the vendor's status page, then run again; what was read so far is kept",
            ) from None
        raise AssertionError("unreachable: tenacity returns or raises")

    def _renews(self, answer: Answer, attempt: int) -> bool:
        """Whether there is another token to show after a 401."""
        if self._auth is None or isinstance(self._classify(answer, attempt), Refuse):
            return False
        self._secrets.update(self._auth.secrets())
        if not self._auth.renew():
            return False
        emit("token_renewed", f"{self.source}: the vendor turned the token down, asking for another one",
             level=logging.DEBUG, source=self.source)  # fmt: skip
        return True

    def _turned_down(self, answer: Answer, attempt: int) -> SourceRefused:
        """A 401 that is final."""
        signal = self._classify(answer, attempt)
        words = signal.why if isinstance(signal, Refuse) else f"credentials turned down (401: {self._said(answer)})"
        step = signal.next_step if isinstance(signal, Refuse) else ""
        return SourceRefused(
            f"source {self.source}: {_path(answer.url)}: {self.masked(words)}; nothing was loaded",
            next_step=self.masked(step) or self._check_credentials(),
        )

    def _check_credentials(self) -> str:
        return f"check the variables SEGMENTS_{self.source.upper()}_..., then `segments sources probe {self.source}`"

    def _shown(self) -> dict[str, str]:
        """The headers that say who we are.

        Raises:
            SourceRefused: a credential holds what no header can hold; sent, it would end in the middle.
        """
        if self._auth is None:
            return {}
        headers = self._auth.headers(self)
        self._secrets.update(self._auth.secrets())
        for name, value in headers.items():
            if not _HEADER_VALUE.fullmatch(value):
                raise SourceRefused(
                    f"source {self.source}: what goes into {name} holds a line end, or another character that no "
                    "header can hold; nothing was asked",
                    next_step=self._check_credentials(),
                )
        return headers

    def _send(
        self, request: Request, url: str, *, form: Mapping[str, str] | None, auth: bool, to: Path | None
    ) -> Answer:
        headers = {**(request.headers or {}), **(self._shown() if auth else {})}
        method, params, body = request.method, request.params, request.json
        for _ in range(_MOST_REDIRECTS + 1):
            self._keep_pace()
            self.requests_made += 1
            try:
                with self._session.request(
                    method,
                    url,
                    params=params,
                    data=orjson.dumps(body) if body is not None else form,
                    headers=headers if body is None else {"Content-Type": "application/json", **headers},
                    timeout=self.options.timeout_seconds,
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    if not response.is_redirect:
                        return self._drained(response, to)
                    url, params = self._inside(response.headers["location"], after=url), None
                    if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                        method, body, form = "GET", None, None
                    continue
            except (requests.exceptions.RequestException, HTTPError, _Broken) as problem:
                failure = self._failure(problem, url)
            # Raised out here, so that what the library below knows of the request does not hang on to it.
            raise failure
        raise self._bad(f"{_path(url)}: more than {_MOST_REDIRECTS} redirects")

    def _failure(self, problem: Exception, url: str) -> Exception:
        """What a request without a whole answer means."""
        if not _is_certificate(problem):
            return _Again(_in_words(problem))
        return SourceRefused(
            f"source {self.source}: {_path(url)}: the vendor's certificate does not hold "
            f"({self.masked(str(problem))}); nothing was loaded",
            next_step="check the address and the certificates of this machine",
        )

    def _drained(self, response: requests.Response, to: Path | None) -> Answer:
        """The whole body, in memory or in a file; never more than may be."""
        is_file = to is not None and response.status_code < 300
        most = self.options.largest_download_mb if is_file else self.options.largest_answer_mb
        parts, size = [], 0
        draft = to.with_name(f"{to.name}.part") if to and is_file else None
        try:
            with draft.open("wb") if draft else nullcontext() as file:
                for part in _unpacked(response):
                    size += len(part)
                    if size > most * _MEGABYTE:
                        raise self._bad(f"{_path(response.url)}: the answer is larger than {most:,} MB")
                    if file:
                        file.write(part)
                    else:
                        parts.append(part)
            if draft and to:
                draft.replace(to)
        finally:
            if draft:
                draft.unlink(missing_ok=True)
        return Answer(response.status_code, response.headers, b"".join(parts), response.url)

    def _hold(self, answer: Answer, attempt: int, url: str) -> None:
        """Raise unless the answer is one to go on with."""
        signal = self._classify(answer, attempt)
        place = f"source {self.source}: {_path(url)}"
        if isinstance(signal, Stop):
            until = f" until {signal.until:%Y-%m-%d %H:%M} UTC" if signal.until else ""
            raise SourceLimited(
                f"{place}: {self.masked(signal.why)}{until}; nothing was loaded, what was read so far is kept",
                next_step="run again later: the reading goes on where it stopped",
            )
        if isinstance(signal, Refuse):
            raise SourceRefused(
                f"{place}: {self.masked(signal.why)}; nothing was loaded", next_step=self.masked(signal.next_step)
            )
        if isinstance(signal, Wait):
            why = self.masked(signal.why)
            raise _Again(why, wait=self._bounded(signal.seconds, why, place))
        if answer.status < 300:
            return
        why = f"the vendor answers {answer.status} ({self._said(answer)})"
        if answer.status in _AGAIN:
            asked = _retry_after(answer)
            raise _Again(why, wait=None if asked is None else self._bounded(asked, why, place))
        raise Refused(f"{place}: {why}", answer)

    def _bounded(self, seconds: float, why: str, place: str) -> float:
        if seconds <= self.options.longest_wait_seconds:
            return max(0.0, seconds)
        raise SourceLimited(
            f"{place}: {why} and asks for a pause of {seconds:,.0f} s, more than the "
            f"{self.options.longest_wait_seconds:,.0f} s we wait; nothing was loaded, what was read so far is kept",
            next_step="run again later, or raise http.longest_wait_seconds",
        )

    def _read(self, answer: Answer, expect: tuple[str, ...]) -> Any:
        try:
            page = answer.json()
        except ValueError:
            raise _Again(f"the answer is no JSON ({self._said(answer)})", is_answer=True) from None
        for key in expect:
            if not isinstance(page, dict) or page.get(key) is None:
                raise _Again(f"the answer is 200 and has no {key!r} ({self._said(answer)})", is_answer=True)
        return page

    # -- patience ------------------------------------------------------------------------------------------------------

    def _pause(self, call: RetryCallState) -> float:
        problem = call.outcome.exception() if call.outcome else None
        if isinstance(problem, _Again) and problem.wait is not None:
            return problem.wait
        base = self.options.backoff_seconds * 2.0 ** (call.attempt_number - 1)
        # Chance keeps sources that failed together from coming back together.
        return min(base * random.uniform(0.75, 1.25), self.options.longest_wait_seconds)  # noqa: S311

    def _tell_again(self, call: RetryCallState, url: str) -> None:
        problem = call.outcome.exception() if call.outcome else None
        pause = call.next_action.sleep if call.next_action else 0.0
        if pause:
            emit(
                "request_again",
                f"{self.source}: {_path(url)}: {self.masked(str(problem))}; again in {pause:.1f} s",
                level=logging.WARNING if pause >= 5 else logging.DEBUG,
                source=self.source,
                attempt=call.attempt_number,
                seconds=round(pause, 2),
            )

    def _keep_pace(self) -> None:
        if self.options.requests_per_second:
            due = self._last_request + 1.0 / self.options.requests_per_second - time.monotonic()
            if due > 0:
                sleep(due)
        self._last_request = time.monotonic()

    # -- safety --------------------------------------------------------------------------------------------------------

    def _inside(self, link: str, *, after: str | None = None) -> str:
        """`link` as a URL of the vendor's own host; `after`: where it is read, if it is a redirect.

        Raises:
            BadAnswer: it leads to another one, which must not see a credential, or may be read to do so.
        """
        url = link
        with suppress(ValueError):
            url = urljoin(after, link) if after else link
        whole = _WHOLE.match(url)
        if whole is None:
            return f"{self.base_url}/{url.lstrip('/')}"
        scheme, place = whole.group(1).lower(), whole.group(2)
        host = place.rpartition("@")[2]
        there, ours = _origin(scheme, host), _origin(*self.base_url.split("://", 1))
        if there is None or _NO_LINK.search(url):
            raise self._bad("a link that is no address")
        if there != ours:
            raise self._bad(f"a link leads to {scheme}://{host}, which is not {urlsplit(self.base_url).netloc}")
        if host != place or url[whole.end(1) :][:3] != "://":
            raise self._bad("a link that is no address")
        return url

    def _bad(self, what: str) -> BadAnswer:
        return BadAnswer(
            f"source {self.source}: {self.masked(what)}; nothing was loaded",
            next_step="run again; if it stays, the vendor's API is not what the connector knows",
        )

    def _said(self, answer: Answer) -> str:
        """What the vendor said, short enough for a message; masked before it is cut, lest half a secret is left."""
        words = " ".join(self.masked(answer.content[:_LOOKED_AT].decode("utf-8", "replace")).split())
        return words[:200] if words else "without a word"

    def masked(self, text: str) -> str:
        """`text` without anything that is a secret, or was one, however it is spelled."""
        if self._auth is not None:
            self._secrets.update(self._auth.secrets())
        for spelling in sorted({x for secret in self._secrets for x in _spellings(secret)}, key=len, reverse=True):
            text = text.replace(spelling, "***")
        return text


def _spellings(secret: str) -> set[str]:
    """How a secret may stand in a text: as it is, in an address, in JSON; one of several lines line by line."""
    found = set()
    for line in secret.splitlines():
        for said in (line, json.dumps(line)[1:-1], json.dumps(line, ensure_ascii=False)[1:-1]):
            found |= {said, said.replace("/", "\\/")}
        found |= {quote(line), quote(line, safe=""), quote_plus(line)}
    return {spelling for spelling in found if len(spelling) >= 4}


def _origin(scheme: str, rest: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None when they cannot be told for certain."""
    place = rest.partition("/")[0]
    if scheme not in _PORTS or not _PLAIN_HOST.fullmatch(place):
        return None
    try:
        parts = urlsplit(f"{scheme}://{place}")
        return scheme, (parts.hostname or "").lower(), parts.port or _PORTS[scheme]
    except ValueError:
        return None


def _unpacked(response: requests.Response) -> Iterator[bytes]:
    """The body in parts of bounded size, gzip undone.

    Raises:
        _Broken: the packed body is damaged or ends in its middle, whatever its length says.
        HTTPError: the connection broke.
    """
    is_packed = response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip")
    parts = response.raw.stream(_CHUNK, decode_content=not is_packed)
    if not is_packed:
        yield from parts
        return
    unpacker, is_within = zlib.decompressobj(wbits=31), False
    for part in parts:
        is_full = False
        while part or is_full:
            try:
                unpacked = unpacker.decompress(part, _CHUNK)
            except zlib.error:
                raise _Broken("the answer cannot be unpacked") from None
            yield unpacked
            is_within, is_full = True, len(unpacked) == _CHUNK
            part = unpacker.unconsumed_tail
            if unpacker.eof:
                # Several packed parts in a row are one body.
                part = unpacker.unused_data.lstrip(b"\0")
                unpacker, is_within, is_full = zlib.decompressobj(wbits=31), False, False
    if is_within:
        raise _Broken("the answer broke off")


def _is_certificate(problem: BaseException) -> bool:
    """Whether it is the certificate that failed, and not the connection."""
    waiting: list[Any] = [problem]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ssl.SSLCertVerificationError):
            return True
        if isinstance(one, BaseException):
            waiting += [*one.args, getattr(one, "reason", None)]
    return False


def _request_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Take what belongs to a `Request` out of the keywords."""
    return {name: asked.pop(name, None) for name in ("params", "json", "headers")}


def _hold_safe(source: str, base_url: str) -> None:
    scheme, _, rest = base_url.partition("://")
    place = rest.partition("/")[0]
    origin = None if _NO_LINK.search(base_url) else _origin(scheme, rest)
    is_here = origin is not None and origin[1] == "localhost"
    with suppress(ValueError):
        is_here = is_here or (origin is not None and ipaddress.ip_address(origin[1]).is_loopback)
    if origin and (scheme == "https" or is_here):
        return
    raise ConfigError(
        f"source {source}: {base_url if '@' not in place else 'an address with a password in it'}: expected an address "
        "such as https://api.example.com; a token is only sent over https"
    )


def _retry_after(answer: Answer) -> float | None:
    """Seconds that the header Retry-After asks for; None without one that can be read."""
    told = answer.headers.get("Retry-After", "").strip()
    if not told:
        return None
    with suppress(ValueError):
        seconds = float(told)
        return None if isnan(seconds) else max(0.0, seconds)
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(told)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        # A date is on the vendor's clock: its own Date header says what time it is there.
        there = now()
        with suppress(ValueError, TypeError):
            there = parsedate_to_datetime(answer.headers.get("Date", ""))
        return max(0.0, (moment - there).total_seconds())
    return None


def _path(url: str) -> str:
    """A URL without what may be private: host and path alone."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}" if parts.netloc else parts.path


def _in_words(problem: Exception) -> str:
    names = {
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "ReadTimeoutError": "no answer in time",
        "IncompleteRead": "the answer broke off",
        "ProtocolError": "the answer broke off",
        "DecodeError": "the answer cannot be unpacked",
        "ConnectionError": "no connection, or it broke",
        "SSLError": "no secure connection, or it broke",
        "ProxyError": "no way through the proxy",
    }
    if isinstance(problem, _Broken):
        return str(problem)
    return names.get(type(problem).__name__, type(problem).__name__)
