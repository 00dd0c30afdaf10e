"""The graph kept current while it is used: watches on clusters, polls of stores, shared turns."""
