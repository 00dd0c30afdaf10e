"""`locksmith check`: for each connection what works, what is missing, and how to grant it."""
