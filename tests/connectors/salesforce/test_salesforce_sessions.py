"""How a session with an org is opened, replaced and refused; and that no secret is ever told."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from demo.vendors.faults import Fault
from pipelines.connectors.salesforce import Options
from pipelines.errors import ConfigError
from pipelines.http import BadAnswer, SourceRefused
from pipelines.pull import Window
from tests.connectors.salesforce.conftest import Ground

TOKEN = r"/services/oauth2/token"
WITH_KEY = {"auth": "jwt_bearer", "username": "integration@example.com"}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_of(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture
def signed(ground: Ground, key: rsa.RSAPrivateKey) -> Ground:
    """The ground with a certificate in the app and its private key here, in place of the secret."""
    ground.org.external_app.public_key = public_of(key)
    ground.org.external_app.approved = {"integration@example.com"}
    ground.monkeypatch.delenv("SEGMENTS_SALESFORCE_CLIENT_SECRET")
    ground.monkeypatch.setenv("SEGMENTS_SALESFORCE_PRIVATE_KEY", pem_of(key))
    ground.options = dict(WITH_KEY)
    return ground


def test_a_signed_assertion_opens_a_session(signed: Ground) -> None:
    signed.read()
    assert len(signed.newest("opportunity")) == 3
    assert len(signed.asked(TOKEN)) == 1


def test_the_private_key_may_stand_on_one_line_or_in_a_file(
    signed: Ground, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    signed.monkeypatch.setenv("SEGMENTS_SALESFORCE_PRIVATE_KEY", pem_of(key).replace("\n", "\\n"))
    signed.client().probe()
    path = tmp_path / "private.pem"
    path.write_text(pem_of(key))
    signed.monkeypatch.delenv("SEGMENTS_SALESFORCE_PRIVATE_KEY")
    signed.monkeypatch.setenv("SEGMENTS_SALESFORCE_PRIVATE_KEY_FILE", str(path))
    signed.client().probe()
    path.unlink()
    with pytest.raises(ConfigError, match=r"PRIVATE_KEY_FILE: .*private\.pem cannot be read \(No such file"):
        signed.client()


def test_an_assertion_is_held_against_certificate_audience_user_and_time(
    signed: Ground, key: rsa.RSAPrivateKey
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signed.org.external_app.public_key = public_of(other)
    with pytest.raises(SourceRefused, match=r"no session: invalid_grant \(invalid assertion\)"):
        signed.read()
    signed.org.external_app.public_key = public_of(key)
    with pytest.raises(SourceRefused, match=r"invalid_grant \(audience is invalid\)"):
        signed.read(audience="https://test.salesforce.com")
    signed.org.external_app.approved.clear()
    with pytest.raises(SourceRefused, match="user hasn't approved this consumer") as caught:
        signed.read()
    assert "pre-authorise" in caught.value.next_step
    signed.org.external_app.approved = {"integration@example.com"}
    client = signed.client()
    signed.monkeypatch.setenv("SEGMENTS_NOW", (signed.org.now() - timedelta(minutes=4)).isoformat())
    with pytest.raises(SourceRefused, match="expired authorization code"):
        client.probe()


def test_a_key_that_is_none_is_not_quoted(signed: Ground) -> None:
    signed.monkeypatch.setenv("SEGMENTS_SALESFORCE_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\nSECRETSECRET\n")
    with pytest.raises(
        ConfigError, match="SEGMENTS_SALESFORCE_PRIVATE_KEY is no RSA private key in PEM form"
    ) as caught:
        signed.read()
    assert "SECRETSECRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["CLIENT_ID", "CLIENT_SECRET"])
def test_a_secret_that_is_not_set_is_named(ground: Ground, name: str) -> None:
    ground.monkeypatch.delenv(f"SEGMENTS_SALESFORCE_{name}")
    with pytest.raises(ConfigError, match=f"SEGMENTS_SALESFORCE_{name} is not set"):
        ground.read()
    assert ground.org.requests == []


def test_a_private_key_that_is_not_set_is_named_with_both_its_places(signed: Ground) -> None:
    signed.monkeypatch.delenv("SEGMENTS_SALESFORCE_PRIVATE_KEY")
    with pytest.raises(ConfigError, match=r"neither SEGMENTS_SALESFORCE_PRIVATE_KEY nor .*_FILE is set"):
        signed.client()


def test_a_wrong_secret_is_refused_once_and_with_a_next_step(ground: Ground) -> None:
    ground.monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_SECRET", "not-the-secret-at-all")
    with pytest.raises(SourceRefused, match=r"no session: invalid_client \(invalid client credentials\)") as caught:
        ground.read()
    assert "SEGMENTS_SALESFORCE_CLIENT_SECRET" in caught.value.next_step
    assert len(ground.asked(TOKEN)) == 1
    assert ground.loads() == []


def test_an_unknown_key_is_refused(ground: Ground) -> None:
    ground.monkeypatch.setenv("SEGMENTS_SALESFORCE_CLIENT_ID", "3MVG9.NOBODY")
    with pytest.raises(SourceRefused, match="invalid_client_id"):
        ground.read()


def test_a_session_that_ends_between_two_pages_is_replaced(ground: Ground) -> None:
    ground.org.page_size = 1
    ground.org.faults.add(Fault(("GET", r"/query/01g"), "expire_token"))
    ground.read()
    assert len(ground.newest("opportunity")) == 3
    assert len(ground.asked(TOKEN)) == 2


def test_a_session_that_ends_during_a_job_is_replaced(ground: Ground) -> None:
    ground.org.faults.add(Fault(("GET", r"/jobs/query/\w+$"), "expire_token"))
    ground.org.faults.add(Fault(("GET", r"/results"), "expire_token"))
    ground.read(use_bulk_above=0)
    assert len(ground.newest("opportunity")) == 3
    assert len(ground.asked(TOKEN)) == 3


def test_a_session_that_is_turned_down_twice_running_is_refused(ground: Ground) -> None:
    ground.org.faults.add(Fault(("GET", r"/queryAll"), "expire_token", times=0))
    with pytest.raises(SourceRefused, match="401"):
        ground.read()
    assert len(ground.asked(TOKEN)) == 2


def test_a_session_lives_as_long_as_the_org_says(ground: Ground) -> None:
    client = ground.client()
    client.probe()
    ground.org.advance(hours=3)
    client.streams()
    assert len(list(client.streams()[0].read(Window()))) == 1
    client.close()
    assert len(ground.asked(TOKEN)) == 2


def test_a_session_for_another_address_is_not_used(ground: Ground) -> None:
    there = "https://other.my.salesforce.com"
    body = {"access_token": "00D!whatever-it-is", "instance_url": there, "id": "x/00D/005"}
    ground.org.faults.add(Fault(("POST", TOKEN), "error200", body=body))
    with pytest.raises(SourceRefused, match=f"gives a session for {there}") as caught:
        ground.read()
    assert "domain to other.my.salesforce.com" in caught.value.next_step


def test_a_token_answer_without_a_token_is_no_session(ground: Ground) -> None:
    ground.org.faults.add(Fault(("POST", TOKEN), "html", times=0))
    with pytest.raises(BadAnswer, match="is no JSON"):
        ground.read()


def test_an_app_without_the_right_to_the_api_is_told_what_to_give(ground: Ground) -> None:
    ground.org.user.is_api_enabled = False
    with pytest.raises(SourceRefused, match="API_DISABLED_FOR_ORG") as caught:
        ground.read()
    assert "API Enabled" in caught.value.next_step


def test_a_version_the_org_does_not_know_is_named_with_those_it_knows(ground: Ground) -> None:
    with pytest.raises(ConfigError, match=r"api_version: found 70\.0, the org knows 41\.0 to 68\.0"):
        ground.read(api_version="70.0")
    assert ground.asked(TOKEN) == []


def test_no_secret_is_told_anywhere(ground: Ground, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A run in which everything is refused, down or odd: nothing that was said or left on disk holds a secret."""
    caplog.set_level(logging.DEBUG)
    org = ground.org
    told: list[str] = []
    echo = {"message": f"{org.app_secret} and {org.app_key}", "errorCode": "SOMETHING"}
    for fault in (
        Fault(
            ("POST", TOKEN), "status", code=400, body={"error": "invalid_grant", "error_description": org.app_secret}
        ),
        Fault(("GET", r"/sobjects$"), "status", code=500, body=[echo], times=0),
        Fault(("GET", r"/describe"), "status", code=404, body=[echo]),
        Fault(("GET", r"/queryAll"), "error200", body=[echo], times=0),
    ):
        org.faults.clear()
        org.faults.add(fault)
        with pytest.raises(Exception, match="salesforce") as caught:
            ground.read()
        told += [str(caught.value), repr(caught.value)]
    org.faults.clear()
    ground.read()
    told += [record.getMessage() + str(record.__dict__) for record in caplog.records]
    told += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    secrets = [org.app_secret, org.app_key, *org.tokens]
    assert len(told) > 20
    assert [secret for secret in secrets for text in told if secret in text] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": "https://login.salesforce.com"}, "the org's own address"),
        ({"domain": "acme.my.salesforce.com/services"}, "without a path"),
        ({"domain": "acme.my.salesforce.com", "folder": "crm"}, "folder is of an export folder"),
        ({"domain": "acme.my.salesforce.com", "auth": "jwt_bearer"}, "needs username"),
        ({"use_bulk_above": 5}, "use_bulk_above is of the API and needs domain"),
        ({"domain": "acme.my.salesforce.com", "custom_fields": {"Lead": ["X__c"]}}, "Lead: no object that is read"),
        ({"domain": "acme.my.salesforce.com", "api_version": "67"}, "api_version"),
        ({"domain": "acme.my.salesforce.com", "partner_fields": {"P__c": "sold"}}, "partner_fields"),
        ({"domain": "acme.my.salesforce.com", "settle_minutes": 60}, "settle_minutes"),
    ],
)
def test_options_that_contradict_each_other_are_turned_down(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        Options(**options)


def test_a_bare_host_is_asked_over_https() -> None:
    assert Options(domain="Acme.my.salesforce.com").domain == "https://acme.my.salesforce.com"


def test_a_plain_address_is_only_for_this_machine(ground: Ground) -> None:
    with pytest.raises(ConfigError, match="a token is only sent over https"):
        ground.client(domain="http://acme.my.salesforce.com")
