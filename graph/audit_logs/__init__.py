"""Members of the contract in `graph/audit_log.py`: one file for each kind of audit log."""
