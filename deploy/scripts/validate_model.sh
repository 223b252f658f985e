#!/usr/bin/env bash
#
# validate_model.sh: judges a version of a model by rows whose truth is known; nothing need run.
#
#     validate_model.sh --model NAME [--version NAME] [--data FILE --target COLUMN] [OPTION]...
#
#   --model NAME           or MODEL in the environment
#   --version NAME         or VERSION in the environment; the highest unless said
#   --models DIRECTORY     where the models are; as the configuration says unless said
#   --report FOLDER        where report.xml (JUnit) and report.json go; no files unless said
#
# All other options go to `outrigger validate` as they are: --data, --target, --against VERSION, --threshold NAME=VALUE
# (min_auc=0.9, any number of them), --running. What is good enough may stand in the section validation of the model's
# model.conf instead; outrigger(1) has the whole list of checks.
#
# Exits 0 when the version has passed, 1 when a check failed, 2 when nothing could be checked.
# SPDX-License-Identifier: MIT

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

others=()
while [ $# -gt 0 ]; do
    case $1 in
    --model) MODEL=$(value_of "$@") ;;
    --version) VERSION=$(value_of "$@") ;;
    --models) others+=(-s "models_directory=$(realpath -- "$(value_of "$@")")") ;;
    --report)
        folder=$(value_of "$@")
        mkdir -p "$folder"
        others+=(--junit "$folder/report.xml" --report "$folder/report.json")
        ;;
    --running | --quiet | --nice | --json)
        others+=("$1")
        shift
        continue
        ;;
    -h | --help) print_help ;;
    *) others+=("$1" "$(value_of "$@")") ;;
    esac
    shift 2
done
need MODEL
status=0
outrigger validate "$MODEL${VERSION:+:$VERSION}" "${others[@]}" || status=$?
[ "$status" -eq "$GOOD" ] || fail "$status" "$MODEL${VERSION:+ $VERSION} has not passed"
