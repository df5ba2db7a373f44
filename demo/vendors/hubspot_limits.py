"""How often a HubSpot account may be asked, and the errors it answers with when that, or anything else, is too much."""

from __future__ import annotations

from collections import deque
from typing import Any

from demo.vendors.hubspot import HubspotAccount

CORRELATION = "aeb5f871-7f07-4993-9211-075dc63e7cbf"


class Failure(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def invalid(message: str) -> Failure:
    """A request that HubSpot turns down as wrong."""
    return Failure(
        400,
        {"status": "error", "message": message, "correlationId": CORRELATION, "category": "VALIDATION_ERROR"},
    )


class Meter:
    """The calls of one account, held against its limits."""

    def __init__(self, account: HubspotAccount) -> None:
        self._account = account
        self._calls: deque[float] = deque()
        self._searched: deque[float] = deque()
        self._day = account.midnight()
        self.calls_today = 0

    def count(self, *, is_search: bool) -> dict[str, str]:
        """Count a call against the limits; the headers that tell of them, which a search does not bring."""
        limits, account = self._account.limits, self._account
        moment = limits.seconds()
        if account.midnight() != self._day:
            self._day, self.calls_today = account.midnight(), 0
        if limits.daily is not None and self.calls_today >= limits.daily:
            raise self._too_many("daily", "DAILY", requestId="3d3e35b7-0dae-4b9f-a6e3-9c230cbcf8dd")
        if is_search:
            _forget(self._searched, moment - 1.0)
            if limits.searches_per_second is not None and len(self._searched) >= limits.searches_per_second:
                raise self._too_many("secondly", "SECONDLY")
            self._searched.append(moment)
            self.calls_today += 1
            return {}
        _forget(self._calls, moment - limits.interval_seconds)
        if limits.burst is not None and len(self._calls) >= limits.burst:
            group = f"publicapi:private_app-api-calls-ten-secondly:{account.portal_id}:1"
            raise self._too_many("ten_secondly_rolling", "TEN_SECONDLY_ROLLING", groupName=group)
        self._calls.append(moment)
        self.calls_today += 1
        headers: dict[str, str] = {}
        if limits.burst is not None:
            headers |= {
                "X-HubSpot-RateLimit-Max": str(limits.burst),
                "X-HubSpot-RateLimit-Remaining": str(limits.burst - len(self._calls)),
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(limits.interval_seconds * 1000)),
            }
        if limits.daily is not None:
            headers |= {
                "X-HubSpot-RateLimit-Daily": str(limits.daily),
                "X-HubSpot-RateLimit-Daily-Remaining": str(limits.daily - self.calls_today),
            }
        return headers

    def _too_many(self, words: str, policy: str, **more: str) -> Failure:
        return Failure(429, {
            "status": "error",
            "message": f"You have reached your {words} limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": CORRELATION,
            "policyName": policy,
            **more,
        })  # fmt: skip


def _forget(moments: deque[float], before: float) -> None:
    while moments and moments[0] <= before:
        moments.popleft()
