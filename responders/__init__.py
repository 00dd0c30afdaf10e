"""What we do about a leak: incidents, playbooks, plans, approvals, durable runs, steps, pagers, audit."""
