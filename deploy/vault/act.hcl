# Locksmith, acting: what the approved steps change. Give it beside read.hcl, and only for the
# paths that Locksmith may rotate; `response.allow` in its configuration narrows it once more.
#   bao policy write locksmith-act deploy/vault/act.hcl

# A new version of a secret: one field is patched, the others are neither read nor sent.
path "kv/data/*" {
  capabilities = ["read", "patch"]
}
# Who rotated it, for which incident: the marker that makes a repeated step harmless.
path "kv/metadata/*" {
  capabilities = ["read", "list", "patch"]
}
# The leaked version, gone for good.
path "kv/destroy/*" {
  capabilities = ["update"]
}
# A leaked token, dead, by its accessor.
path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}
# The proof: it is no longer in the list.
path "auth/token/accessors" {
  capabilities = ["list", "sudo"]
}
path "auth/token/accessors/" {
  capabilities = ["list", "sudo"]
}
