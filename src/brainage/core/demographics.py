"""Age and sex as tables write them."""

from __future__ import annotations

import re

from brainage.core.files import InputError

MAX_AGE = 130.0  # no person was ever documented to have lived longer
_SEX_WORDS = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
_TOP_CODED = re.compile(r"(\d+(?:\.\d+)?)\s*\+")


def parse_age(text: str | None, where: str) -> tuple[float, bool]:
    """Return an age in years and whether it was a lower bound ('89+').

    Parameters
    ----------
    text
        The value in the table; ``None`` for missing gives NaN.
    where
        File, row and column for the message.

    Raises
    ------
    InputError
        Not a number, negative, or above 130 (months or days given for years).
    """
    if text is None:
        return float("nan"), False
    top_coded = _TOP_CODED.fullmatch(text)
    try:
        age = float(top_coded[1] if top_coded else text)
    except ValueError:
        raise InputError(f"{where}: age {text!r} is not a number of years") from None
    if not 0 <= age <= MAX_AGE:
        hint = "; were months given for years?" if MAX_AGE < age <= MAX_AGE * 12 else ""
        raise InputError(f"{where}: age {text} is not between 0 and {MAX_AGE:g} years{hint}")
    return age, top_coded is not None


def parse_sex(text: str | None, sex_map: dict[str, str], where: str) -> str | None:
    """Return F, M, O or ``None``; words only by `sex_map` where they are not plain ones.

    Raises
    ------
    InputError
        A value that is neither M/F/O, male/female/other, nor in `sex_map`.
    """
    if text is None:
        return None
    if text in sex_map:
        return sex_map[text]
    known = _SEX_WORDS.get(text.lower())
    if known is None:
        raise InputError(
            f"{where}: sex {text!r} is not known; allowed are M, F, O, male, female, other; "
            f"map it in the config, for example sex_map: {{{text!r}: F}}"
        )
    return known
