"""Results of statsmodels as parameters: a formula's columns, one number each, and a link. No code, no training data.

statsmodels saves its results as a pickle that holds the table it was fitted on, and a formula is Python that is
evaluated when the model answers. What answers is less: columns made from the table, their weights and a link. That is
written down as JSON and computed here. A formula may use columns, numbers, arithmetic, comparisons, categories and the
functions of `FUNCTIONS`; other formulas, and models that answer by more than one linear predictor, are refused when
they are saved. Standard library only; NumPy is imported where numbers are computed.

Source: the coding of terms is that of patsy's `DesignInfo` (factors, contrast matrices, products of columns).
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

FUNCTIONS = frozenset(
    {"abs", "cos", "exp", "expm1", "log", "log10", "log1p", "log2", "maximum", "minimum", "sign", "sin", "sqrt",
     "square", "tanh"}
)  # fmt: skip
"""Of NumPy, as formulas may use them: `np.log(x)` or `log(x)`."""

_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_LINEAR = frozenset({"OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg", "MixedLM"})
_LINKS = {
    "Logit": "logit", "Probit": "probit", "Poisson": "log", "NegativeBinomial": "log", "NegativeBinomialP": "log",
    "GeneralizedPoisson": "log", "MNLogit": "multinomial",
}  # fmt: skip
_LINKS_OF_FAMILIES = {
    "Identity": "identity", "identity": "identity", "Log": "log", "Logit": "logit", "Probit": "probit",
    "InversePower": "inverse", "CLogLog": "cloglog", "Sqrt": "sqrt",
}  # fmt: skip


class FormulaError(ValueError):
    """A formula or a model says more than can be written down as parameters."""


class LinearPredictor:
    """Results of statsmodels, read back.

    Args:
        document: What `describe` gave.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.feature_names_in_ = list(document["columns"])
        self._terms = [[_Factor(factor) for factor in term] for term in document["terms"]]
        self._answer = _INVERSES[document["link"]]

    def predict(self, table: Any) -> Any:
        """The mean of each row; NaN where something is missing or a category is none that the model was fitted on."""
        return self._answer(self._linear(table))

    def _linear(self, table: Any) -> Any:
        numpy = import_module("numpy")
        columns = {name: _column(table, name) for name in self.feature_names_in_}
        with numpy.errstate(all="ignore"):
            design = [_product(factors, columns, len(table)) for factors in self._terms]
            return numpy.column_stack(design) @ numpy.asarray(self.document["weights"], dtype=float)


class MultinomialPredictor(LinearPredictor):
    """The same of several classes, with a column of weights for each class but the first."""

    @property
    def classes_(self) -> Any:
        """The classes in the order of their probabilities."""
        return import_module("numpy").asarray(self.document["classes"])

    def predict_proba(self, table: Any) -> Any:
        """A probability a row and class."""
        return super().predict(table)

    def predict(self, table: Any) -> Any:
        """The likeliest class."""
        return self.classes_[self.predict_proba(table).argmax(axis=1)]


def read(document: Mapping[str, Any]) -> LinearPredictor:
    """The model that `describe` wrote down.

    Raises:
        FormulaError: An expression in it is none that a formula may have.
    """
    return (MultinomialPredictor if document["link"] == "multinomial" else LinearPredictor)(document)


def describe(results: Any) -> dict[str, Any]:
    """What answers of statsmodels' results are made of, as plain data.

    Args:
        results: What `fit` of a model of statsmodels returned.

    Raises:
        FormulaError: It is made of more; the message says of what.
    """
    numpy, model = import_module("numpy"), results.model
    spec = getattr(model.data, "model_spec", None) or getattr(model, "model_spec", None)
    link = _link(model)
    terms = list(_terms_of_formula(spec)) if spec is not None else list(_terms_of_columns(model))
    width = sum(math.prod(len(_codes(factor)[0]) for factor in term) for term in terms)
    fitted = getattr(results, "fe_params", results.params)
    document = {
        "library": "statsmodels", "model": type(model).__name__, "link": link, "terms": terms,
        "weights": numpy.asarray(fitted, dtype=float)[:width].tolist(),
        "columns": sorted({name for term in terms for factor in term for name in _names(_parsed(factor["value"]))}),
    }  # fmt: skip
    if link == "multinomial":
        names = [str(name) for _, name in sorted(model._ynames_map.items())]
        document["classes"] = [int(name) for name in names] if all(map(str.isdigit, names)) else names
    return document


def _link(model: Any) -> str:
    name = type(model).__name__
    if name in _LINEAR:
        return "identity"
    family = getattr(model, "family", None)
    link = _LINKS.get(name) or _LINKS_OF_FAMILIES.get(type(getattr(family, "link", None)).__name__)
    if link is None:
        raise FormulaError(f"the answers of {name} are not one linear predictor and a link")
    return link


def _terms_of_columns(model: Any) -> Iterator[list[dict[str, Any]]]:
    """A model of arrays: its columns by their names, the constant of `add_constant` as a number."""
    for index, name in enumerate(model.exog_names):
        yield [] if index == model.data.const_idx else [{"value": f"Q({name!r})"}]


def _terms_of_formula(spec: Any) -> Iterator[list[dict[str, Any]]]:
    """Each term that gives columns: the product of its factors, a category's as rows of a contrast matrix."""
    if not hasattr(spec, "term_codings"):
        raise FormulaError("the formula was read by another engine than patsy")
    for codings in spec.term_codings.values():
        for coding in codings:
            yield [_described(factor, spec.factor_infos[factor], coding.contrast_matrices) for factor in coding.factors]


