"""Nothing in src is too long, by scripts/limits.py."""

import importlib.util

import pytest

from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("limits", ROOT / "scripts" / "limits.py")
limits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(limits)


@pytest.mark.slow
def test_nothing_is_too_long(capsys):
    assert limits.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def f():\n" + "    x = 1\n" * 60, "1: f has 61 lines of code (at most 60)"),
        ("x = 1\n" * 351, "1: 351 lines (at most 350)"),
        ("def f(a, b, c, d, *, e, g, h, i, j): ...", "1: f has 9 parameters (at most 8)"),
    ],
)
def test_what_is_over_a_limit_is_named(text, fault):
    assert list(limits.too_long(text)) == [fault]


def test_docstrings_comments_and_blank_lines_of_a_function_do_not_count():
    nothing = '    """' + "line\n\n" * 30 + '    """\n' + "    # why\n\n" * 30
    text = "def f():\n" + nothing + "    x = 1\n" * 59
    assert list(limits.too_long(text)) == []
