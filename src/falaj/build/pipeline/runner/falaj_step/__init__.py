"""Runs one step: loads what the function asks for, calls it, writes what it returns."""
