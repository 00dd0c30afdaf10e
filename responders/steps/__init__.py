"""One file per kind of change to the world; see `responders/step.py` for the contract."""
