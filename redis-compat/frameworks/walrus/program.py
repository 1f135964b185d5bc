"""walrus: streams, groups, time series, counters, caches, listeners to channels. The server is killed while they are
used."""
import datetime
import threading
import time

from day import PORT, attempt, check, crash, done, say, versions
from walrus import Database

db = Database(host="127.0.0.1", port=PORT)
JOBS, MORE = 60, 50
published, counted, computed = [], 0, []
heard = []
stopping = threading.Event()


def until_answered(call):
    """redis-py sends a command again by itself, for some time; after that, here."""
    while True:
        try:
            return call()
        except Exception:
            time.sleep(0.05)


def publish():
    """Adds jobs to the stream and counts them, until it is told to stop."""
    global counted
    jobs, total = db.Stream("jobs"), db.counter("jobs")
    n = 0
    while not stopping.is_set():
        until_answered(lambda: jobs.add({"n": n}))
        published.append(n)
        until_answered(total.incr)
        counted += 1
        n += 1
        time.sleep(0.002)


# The thread is its own: the framework has a loop over redis-py's listen().
@db.listener(channels=["news"], patterns=["alarm-*"], is_async=True)
def listen(**message):
    if message["type"] in ("message", "pmessage"):
        heard.append(message["data"])
        if message["data"] == b"end":
            raise StopIteration


def all_heard(*messages):
    """A message that nobody heard is published again: the listener may not be back yet."""
    for channel, text in messages:
        while text not in heard:
            until_answered(lambda: db.publish(channel, text))
            time.sleep(0.05)


@db.cache("prices").cached(timeout=600)
def price(of):
    computed.append(of)
    return {"of": of, "cents": 42}


def consume(group, other):
    """Takes jobs, acknowledges most, leaves some to another consumer; the server is killed after some. Each job is done at
    least once, for the first time in order, and never again when its acknowledgement was answered."""
    entries, done, unclear, firsts = {}, set(), set(), []
    asked = back = False
    mine, others = group.jobs, other.jobs

    def acknowledge(stream, entry):
        try:
            check(stream.ack(entry) in (0, 1))
            done.add(entry)
        except Exception:
            unclear.add(entry)

    while True:
        try:
            taken = mine.read(count=10, block=100)
        except Exception:
            taken = []
        for entry, fields in taken:
            check(entry not in done, "again, but acknowledged:", entry)
            n = int(fields[b"n"])
            if entry not in entries and (not firsts or n != firsts[-1]):  # twice in the stream when it was sent twice
                firsts.append(n)
            entries[entry] = n
            if n % 7 != 3:
                acknowledge(mine, entry)
        if len(entries) >= JOBS and not asked:
            asked = True
            crash()
            back = len(entries)
        if back and len(entries) >= back + MORE:
            stopping.set()
        if stopping.is_set() and not taken and not publisher.is_alive():
            break
    # Those that were left, and those whose delivery the crash swallowed.
    while True:
        _, claimed, *_ = others.autoclaim("second", 0, count=10)
        if not claimed:
            break
        for entry, fields in claimed:
            check(entry not in done, "claimed, but acknowledged:", entry)
            entries[entry] = int(fields[b"n"])
            acknowledge(others, entry)
    check(firsts == sorted(firsts), "out of order", firsts)
    check(set(published) <= set(entries.values()), "missing", set(published) - set(entries.values()))
    check(not mine.pending(), "still pending")
    check(len(entries) == len(db.Stream("jobs")), len(entries), len(db.Stream("jobs")))


versions("walrus", "redis")
db.cache("prices").set("rate", 1.5, 600)
price("apple")
listener = listen()
all_heard(("news", b"before"), ("alarm-1", b"fire"))
workers = db.consumer_group("workers", ["jobs"], consumer="first")
workers.create(mkstream=True)
workers.set_id("0")
publisher = threading.Thread(target=publish)
publisher.start()
consume(workers, workers.consumer("second"))
say("tried: `Stream`, `ConsumerGroup` with claims")

check(counted <= db.counter("jobs").value() <= counted + 1, counted, db.counter("jobs").value())
say("tried: `Counter`")

check(db.cache("prices").get("rate") == 1.5 and price("apple")["cents"] == 42 and computed == ["apple"], computed)
check(0 < db.ttl("prices:rate") <= 600)
say("tried: `Cache` and its decorator")

all_heard(("news", b"after"), ("alarm-2", b"fire again"), ("news", b"end"))
listener.join()
say("tried: `listener` of channels and patterns: it comes back by itself")

first, second = datetime.datetime(2026, 1, 2), datetime.datetime(2026, 1, 3)
series = db.time_series("readers", ["inside", "outside"])
series.create(mkstream=True)
series.set_id(datetime.datetime(2026, 1, 1))
series.inside.add({"degrees": 20}, first)
series.outside.add({"degrees": -2}, second)
check([(m.stream, m.timestamp, m.data) for m in series.read()] ==
      [("inside", first, {"degrees": "20"}), ("outside", second, {"degrees": "-2"})])
check(len(series.inside[first:]) == 1 and series.outside.ack(second) == 1)
say("tried: `TimeSeries`")


def locked():
    with db.lock("report", ttl=1000):
        pass


attempt("`Lock`", locked)
attempt("`cas`", lambda: db.cas("a", "b", "c"))
attempt("`rate_limit`", lambda: db.rate_limit("calls").limit("me"))
attempt("`Hash`", lambda: db.Hash("h").update(a=1))
attempt("`List`", lambda: db.List("l").append(1))
attempt("`Set`", lambda: db.Set("s").add(1))
attempt("`ZSet`", lambda: db.ZSet("z").add({"a": 1}))
attempt("`HyperLogLog`", lambda: db.HyperLogLog("p").add(1))
attempt("`BitField`", lambda: db.bit_field("b").set("u8", 0, 1).execute())
attempt("`Graph`", lambda: db.graph("g").store("a", "b", "c"))
done()
