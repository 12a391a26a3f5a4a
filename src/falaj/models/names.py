"""The names that a model file may reach, one by one.

`allowed_names.txt` is written by `python -m tests.models.allowed_names` from what the estimators of the supported
libraries really contain. A pattern would be shorter and let in what nobody looked at: a class that evaluates its text,
an archive reader that unpickles.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

UNRESOLVED = "?"
LIBRARIES = frozenset(
    {"catboost", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "statsmodels", "xgboost"}
)
"""Modules of these names are never a project's own, whatever lies in its folder."""

ALLOWED = frozenset(Path(__file__).with_name("allowed_names.txt").read_text().split())


BOOSTERS = frozenset(
    {
        "catboost.core.CatBoost", "catboost.core.CatBoostClassifier", "catboost.core.CatBoostRanker",
        "catboost.core.CatBoostRegressor", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor", "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRFClassifier", "xgboost.sklearn.XGBRFRegressor", "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRegressor",
    }
)  # fmt: skip
"""Boosters of other libraries: in a skops file, where they are the library's own text or bytes beside parameters. A
pickle may not name them."""


_PANDAS = """
pandas: BooleanDtype Categorical CategoricalDtype DataFrame Float32Dtype Float64Dtype Index Int16Dtype Int32Dtype
 Int64Dtype Int8Dtype MultiIndex NA RangeIndex Series StringDtype Timedelta Timestamp
pandas.arrays: ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray StringArray TimedeltaArray
pandas._libs.arrays: __pyx_unpickle_NDArrayBacked
pandas._libs.internals: _unpickle_block
pandas._libs.missing: NA
pandas._libs.tslibs.nattype: _nat_unpickle
pandas._libs.tslibs.timedeltas: _timedelta_unpickle
pandas._libs.tslibs.timestamps: _unpickle_timestamp
pandas.core.arrays.boolean: BooleanArray BooleanDtype
pandas.core.arrays.categorical: Categorical
pandas.core.arrays.datetimes: DatetimeArray
pandas.core.arrays.floating: Float64Dtype FloatingArray
pandas.core.arrays.integer: Int64Dtype IntegerArray
pandas.core.arrays.string_: StringArray StringDtype
pandas.core.arrays.string_arrow: ArrowStringArray
pandas.core.arrays.timedeltas: TimedeltaArray
pandas.core.dtypes.dtypes: CategoricalDtype
pandas.core.frame: DataFrame
pandas.core.indexes.base: Index _new_Index
pandas.core.indexes.multi: MultiIndex
pandas.core.indexes.range: RangeIndex
pandas.core.internals.blocks: new_block
pandas.core.internals.managers: BlockManager SingleBlockManager
pandas.core.series: Series
pyarrow.lib: _restore_array py_buffer type_for_alias
"""
TABLES = frozenset(
    f"{module}.{name}"
    for module, _, names in (line.partition(":") for line in _PANDAS.replace("\n ", " ").split("\n"))
    for name in names.split()
)
"""What the tables of pandas are made of, in its versions 2 and 3. Transformers of projects and of other libraries learn
such tables. They are made from buffers that nothing here looks into: so only beside code that is confined anyway."""


@dataclass(frozen=True)
class Import:
    """A name that a model file reaches.

    Attributes:
        module: The module, or `?` when the file does not say.
        name: The name within it; dots walk through attributes.
        position: Byte in a pickle.
    """

    module: str
    name: str
    position: int = 0

    def __str__(self) -> str:
        """`module.name`."""
        return f"{self.module}.{self.name}"


def forbidden(
    imports: Iterable[Import], *, own: Collection[str] = (), also: Collection[str] = frozenset()
) -> list[Import]:
    """The names that a model file has no business with.

    Args:
        imports: What it reaches.
        own: Top-level modules of the project whose model it is; their code runs behind the sandbox.
        also: Further names that files of its form may reach.
    """
    return [one for one in imports if str(one) not in also and not is_allowed(one, own)]


def is_allowed(one: Import, own: Collection[str] = ()) -> bool:
    """Whether a name is on the list, or of code that is loaded behind the sandbox, or of tables that it learned.

    A dotted name walks from an innocent module to whatever that has imported, so none is allowed.
    """
    if "." in one.name or UNRESOLVED in (one.module, one.name):
        return False
    beyond = only_own(own)
    return str(one) in ALLOWED or one.module.partition(".")[0] in beyond or (bool(beyond) and str(one) in TABLES)


def only_own(modules: Iterable[str]) -> frozenset[str]:
    """Those that can be a project's own: none that Python or a library of models has."""
    return frozenset(modules) - sys.stdlib_module_names - LIBRARIES - {"falaj", "__main__"}
