# Locksmith, the index key in transit: for `fingerprint.transit: {store: main, key: locksmith}`.
#   bao write -f transit/keys/locksmith
#   bao policy write locksmith-transit deploy/vault/transit.hcl

path "transit/keys/locksmith" {
  capabilities = ["read"]
}
path "transit/hmac/locksmith/sha2-256" {
  capabilities = ["update"]
}
