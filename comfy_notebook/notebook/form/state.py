"""What a form holds: values, which of them are not the workflow's own, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.notebook.form.fields import Kind, find_fields, find_groups, holds
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.lookup import UnknownNameError
from comfy_notebook.workflow.seeds import RANDOM, SEED_NAMES, draw, is_open
from comfy_notebook.workflow.values import UnfitError, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from comfy_notebook.notebook.form.fields import Field
    from comfy_notebook.workflow.document import Workflow


class FormState:
    """The values of one form, by parameter. Whoever watches is told the name of what changed.

    Attributes
    ----------
    workflow
        Whose parameters they are.
    fields, groups
        What the form asks for, and in which order.
    values
        Name → value; None where there is none.
    loose
        The seeds that are drawn anew for every run.
    tried
        Whether a run was asked for.
    uploaded
        Names of files that the server was sent since it listed what it has, the latest first.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.fields = find_fields(workflow)
        self.groups = find_groups(workflow, self.fields)
        self.values: dict[str, Any] = {name: field.parameter.default for name, field in self.fields.items()}
        self.loose = {name for name, field in self.fields.items() if _is_left_open(field)}
        self.tried = False
        self.uploaded: list[str] = []
        self._problems: dict[str, str] = {}
        self._watchers: list[Callable[[str], None]] = []

    # -- reading -------------------------------------------------------------------------------------

    def field(self, name: str) -> Field:
        """Return the field that a name means, also ``"KSampler.seed"``.

        Raises
        ------
        ParameterError
            If there is none, with those that are called alike.
        """
        if name in self.fields:
            return self.fields[name]
        try:
            targets = self.workflow.lookup.find(name).targets
        except UnknownNameError as error:
            raise ParameterError(str(error)) from None
        found = next((field for field in self.fields.values() if field.parameter.targets == targets), None)
        if found is None:
            raise ParameterError(f"{name} is not in the form: it holds a link, or is set along with others.")
        return found

    def is_changed(self, name: str) -> bool:
        """Whether a value is not the workflow's own."""
        return not same(self.values[name], self.fields[name].parameter.default)

    def changed(self) -> dict[str, Any]:
        """Return the values that are not the workflow's own."""
        return {name: value for name, value in self.values.items() if self.is_changed(name) and value is not None}

    def given(self) -> dict[str, Any]:
        """Return the values to run with: those that are not the workflow's own, and all seeds."""
        seeds = {name: value for name, value in self.values.items() if self.fields[name].kind is Kind.SEED}
        known = {name: value for name, value in seeds.items() if value is not None and name not in self.loose}
        return {**self.changed(), **known}

    def problem(self, name: str) -> str:
        """Return what is wrong with a value, or ""."""
        if name not in self._problems:
            self._problems[name] = self._checked(name)
        return self._problems[name]

    def complaint(self, name: str) -> str:
        """Return what is to be told of that: what is merely missing, not before a run was tried."""
        return "" if self.values[name] is None and not self.tried else self.problem(name)

    # -- setting -------------------------------------------------------------------------------------

    def set(self, name: str, value: Any) -> None:
        """Take a value, right or wrong: what is wrong with it is then told by :meth:`problem`."""
        if not same(self.values[name], value):
            self.values[name] = value
            self._problems.pop(name, None)
            self._tell(name)

    def refuse(self, name: str, problem: str) -> None:
        """Tell what is wrong with what was typed where it is no value at all; the value stays."""
        self._problems[name] = problem
        self._tell(name)

    def set_checked(self, name: str, value: Any) -> None:
        """Take a value as it is given in Python; "random" lets a seed be drawn for every run.

        Raises
        ------
        ParameterError
            If there is no such parameter, or the value does not fit; nothing has changed then.
        """
        field = self.field(name)
        if field.kind is Kind.SEED and isinstance(value, str) and value == RANDOM:
            self.loosen(field.name, loose=True)
            return
        problem = self._unfit(field, value)
        if problem:
            raise ParameterError(f"{field.name}: {problem}")
        fits = field.spec is not None and field.kind not in (Kind.FILE, Kind.JSON, Kind.CHOICES)
        if field.kind is Kind.SEED:
            self.loosen(field.name, loose=False)
        self.set(field.name, fit(value, field.spec) if fits and field.spec else value)

    def reset(self, name: str) -> None:
        """Take the workflow's own value again."""
        field = self.fields[name]
        self.loosen(name, loose=_is_left_open(field))
        self.set(name, field.parameter.default)

    def loosen(self, name: str, *, loose: bool) -> None:
        """Say whether a seed is drawn anew for every run."""
        if (name in self.loose) != loose:
            (self.loose.add if loose else self.loose.discard)(name)
            self._tell(name)

    def draw(self, names: Iterable[str] | None = None) -> None:
        """Draw these seeds, else all that are drawn for every run."""
        for name in sorted(self.loose) if names is None else names:
            self.set(name, draw(self.fields[name].spec))

    def take(self, values: Mapping[str, Any], loose: Iterable[str] | None = None) -> None:
        """Take the values of another form or of a run, as far as there are such parameters."""
        for name, value in values.items():
            if name in self.fields and holds(self.fields[name], value):
                self.set(name, value)
        if loose is not None:
            for name, field in self.fields.items():
                if field.kind is Kind.SEED:
                    self.loosen(name, loose=name in loose)

    def attempt(self) -> None:
        """Draw the seeds of the next run; from now on, what is missing is told, too."""
        self.draw()
        self.tried = True
        told = [name for name in self.fields if self.values[name] is None or self._problems.get(name)]
        self._problems.clear()
        for name in told:
            self._tell(name)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Have ``watcher`` called with the name of whatever changes."""
        self._watchers.append(watcher)

    def _tell(self, name: str) -> None:
        for watcher in list(self._watchers):
            watcher(name)

    # -- checking ------------------------------------------------------------------------------------

    def _checked(self, name: str) -> str:
        field, value = self.fields[name], self.values[name]
        if value is None:
            return "It is required." if field.parameter.required else ""
        return _sentence(self._unfit(field, value) if self.is_changed(name) else _own_unfit(field))

    def _unfit(self, field: Field, value: Any) -> str:
        if field.kind is Kind.FILE and value in self.uploaded:
            return ""
        try:
            bind(self.workflow, {field.name: value}, self.workflow.schemas, complete=False)
        except ParameterError as error:
            return next((problem.message for problem in error.problems if problem.subject == field.name), "")
        return ""


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to a node: 1 and 1.0 are, 1 and True are not."""
    if one is other:
        return True
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    plain = (str, int, float, list, dict, tuple, type(None))
    return isinstance(one, plain) and isinstance(other, plain) and bool(one == other)


def _own_unfit(field: Field) -> str:
    """Say what is wrong with the workflow's own value: a model or a file that this server has not, most likely."""
    spec, value = field.spec, field.parameter.default
    if spec is None or isinstance(value, dict | list):
        return ""
    if field.kind is Kind.FILE:
        listed = spec.choices
        elsewhere = listed is None or any(sign in value for sign in "/\\[")
        return "" if elsewhere or value in (listed or ()) else f"the server has no file {value!r}"
    try:
        fit(value, spec)
    except UnfitError as error:
        return str(error)
    return ""


def _is_left_open(field: Field) -> bool:
    """Whether a run draws the seed if nobody sets it: where the workflow has 0."""
    named = any(target.input_name in SEED_NAMES for target in field.parameter.targets)
    return field.kind is Kind.SEED and named and is_open(field.parameter.default)


def _sentence(text: str) -> str:
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}" + ("" if text[-1] in ".?!" else ".")
