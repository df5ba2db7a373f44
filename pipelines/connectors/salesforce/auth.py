"""How an external client app gets a session: its key and secret, or an assertion signed with its certificate.

Neither way has a refresh token: a session that ended is replaced by asking again. How long one lives is a setting of
the org that no answer tells.
"""

from __future__ import annotations

import base64
import os
from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipelines.clock import now
from pipelines.connectors.salesforce.options import Options
from pipelines.errors import ConfigError
from pipelines.http import Http, SourceRefused
from pipelines.settings import secret

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# The vendor takes no assertion that lives longer.
_ASSERTION_LIVES = timedelta(minutes=3)


class Session(ABC):
    """The session of one source: opened with the first request, opened anew when it was turned down."""

    def __init__(self, source: str, domain: str) -> None:
        self._source = source
        self._domain = domain
        self._token: str | None = None
        self.identity = ""
        """Org and user of the session, as the vendor's identity URL has them."""

    def headers(self, http: Http) -> dict[str, str]:
        """The session as a bearer token; asks for it first if there is none.

        Raises:
            SourceRefused: the app, its user or its secret is turned down, or the session is for another address.
        """
        if self._token is None:
            told = self._open(http)
            there = str(told["instance_url"]).rstrip("/").lower()
            if there != self._domain:
                raise SourceRefused(
                    f"source {self._source}: {self._domain} gives a session for {there}; nothing was loaded",
                    next_step=f"set sources.{self._source}.options.domain to {there.split('://')[-1]} if that is the "
                    "org you mean",
                )
            self._token = str(told["access_token"])
            self.identity = "/".join(str(told.get("id", "")).split("/")[-2:])
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Forget the session; the next request opens another one."""
        self._token = None
        return True

    def secrets(self) -> list[str]:
        """The session's token; what opens it is added by the ways below."""
        return [self._token] if self._token else []

    @abstractmethod
    def _open(self, http: Http) -> Any:
        """Ask for a session; the token endpoint's answer."""

    def _ask(self, http: Http, form: dict[str, str], headers: dict[str, str] | None = None) -> Any:
        return http.json(
            "POST", TOKEN_PATH, form=form, headers=headers, expect=("access_token", "instance_url"), auth=False
        )


class ClientCredentials(Session):
    """Key and secret of the app; who is read as is set in the app ("Run As")."""

    def __init__(self, source: str, domain: str) -> None:
        super().__init__(source, domain)
        self._key = secret(source, "client_id")
        self._secret = secret(source, "client_secret")

    @property
    def _basic(self) -> str:
        return base64.b64encode(f"{self._key}:{self._secret}".encode()).decode()

    def secrets(self) -> list[str]:
        """Token, key and secret, also as they stand together in a header."""
        return [*super().secrets(), self._basic, self._secret, self._key]

    def _open(self, http: Http) -> Any:
        return self._ask(http, {"grant_type": "client_credentials"}, {"Authorization": f"Basic {self._basic}"})


class JwtBearer(Session):
    """A short-lived assertion signed with the private key whose certificate the app holds."""

    def __init__(self, source: str, domain: str, *, username: str, audience: str) -> None:
        super().__init__(source, domain)
        self._key = secret(source, "client_id")
        self._private_key = _private_key(source)
        self._username = username
        self._audience = audience
        self._assertion = ""

    def secrets(self) -> list[str]:
        """Token, key, the last assertion, and the private key line by line."""
        lines = [line for line in self._private_key.splitlines() if line and not line.startswith("-----")]
        return [*super().secrets(), *([self._assertion] if self._assertion else []), *lines, self._key]

    def _open(self, http: Http) -> Any:
        import jwt  # only here: 0.1 s

        claims = {
            "iss": self._key,
            "sub": self._username,
            "aud": self._audience,
            "exp": int((now() + _ASSERTION_LIVES).timestamp()),
        }
        try:
            self._assertion = jwt.encode(claims, self._private_key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # Whatever the library says may quote the key.
            raise ConfigError(
                f"source {self._source}: SEGMENTS_{self._source.upper()}_PRIVATE_KEY is no RSA private key in PEM form",
                next_step="give the key of the certificate that was uploaded to the app, unencrypted",
            ) from None
        return self._ask(http, {"grant_type": _JWT_BEARER, "assertion": self._assertion})


def _private_key(source: str) -> str:
    """The PEM text in SEGMENTS_<SOURCE>_PRIVATE_KEY, or in the file that SEGMENTS_<SOURCE>_PRIVATE_KEY_FILE names.

    Raises:
        ConfigError: neither is set, or the file cannot be read.
    """
    name = f"SEGMENTS_{source}_PRIVATE_KEY".upper()
    if not os.environ.get(name) and not os.environ.get(f"{name}_FILE"):
        raise ConfigError(
            f"source {source}: neither {name} nor {name}_FILE is set",
            next_step="set one of them to the private key (PEM) or to the path of its file",
        )
    if os.environ.get(name):
        # One line, as some secret stores keep it.
        return secret(source, "private_key").replace("\\n", "\n")
    path = Path(secret(source, "private_key_file"))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        why = getattr(problem, "strerror", None) or "no text"
        raise ConfigError(f"source {source}: {name}_FILE: {path} cannot be read ({why})") from None


def session_of(source: str, options: Options) -> Session:
    """The session that the options ask for; reads the secrets.

    Raises:
        ConfigError: a secret is not set.
    """
    assert options.domain is not None
    if options.auth == "jwt_bearer":
        assert options.username is not None
        return JwtBearer(source, options.domain, username=options.username, audience=options.audience)
    return ClientCredentials(source, options.domain)
