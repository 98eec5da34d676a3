"""Whether a contrast agent was given, by a header's own field and by the protocol's name."""

from __future__ import annotations

import re

# Words of the protocol, after everything but letters, digits and + has become a space.
AGENTS = r"gado?\w*|gd|ce|km|dotarem|clariscan|magnevist|prohance|omniscan|multihance"
WITHOUT_AGENT = rf"\b(without|w ?o|no|non|pre) ?(contrast|con|{AGENTS})\b"
# "post" alone is after the agent, unless it is after something else.
WITH_AGENT = (
    rf"\b(post)?({AGENTS}|contrast)\b|\bpostcon\b|\bpost\b(?! (op|surg|treat|ther|ictal|trauma))"
    r"|\+ ?(c|gd|km)\b|\bc ?\+"
)
# What stands in the header's field of the agent where none was given.
NO_AGENT = r"(no|none|nil|not|without)\b.*|non contrast.*|n( a)?|[0 ]+(ml)?"


def agent_given(named: str, text: str) -> bool:
    """Say whether there was one.

    Parameters
    ----------
    named
        What the header's field of the agent says.
    text
        The protocol's names in small letters.
    """
    given = re.sub(r"[\W_]+", " ", named.casefold()).strip()
    if given and not re.fullmatch(NO_AGENT, given):
        return True
    return bool(re.search(WITH_AGENT, text)) and not re.search(WITHOUT_AGENT, text)
