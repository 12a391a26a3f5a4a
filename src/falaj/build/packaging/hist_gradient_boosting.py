"""Histogram gradient boosting of scikit-learn as an ONNX graph, with its categories and missing values.

The released converter writes attributes that newer ONNX rejects and knows no categorical splits. This one writes one
`TreeEnsemble` (ai.onnx.ml 5): a categorical split is set membership, a missing value goes where the tree sends it,
and leaves are summed in double precision. Thresholds are rounded like the features, so no comparison changes.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_LESS_OR_EQUAL, _MEMBER = 0, 6
_SUM, _NO_TRANSFORM = 1, 0


@dataclass
class _Trees:
    """The flat arrays of a `TreeEnsemble` while trees are added to it."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    missing_left: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    left_is_leaf: list[int] = field(default_factory=list)
    right_is_leaf: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, predictor: Any, target: int) -> None:
        """Append one tree that adds to the given output column."""
        nodes = predictor.nodes
        inner = {int(old): len(self.features) + new for new, old in enumerate(np.flatnonzero(nodes["is_leaf"] == 0))}
        leaves = {int(old): len(self.weights) + new for new, old in enumerate(np.flatnonzero(nodes["is_leaf"] == 1))}
        self.roots.append(inner.get(0, len(self.features)))
        for old in inner:
            self._add_node(nodes[old], predictor, inner, leaves)
        if not inner:
            self._add_lone_leaf()
        for old in leaves:
            self.targets.append(target)
            self.weights.append(float(nodes[old]["value"]))

    def _add_node(self, node: Any, predictor: Any, inner: dict[int, int], leaves: dict[int, int]) -> None:
        categorical = bool(node["is_categorical"])
        self.features.append(int(node["feature_idx"]))
        self.modes.append(_MEMBER if categorical else _LESS_OR_EQUAL)
        # The features are float32; rounding is monotone, so x <= t holds after it wherever it held before.
        self.splits.append(0.0 if categorical else float(np.float32(node["num_threshold"])))
        self.missing_left.append(int(node["missing_go_to_left"]))
        for child, ids, is_leaf in (
            (int(node["left"]), self.left, self.left_is_leaf),
            (int(node["right"]), self.right, self.right_is_leaf),
        ):
            is_leaf.append(int(child in leaves))
            ids.append(leaves[child] if child in leaves else inner[child])
        if categorical:
            # Categories count from 1 in the graph; NaN ends each set.
            words = predictor.raw_left_cat_bitsets[int(node["bitset_idx"])]
            self.members += [*(float(category + 1) for category in _bits(words)), float("nan")]

    def _add_lone_leaf(self) -> None:
        """A tree that is one leaf: a node whose two branches are that leaf."""
        self.features.append(0)
        self.splits.append(0.0)
        self.modes.append(_LESS_OR_EQUAL)
        self.missing_left.append(0)
        for ids, is_leaf in ((self.left, self.left_is_leaf), (self.right, self.right_is_leaf)):
            ids.append(len(self.weights))
            is_leaf.append(1)

    def attributes(self, targets: int) -> dict[str, Any]:
        """Attributes of the node."""
        from onnx import numpy_helper

        def tensor(name: str, values: Sequence[float], dtype: Any = np.float64) -> Any:
            return numpy_helper.from_array(np.array(values, dtype), name)

        tree_attributes = {
            "tree_roots": self.roots,
            "nodes_featureids": self.features,
            "nodes_splits": tensor("nodes_splits", self.splits),
            "nodes_modes": tensor("nodes_modes", self.modes, np.uint8),
            "nodes_missing_value_tracks_true": self.missing_left,
            "nodes_truenodeids": self.left,
            "nodes_falsenodeids": self.right,
            "nodes_trueleafs": self.left_is_leaf,
            "nodes_falseleafs": self.right_is_leaf,
            "leaf_targetids": self.targets,
            "leaf_weights": tensor("leaf_weights", self.weights),
            "n_targets": targets,
            "aggregate_function": _SUM,
            "post_transform": _NO_TRANSFORM,
        }
        return tree_attributes | (
            {"membership_values": tensor("membership_values", self.members)} if self.members else {}
        )


def _bits(words: Any) -> list[int]:
    return [32 * index + bit for index, word in enumerate(words) for bit in range(32) if int(word) >> bit & 1]


class _Graph:
    """Adds nodes to a converter's container and names what they give."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def constant(self, values: Any) -> str:
        """Add an initializer."""
        from onnx import helper

        array = np.asarray(values)
        name: str = self._scope.get_unique_variable_name("constant")
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self._container.add_initializer(name, kind, list(array.shape), array.reshape(-1).tolist())
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node of the default domain, or of ai.onnx.ml when `version` is given."""
        name: str = output or self._scope.get_unique_variable_name(kind.lower())
        version = attributes.pop("version", None)
        domain = {"op_domain": "ai.onnx.ml", "op_version": version} if version else {"op_version": 18}
        self._container.add_node(
            kind, list(inputs), [name], name=self._scope.get_unique_operator_name(kind), **domain, **attributes
        )
        return name


