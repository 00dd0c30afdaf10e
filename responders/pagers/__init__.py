"""One file per way to reach a person; see `responders/pager.py` for the contract."""
