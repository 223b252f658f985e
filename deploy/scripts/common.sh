# shellcheck shell=bash
# What the scripts beside this one share; they read it in with `.`. SPDX-License-Identifier: MIT
#
# The head of each script, from its third line to the first that is no comment, is what --help prints.

me=${0##*/}

# Exit statuses: what was wished is so, is not so, or was said wrongly; of the command, that nothing runs.
# shellcheck disable=SC2034 # the scripts use them
GOOD=0 BAD=1 USAGE=2 NOT_RUNNING=3

print_help() {
    sed -n '3,$ { /^#/!q; /SPDX/d; s/^# \{0,1\}//; p }' "$0"
    exit "$GOOD"
}

say() {
    printf '%s: %s\n' "$me" "$*"
}

# fail STATUS MESSAGE
fail() {
    printf '%s: %s\n' "$me" "$2" >&2
    exit "$1"
}

misused() {
    fail "$USAGE" "$1; see $me --help"
}

# value_of OPTION VALUE...: the word behind an option, which must be there.
value_of() {
    if [ $# -lt 2 ] || [ -z "$2" ]; then misused "$1: expected a value"; fi
    printf '%s' "$2"
}

# take_options KNOWN WORD...: sets a variable for each option of the command line. KNOWN are --option=variable, parted by spaces.
take_options() {
    local known=$1 pair variable
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help) print_help ;;
        esac
        variable=
        for pair in $known; do
            [ "$1" != "${pair%%=*}" ] || variable=${pair#*=}
        done
        [ -n "$variable" ] || misused "unknown option $1"
        value_of "$@" >/dev/null
        printf -v "$variable" '%s' "$2"
        shift 2
    done
}

# The command. OUTRIGGER may be more than a word, so that it runs where Outrigger does ("ssh -n HOST outrigger",
# "kubectl exec deploy/churn -c outrigger -- outrigger"); OUTRIGGER_OPTIONS stand behind what it is told
# ("-c /etc/outrigger/outrigger.conf").
read -ra command_words <<<"${OUTRIGGER:-outrigger}"
read -ra option_words <<<"${OUTRIGGER_OPTIONS:-}"
outrigger() {
    "${command_words[@]}" "$@" "${option_words[@]}"
}

# The model, and of some the version, must be named by option or environment.
need() {
    local option=${1,,}
    [ -n "${!1:-}" ] || misused "which $option? --$option NAME, or $1 in the environment"
}

# One member of the last roll-out of the model, "" where there is none.
rollout_field() {
    local status=0
    outrigger rollout status "$MODEL" --field "$1" 2>/dev/null || status=$?
    [ "$status" -ne "$NOT_RUNNING" ] || fail "$NOT_RUNNING" "nothing runs: ${command_words[*]} rollout status $MODEL"
}

# seconds_of OPTION DURATION: 90, 90s, 30m, 2h or 1d in seconds.
seconds_of() {
    local number=${2%[smhd]} unit=1
    [[ $number =~ ^[0-9]+$ ]] || misused "$1: expected a duration such as 90s, 30m or 2h, got $2"
    case $2 in
    *m) unit=60 ;;
    *h) unit=3600 ;;
    *d) unit=86400 ;;
    esac
    printf '%s' $((10#$number * unit))
}
