"""What a worker does with redis-py: the steps of ../README.md. Usage: tour.py PORT; started by ../run."""
import os
import sys
import threading
import time

import redis

port = int(sys.argv[1])
chosen = {"protocol": int(os.environ["RESP"])} if "RESP" in os.environ else {}
r = redis.Redis(port=port, decode_responses=True, **chosen)
assert r.ping()
print("version", redis.__version__, flush=True)

# Produce.
fields = [{"n": str(i), "text": "é ☕ %d" % i} for i in range(3)]
ids = [r.xadd("orders", f) for f in fields]
assert ids == sorted(ids) and len(set(ids)) == 3
assert r.xlen("orders") == 3
assert r.xrange("orders") == list(zip(ids, fields))
assert r.xrevrange("orders", count=1) == [(ids[2], fields[2])]

# Consume in a group.
assert r.xgroup_create("orders", "billing", id="0")
try:
    r.xgroup_create("orders", "billing", id="0")
    raise AssertionError("the group was created twice")
except redis.ResponseError as e:
    assert str(e).startswith("BUSYGROUP"), e


def entries(reply):
    """The entries of the one stream of an XREADGROUP or XREAD: a list in RESP2, a map in RESP3."""
    if isinstance(reply, dict):
        (found,) = reply.values()
        return found[0] if found and isinstance(found[0], list) else found
    ((_, found),) = reply
    return found


got = entries(r.xreadgroup("billing", "alice", {"orders": ">"}, count=2))
assert [tuple(e) for e in got] == list(zip(ids, fields))[:2], got
assert r.xack("orders", "billing", ids[0]) == 1
pending = r.xpending("orders", "billing")
assert (pending["pending"], pending["min"], pending["max"]) == (1, ids[1], ids[1]), pending
assert pending["consumers"] == [{"name": "alice", "pending": 1}], pending

# Claim what another one left.
assert [tuple(e) for e in r.xclaim("orders", "billing", "bob", 0, [ids[1]])] == [(ids[1], fields[1])]
claimed = r.xautoclaim("orders", "billing", "carol", 0)
assert claimed[0] == "0-0" and [tuple(e) for e in claimed[1]] == [(ids[1], fields[1])], claimed
(row,) = r.xpending_range("orders", "billing", "-", "+", 10)
assert (row["message_id"], row["consumer"], row["times_delivered"]) == (ids[1], "carol", 3), row

# Block, and be woken.
assert entries(r.xreadgroup("billing", "alice", {"orders": ">"}))[0][0] == ids[2]
assert not r.xreadgroup("billing", "alice", {"orders": ">"}, block=10)
woken = []
waiting = threading.Thread(target=lambda: woken.append(r.xreadgroup("billing", "alice", {"orders": ">"}, block=30000)))
waiting.start()
while r.info("clients")["blocked_clients"] != 1:
    time.sleep(0.01)
fourth = r.xadd("orders", {"n": "3"})
waiting.join(20)
assert [tuple(e) for e in entries(woken[0])] == [(fourth, {"n": "3"})], woken
assert r.xack("orders", "billing", ids[2], fourth) == 2

# A transaction, and one that another client gets ahead of.
with r.pipeline(transaction=True) as tx:
    tx.xadd("paid", {"order": "1"}, id="1-1")
    tx.xadd("paid", {"order": "2"}, id="1-2")
    tx.xlen("paid")
    assert tx.execute() == ["1-1", "1-2", 2]
with r.pipeline() as tx:
    tx.watch("paid")
    r.xadd("paid", {"order": "3"}, id="1-3")
    tx.multi()
    tx.xadd("paid", {"order": "4"}, id="1-4")
    try:
        tx.execute()
        raise AssertionError("a watched stream changed, and EXEC went through")
    except redis.WatchError:
        pass
assert r.xlen("paid") == 3

# Remove, and look.
assert r.xdel("paid", "1-2") == 1
assert r.xtrim("paid", maxlen=1, approximate=False) == 1
assert r.xrange("paid") == [("1-3", {"order": "3"})]
about = r.xinfo_stream("orders")
assert (about["length"], about["last-generated-id"], about["groups"]) == (4, fourth, 1), about
(group,) = r.xinfo_groups("orders")
assert (group["name"], group["pending"], group["lag"]) == ("billing", 1, 0), group
assert {c["name"]: c["pending"] for c in r.xinfo_consumers("orders", "billing")} == {"alice": 0, "bob": 0, "carol": 1}

