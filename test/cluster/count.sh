# What came of an upstream suite, from its log on standard input, as three numbers:
# passed, failed, skipped; sourced.

# Ginkgo counts as skipped what the focus left out as well: what was to be run and
# was not is what skipped itself.
count_netpol() {
  awk '
    /^Will run [0-9]+ of [0-9]+ specs/ { meant = $3 }
    /^Ran [0-9]+ of [0-9]+ Specs/ { ran = $2 }
    / Passed \| [0-9]+ Failed / { passed = failed = $0; sub(/ Passed.*/, "", passed); sub(/.* /, "", passed); sub(/ Failed.*/, "", failed); sub(/.* /, "", failed) }
    END { print passed + 0, failed + 0, meant - ran }'
}

# Each of the conformance tests is a subtest of one test, with its steps below it.
count_clusterpolicies() {
  awk '
    /^ +--- (PASS|FAIL|SKIP): [^\/]+\/[^\/ ]+ / { n[$2]++ }
    END { print n["PASS:"] + 0, n["FAIL:"] + 0, n["SKIP:"] + 0 }'
}
