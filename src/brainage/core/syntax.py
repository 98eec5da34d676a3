"""A canonical text of Python code, the same for every Python version.

``ast.dump`` differs between Pythons: fields come and go, and f-strings are parted in other places.
"""

from __future__ import annotations

import ast
import hashlib
from typing import NamedTuple

# Fields that say nothing of what is done, or that only some Pythons have.
_LEFT_OUT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
# What is said of a thing and does not change it, where it is declared: keywords, and places of
# arguments of a table's contract.
_WORDS = frozenset({"label", "sentence", "order", "description"})
_PLACES = {"Column": 2, "Table": 1}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Text(NamedTuple):
    """What code does and the words that it says of what it declares, each as a hash.

    `imports` are the dotted names that it imports anywhere; of ``from a import b`` both ``a`` and
    ``a.b``, which may be a module as well.
    """

    code: str
    words: str
    imports: tuple[str, ...]


def serialise(tree: ast.Module) -> Text:
    """Hash a syntax tree without comments, docstrings, layout and positions.

    Labels, sentences, descriptions and orders (on pages) of what is declared outside functions
    are hashed apart: keywords of a call, values of a key ``"description"``, and descriptions in
    the contracts of tables. Inside a function such a word may be an argument of anything.
    """
    writer = _Writer()
    writer.statements(tree.body)
    code, words = (
        hashlib.sha256("\n".join(parts).encode()).hexdigest()
        for parts in (writer.code, writer.words)
    )
    return Text(code, words, tuple(sorted(writer.imports)))


def without_type_checking(tree: ast.Module) -> ast.Module:
    """Return a module without what is there for the checker of types only."""
    body = [
        statement
        for statement in tree.body
        if not (
            isinstance(statement, ast.If)
            and isinstance(statement.test, ast.Name)
            and statement.test.id == "TYPE_CHECKING"
        )
    ]
    return ast.Module(body=body, type_ignores=[])


class _Writer:
    """Appends what it visits to `code`, or what is said of it to `words`."""

    def __init__(self) -> None:
        self.code: list[str] = []
        self.words: list[str] = []
        self.imports: set[str] = set()
        self._in_function = False
        self._fields: dict[str, list[str]] = {}

    def statements(self, body: list[ast.stmt]) -> None:
        """Statements but for those that do nothing: docstrings and ``pass``."""
        for statement in body:
            nothing = isinstance(statement, ast.Pass) or (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            )
            if not nothing:
                self.node(statement)

    def node(self, node: ast.AST) -> None:
        """A node with its fields in alphabetical order; those that hold nothing are left out."""
        if isinstance(node, ast.Constant):
            # Escapes, because which characters can be printed changes with Unicode.
            self.code.append(ascii(node.value))
            return
        if isinstance(node, ast.JoinedStr):
            self._joined(node)
            return
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.imports.update(_imported(node))
        before = self._in_function
        self.code.append(f"{type(node).__name__}(")
        if not before and isinstance(node, ast.Call):
            self._declaration(node)
        elif not before and isinstance(node, ast.Dict):
            self._dictionary(node)
        else:
            for field in self._fields_of(node):
                inside = isinstance(node, _FUNCTIONS) and field != "decorator_list"
                self._in_function = before or inside
                self._field(field, getattr(node, field, None))
        self.code.append(")")
        self._in_function = before

    def _fields_of(self, node: ast.AST) -> list[str]:
        kind = type(node).__name__
        if kind not in self._fields:
            self._fields[kind] = sorted(set(node._fields) - _LEFT_OUT)
        return self._fields[kind]

    def _field(self, name: str, value: object) -> None:
        if value is None or value == []:
            return
        self.code.append(f"{name}=")
        if isinstance(value, ast.AST):
            self.node(value)
        elif not isinstance(value, list):
            self.code.append(ascii(value))
        elif isinstance(value[0], ast.stmt):
            self.statements(value)
        else:
            for item in value:
                if isinstance(item, ast.AST):
                    self.node(item)
                else:  # a name, or None where a list has a gap
                    self.code.append(ascii(item))

    def _joined(self, node: ast.JoinedStr) -> None:
        """An f-string, its text in one piece between the values."""
        self.code.append("JoinedStr(")
        text = ""
        for part in _flat(node):
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            self.code.append(ascii(text))
            text = ""
            self.node(part)
        self.code.append(f"{text!a})")

    def _declaration(self, call: ast.Call) -> None:
        self._field("func", call.func)
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", None)
        for place, argument in enumerate(call.args):
            if _PLACES.get(name or "") == place:
                self._said(argument)
            else:
                self.node(argument)
        for keyword in call.keywords:
            if keyword.arg in _WORDS:
                self._said(keyword)
            else:
                self.node(keyword)

    def _dictionary(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "description":
                self._said(value)
                continue
            if key is None:
                self.code.append("**")
            else:
                self.node(key)
            self.node(value)

    def _said(self, node: ast.AST) -> None:
        """Write what is said, whole, to the words."""
        self.code, self.words, self._in_function = self.words, self.code, True
        self.node(node)
        self.code, self.words, self._in_function = self.words, self.code, False


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level or node.module is None:
        raise ValueError("a module is imported by its whole name here, so that it is found")
    return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]


def _flat(node: ast.JoinedStr) -> list[ast.expr]:
    parts: list[ast.expr] = []
    for part in node.values:
        parts += _flat(part) if isinstance(part, ast.JoinedStr) else [part]
    return parts