# What redis-py 8 knows besides, and an older Redis does not.
if hasattr(r, "xnack") and "xnack" in r.execute_command("COMMAND LIST"):
    first = r.xadd("jobs", {"n": "1"}, idmp=("till", b"receipt-1"))
    assert r.xadd("jobs", {"n": "1"}, idmp=("till", b"receipt-1")) == first
    assert r.xadd("jobs", {"a": "1", "b": "2"}, idmpauto="till") == r.xadd("jobs", {"b": "2", "a": "1"}, idmpauto="till")
    second = r.xrange("jobs")[1][0]
    assert r.xgroup_create("jobs", "g", id="0")
    new = entries(r.xreadgroup("g", "alice", {"jobs": ">"}, claim_min_idle_time=0))
    assert [(e[0], e[2], e[3]) for e in new] == [(first, 0, 0), (second, 0, 0)], new
    assert r.xnack("jobs", "g", "FAIL", second) == 1 and r.xnack("jobs", "g", "SILENT", first) == 1
    back = entries(r.xreadgroup("g", "bob", {"jobs": ">"}, claim_min_idle_time=3600000))
    assert [(e[0], e[3]) for e in back] == [(second, 1), (first, 0)], back
    assert r.xdelex("jobs", first, "7-7", ref_policy="ACKED") == [2, -1]
    assert r.xgroup_create("jobs", "other", id="0")
    # A group that has not come to an id counts as having it, whether an entry has it or not.
    assert r.xdelex("jobs", first, "7-7", ref_policy="ACKED") == [2, 2]
    assert r.xackdel("jobs", "g", first, second, "7-7", ref_policy="DELREF") == [1, 1, -1]
    assert r.xlen("jobs") == 0 and r.xpending("jobs", "g")["pending"] == 0
    for name in ("high", "low"):
        r.xadd(name, {"n": "1"}, id="1-1")
        r.xadd(name, {"n": "2"}, id="1-2")
    limited = r.xread({"high": "0", "low": "0"}, max_count=3)
    limited = limited if isinstance(limited, dict) else {name: [found] for name, found in limited}
    assert {name: len(found[0]) for name, found in limited.items()} == {"high": 2, "low": 1}, limited
    assert r.xcfgset("jobs", idmp_duration=300, idmp_maxsize=1000)
    about = r.xinfo_stream("jobs")
    assert (about["idmp-duration"], about["idmp-maxsize"], about["iids-tracked"]) == (300, 1000, 0), about

# A group on a virtual stream, over what EAPPEND and XADD put into several streams. Redis has neither.
try:
    for i in range(3):
        r.execute_command("EAPPEND", "order-%d" % i, "order.created", "PAYLOAD", '{"n":%d}' % i)
    virtual = "@category:order"
except redis.ResponseError:
    virtual = None
if virtual:
    r.xadd("order-3", {"n": "3"}, id="7-7")
    assert r.xgroup_create(virtual, "saga", id="0", mkstream=True)
    got = [tuple(e[:2]) for e in entries(r.xreadgroup("saga", "w1", {virtual: ">"}, count=3))]
    assert [f["@stream"] for _, f in got] == ["order-0", "order-1", "order-2"], got
    assert [f["payload"] for _, f in got] == ['{"n":0}', '{"n":1}', '{"n":2}'], got
    (last,) = entries(r.xreadgroup("saga", "w2", {virtual: ">"}, block=10))
    assert last[1] == {"@stream": "order-3", "@id": "7-7", "n": "3"}, last
    assert r.xack(virtual, "saga", got[0][0], last[0]) == 2
    assert [tuple(e) for e in r.xclaim(virtual, "saga", "w3", 0, [got[1][0]])] == [got[1]]
    assert [tuple(e) for e in r.xautoclaim(virtual, "saga", "w4", 0)[1]] == got[1:]
    assert [p["message_id"] for p in r.xpending_range(virtual, "saga", "-", "+", 10)] == [e[0] for e in got[1:]]
    assert [tuple(e) for e in r.xrange("@type:order.*", count=2)] == got[:2]
    assert [tuple(e) for e in entries(r.xread({"@all": got[2][0]}))] == [tuple(last)]
    about = r.xinfo_stream(virtual)
    assert (about["length"], about["last-generated-id"], about["groups"]) == (4, last[0], 1), about
    (group,) = r.xinfo_groups(virtual)
    assert (group["pending"], group["last-delivered-id"], group["lag"]) == (2, last[0], 0), group
    assert (r.type(virtual), r.exists(virtual)) == ("stream", 1)
    woken = []
    waiting = threading.Thread(target=lambda: woken.append(r.xreadgroup("saga", "w1", {virtual: ">"}, block=30000)))
    waiting.start()
    while r.info("clients")["blocked_clients"] != 1:
        time.sleep(0.01)
    r.execute_command("EAPPEND", "order-4", "order.paid")
    waiting.join(20)
    assert entries(woken[0])[0][1]["@stream"] == "order-4", woken

