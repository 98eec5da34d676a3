"""Age and sex as tables write them."""

from __future__ import annotations

import re

from brainage.core.files import InputError

MAX_AGE = 130.0  # no person was ever documented to have lived longer
PER_YEAR = {"years": 1.0, "months": 12.0, "weeks": 365.25 / 7, "days": 365.25}
_SEX_WORDS = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
# Not all that Python takes: to it 6_5 is 65.
_NUMBER = r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_AGE = re.compile(_NUMBER)
_TOP_CODED = (re.compile(_NUMBER + r"\s*\+"), re.compile(r"(?:>=?|≥)\s*" + _NUMBER))


def parse_age(text: str | None, where: str, unit: str = "years") -> tuple[float, bool]:
    """Return an age in years and whether it was a lower bound ('89+', '>89' or '≥89').

    Parameters
    ----------
    text
        The value in the table; ``None`` for missing gives NaN.
    where
        File, row and column for the message.
    unit
        What the table counts ages in, of :data:`PER_YEAR`.

    Raises
    ------
    InputError
        Not a number, negative, or above 130 years (months or days given for years).
    """
    if text is None:
        return float("nan"), False
    bound = next((match for form in _TOP_CODED if (match := form.fullmatch(text))), None)
    number = bound or _AGE.fullmatch(text)
    if number is None:
        raise InputError(
            f"{where}: age {text!r} is not a number of {unit}; write one such as 65 or 65.5, 89+ "
            "where only a lower bound is known, or n/a"
        )
    age = float(number[1]) / PER_YEAR[unit]
    if not 0 <= age <= MAX_AGE:
        told = text if unit == "years" else f"{text} (in {unit})"
        hint = ""
        if unit == "years" and MAX_AGE < age <= MAX_AGE * 12:
            hint = "; were months given for years? In a BIDS folder participants.json says so "
            hint += '(of the column: "Units": "months")'
        raise InputError(f"{where}: age {told} is not between 0 and {MAX_AGE:g} years{hint}")
    return age, bound is not None


def parse_sex(text: str | None, sex_map: dict[str, str | None], where: str) -> str | None:
    """Return F, M, O or ``None`` (not known); other words than plain ones by `sex_map` only.

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
            f"{where}: sex {text!r} is not known; allowed are M, F, O, male, female, other, n/a; "
            f"say in the config what it means: sex_map: {{{text!r}: null}} where the sex is not "
            "known, else M, F or O in the place of null"
        )
    return known
