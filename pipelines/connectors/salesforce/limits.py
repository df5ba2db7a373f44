"""What Salesforce's answers mean beyond their status: quotas, refusals, and how much of the day's requests is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipelines.connectors.salesforce.auth import TOKEN_PATH
from pipelines.http import Answer, Refuse, Refused, Signal, SourceLimited, Stop, Wait

_USAGE = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")
# Pauses while too many long requests run in the org, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0

_OAUTH_STEPS = {
    "invalid_client_id": "check SEGMENTS_{source}_CLIENT_ID against the consumer key of the external client app",
    "invalid_client": "check SEGMENTS_{source}_CLIENT_SECRET against the consumer secret of the external client app",
    "invalid_grant": "check that an administrator has pre-authorised the user for the app, then username, audience, "
    "certificate and this machine's clock",
    "inactive_user": "let an administrator activate the user that the app runs as",
    "unsupported_grant_type": "switch the flow on in the settings of the external client app",
}


def errors_of(answer: Answer) -> list[tuple[str, str]]:
    """Code and message of every error in an answer of the data API; none when it is no such answer."""
    try:
        body = answer.json()
    except ValueError:
        return []
    found = body if isinstance(body, list) else []
    return [(str(one.get("errorCode", "")), str(one.get("message", ""))) for one in found if isinstance(one, dict)]


def says(problem: Refused, *codes: str) -> bool:
    """Whether a refusal carries one of these error codes."""
    return any(code in codes for code, _ in errors_of(problem.answer))


@dataclass
class Quota:
    """How much of the org's daily requests is used, as its last answer told; and the meaning of all answers."""

    source: str
    stop_at_share: float
    first_pause: float = _FIRST_PAUSE
    used: int = 0
    allowed: int = 0

    def classify(self, answer: Answer, attempt: int) -> Signal | None:
        """The signal an answer is, for `pipelines.http`."""
        told = _USAGE.search(answer.headers.get("Sforce-Limit-Info", ""))
        if told:
            self.used, self.allowed = int(told[1]), int(told[2])
        if answer.status < 400 or answer.status == 401:
            return None
        if urlsplit(answer.url).path == TOKEN_PATH:
            return self._of_the_token_endpoint(answer)
        if answer.status == 410:
            return Refuse("this API version has been retired", f"raise sources.{self.source}.options.api_version")
        for code, message in errors_of(answer) if answer.status == 403 else ():
            if code == "REQUEST_LIMIT_EXCEEDED" and message.startswith("TotalRequests"):
                return Stop(f"the org's API requests of 24 hours are used up{self._numbers()}")
            if code == "REQUEST_LIMIT_EXCEEDED" and message.startswith("Concurrent"):
                pause = min(_LONGEST_PAUSE, self.first_pause * 2.0 ** (attempt - 1))
                return Wait(pause, "too many long requests run in the org")
            if code == "API_DISABLED_FOR_ORG":
                return Refuse(
                    f"{message or code} ({code})",
                    "give the user that is read as the permission API Enabled; some editions have no API at all",
                )
            if code.startswith("TXN_SECURITY_"):
                return Refuse(f"a security policy of the org stops the reading ({code}: {message})",
                              "let an administrator except the integration user from that policy")  # fmt: skip
        return None

    def _of_the_token_endpoint(self, answer: Answer) -> Signal | None:
        try:
            body: Any = answer.json()
        except ValueError:
            return None
        if answer.status >= 500 or not isinstance(body, dict) or "error" not in body:
            return None
        step = _OAUTH_STEPS.get(str(body["error"]), "check the external client app and its user")
        return Refuse(
            f"no session: {body['error']} ({body.get('error_description', 'without a word')})",
            step.format(source=self.source.upper()),
        )

    def hold(self) -> None:
        """Stop at a checkpoint while the org still has requests for others.

        Raises:
            SourceLimited: the share of the day's requests that the source may see used is reached.
        """
        if self.allowed and self.used >= self.stop_at_share * self.allowed:
            raise SourceLimited(
                f"source {self.source}: the org has used {self.used:,} of its {self.allowed:,} API requests of 24 "
                f"hours, by whomever; we stop at {self.stop_at_share:.0%}; nothing was loaded, what was read so far is "
                "kept",
                next_step="run again later: the reading goes on where it stopped; or raise "
                f"sources.{self.source}.options.stop_at_quota_share",
            )

    def _numbers(self) -> str:
        return f" ({self.used:,} of {self.allowed:,})" if self.allowed else ""
