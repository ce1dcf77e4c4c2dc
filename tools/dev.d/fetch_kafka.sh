#!/usr/bin/env bash
# Caches a real Apache Kafka broker (jars only) in ~/.cache/deltaforge/kafka and starts it once to see that it works.
#
# Taken with Maven from wherever this machine's Maven takes its artifacts. To run a broker from the cache:
#   java -cp ~/.cache/deltaforge/kafka/lib/'*' kafka.tools.StorageTool format -t <id> -c server.properties
#   java -Xmx256m -cp ~/.cache/deltaforge/kafka/lib/'*' kafka.Kafka server.properties
set -euo pipefail

version=${DF_KAFKA_VERSION:-4.4.0}
root=${DF_CACHE:-$HOME/.cache/deltaforge}/kafka

say() { echo "kafka: $*"; }
fail() { echo "kafka: $*" >&2; exit 1; }

[ "$(cat "$root/version" 2>/dev/null)" = "$version" ] && { say "$version is in $root already"; exit 0; }
command -v mvn > /dev/null || fail "Maven is missing: apt-get install maven"
command -v java > /dev/null || fail "Java is missing: apt-get install openjdk-17-jre-headless"

work=$(mktemp -d)
broker=
finish() {
  [ -z "$broker" ] || kill -9 "$broker" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
cd "$work"

say "fetching $version with Maven"
cat > pom.xml <<POM
<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>t</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
POM
timeout 600 mvn -q -B -Dmaven.repo.local="$work/m2" dependency:copy-dependencies -DoutputDirectory="$work/lib" \
  -DincludeScope=runtime > mvn.log 2>&1 || { tail -20 mvn.log >&2; fail "Maven could not fetch kafka_2.13 $version"; }

# Two ports that are free now; the one start below is the only use of them.
read -r port controller < <(python3 -c '
import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))')
cat > server.properties <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$work/data
offsets.topic.replication.factor=1
PROPERTIES

say "starting it once"
timeout 60 java -cp 'lib/*' kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c server.properties > format.log 2>&1 ||
  { tail -20 format.log >&2; fail "$version cannot format its storage"; }
java -Xmx256m -Xms256m -XX:+UseSerialGC -cp 'lib/*' kafka.Kafka server.properties > broker.log 2>&1 &
broker=$!
for _ in $(seq 120); do
  grep -q 'Kafka Server started' broker.log && break
  kill -0 "$broker" 2>/dev/null || break
  sleep 0.5
done
grep -q 'Kafka Server started' broker.log || { tail -20 broker.log >&2; fail "$version did not start"; }
kill "$broker"
wait "$broker" || true
broker=

rm -rf "$root"
mkdir -p "$root"
mv lib "$root/lib"
echo "$version" > "$root/version"
say "$version is in $root"
