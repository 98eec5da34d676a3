"""Print what is too long: functions, modules and lists of parameters of src.

    python scripts/limits.py [FOLDER]

Exit status 1 where there is any. Lines of a function are those of code: no docstring, no comment,
no blank line; those of a module are all.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).resolve().parents[1] / "src"
MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 350
MAX_PARAMETERS = 8
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


def code_lines(text: str) -> set[int]:
    """Return the numbers of the lines that hold code, a text over several lines with each."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*_NO_CODE, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def too_long(text: str) -> Iterator[str]:
    """Yield what is over a limit in a module, in words, with the line where there is one."""
    length = len(text.splitlines())
    if length > MAX_MODULE_LINES:
        yield f"1: {length} lines (at most {MAX_MODULE_LINES})"
    lines = code_lines(text)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        own = lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            own -= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
        if len(own) > MAX_FUNCTION_LINES:
            yield (
                f"{node.lineno}: {node.name} has {len(own)} lines of code "
                f"(at most {MAX_FUNCTION_LINES})"
            )
        given = node.args
        count = len([*given.posonlyargs, *given.args, *given.kwonlyargs])
        if count > MAX_PARAMETERS:
            yield f"{node.lineno}: {node.name} has {count} parameters (at most {MAX_PARAMETERS})"


def main(folder: Path = SRC) -> int:
    """Print what is too long below a folder; return how the process ends."""
    found = [
        f"{path.relative_to(folder)}:{fault}"
        for path in sorted(folder.rglob("*.py"))
        for fault in too_long(path.read_text(encoding="utf-8"))
    ]
    print("\n".join(found) or "nothing is too long")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
