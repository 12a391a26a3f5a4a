"""Processes of the operating system: started, limited, and ended with all that they started."""
