"""What we do about a leak: incidents, playbooks, plans, approvals, runs, steps, pagers, audit."""
