import ast

import pytest

from brainage.core.syntax import serialise, without_type_checking

# Whatever Pythons read in different ways: f-strings, patterns, hints, defaults, decorators.
SAMPLE = r'''
"""What it does."""
from __future__ import annotations

import math as m
from collections.abc import Callable

LIMITS: dict[str, tuple[float, ...]] = {"a": (1.0, -2.5e-3), **{"b": (1j,)}}
TEXT = "one " 'two ' f"{LIMITS['a']!r:>{10}}" " three" f"" f" {m.pi:.3f}{{}} {TEXT=}" u"é\u0378"


@staticmethod
def choose(value: object, /, *rest: int, key: Callable[[int], int] = lambda x=2, *, y=None: x):
    match value:
        case {"a": [first, *_], **others} if (n := len(others)) > 1:
            return first, n
        case complex(real=-1) | None:
            yield from (x async for x in rest)
        case _:
            return ...


async def later(x): pass
'''


def hashed(text):
    return serialise(ast.parse(text))


def test_the_hash_is_the_same_on_every_python():
    # The literal value is the point: it held on 3.11, 3.12 and 3.13.
    assert hashed(SAMPLE).code[:16] == "77f412f395602a04"


def test_a_text_in_pieces_is_one_text():
    whole = hashed("x = f'a{b}cd'")
    assert hashed("x = f'a{b}c' 'd'") == whole
    assert hashed("x = 'a' f'{b}' f'cd'") == whole
    assert hashed("x = f'a{b}cd{b}'").code != whole.code
    assert hashed("x = 'a{b}cd'").code != whole.code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a, b)", "f(a, c)"),
        ("f(a, *b)", "f(a, b)"),
        ("x = [a, [b], c]", "x = [a, [b, c]]"),
        ("x = None", "x = 'None'"),
        ("x = 1", "x = True"),
        ("x = a[1:]", "x = a[:1]"),
        ("x = f'{a!r}'", "x = f'{a!s}'"),
        ("x = f'{a:3}'", "x = f'{a:4}'"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("if a:\n    pass\nelse:\n    b()", "if a:\n    b()"),
        ("def f(a, *, b=None): return a", "def f(a, b=None): return a"),
        ("def f(*, a, b=1): return a", "def f(*, a=1, b): return a"),
        ("x = {**a, b: c}", "x = {b: c, **a}"),
        ("global a", "global b"),
    ],
)
def test_other_code_has_another_hash(one, other):
    assert hashed(one).code != hashed(other).code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A = Loss(label='one', rate=1)", "A = Loss(label='two', rate=1)"),
        ("A = Loss(sentence='one', rate=1)", "A = Loss(sentence='two', rate=1)"),
        ("A = [Part(order=1)]", "A = [Part(order=2)]"),
        ("@part(label='one')\ndef f(): return 1", "@part(label='two')\ndef f(): return 1"),
        ("A = Loss(description='one')", "A = Loss(description='two')"),
        ("A = {'rate': {'description': 'one'}}", "A = {'rate': {'description': 'two'}}"),
        ("A = Column('a', 'text', 'one')", "A = Column('a', 'text', 'two')"),
        ("A = Table('a.tsv', 'one', B, key=C)", "A = Table('a.tsv', 'two', B, key=C)"),
        ("A = Loss(label=word('a', {'description': 'one'}))", "A = Loss(label='two')"),
    ],
)
def test_words_of_a_declaration_are_apart(one, other):
    assert hashed(one).code == hashed(other).code
    assert hashed(one).words != hashed(other).words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A = Loss(label='one', rate=1)", "A = Loss(label='one', rate=2)"),
        ("A = Column('a', 'text', 'one')", "A = Column('a', 'number', 'one')"),
        ("A = {'rate': {'default': 1}}", "A = {'rate': {'default': 2}}"),
        # Here it is a degree of interpolation.
        ("def f(): return zoom(a, order=1)", "def f(): return zoom(a, order=3)"),
        ("f = lambda a: zoom(a, order=1)", "f = lambda a: zoom(a, order=3)"),
        ("def f(): return {'description': 1}", "def f(): return {'description': 2}"),
    ],
)
def test_what_is_no_word_counts(one, other):
    assert hashed(one).code != hashed(other).code


def test_imports_are_found_wherever_they_are():
    text = "import a.b as c\ndef f():\n    from d import e\n"
    assert hashed(text).imports == ("a.b", "d", "d.e")
    with pytest.raises(ValueError, match="whole name"):
        hashed("from . import a")


def test_imports_for_the_checker_of_types_do_not_count():
    text = "from __future__ import annotations\nif TYPE_CHECKING:\n    import pandas\nx = 1\n"
    tree = without_type_checking(ast.parse(text))
    assert "pandas" not in serialise(tree).imports
    other = without_type_checking(ast.parse(text.replace("pandas", "numpy")))
    assert serialise(tree) == serialise(other)
