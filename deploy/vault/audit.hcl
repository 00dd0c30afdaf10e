# Locksmith, who was served a leaked value: for a vault whose `audit_log` is configured.
#   bao policy write locksmith-audit deploy/vault/audit.hcl

# The names of the audit devices. Left out where `audit_devices` names them.
path "sys/audit" {
  capabilities = ["read", "sudo"]
}
# What a device calls a value. It tells nothing about values that one does not have.
path "sys/audit-hash/+" {
  capabilities = ["update"]
}
