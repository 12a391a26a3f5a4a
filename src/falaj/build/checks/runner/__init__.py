"""What runs in the project's environment, where Falaj is not installed: scores, table statistics, model behaviour.

`launch.py` is run by path and makes these modules importable under a private name. They may import the standard
library, numpy and what the project itself has; `models.py` also what serves models, which imports no more than that
and ONNX Runtime, and comes last on the path.
"""
