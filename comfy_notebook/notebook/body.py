"""Reads the body of a ``%%comfy`` cell as parameters: Python first, then JSON, then YAML.

Python, run with the notebook's variables: the names it assigns are the parameters, dotted ones too
(``ksampler.seed = 1``). Names with a leading underscore, loop variables, imports and functions are the body's own. A
body that is a single expression must be a mapping, which then is the parameters. What is no Python, or only
annotations such as ``prompt: a cat``, is read as YAML.
"""

from __future__ import annotations

import ast
import json
import linecache
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.varying import vary

_NAME = re.compile(r"[^\s=(){}\[\]'\",]+")
_FORMS = """Write it as Python:
    prompt = "a fox in the snow"
    seed = 42
or as YAML:
    prompt: a fox in the snow
    seed: 42"""
_FILE = "<%%comfy cell {}>"
_SHOWN_SOURCES = 32  # tracebacks into older cells than this do without source lines
_count = 0


def read_body(body: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a cell's body gives.

    Parameters
    ----------
    body
        Python, a JSON object, or YAML.
    variables
        The notebook's; the body sees them, and ``vary``, and leaves them as they are.

    Raises
    ------
    ParameterError
        If it is none of the three. What the body's own Python raises is raised as it is.
    """
    try:
        return _named(json.loads(body))
    except ValueError:
        pass  # most bodies are not JSON
    variables = {"vary": vary, **variables}
    try:
        tree = ast.parse(body)
    except SyntaxError as error:
        return _yaml(body, error)
    if tree.body and all(isinstance(node, ast.AnnAssign) and node.value is None for node in tree.body):
        return _yaml(body, None)
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        return _named(_evaluate(tree.body[0].value, body, variables))
    return _execute(tree, body, variables)


def assigned_names(tree: ast.Module) -> list[str]:
    """Return the names that a body assigns and does not keep to itself, in order.

    ``a.b = 1`` assigns the name ``a.b``, unless ``a`` is a variable of the body's own.
    """
    names = list(dict.fromkeys(name for node in tree.body for name in _targets(node)))
    own = {name for name in names if "." not in name}
    return [name for name in names if not name.startswith("_") and (name in own or name.partition(".")[0] not in own)]


class Dotted:
    """Stands for ``a`` while a body assigns ``a.b``: keeps what is assigned, and shows all else of the real ``a``."""

    def __init__(self, name: str, real: Any, names: Iterable[str]) -> None:
        """Take the ``names`` below this one that the body assigns: ``b``, ``b.c``."""
        self.__dict__["_name"], self.__dict__["_real"] = name, real
        deeper = [below.partition(".") for below in names if "." in below]
        for first in dict.fromkeys(first for first, _, _ in deeper):
            rest = [rest for other, _, rest in deeper if other == first]
            self.__dict__[first] = Dotted(f"{name}.{first}", getattr(real, first, None), rest)

    def __getattr__(self, name: str) -> Any:
        if self._real is None:
            raise AttributeError(f"{self._name!r} has no value for {name!r} yet")
        return getattr(self._real, name)

    def assigned(self) -> Iterator[tuple[str, Any]]:
        """Yield (dotted name, value) of all that was assigned."""
        for name, value in self.__dict__.items():
            if isinstance(value, Dotted):
                yield from value.assigned()
            elif name not in ("_name", "_real"):
                yield f"{self._name}.{name}", value


def _evaluate(expression: ast.expr, body: str, variables: Mapping[str, Any]) -> Any:
    code = compile(ast.Expression(expression), _source_file(body), "eval")
    return eval(code, dict(variables))  # noqa: S307 - the user's own cell


def _execute(tree: ast.Module, body: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    namespace = dict(variables)
    names = assigned_names(tree)
    below: dict[str, list[str]] = {}
    for first, _, rest in (name.partition(".") for name in names if "." in name):
        below.setdefault(first, []).append(rest)
    holders = {first: Dotted(first, variables.get(first), rest) for first, rest in below.items()}
    namespace |= holders
    exec(compile(tree, _source_file(body), "exec"), namespace)  # noqa: S102 - the user's own cell
    for holder in holders.values():
        namespace |= dict(holder.assigned())
    return {name: namespace[name] for name in names if name in namespace}


def _source_file(body: str) -> str:
    """Name the body, and let tracebacks find its lines."""
    global _count  # noqa: PLW0603 - names are unique in the process, as linecache is
    _count += 1
    linecache.cache.pop(_FILE.format(_count - _SHOWN_SOURCES), None)
    name = _FILE.format(_count)
    linecache.cache[name] = (len(body), None, body.splitlines(keepends=True), name)
    return name


def _targets(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement assigns, also inside ``if``, ``for``, ``with`` and ``try``."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _names(target)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        yield from _names(node.target)
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _targets(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _targets(inner)


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute):
        yield from (f"{name}.{target.attr}" for name in _names(target.value))
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _names(element)
    elif isinstance(target, ast.Starred):
        yield from _names(target.value)


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"The cell's body is a {type(value).__name__}, not parameters.", hint=_FORMS)
    return {str(name): item for name, item in value.items()}


def _yaml(body: str, syntax: SyntaxError | None) -> dict[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(body)
    except yaml.YAMLError:
        value = None
    if isinstance(value, dict) and all(_NAME.fullmatch(str(name)) for name in value):
        return _named(value)
    where = f" (line {syntax.lineno}: {syntax.msg})" if syntax else ""
    raise ParameterError(f"The cell's body is neither Python{where} nor YAML.", hint=_FORMS)