def _described(factor: Any, info: Any, matrices: Mapping[Any, Any]) -> dict[str, Any]:
    tree = _parsed(factor.code)
    if info.type == "categorical" and isinstance(tree, ast.Call) and _called(tree) == "C":
        tree = tree.args[0]
    description: dict[str, Any] = {"value": ast.unparse(tree)}
    if info.type == "categorical":
        description["categories"] = [getattr(each, "item", lambda each=each: each)() for each in info.categories]
        description["codes"] = matrices[factor].matrix.tolist()
    elif info.num_columns != 1:
        raise FormulaError(f"the formula's `{factor.code}` gives {info.num_columns} columns")
    _compiled(tree)
    return description


class _Factor:
    """A number a row, or the row of a matrix that a category stands for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._value = _compiled(_parsed(document["value"]))
        self._categories = document.get("categories")
        self._codes = _codes(document)

    def columns(self, table: Mapping[str, Any]) -> Any:
        """One column, or several, of numbers."""
        numpy = import_module("numpy")
        values = numpy.asarray(self._value(table))
        if self._categories is None:
            return values.astype(float)[:, None]
        places = {category: index for index, category in enumerate(self._categories)}
        rows = [places.get(value, len(places)) for value in values.tolist()]
        codes = numpy.asarray([*self._codes, [numpy.nan] * len(self._codes[0])], dtype=float)
        return codes[rows]


def _codes(factor: Mapping[str, Any]) -> Sequence[Any]:
    codes: Sequence[Any] = factor.get("codes") or [[1.0]]
    return codes


def _product(factors: Sequence[_Factor], table: Mapping[str, Any], rows: int) -> Any:
    """Columns of a term: every column of the first factor by every one of the next, the first moving fastest."""
    numpy = import_module("numpy")
    product = numpy.ones((rows, 1))
    for factor in factors:
        columns = factor.columns(table)
        product = (columns[:, :, None] * product[:, None, :]).reshape(rows, -1)
    return product


def _column(table: Any, name: str) -> Any:
    column = table[name]
    return column.to_numpy() if hasattr(column, "to_numpy") else import_module("numpy").asarray(column)


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _called(call: ast.Call) -> str:
    """The function that is called: its name, without `np.`; empty for anything else."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id in ("np", "numpy") else ""
    return function.id if isinstance(function, ast.Name) else ""


def _names(tree: ast.expr) -> Iterator[str]:
    """Columns that an expression reads."""
    match tree:
        case ast.Call(args=[ast.Constant(value=str(name))]) if _called(tree) == "Q":
            yield name
        case ast.Call(args=arguments):
            for each in arguments:
                yield from _names(each)
        case ast.Name(id=name):
            yield name
        case _:
            for child in ast.iter_child_nodes(tree):
                if isinstance(child, ast.expr):
                    yield from _names(child)


def _compiled(tree: ast.expr) -> Callable[[Mapping[str, Any]], Any]:
    """An expression as a function of columns; nothing that is not on the list can be in it."""
    match tree:
        case ast.Name(id=name):
            return lambda table: table[name]
        case ast.Constant(value=int() | float() as value):
            return lambda _table: value
        case ast.BinOp(left=lhs, op=op, right=right) if type(op) in _OPERATORS:
            first, second = _compiled(lhs), _compiled(right)
            return lambda table: _OPERATORS[type(op)](first(table), second(table))
        case ast.Compare(left=lhs, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            first, second = _compiled(lhs), _compiled(right)
            return lambda table: _OPERATORS[type(op)](first(table), second(table))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            inner = _compiled(operand)
            return lambda table: _OPERATORS[type(op)](inner(table))
        case ast.Call(args=arguments, keywords=[]):
            return _compiled_call(tree, arguments)
        case _:
            raise FormulaError(f"the formula's `{ast.unparse(tree)}` is not arithmetic of columns")


def _compiled_call(tree: ast.Call, arguments: Sequence[ast.expr]) -> Callable[[Mapping[str, Any]], Any]:
    name = _called(tree)
    match name, arguments:
        case "Q", [ast.Constant(value=str(column))]:
            return lambda table: table[column]
        case "I", [inside]:
            return _compiled(inside)
        case _ if name in FUNCTIONS:
            inner = [_compiled(each) for each in arguments]
            return lambda table: getattr(import_module("numpy"), name)(*(each(table) for each in inner))
        case _:
            function_names = ", ".join(sorted(FUNCTIONS))
            raise FormulaError(f"the formula calls `{ast.unparse(tree.func)}`; it may call I, C, Q, {function_names}")


def _logit(values: Any) -> Any:
    return 1 / (1 + import_module("numpy").exp(-values))


def _multinomial(values: Any) -> Any:
    numpy = import_module("numpy")
    shares = numpy.column_stack([numpy.ones(len(values)), numpy.exp(values)])
    return shares / shares.sum(axis=1)[:, None]


_INVERSES: Mapping[str, Callable[[Any], Any]] = {
    "identity": lambda values: values,
    "log": lambda values: import_module("numpy").exp(values),
    "logit": _logit,
    "probit": lambda values: import_module("scipy.special").ndtr(values),
    "inverse": lambda values: 1 / values,
    "sqrt": lambda values: values**2,
    "cloglog": lambda values: 1 - import_module("numpy").exp(-import_module("numpy").exp(values)),
    "multinomial": _multinomial,
}
