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
    """`what` is its name in the list of survivors: stable as long as the line's own text is.

    A test that runs none of `lines` cannot notice it.
    """

    function: str
    lines: range
    what: str
    code: CodeType


def faults(source: str, file: str, functions: set[str]) -> Iterator[Fault]:
    """Every fault of the named top-level functions and methods, by their qualified names."""
    tree, text = ast.parse(source), source.splitlines()
    for name, node in _functions(tree):
        if name not in functions:
            continue
        for place, lines in _places(node):
            for what, change, undo in _changes(place):
                change()
                code = _find(compile(ast.fix_missing_locations(tree), file, "exec"), name)
                undo()
                yield Fault(name, lines, f"{text[place.lineno - 1].strip()} | {what}", code)


def _places(node: ast.AST, around: range | None = None) -> Iterator[tuple[ast.AST, range]]:
    """Every node below, with the lines of its statement or, in the head of a compound one, of its expression.

    Left out are defaults, which are not in the function's own code, and what is only said.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.arguments) or _is_talk(child):
            continue
        head = child.test if isinstance(child, ast.If | ast.While) else child
        compound = isinstance(getattr(child, "body", None) or getattr(child, "cases", None), list)
        lines = around or (range(head.lineno, head.end_lineno + 1) if hasattr(head, "lineno") else None)
        if lines is not None:
            yield child, lines
        yield from _places(child, None if compound else lines)


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
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg is not None:
                rest = [other for other in node.keywords if other is not keyword]
                yield _set(node, "keywords", rest, f"without {keyword.arg}")
    effect = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Yield)
    if effect or isinstance(node, ast.AugAssign | ast.Raise | ast.Continue):
        yield _set(node, "__class__", ast.Pass, "without it")


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
        case ast.Return(ast.expr()) if not _is_nothing(node.value):
            yield _set(node, "value", ast.Constant(None), "returns None")
        case ast.Call(ast.Name(name)) if name in _TWINS:
            yield _set(node.func, "id", _TWINS[name], f"{name} to {_TWINS[name]}")


def _is_talk(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and ast.unparse(call.func).startswith(_TALK)


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and not node.value


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
