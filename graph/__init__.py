"""
What is true: secrets, where they lie, who uses them, who can read them, and what is not known.

No incident, no Slack and no change to the world belongs here.
"""
