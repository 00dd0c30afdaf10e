"""One file per place that is read into the graph; see `graph/collector.py` for the contract."""
