# What the tests of the registry ask of clients that are not ours: Confluent's deserialisers for Python.
# Each line of standard input holds one event: its topic, and its messages as hexadecimal digits.
import json, re, sys
from datetime import datetime, timezone
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

client = SchemaRegistryClient({"url": sys.argv[1], "timeout": 20})
avro = AvroDeserializer(client)
files = descriptor_pb2.FileDescriptorSet.FromString(bytes.fromhex(sys.argv[2]))
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
# Without the registry, which it would ask for the schema as a serialised descriptor: Apicurio gives the bytes as
# they are, where Confluent's registry gives base64.
protobuf = ProtobufDeserializer(
    message_factory.GetMessageClass(pool.FindMessageTypeByName(sys.argv[3])), {"use.deprecated.format": False}
)


def instant(t):
    t = t.astimezone(timezone.utc) if t.tzinfo else t.replace(tzinfo=timezone.utc)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z"


def plain(v):
    "A value as JSON lines write it."
    if isinstance(v, dict):
        return {k: plain(x) for k, x in v.items()}
    if isinstance(v, datetime):
        return instant(v)
    return v


def message(m):
    out = {}
    for f in m.DESCRIPTOR.fields:
        v = getattr(m, f.name)
        if f.has_presence and not m.HasField(f.name):
            v = None
        elif f.message_type and f.message_type.full_name == "google.protobuf.Timestamp":
            v = instant(v.ToDatetime())
        elif f.message_type and f.message_type.full_name == "google.protobuf.Duration":
            ms = v.seconds * 1000 + v.nanos // 1000000
            v = f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms // 1000}.{ms % 1000:03d}s"
        elif f.message_type:
            v = message(v)
        out[f.name] = v
    return out


count = 0
for line in sys.stdin:
    event = json.loads(line)
    data = lambda name: bytes.fromhex(event[name])
    where = SerializationContext(event["topic"], MessageField.VALUE)
    wanted = json.loads(event["plain"])
    read = {
        "avro": plain(avro(data("avro"), where)),
        "protobuf": message(protobuf(data("protobuf"), where)),
        "json": JSONDeserializer(None, schema_registry_client=client)(data("json"), where),
    }
    for name, value in read.items():
        assert value == wanted, (name, value, wanted)
    key = avro(data("key"), SerializationContext(event["topic"], MessageField.KEY))
    assert key == event["id"], (key, event["id"])
    count += 1
print(count)
