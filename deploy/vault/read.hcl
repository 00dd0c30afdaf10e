# Locksmith, reading: what the graph and the match of a leaked value need.
# Mount "kv" stands for each of your KV v2 mounts. Works for Vault and OpenBao.
#   bao policy write locksmith-read deploy/vault/read.hcl

# Its own token: how long it lives, and a longer life. (The policy "default" grants both as well.)
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}

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
path "auth/+/role" {
  capabilities = ["list"]
}
# "list" here too: the path of a list ends in "/", which "+" takes for an empty name.
path "auth/+/role/+" {
  capabilities = ["read", "list"]
}
# Users, groups and certificates of the methods userpass, ldap and cert, the same way.
path "auth/+/users" {
  capabilities = ["list"]
}
path "auth/+/users/+" {
  capabilities = ["read", "list"]
}
path "auth/+/groups" {
  capabilities = ["list"]
}
path "auth/+/groups/+" {
  capabilities = ["read", "list"]
}
path "auth/+/certs" {
  capabilities = ["list"]
}
path "auth/+/certs/+" {
  capabilities = ["read", "list"]
}
# Which cluster's accounts log in at a mount of the method kubernetes.
path "auth/+/config" {
  capabilities = ["read"]
}
# Entities and groups: whose policies add to those of a token. No credential is in them.
path "identity/entity/id" {
  capabilities = ["list"]
}
path "identity/entity/id/+" {
  capabilities = ["read", "list"]
}
path "identity/group/id" {
  capabilities = ["list"]
}
path "identity/group/id/+" {
  capabilities = ["read", "list"]
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
# Then give this instead: the names of fields, without values.
path "kv/subkeys/*" {
  capabilities = ["read"]
}

# Recognise a leaked token: whose it is and what it opens. The token travels in the request body.
path "auth/token/lookup" {
  capabilities = ["update"]
}
path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}
