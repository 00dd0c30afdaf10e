"""The tools that use Secrets, one file each: found by a folder scan, tested by one shared test."""
