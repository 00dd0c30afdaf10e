"""
Kubernetes objects read: pure functions from an object to nodes and edges, and the API client.

What an object refers to, how a workload picks up a new value, who may read what. Nothing here
knows where an object came from, a live cluster or a folder of manifests.
"""
