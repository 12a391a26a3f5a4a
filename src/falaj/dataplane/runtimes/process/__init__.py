"""The process runtime: one Envoy and any number of model servers on one machine, over Unix sockets.

`ProcessRuntime.converge` compares what runs with what is wanted and does the next steps. It keeps everything that it
needs to know in files, so that it may be killed between any two instructions and continue.
"""

from falaj.dataplane.runtimes.process.runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
