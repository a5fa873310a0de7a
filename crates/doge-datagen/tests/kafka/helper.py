# What the tests of Kafka ask of a client that is not ours: confluent-kafka for Python.
import json, struct, sys
from confluent_kafka import Consumer, Producer, TopicPartition, KafkaError
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

brokers, what, args = sys.argv[1], sys.argv[2], sys.argv[3:]
admin = AdminClient({"bootstrap.servers": brokers})


def topics():
    return admin.list_topics(timeout=20).topics


def murmur2(data):
    m, h, n = 0x5BD1E995, 0x9747B28C ^ len(data), len(data)
    for i in range(0, n - n % 4, 4):
        k = struct.unpack_from("<I", data, i)[0] * m & 0xFFFFFFFF
        k = (k ^ k >> 24) * m & 0xFFFFFFFF
        h = h * m & 0xFFFFFFFF ^ k
    rest = data[n - n % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return h ^ h >> 15


def read(topic):
    "All that a read_committed consumer sees, partition by partition, in order."
    meta = topics().get(topic)
    if meta is None:
        return None
    c = Consumer({"bootstrap.servers": brokers, "group.id": "tests", "isolation.level": "read_committed",
                  "enable.partition.eof": True, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    parts = [TopicPartition(topic, p, 0) for p in sorted(meta.partitions)]
    for p in parts:
        p.offset = c.get_watermark_offsets(p, timeout=20)[0]
    c.assign(parts)
    left, out = set(meta.partitions), {p: [] for p in sorted(meta.partitions)}
    while left:
        m = c.poll(20)
        assert m is not None, "nothing came for 20 s"
        if m.error() is not None:
            assert m.error().code() == KafkaError._PARTITION_EOF, str(m.error())
            left.discard(m.partition())
            continue
        left.add(m.partition())
        out[m.partition()].append({
            "partition": m.partition(), "key": m.key() and m.key().decode(), "value": m.value().decode("utf-8", "replace"), "raw": m.value().hex(),
            "time": m.timestamp()[1], "kind": m.timestamp()[0],
            "headers": [[k, v if v is None else v.decode()] for k, v in m.headers() or []],
            "java": None if m.key() is None else (murmur2(m.key()) & 0x7FFFFFFF) % len(meta.partitions),
        })
    c.close()
    return [m for p in out for m in out[p]]


if what == "read":
    print(json.dumps(read(args[0])))
elif what == "avro":
    # Confluent's wire format, its schema from the registry, read by fastavro.
    import fastavro, io, urllib.request

    out, schemas = [], {}
    for m in read(args[0]):
        raw = bytes.fromhex(m["raw"])
        assert raw[0] == 0
        number = int.from_bytes(raw[1:5], "big")
        if number not in schemas:
            answer = json.load(urllib.request.urlopen(f"{args[1]}/schemas/ids/{number}"))
            schemas[number] = fastavro.parse_schema(json.loads(answer["schema"]))
        body = io.BytesIO(raw[5:])
        value = fastavro.schemaless_reader(body, schemas[number], None)
        assert not body.read(), "something is left"
        out.append(value)
    print(json.dumps(out, default=str))
elif what == "make":
    config = dict(a.split("=", 1) for a in args[2:])
    new = [NewTopic(args[0], int(args[1]), 1, config=config)]
    [f.result() for f in admin.create_topics(new, operation_timeout=20).values()]
elif what == "grow":
    new = [NewPartitions(args[0], int(args[1]))]
    [f.result() for f in admin.create_partitions(new, operation_timeout=20).values()]
elif what == "put":
    p = Producer({"bootstrap.servers": brokers})
    [p.produce(args[0], v, partition=0, timestamp=1700000000000) for v in args[1:]]
    p.flush(20)
elif what == "clean":
    old = [t for t in topics() if t.startswith(args[0])]
    if old:
        [f.result() for f in admin.delete_topics(old, operation_timeout=20).values()]
