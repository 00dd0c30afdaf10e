# Locksmith, acting on engines and auth methods: beside read.hcl and act.hcl, for those who have the
# steps of docs/steps.md rotate more than KV. Take the blocks that you use, put your mounts in place
# of database, approle, pki and transit, and the names that may be rotated in place of each `+`.
#   bao policy write locksmith-act-engines deploy/vault/act-engines.hcl

# Static roles of a database engine (vault_database).
path "database/static-creds/+" {
  capabilities = ["read"]
}
path "database/static-roles/+" {
  capabilities = ["read"]
}
path "database/rotate-role/+" {
  capabilities = ["update"]
}

# Leases of its dynamic roles (vault_leases).
path "database/roles/+" {
  capabilities = ["read"]
}
path "sys/leases/lookup/database/creds/+" {
  capabilities = ["list", "sudo"]
}
path "sys/leases/lookup/database/creds/+/" {
  capabilities = ["list", "sudo"]
}
path "sys/leases/revoke-prefix/database/creds/+" {
  capabilities = ["update", "sudo"]
}
path "sys/leases/lookup" {
  capabilities = ["update"]
}
path "sys/leases/revoke" {
  capabilities = ["update"]
}

# Its root password: for good, so only where it is wanted (vault_database.rotate_root).
path "database/config/+" {
  capabilities = ["read"]
}
path "database/rotate-root/+" {
  capabilities = ["update"]
}

# Secret-ids of AppRole (vault_approle); tokens are in act.hcl.
path "auth/approle/role/+/secret-id" {
  capabilities = ["update", "list"]
}
path "auth/approle/role/+/secret-id/" {
  capabilities = ["list"]
}
path "auth/approle/role/+/secret-id/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/+/secret-id-accessor/lookup" {
  capabilities = ["update"]
}
path "auth/approle/role/+/secret-id-accessor/destroy" {
  capabilities = ["update"]
}
path "auth/approle/role/+/role-id" {
  capabilities = ["read"]
}

# Entities (vault_identity). Whoever may update an entity may give it policies.
path "identity/entity/id/+" {
  capabilities = ["read", "update"]
}
path "identity/entity/name/+" {
  capabilities = ["read"]
}

# Certificates (vault_pki).
path "pki/revoke" {
  capabilities = ["update"]
}
path "pki/cert/+" {
  capabilities = ["read"]
}
path "pki/issuer/+/crl" {
  capabilities = ["read"]
}
path "pki/issuer/+/json" {
  capabilities = ["read"]
}

# Keys (vault_transit). `decrypt` opens whatever the key has encrypted: it is only for a trial on a
# text of Locksmith's own, and can be left out, as `encrypt` can.
path "transit/keys/+" {
  capabilities = ["read"]
}
path "transit/keys/+/rotate" {
  capabilities = ["update"]
}
path "transit/keys/+/config" {
  capabilities = ["update"]
}
path "transit/encrypt/+" {
  capabilities = ["update"]
}
path "transit/decrypt/+" {
  capabilities = ["update"]
}
