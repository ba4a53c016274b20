#!/usr/bin/env bash
# Starts a Kafka broker from a container's environment, as the image apache/kafka does: KAFKA_A_B=v is its setting a.b=v.
#
# Where this runs, this machine's Java is mounted, and in /opt/kafka/libs the jars of scripts/services/kafka.sh.
set -euo pipefail

properties=/tmp/server.properties
env | sed -n 's/^KAFKA_\([A-Z_]*=.*\)$/\1/p' | while IFS='=' read -r name value; do
  [[ $name != HEAP_OPTS ]] || continue
  [[ $name != *__* ]] || { echo "KAFKA_$name: what __ stands for is not done here" >&2; exit 1; }
  name=${name,,}
  echo "${name//_/.}=$value"
done >"$properties"

java=$(readlink -f /usr/lib/jvm/java-17-openjdk-*/bin/java | head -1)
jvm=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=warn)
"$java" "${jvm[@]}" -Xmx128m -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted \
  --cluster-id "${CLUSTER_ID:?}" --config "$properties" >/dev/null
read -r -a heap <<<"${KAFKA_HEAP_OPTS:-}"
exec "$java" "${jvm[@]}" "${heap[@]}" -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
