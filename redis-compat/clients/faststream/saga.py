"""A saga's day with FastStream (../../README.md): orders are published to order-0, order-1 … and consumed in a group on
@category:order, with the framework's own reclaim of what was left; in the middle of it the server is killed.
Usage: saga.py PORT; started by ../run."""
import asyncio
import os
import sys
import traceback
from importlib.metadata import version

from faststream import AckPolicy
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub

VIRTUAL, STREAMS = "@category:order", 5
broker = RedisBroker(f"redis://127.0.0.1:{sys.argv[1]}", logger=None)
seen, acknowledged, unclear = {}, set(), set()  # orders and their entries; entries
mine = set()            # acknowledged by the first consumer: the second may claim what that one is still at
last = {}
orders = None           # how many there are, once that is known
foreign = []            # what was appended by others, with EAPPEND
back = asyncio.Event()  # the server was killed, and is back
asked = False


def check(what, *shown):
    if not what:
        traceback.print_stack()
        print(*shown, file=sys.stderr, flush=True)
        os._exit(1)


def origin(msg):
    """The stream that an entry is in: the framework hands the fields in front of its own through."""
    return msg.raw_message["data"][b"@stream"].decode()


def take(n, msg):
    """Of an order whose publishing had no answer there may be two entries: the framework has nothing to tell them by."""
    (entry,) = msg.raw_message["message_ids"]
    seen.setdefault(n, set()).add(entry)
    return entry


async def acknowledge(entry, msg):
    try:
        await msg.ack()
        acknowledged.add(entry)
    except Exception:  # nobody knows
        unclear.add(entry)


# A new group begins at the end ($); no stream need exist.
@broker.subscriber(stream=StreamSub(VIRTUAL, group="saga", consumer="w1", max_records=10), ack_policy=AckPolicy.MANUAL)
async def consume(body: dict, msg: RedisStreamMessage):
    global asked
    if "n" not in body:
        foreign.append(body)
        await msg.ack()
        return
    n, stream = body["n"], origin(msg)
    check(stream == f"order-{n % STREAMS}", stream, n)
    new = n not in seen
    entry = take(n, msg)
    check(entry not in mine, f"order {n} comes again, but was acknowledged")
    if new:
        check(last.get(stream, n % STREAMS - STREAMS) <= n - STREAMS, f"order {n} comes behind {last.get(stream)}")
        last[stream] = n
    if n % 7 != 3:  # the others are left to the one below
        await acknowledge(entry, msg)
        mine.update({entry} & acknowledged)
    if len(seen) >= 60 and not asked:
        asked = True
        print("crash", flush=True)


# Takes over what nobody has acknowledged for a while: XAUTOCLAIM.
@broker.subscriber(stream=StreamSub(VIRTUAL, group="saga", consumer="w2", min_idle_time=1500, polling_interval=100),
                   ack_policy=AckPolicy.MANUAL)
async def reclaim(body: dict, msg: RedisStreamMessage):
    if "n" in body:
        await acknowledge(take(body["n"], msg), msg)
    else:
        await msg.ack()


async def publish():
    """Until the server was killed and is back, and fifty more; each until the framework says that it is there."""
    n = left = 0
    while left < 50:
        left += back.is_set()
        while True:
            try:
                await broker.publish({"n": n}, stream=f"order-{n % STREAMS}")
                break
            except Exception:
                await asyncio.sleep(0.05)
        n += 1
    return n


async def main():
    print("version", version("faststream"), flush=True)
    async with broker:
        await broker.start()
        publishing = asyncio.create_task(publish())
        check(await asyncio.to_thread(sys.stdin.readline) == "restarted\n")
        back.set()
        orders = await publishing

        # Its pool has connections that the crash has closed, and the framework sends nothing a second time.
        r = await broker.connect()
        await r.connection_pool.disconnect(inuse_connections=False)
        await r.execute_command("EAPPEND", "order-9", "order.closed", "PAYLOAD", '{"why":"paid"}')
        while len(seen) < orders or not foreign or (await r.xpending(VIRTUAL, "saga"))["pending"]:
            await asyncio.sleep(0.05)
        check(set(seen) == set(range(orders)), "missing", set(range(orders)) - set(seen))
        lost = set().union(*seen.values()) - acknowledged - unclear
        check(not lost, "neither acknowledged nor pending", lost)
        (event, *_) = foreign
        check((event["@stream"], event["type"], event["payload"]) == ("order-9", "order.closed", '{"why":"paid"}'), event)
    print("done", flush=True)


asyncio.run(main())
