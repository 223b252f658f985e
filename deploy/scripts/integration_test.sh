#!/usr/bin/env bash
#
# integration_test.sh: asks a running service from outside, as its clients do.
#
#     integration_test.sh --url https://ml.example.com --model NAME [--version NAME] [--golden FILE]
#
#   --url URL              where the web server answers
#   --model NAME           or MODEL in the environment
#   --version NAME         or VERSION in the environment; what the model's route gives unless said
#   --golden FILE          a golden.json: each of its requests is asked, and must be answered 200, by that version
#
# It looks at /health, /ready, the model's description and the refusal of a body that is none. API_KEY in the environment
# is shown as X-API-Key. Whether golden requests are answered with the right values, the service has tried itself before
# it gave the version any traffic.
#
# Exits 0 when all is as it should be, 1 when something is not (all of it is told), 2 for a wrong command line.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

url='' golden='' failures=0
take_options "--url=url --model=MODEL --version=VERSION --golden=golden" "$@"
need MODEL
[ -n "$url" ] || misused "which service? --url URL"
[ -z "$golden" ] || [ -r "$golden" ] || misused "--golden: cannot read $golden"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
answer=$folder/answer requests=$folder/requests
# In a file, since a command line is everybody's to read.
printf '%s\n' ${API_KEY:+"X-API-Key: $API_KEY"} >"$folder/headers"

# expect STATUS WORD PATH [CURL'S OPTION]...: the answer must have that status, and that word in it.
expect() {
    local status=$1 word=$2 path=$3 got
    shift 3
    : >"$answer"
    got=$(curl -sS --max-time 30 -H "@$folder/headers" -o "$answer" -w '%{http_code}' "$@" "${url%/}$path") || got="none (curl: $?)"
    if [ "$got" = "$status" ] && grep -qF -- "$word" "$answer"; then
        say "$path: $status"
    else
        printf '%s: %s: expected %s with %s, got %s: %.300s\n' "$me" "$path" "$status" "$word" "$got" "$(tr -d '\0' <"$answer")" >&2
        failures=$((failures + 1))
    fi
}

model=/api/v1/models/$MODEL
predict=$model${VERSION:+/versions/$VERSION}/predict
expect 200 '' /health
expect 200 '' /ready
expect 200 "\"${VERSION:-$MODEL}\"" "$model"
expect 400 '"detail"' "$predict" -H 'Content-Type: application/json' --data-binary '{'
if [ -n "$golden" ]; then
    python3 -c '
import json, sys
for request in json.load(open(sys.argv[1]))["requests"]:
    print(json.dumps({name: value for name, value in request.items() if name == "features"}))' "$golden" >"$requests"
    while read -r request; do
        expect 200 "\"model_version\":\"${VERSION:-}" "$predict" -H 'Content-Type: application/json' --data-binary "$request"
    done <"$requests"
fi
[ "$failures" -eq 0 ] || fail "$BAD" "$failures wrong"
say "all is as it should be"