# Read from history to live, and keep the place in one transaction with what comes of it; be pushed the same.
def named(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


def subscribe():
    """A connection of its own, in RESP2, where messages are plain arrays: any version reads what comes."""
    pushed = redis.Connection(port=port, decode_responses=True, socket_timeout=None)
    pushed.send_command("HELLO", 2)
    pushed.read_response()
    pushed.send_command("ESUBSCRIBE", "cart-*", "FROM", "CHECKPOINT", "pushed", "ELSE", "START", "CHECKPOINT", "pushed",
                        "WINDOW", 2, "FIELDS", "stream_id,payload")
    return pushed, named(pushed.read_response())["id"]


def receive(pushed, subscription, count):
    """The next events, each acknowledged: with CHECKPOINT that is answered, between what else comes."""
    events, answers = [], 0
    while answers < count:
        message = pushed.read_response()
        if message == "OK":
            answers += 1
        elif message[0] == "event":
            _, by, cursor, event = message
            assert by == subscription
            events.append(event)
            pushed.send_command("EACK", subscription, cursor)
        else:
            assert message[0] in ("caughtup", "behind", "position"), message
    return events


if virtual:
    for i in range(3):
        r.execute_command("EAPPEND", "cart-%d" % i, "cart.filled", "PAYLOAD", i)
    select = "CATEGORY", "cart", "FIELDS", "stream_id,payload"
    page = named(r.execute_command("EREAD", "FROM", "START", "COUNT", 2, *select))
    assert page["events"] == [["cart-0", "0"], ["cart-1", "1"]] and page["has_more"], page
    page = named(r.execute_command("EREAD", "FROM", "%s@%s" % (page["next"], page["timeline"]), *select))
    assert page["events"] == [["cart-2", "2"]] and page["next"] == page["head"] and not page["has_more"], page
    woken = []

    def follow():
        at = page["next"]
        while not woken or not woken[-1]["events"]:  # 8 gives up a connection that is silent for 5 s
            woken.append(named(r.execute_command("EREAD", "FROM", at, "BLOCK", 1000, *select)))
            at = woken[-1]["next"]
    waiting = threading.Thread(target=follow)
    waiting.start()
    while r.info("clients")["blocked_clients"] != 1:
        time.sleep(0.01)
    written = named(r.execute_command("EAPPEND", "cart-3", "cart.filled", "PAYLOAD", 3))
    waiting.join(20)
    assert woken[-1]["events"] == [["cart-3", "3"]], woken
    place = woken[-1]["next"]

    for attempt in "made", "too late":
        with r.pipeline(transaction=True) as tx:
            tx.set("carts", attempt)
            tx.execute_command("ECHECKPOINT", "SET", "carts", place, "IF", "NONE")
            try:
                tx.execute()
                assert attempt == "made"
            except redis.ResponseError as e:
                assert attempt == "too late" and "STALE" in str(e), e
    assert r.get("carts") == "made"
    assert r.execute_command("ECHECKPOINT", "WAIT", "carts", written["partition_sequence"], 1000) == 1
    assert named(r.execute_command("ECHECKPOINT", "GET", "carts"))["position"] == place

    pushed, subscription = subscribe()
    assert receive(pushed, subscription, 4) == [["cart-%d" % i, str(i)] for i in range(4)]
    pushed.disconnect()

# The server is restarted.
print("restart", flush=True)
assert sys.stdin.readline() == "restarted\n"
while True:
    try:
        r.ping()
        break
    except redis.ConnectionError:
        time.sleep(0.05)
assert [e[0] for e in r.xrange("orders")] == ids + [fourth]
(row,) = r.xpending_range("orders", "billing", "-", "+", 10)
assert (row["message_id"], row["consumer"], row["times_delivered"]) == (ids[1], "carol", 3), row
assert [tuple(e) for e in entries(r.xreadgroup("billing", "carol", {"orders": "0"}))] == [(ids[1], fields[1])]
assert r.xack("orders", "billing", ids[1]) == 1
fifth = r.xadd("orders", {"n": "4"})
assert fifth > fourth
assert entries(r.xreadgroup("billing", "alice", {"orders": ">"}))[0][0] == fifth
if virtual:
    assert [e[0] for e in entries(r.xreadgroup("saga", "w4", {virtual: "0"}))] == [e[0] for e in got[1:]]
    assert not r.xreadgroup("saga", "w1", {virtual: ">"})
    r.execute_command("EAPPEND", "cart-4", "cart.filled", "PAYLOAD", 4)
    page = named(r.execute_command("EREAD", "FROM", "CHECKPOINT", "carts", *select))
    assert page["events"] == [["cart-4", "4"]], page
    pushed, subscription = subscribe()
    assert receive(pushed, subscription, 1) == [["cart-4", "4"]]
print("done", flush=True)
