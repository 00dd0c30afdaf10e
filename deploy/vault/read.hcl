# Locksmith, reading: what the graph and the match of a leaked value need.
# Mount "kv" stands for each of your KV v2 mounts. Works for Vault and OpenBao.
#   bao policy write locksmith-read deploy/vault/read.hcl

# Which mounts, policies and roles there are.
path "sys/mounts" {
  capabilities = ["read"]
}
path "sys/policies/acl" {
  capabilities = ["list"]
}
path "sys/policies/acl/*" {
  capabilities = ["read"]
}
path "sys/auth" {
  capabilities = ["read"]
}
path "auth/approle/role" {
  capabilities = ["list"]
}
path "auth/approle/role/*" {
  capabilities = ["read"]
}

# Names, versions and owners of secrets; no values.
path "kv/metadata/*" {
  capabilities = ["read", "list"]
}

# Values, in memory, one at a time, to fingerprint them. Leave this out (and set
# `fingerprint: false`) if Locksmith must not read values: a leak then matches by name only.
path "kv/data/*" {
  capabilities = ["read"]
}

# Recognise a leaked token: whose it is and what it opens. The token travels in the request body.
path "auth/token/lookup" {
  capabilities = ["create", "update"]
}
path "auth/token/lookup-accessor" {
  capabilities = ["create", "update"]
}
