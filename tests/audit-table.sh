#!/bin/sh
# Prints which tests show that a finding of the audits cannot come back, and fails where none does.
# `make test` runs it after the tests, so all of these passed.
set -eu

cd "$(dirname -- "$0")/.."
findings="DEP-001 STATE-001 STATE-002 ASYNC-001 VALID-001 ATOMIC-001 TEST-001 SEC-001 LOGIC-001 CONFIG-001 PERF-001 DB-001 SEC-002"
verdicts="atomic_start path_traversal budget_arithmetic preflight connections"
status=0
for finding in $findings $verdicts; do
    name=$(printf '%s' "$finding" | tr 'A-Z-' 'a-z_')
    found=$(grep -rn --include='*.rs' "fn audit_${name}_\{0,1\}[a-z0-9_]*" host plugins tests | sed -E 's/^([^:]+):[0-9]+:.*fn ([a-z0-9_]+).*/\2  (\1)/' | sort)
    if [ -z "$found" ]; then
        printf '%-20s NO TEST\n' "$finding"
        status=1
    else
        printf '%s\n' "$found" | while IFS= read -r line; do printf '%-20s %s\n' "$finding" "$line"; done
    fi
done
exit $status
