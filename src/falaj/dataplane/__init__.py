"""Locations: the places where inference runs, and how they come to serve what the control plane wants.

An agent (`agent/`) asks the server for the desired state, fetches and verifies each release, and hands the verified
copies to a runtime (`runtimes/`), which makes the place match: replicas behind one gateway, moved without a failed
request. The data plane outlives the agent, and the agent outlives the control plane.
"""
