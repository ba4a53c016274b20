#!/usr/bin/env bash
# Runs a real Docker engine for tests, beside any other that this machine may have: with files, processes, mounts and a network
# of its own.
#
#   docker.sh start DIR [--host-network] [--until PID]
#                                          starts it, and waits until it answers; with --until it is stopped, and DIR removed,
#                                          when that process ends
#   docker.sh run DIR COMMAND [ARGUMENT…]  runs a command, with DOCKER_HOST, in the network where the engine publishes ports
#   docker.sh stop DIR [--remove]          ends its containers and itself; --remove: and removes DIR
#
# The network is a namespace that leads nowhere: bridges, compose's networks and ports published on loopback work, nothing else
# can be reached, and no port clashes with another's. With --host-network there are no bridges, and containers use this
# machine's network (docker build --network host), as a build that installs packages has to. One DIR may be used both ways, one
# after the other: images stay.
#
# All of its processes are in a namespace whose end is theirs; its mounts and its network go with them.
#
# Needs root, and the packages docker.io and iptables. Ends with 0 when it is done, 2 for bad usage, 77 where an engine can't be
# had here, and 1 otherwise.
set -euo pipefail

seconds_to_start=180
seconds_to_stop=20

fail() { echo "docker.sh: $1" >&2; exit "${2:-1}"; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
bad_usage() { echo "docker.sh: $1; see docker.sh --help" >&2; exit 2; }

need() {
  ((EUID == 0)) || fail "a Docker engine of one's own needs root" 77
  local each
  for each in dockerd:docker.io iptables:iptables tini:tini unshare:util-linux ip:iproute2 curl:curl; do
    command -v "${each%%:*}" >/dev/null || fail "there is no ${each%%:*}: apt-get install ${each##*:}" 77
  done
  unshare --mount --pid --net --fork true 2>/dev/null || fail "this machine allows no namespaces (unshare)" 77
}

# The pid may be another process's by now: only one that was started for this very directory is ours.
runs() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "--data-root=$1/data"
}

answers() { curl -sf --max-time 5 --unix-socket "$1/docker.sock" http://engine/_ping >/dev/null 2>&1; }

group_of() { echo "evermill-docker-$(stat -c %i "$1")"; }

start() {
  # Nobody beyond could be asked for a name that is not there: it is said at once.
  local dir=$1 namespaces=(--net) network=(--dns=127.0.0.1) until=
  shift
  while (($#)); do
    case $1 in
      --host-network)
        namespaces=()
        network=(--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false)
        ;;
      --until)
        until=${2:-}
        [[ $until =~ ^[0-9]+$ ]] || bad_usage "--until needs a process id"
        shift
        ;;
      *) bad_usage "what is '$1'?" ;;
    esac
    shift
  done
  need
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  runs "$dir" && fail "there runs one in $dir"
  rm -f "$dir/docker.sock"
  # Loopback is down in a new network. tini: what containerd leaves behind is waited for.
  # shellcheck disable=SC2016
  unshare "${namespaces[@]}" --mount --pid --fork --kill-child --mount-proc \
    bash -c 'ip link set lo up; exec tini -- "$@"' engine \
    dockerd --host="unix://$dir/docker.sock" --data-root="$dir/data" --exec-root="$dir/exec" --pidfile="$dir/dockerd.pid" \
    --cgroup-parent="/$(group_of "$dir")" --shutdown-timeout=3 "${network[@]}" >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  disown
  if [[ -n $until ]]; then
    # shellcheck disable=SC2016
    setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2" stop "$3" --remove' watcher "$until" "$(realpath "$0")" "$dir" \
      >/dev/null 2>&1 </dev/null &
    echo $! >"$dir/watcher"
    disown
  fi
  local deadline=$((SECONDS + seconds_to_start))
  until answers "$dir"; do
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || { tail -20 "$dir/log" >&2; fail "the engine has ended (all of it in $dir/log)"; }
    ((SECONDS < deadline)) || { tail -20 "$dir/log" >&2; stop "$dir"; fail "the engine does not answer after $seconds_to_start s"; }
    sleep 0.1
  done
}

started() {
  [[ -d $1 ]] || fail "nothing was started in $1"
  (cd "$1" && pwd)
}

run() {
  local dir=$1 pid
  runs "$dir" || fail "no engine runs in $dir"
  pid=$(cat "$dir/pid")
  export DOCKER_HOST="unix://$dir/docker.sock"
  exec nsenter --net="/proc/$pid/ns/net" -- "${@:2}"
}

# The engine is asked first, so that what it stores is whole; then its namespace is ended.
stop() {
  local dir=$1 pid first deadline
  pid=$(cat "$dir/watcher" 2>/dev/null || true)
  if [[ -n $pid && $pid != "$$" ]] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF watcher; then
    kill -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$dir/watcher"
  if runs "$dir"; then
    pid=$(cat "$dir/pid")
    first=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)  # tini, as it is called outside
    # shellcheck disable=SC2086
    [[ -z $first ]] || kill -TERM $first 2>/dev/null || true
    deadline=$((SECONDS + seconds_to_stop))
    while runs "$dir" && ((SECONDS < deadline)); do sleep 0.1; done
    while runs "$dir"; do
      kill -KILL "$pid" 2>/dev/null || true
      sleep 0.1
    done
  fi
  rm -f "$dir/pid" "$dir/docker.sock"
  # What the kernel keeps when containers had no time to end.
  local group
  for group in /sys/fs/cgroup/*/"$(group_of "$dir")" /sys/fs/cgroup/"$(group_of "$dir")"; do
    [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} + || true
  done
}

command=${1:-}
case $command in
  -h | --help) usage; exit 0 ;;
  start | run | stop) ;;
  *) bad_usage "'$command' is no command" ;;
esac
[[ -n ${2:-} ]] || bad_usage "$command needs a directory"
case $command in
  start) start "${@:2}" ;;
  run)
    (($# > 2)) || bad_usage "run needs a command"
    run "$(started "$2")" "${@:3}"
    ;;
  stop)
    dir=$(started "$2")
    [[ ${3:-} == "" || ${3:-} == --remove ]] || bad_usage "what is '$3'?"
    stop "$dir"
    [[ ${3:-} == "" ]] || rm -rf --one-file-system "$dir"
    ;;
esac
