"""Labels, probabilities or both: by default, by the project's word, and by the caller's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from falaj.dataplane.model_server.oip_response import model_metadata
from falaj.models.answers import AnswerForms
from falaj.models.errors import InvalidInputError, ModelError
from falaj.models.signature import ModelSignature

CLASSIFIER = {"label": np.array(["late", "ok"], dtype="O"), "probability": np.array([[0.75, 0.25], [0.5, 0.5]])}
REGRESSION = {"prediction": np.array([1.5, np.nan])}
LABELS, PROBABILITIES, CLASSES = ["late", "ok"], [[0.75, 0.25], [0.5, 0.5]], ["late", "ok"]
BOTH = {"predictions": LABELS, "probabilities": PROBABILITIES, "classes": CLASSES}
ALONE = {"predictions": PROBABILITIES, "classes": CLASSES}


def invoked(forms: AnswerForms, answer: str | None, outputs: Any = CLASSIFIER) -> Any:
    return json.loads(forms.invocations(answer)(outputs))


@pytest.mark.parametrize(
    ("default", "configured", "expected", "inferred"),
    [
        ("label", None, {"predictions": LABELS}, None),
        ("probability", None, ALONE, None),
        ("label", "probabilities", ALONE, ("probability",)),
        ("probability", "label", {"predictions": LABELS}, ("label",)),
        ("label", "both", BOTH, None),
    ],
)
def test_the_project_and_mlflow_say_what_is_answered(
    default: str, configured: str | None, expected: Any, inferred: Any
) -> None:
    forms = AnswerForms(CLASSIFIER, default, configured, CLASSES)
    assert invoked(forms, None) == expected
    assert forms.output_names(None) == inferred
    assert invoked(forms, "label") == {"predictions": LABELS}
    assert invoked(forms, "probabilities") == ALONE
    assert invoked(forms, "both") == BOTH
    assert [forms.output_names(each) for each in ("label", "probabilities", "both")] == [
        ("label",),
        ("probability",),
        ("label", "probability"),
    ]


def test_the_metadata_say_what_probabilities_are_of() -> None:
    outputs = {"label": ("BYTES", ()), "probability": ("FP64", (2,))}
    of = {"model": "m", "version": "1", "platform": "sklearn"}
    document = json.loads(model_metadata(ModelSignature((), columns=True), outputs, classes=CLASSES, **of))
    label, probability = document["outputs"]
    assert "parameters" not in label and probability["parameters"] == {"classes": CLASSES}
    assert "parameters" not in json.loads(model_metadata(ModelSignature((), columns=True), outputs, **of))["outputs"][1]


def test_a_model_without_probabilities_says_so() -> None:
    forms = AnswerForms(REGRESSION, "prediction")
    for answer in (None, "label", "both"):
        assert invoked(forms, answer, REGRESSION) == {"predictions": [1.5, None]}
    for ask in (forms.invocations, forms.output_names):
        with pytest.raises(InvalidInputError, match="no probabilities") as refused:
            ask("probabilities")
        assert refused.value.field == "answer"
        with pytest.raises(InvalidInputError, match="label, probabilities, both"):
            ask("proba")
    with pytest.raises(ModelError, match="the model gives none"):
        AnswerForms(REGRESSION, "prediction", "probabilities")
