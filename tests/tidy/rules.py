"""Each house rule as a pure function: (path, text) -> what is wrong, one line per violation.

What ruff, mypy, import-linter and codespell check (parameters, docstrings, names sorted in
`__all__`, layers) is not checked again here.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeAlias

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
REFUSED_NAMES = frozenset({"utils", "util", "common", "helpers", "helper", "types", "base"}) | {
    "manager",
    "misc",
}

# Taken apart, so that this file does not break its own rule.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|LOCK|WITH|COPY|TRUNCATE|GRANT) "
)
SUPPRESSION = re.compile(r"#\s*(?:(?:ruff|flake8): )?noqa|#\s*type:\s*ignore|#\s*mypy:")
REASONED = re.compile(
    r"#\s*(?:noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])\s+\W*\w.{3,}"
)
FRAGMENT = re.compile(r"(?:\d+|\+[a-z0-9-]+)\.(?:added|changed|removed|fixed)\.md")
LISTED = re.compile(r"^- `([a-z0-9_/]+\.py)`: \S", re.MULTILINE)

Rule: TypeAlias = Callable[[str, str], list[str]]


def file_size(path: str, text: str) -> list[str]:
    """A file that nobody reads in one sitting is refused."""
    lines = text.count("\n")
    return [f"{path}: {lines} lines, {FILE_LINES_MAX} at most"] if lines > FILE_LINES_MAX else []


def function_size(path: str, text: str) -> list[str]:
    """A function longer than a screen is refused."""
    return [
        f"{path}:{node.lineno}: {node.name} has {lines} lines, {FUNCTION_LINES_MAX} at most"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


def module_name(path: str, text: str) -> list[str]:  # noqa: ARG001  # Every rule has one signature.
    """A name that says nothing of the domain is refused, of a file or a folder."""
    parts = PurePosixPath(path).with_suffix("").parts
    return [f"{path}: {name} names no thing of the domain" for name in parts if refused(name)]


def refused(name: str) -> bool:
    """Whether a module of this name would gather whatever has no home."""
    return name.strip("_") in REFUSED_NAMES


def sleeps(path: str, text: str) -> list[str]:
    """A test that sleeps is slow or flaky or both: it waits for a condition instead."""
    return [
        f"{path}:{node.lineno}: wait for a condition with a deadline, do not sleep"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep"
    ]


def leftovers(path: str, text: str) -> list[str]:
    """What is to be done is done, or it is an issue."""
    return [
        f"{path}:{number}: {found[1]}: do it, or open an issue"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := LEFTOVER.search(line))
    ]


def inline_sql(path: str, text: str) -> list[str]:
    """SQL stands in a file named statements.py, where it can be read and reviewed as a whole."""
    # The remedies in refusals.py tell an operator what to run; nothing there runs it.
    if PurePosixPath(path).name in {"statements.py", "refusals.py"}:
        return []
    tree = ast.parse(text)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        f"{path}:{node.lineno}: SQL outside of a statements.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings and SQL.match(node.value)
    ]


def exports(path: str, text: str) -> list[str]:
    """A package's `__all__` is what the package offers: no more and no less."""
    if PurePosixPath(path).name != "__init__.py":
        return []
    tree = ast.parse(text)
    listed = set(listed_names(tree))
    room = PurePosixPath(path).parent.as_posix().removeprefix("src/").replace("/", ".")
    wrong = set(imported(tree, room)) - listed
    wrong |= listed - {*imported(tree, "mainstem"), *defined(tree)}
    return [f"{path}: {name} is offered or in __all__, not both" for name in sorted(wrong)]


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Names that a module imports from the package or from below it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}."):
            yield from (alias.asname or alias.name for alias in node.names)


def defined(tree: ast.Module) -> Iterator[str]:
    """Functions and classes that a module defines itself."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def listed_names(tree: ast.Module) -> list[str]:
    """The names in `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def suppressions(path: str, text: str) -> list[str]:
    """A tool is silenced for one code, with a reason, or not at all."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [
        f"{path}:{token.start[0]}: a suppression needs a code and a reason: {token.string}"
        for token in tokens
        if token.type == tokenize.COMMENT
        and SUPPRESSION.search(token.string)
        and not REASONED.search(token.string)
    ]


def refusal_calls(path: str, text: str) -> list[tuple[str, str]]:
    """Where and by which literal name `refusal("…")` is called."""
    return [
        (f"{path}:{node.lineno}", str(ast.literal_eval(node.args[0])))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "refusal"
        if node.args and isinstance(node.args[0], ast.Constant)
    ]


def strings(text: str) -> set[str]:
    """Every string literal of a module."""
    constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def unlisted(architecture: str, files: set[str]) -> list[str]:
    """Files without their line in ARCHITECTURE.md, and lines without a file."""
    listed = LISTED.findall(architecture)
    twice = {name for name in listed if listed.count(name) > 1}
    return [
        *(f"{name} has no line in ARCHITECTURE.md" for name in sorted(files - set(listed))),
        *(f"{name} is in ARCHITECTURE.md only" for name in sorted(set(listed) - files)),
        *(f"{name} has two lines in ARCHITECTURE.md" for name in sorted(twice)),
    ]


def fragment(name: str, text: str) -> list[str]:
    """A changelog fragment has a name that towncrier reads, and says something."""
    if not FRAGMENT.fullmatch(name):
        return [f"changelog.d/{name}: name it NUMBER.KIND.md or +WORD.KIND.md"]
    return [] if text.strip() else [f"changelog.d/{name} is empty"]


EVERYWHERE: tuple[Rule, ...] = (file_size, function_size, module_name, leftovers, suppressions)
IN_SOURCE: tuple[Rule, ...] = (*EVERYWHERE, inline_sql, exports)
IN_TESTS: tuple[Rule, ...] = (*EVERYWHERE, sleeps)
IN_BENCH: tuple[Rule, ...] = EVERYWHERE
