"""Serving: the model server, its prediction log, and the packaging that prepares a model for it.

`modelserver` is one lean process per replica and imports nothing of the control plane; `packaging` converts a model
folder to ONNX in the project's own environment and keeps the conversion only when it agrees with the original on
real rows; `predictionlog` is the write-ahead log of every answered request and its reader.
"""
