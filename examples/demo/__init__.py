"""The whole way in a few minutes: a commit of `examples/flights` becomes a live model, on this machine alone.

Everything happens in `.demo/` of the checkout, with the commands that a user types; each is shown before it runs.
`chapters` lists what is shown and how it may end, `outcomes` and `runner` decide what the demo's own end is, `terminal`
shows commands and waits, and each other module plays some chapters.
"""
