# What the end-to-end tests share; read by each of them with the program as its first argument and a
# folder of the build tree as its second.
set -eu
cd "$(dirname "$0")/../.." # the root of the source tree
program=$1
shared=$2 # outlives the test: what one test makes for others
recipe=configs/train/tiny.json
tiny=$shared/tiny/model

# Other tests run at the same time: threads that wait must not spin.
OMP_WAIT_POLICY=passive
export OMP_WAIT_POLICY

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# status N COMMAND...: runs it with its output in $work/out and $work/err; it must end with status N.
status()
{
    expected=$1
    shift
    rc=0
    "$@" >"$work/out" 2>"$work/err" || rc=$?
    [ $rc -eq "$expected" ] && return
    tail -n 20 "$work/out" "$work/err" >&2
    fail "status $rc instead of $expected: $*"
}

# says FILE TEXT: the file (out or err: of the last command) holds the text, literally.
says()
{
    case $1 in
    out | err) file=$work/$1 ;;
    *) file=$1 ;;
    esac
    grep -qF -- "$2" "$file" || {
        tail -n 20 "$file" >&2
        fail "expected in $1: $2"
    }
}

full_output()
{
    rc=0
    "$@" >/dev/full 2>"$work/err" || rc=$?
    [ $rc -eq 1 ] || fail "status $rc where standard output cannot be written: $*"
    grep -q '^elenchus: .' "$work/err" || fail "no message where standard output cannot be written: $*"
}

# unwritable COMMAND...: where standard output cannot be written a program must say so and end with
# status 1, whether that shows at once or when its buffer is written.
unwritable()
{
    [ -w /dev/full ] || return 0
    full_output "$@"
    stdbuf -o0 "$program" --version >"$work/out" 2>&1 || return 0 # not under sanitizers
    full_output stdbuf -o0 "$@"
}

same()
{
    cmp "$1" "$2" || fail "different: $1 and $2"
}

skip()
{
    echo "skipped: $*"
    exit 77
}
