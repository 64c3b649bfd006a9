"""Small faults in a function: one for each place where a programmer's hand could have slipped."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TALK = ("log.", "LOG.")


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` is its name in the list of survivors: stable as long as the line's own text is."""

    function: str
    line: int
    what: str
    code: CodeType


def faults(source: str, file: str, functions: set[str]) -> Iterator[Fault]:
    """Every fault of the named top-level functions and methods, by their qualified names."""
    tree = ast.parse(source)
    for name, node in _functions(tree):
        if name not in functions:
            continue
        for place in ast.walk(node):
            for what, change, undo in _changes(place):
                change()
                code = _find(compile(ast.fix_missing_locations(tree), file, "exec"), name)
                undo()
                line = getattr(place, "lineno", node.lineno)
                yield Fault(name, line, f"{source.splitlines()[line - 1].strip()} | {what}", code)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _find(code: CodeType, qualname: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualname:
                return constant
            if qualname.startswith(f"{constant.co_qualname}."):
                return _find(constant, qualname)
    raise LookupError(qualname)


def _changes(node: ast.AST):
    """(what, change, undo) for each fault at this very node."""
    yield from _expressions(node)
    if isinstance(node, ast.Call) and not _is_talk(node):
        for keyword in node.keywords:
            if keyword.arg is not None:
                rest = [other for other in node.keywords if other is not keyword]
                yield _set(node, "keywords", rest, f"without {keyword.arg}")
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            yield from _removals(statements)


def _expressions(node: ast.AST):
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield from _item(node.ops, i, _SWAPS.get(type(op)))
        case ast.BoolOp() | ast.BinOp():
            yield from _attribute(node, "op", _SWAPS.get(type(node.op)))
        case ast.If() | ast.While() | ast.IfExp():
            yield _set(node, "test", ast.UnaryOp(ast.Not(), node.test), "negated")
        case ast.Constant(bool(value)):
            yield _set(node, "value", not value, f"{value} to {not value}")
        case ast.Constant(int(value) | float(value)):
            yield _set(node, "value", value + 1, f"{value} to {value + 1}")
        case ast.Return(ast.expr()) if not _is_none(node.value):
            yield _set(node, "value", ast.Constant(None), "returns None")
        case ast.Call(ast.Name(name)) if name in _TWINS:
            yield _set(node.func, "id", _TWINS[name], f"{name} to {_TWINS[name]}")


def _removals(statements: list[ast.stmt]):
    for i, statement in enumerate(statements):
        called = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant | ast.Yield)
        if (called and not _is_talk(statement.value)) or isinstance(
            statement, ast.AugAssign | ast.Raise | ast.Continue
        ):
            nothing = ast.copy_location(ast.Pass(), statement)
            yield _put(statements, i, nothing, f"without line {ast.unparse(statement)[:60]!r}")


def _is_talk(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(_TALK)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _item(items: list, i: int, new: type | None):
    if new is not None:
        yield _put(items, i, new(), f"{type(items[i]).__name__} to {new.__name__}")


def _attribute(node: ast.AST, name: str, new: type | None):
    if new is not None:
        yield _set(node, name, new(), f"{type(getattr(node, name)).__name__} to {new.__name__}")


def _set(node: ast.AST, name: str, new: object, what: str):
    old = getattr(node, name)
    return what, lambda: setattr(node, name, copy.copy(new)), lambda: setattr(node, name, old)


def _put(items: list, i: int, new: object, what: str):
    old = items[i]
    return what, lambda: items.__setitem__(i, new), lambda: items.__setitem__(i, old)
