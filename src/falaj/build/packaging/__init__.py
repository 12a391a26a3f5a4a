"""Packaging: a model folder made ready to serve, with proof that the conversion answers like the original.

scikit-learn models are converted to ONNX in the project's own environment; the conversion is kept only when it agrees
with the estimator on real rows and on rows with unknown categories and missing values. Otherwise the folder keeps its
native flavor and the result says why.
"""

from falaj.build.packaging.parity import Parity
from falaj.build.packaging.result import PackagingError, PackagingResult
from falaj.build.packaging.run import package_model

__all__ = ["PackagingError", "PackagingResult", "Parity", "package_model"]