def _encoded(graph: _Graph, features: str, model: Any) -> str:
    """The matrix the trees look at: categories first, as numbers from 1; everything else behind them."""
    encoder = model._preprocessor.named_transformers_["encoder"]
    categorical = np.flatnonzero(model.is_categorical_)
    numerical = np.flatnonzero(~np.asarray(model.is_categorical_))
    parts = [
        _codes(graph, graph.node("Gather", [features, graph.constant(np.array([index]))], axis=1), categories)
        for index, categories in zip(categorical, encoder.categories_, strict=True)
    ]
    if len(numerical):
        parts.append(graph.node("Gather", [features, graph.constant(numerical)], axis=1))
    return graph.node("Concat", parts, axis=1)


def _codes(graph: _Graph, column: str, categories: Any) -> str:
    category_values = [float(value) for value in categories if not np.isnan(float(value))]
    codes = [float(index + 1) for index in range(len(category_values))]
    return graph.node(
        "LabelEncoder",
        [column],
        keys_floats=category_values,
        values_floats=codes,
        default_float=float("nan"),
        version=2,
    )


def _raw(graph: _Graph, operator: Any) -> str:
    """Baseline plus the sum of all trees, [n, trees an iteration], in double precision."""
    from onnx import TensorProto

    model = operator.raw_operator
    features = graph.node("Cast", [operator.inputs[0].full_name], to=TensorProto.FLOAT)
    if model.is_categorical_ is not None:
        features = _encoded(graph, features, model)
    trees = _Trees()
    for iteration in model._predictors:
        for target, predictor in enumerate(iteration):
            trees.add(predictor, target)
    wide = graph.node("Cast", [features], to=TensorProto.DOUBLE)
    total = graph.node("TreeEnsemble", [wide], version=3, **trees.attributes(model.n_trees_per_iteration_))
    return graph.node("Add", [total, graph.constant(np.asarray(model._baseline_prediction, np.float64).reshape(1, -1))])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    from onnx import TensorProto

    graph, model = _Graph(scope, container), operator.raw_operator
    raw = _raw(graph, operator)
    if model.n_trees_per_iteration_ == 1:
        positive = graph.node("Sigmoid", [raw])
        negative = graph.node("Sub", [graph.constant(np.array([1.0])), positive])
        probabilities = graph.node("Concat", [negative, positive], axis=1)
    else:
        probabilities = graph.node("Softmax", [raw], axis=1)
    best = graph.node("ArgMax", [probabilities], axis=1, keepdims=0)
    _labels(graph, best, np.asarray(model.classes_), operator.outputs[0].full_name)
    graph.node("Cast", [probabilities], operator.outputs[1].full_name, to=TensorProto.FLOAT)


def _labels(graph: _Graph, best: str, classes: Any, output: str) -> None:
    positions = list(range(len(classes)))
    values: dict[str, Any]
    if classes.dtype.kind in "biu":
        values = {"values_int64s": [int(value) for value in classes]}
    else:
        values = {"values_strings": [str(value) for value in classes]}
    graph.node("LabelEncoder", [best], output, keys_int64s=positions, version=2, **values)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    from onnx import TensorProto

    graph, model = _Graph(scope, container), operator.raw_operator
    raw = _raw(graph, operator)
    if type(model._loss.link).__name__ == "LogLink":
        raw = graph.node("Exp", [raw])
    graph.node("Cast", [raw], operator.outputs[0].full_name, to=TensorProto.FLOAT)


def raise_opset(graph: Any) -> None:
    """Declare the opset that `TreeEnsemble` needs, in place.

    skl2onnx refuses to write versions of ai.onnx.ml that its own converters do not use; so the node is written under
    an older one and the finished model is declared as what it is.

    Args:
        graph: A converted `onnx.ModelProto`.
    """
    if any(node.op_type == "TreeEnsemble" for node in graph.graph.node):
        for opset in graph.opset_import:
            if opset.domain == "ai.onnx.ml":
                opset.version = 5
        graph.ir_version = max(graph.ir_version, 10)


def register() -> None:
    """Let skl2onnx use these converters."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    update_registered_converter(
        HistGradientBoostingClassifier,
        "FalajHistGradientBoostingClassifier",
        calculate_linear_classifier_output_shapes,
        _convert_classifier,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]},
    )
    update_registered_converter(
        HistGradientBoostingRegressor,
        "FalajHistGradientBoostingRegressor",
        calculate_linear_regressor_output_shapes,
        _convert_regressor,
    )
