"""Keeps addresses of persons out of whatever a person or a program reads of the data: samples, listings, messages."""

from __future__ import annotations

import re

_MAIL = re.compile(r"[^\s,;=]*@[^\s,;]*")


def without_mail(text: str) -> str:
    """`text` with everything hidden that an @ stands in, up to the next space, comma or semicolon."""
    return _MAIL.sub("(address hidden)", text)
