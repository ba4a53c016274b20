#!/usr/bin/env bash
# Runs a real Apache Kafka (KRaft) on this machine's loopback, for tests and for trying things out.
#
#   kafka.sh fetch                                fetches the jars, once
#   kafka.sh where                                says where they are, or would be
#   kafka.sh start DIR [--brokers 1|3] [--port P] starts one broker, or three (replication 3, two in-sync replicas), and waits
#                  [--proxies yes]                until they answer; then DIR/address says where, as "host:port,…". With proxies
#                                                 each broker can be reached in a second way, too: DIR/proxies has a line with
#                                                 two ports for each, one that its clients will use, on which you have to
#                  [--login yes]                  forward to the other. With a login there is a third way, DIR/secured, over TLS
#                                                 (DIR/ca.pem) for the user "evermill" (PLAIN, DIR/password), and a fourth,
#                                                 DIR/mutual, for who shows the certificate DIR/client.crt (DIR/client.key)
#   kafka.sh kill DIR N                           ends broker N (1, 2, 3) with SIGKILL
#   kafka.sh up DIR N                             brings it back and waits until it answers
#   kafka.sh pause DIR N | resume DIR N           SIGSTOP and SIGCONT
#   kafka.sh stop DIR                             ends what runs there, by the pids in DIR/broker-N.pid
#
# DIR is created, and keeps what the brokers store: a start with a DIR that was used before goes on with its data. Without
# --port free ports are chosen; with it broker N listens on P + 2(N - 1) and its controller on the port after that.
#
#   EVERMILL_KAFKA_LIBS   where the jars are or are put; by default $XDG_CACHE_HOME/evermill/kafka-VERSION
#   EVERMILL_KAFKA_HEAP   megabytes that one broker may use; by default 384
#
# Needs Java 17, Maven for the first fetch, and kcat. Ends with 0 when it is done, 2 for bad usage, 77 where Java, Maven, kcat
# or the jars can't be had, and 1 otherwise.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml")
libs=${EVERMILL_KAFKA_LIBS:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/evermill/kafka-$version}
heap=${EVERMILL_KAFKA_HEAP:-384}
jvm=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Djava.awt.headless=true
     -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
seconds_to_start=240

fail() { echo "kafka.sh: $1" >&2; exit "${2:-1}"; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; }
bad_usage() { echo "kafka.sh: $1; see kafka.sh --help" >&2; exit 2; }

need() { command -v "$1" >/dev/null || fail "there is no $1: apt-get install $2" 77; }

fetch() {
  need java openjdk-17-jre-headless
  [[ -e $libs/.complete ]] && return
  need mvn maven
  mkdir -p "$libs" || fail "can't write to $libs; set EVERMILL_KAFKA_LIBS"
  (
    flock 9
    [[ -e $libs/.complete ]] && exit 0
    echo "kafka.sh: fetching Apache Kafka $version into $libs (once)" >&2
    mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$libs" </dev/null >"$libs/fetch.log" 2>&1 || {
      tail -5 "$libs/fetch.log" >&2
      fail "can't fetch Apache Kafka's jars from Maven's repository (all of it in $libs/fetch.log). Is there a network? Or put \
them into a folder, with an empty file .complete, and set EVERMILL_KAFKA_LIBS" 77
    }
    touch "$libs/.complete"
  ) 9>"$libs/.lock"
}

pid_of() { cat "$1/broker-$2.pid" 2>/dev/null || true; }

# A pid may be another process's by now: only one that runs on this very configuration is ours.
runs() {
  local pid
  pid=$(pid_of "$1" "$2")
  [[ -n $pid ]] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$1/broker-$2.properties"
}

# Below the ports that the kernel gives to clients, so that none of them takes one before the broker does.
free_ports() {
  python3 - "$1" <<'PYTHON'
import random, socket, sys
found = []
for port in random.sample(range(15000, 32000), 2000):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    found.append(str(port))
    if len(found) == int(sys.argv[1]):
        break
print(*found)
PYTHON
}

# A certificate of 127.0.0.1 and one of a client, with the authority that signed both, and a password.
make_login() {
  local dir=$1
  need openssl openssl
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=evermill tests" -keyout "$dir/ca.key" -out "$dir/ca.pem"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" -keyout "$dir/server.key" -out "$dir/server.csr"
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
      -extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$dir/server.crt"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=a node" -keyout "$dir/client.key" -out "$dir/client.csr"
    openssl x509 -req -in "$dir/client.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
      -out "$dir/client.crt"
  } >"$dir/login.log" 2>&1 || { tail -5 "$dir/login.log" >&2; fail "openssl can't make a certificate (all of it in $dir/login.log)"; }
  cat "$dir/server.key" "$dir/server.crt" >"$dir/server.pem"
  openssl rand -hex 16 >"$dir/password"
}

configure() {
  local dir=$1 brokers=$2 base=$3 proxies=$4 login=$5 ports=() proxied=() secured=() mutual=() voters="" address="" n replicas in_sync=1
  local listener="" advertised="" protocol=""
  if [[ -n $base ]]; then
    for ((n = 0; n < 2 * brokers; ++n)); do ports+=($((base + n))); done
  else
    need python3 python3
    read -r -a ports <<<"$(free_ports $((2 * brokers)))"
  fi
  if [[ $proxies == yes ]]; then
    need python3 python3
    read -r -a proxied <<<"$(free_ports $((2 * brokers)))"
  fi
  if [[ $login == yes ]]; then
    need python3 python3
    make_login "$dir"
    read -r -a secured <<<"$(free_ports $((2 * brokers)))"
    mutual=("${secured[@]:brokers}")
    secured=("${secured[@]:0:brokers}")
  fi
  ((brokers == 3)) && in_sync=2
  replicas=$brokers
  for ((n = 1; n <= brokers; ++n)); do
    voters+="${voters:+,}$n@127.0.0.1:${ports[2 * n - 1]}"
    address+="${address:+,}127.0.0.1:${ports[2 * n - 2]}"
  done
  for ((n = 1; n <= brokers; ++n)); do
    listener="" advertised="" protocol=""
    if [[ $proxies == yes ]]; then
      listener=,PROXIED://127.0.0.1:${proxied[2 * n - 1]}
      advertised=,PROXIED://127.0.0.1:${proxied[2 * n - 2]}
      protocol=,PROXIED:PLAINTEXT
      echo "${proxied[2 * n - 2]} ${proxied[2 * n - 1]}" >>"$dir/proxies"
    fi
    if [[ $login == yes ]]; then
      listener+=,SECURED://127.0.0.1:${secured[n - 1]},MUTUAL://127.0.0.1:${mutual[n - 1]}
      advertised+=,SECURED://127.0.0.1:${secured[n - 1]},MUTUAL://127.0.0.1:${mutual[n - 1]}
      protocol+=,SECURED:SASL_SSL,MUTUAL:SSL
    fi
    cat >"$dir/broker-$n.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$n
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:${ports[2 * n - 2]},CONTROLLER://127.0.0.1:${ports[2 * n - 1]}$listener
advertised.listeners=PLAINTEXT://127.0.0.1:${ports[2 * n - 2]}$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocol
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$dir/data-$n
num.partitions=1
auto.create.topics.enable=true
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
PROPERTIES
    if [[ $login == yes ]]; then
      cat >>"$dir/broker-$n.properties" <<PROPERTIES
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location=$dir/server.pem
listener.name.mutual.ssl.keystore.type=PEM
listener.name.mutual.ssl.keystore.location=$dir/server.pem
listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location=$dir/ca.pem
listener.name.mutual.ssl.client.auth=required
listener.name.secured.sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_evermill="$(cat "$dir/password")";
PROPERTIES
    fi
    java "${jvm[@]}" -Xmx128m -cp "$libs/*" kafka.tools.StorageTool format -t ZXZlcm1pbGwtdGVzdHMtMA \
      -c "$dir/broker-$n.properties" >"$dir/format-$n.log" 2>&1 || {
      tail -5 "$dir/format-$n.log" >&2
      fail "can't prepare $dir/data-$n (all of it in $dir/format-$n.log)"
    }
  done
  ((${#secured[@]} == 0)) || printf '127.0.0.1:%s\n' "${secured[@]}" | paste -sd, >"$dir/secured"
  ((${#mutual[@]} == 0)) || printf '127.0.0.1:%s\n' "${mutual[@]}" | paste -sd, >"$dir/mutual"
  echo "$address" >"$dir/address"
}

launch() {
  local dir=$1 n=$2
  runs "$dir" "$n" && return
  java -Xms128m "-Xmx${heap}m" "${jvm[@]}" -cp "$libs/*" kafka.Kafka "$dir/broker-$n.properties" \
    >>"$dir/broker-$n.log" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/broker-$n.pid"
  disown
}

port_of() { cut -d, -f"$2" <"$1/address"; }

# Until broker N answers, and knows of so many brokers.
await() {
  local dir=$1 n=$2 brokers=$3 known deadline=$((SECONDS + seconds_to_start))
  until known=$(kcat -b "$(port_of "$dir" "$n")" -L -m 2 2>/dev/null | grep -c '^  broker ') && ((known >= brokers)); do
    runs "$dir" "$n" || { tail -20 "$dir/broker-$n.log" >&2; fail "broker $n has ended (all of it in $dir/broker-$n.log)"; }
    ((SECONDS < deadline)) || { tail -20 "$dir/broker-$n.log" >&2; fail "broker $n does not answer after $seconds_to_start s"; }
    sleep 0.1
  done
}

brokers_of() { tr , '\n' <"$1/address" | wc -l; }

start() {
  local dir=$1 brokers=1 port="" proxies=no login=no n
  shift
  while (($#)); do
    case $1 in
      --brokers) brokers=${2:-}; shift ;;
      --port) port=${2:-}; shift ;;
      --proxies) proxies=${2:-}; shift ;;
      --login) login=${2:-}; shift ;;
      *) bad_usage "what is '$1'?" ;;
    esac
    shift || bad_usage "an option has no value"
  done
  [[ $brokers == 1 || $brokers == 3 ]] || bad_usage "there can be 1 or 3 brokers, not '$brokers'"
  [[ $port =~ ^[0-9]*$ ]] || bad_usage "'$port' is no port"
  [[ $proxies == yes || $proxies == no ]] || bad_usage "--proxies is yes or no"
  [[ $login == yes || $login == no ]] || bad_usage "--login is yes or no"
  need kcat kcat
  fetch
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [[ -e $dir/address ]] || configure "$dir" "$brokers" "$port" "$proxies" "$login"
  brokers=$(brokers_of "$dir")
  for ((n = 1; n <= brokers; ++n)); do launch "$dir" "$n"; done
  for ((n = 1; n <= brokers; ++n)); do await "$dir" "$n" "$brokers"; done
}

started() {
  [[ -e $1/address ]] || fail "nothing was started in $1"
  (cd "$1" && pwd)
}

one_broker() {
  [[ ${2:-} =~ ^[1-3]$ && $2 -le $(brokers_of "$1") ]] || bad_usage "there is no broker '${2:-}' in $1"
}

stop() {
  local dir=$1 n pid
  for n in 1 2 3; do
    runs "$dir" "$n" || continue
    pid=$(pid_of "$dir" "$n")
    kill -CONT "$pid"
    kill "$pid"
  done
  for n in 1 2 3; do
    local deadline=$((SECONDS + 20))
    while runs "$dir" "$n"; do
      ((SECONDS < deadline)) || kill -KILL "$(pid_of "$dir" "$n")" || true
      sleep 0.1
    done
    rm -f "$dir/broker-$n.pid"
  done
}

command=${1:-}
case $command in
  -h | --help) usage; exit 0 ;;
  fetch) (($# == 1)) || bad_usage "fetch takes nothing"; fetch; exit 0 ;;
  where) (($# == 1)) || bad_usage "where takes nothing"; echo "$libs"; exit 0 ;;
  start | stop | kill | up | pause | resume) ;;
  *) bad_usage "'$command' is no command" ;;
esac
[[ -n ${2:-} ]] || bad_usage "$command needs a directory"
if [[ $command == start ]]; then
  start "${@:2}"
  exit 0
fi
dir=$(started "$2")
[[ $command == stop ]] || one_broker "$dir" "${3:-}"
case $command in
  stop) stop "$dir" ;;
  kill) if runs "$dir" "$3"; then kill -KILL "$(pid_of "$dir" "$3")"; fi ;;
  up) fetch; launch "$dir" "$3"; await "$dir" "$3" 1 ;;
  pause) runs "$dir" "$3" || fail "broker $3 does not run"; kill -STOP "$(pid_of "$dir" "$3")" ;;
  resume) runs "$dir" "$3" || fail "broker $3 does not run"; kill -CONT "$(pid_of "$dir" "$3")" ;;
esac
