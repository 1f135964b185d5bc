"""FastStream: streams in groups, one by one and in batches, with a reply to another stream; channels, patterns, and request().
The server is killed while all of them are used. (What reads events with it is ../../clients/faststream.)"""
import asyncio

from day import URL, Publisher, attempt_async, check, crash, done, patience, say, until, versions
from faststream import AckPolicy
from faststream.redis import PubSub, RedisBroker, RedisStreamMessage, StreamSub
from redis.asyncio import Redis

broker = RedisBroker(URL, logger=None)
entries = {}  # orders, by entry
acknowledged = {"first": set(), "second": set()}  # entries, when that was answered
replied, batched, news, alarms = [], [], [], []


async def handle(n, msg, consumer):
    """Replies to another stream, then acknowledges. Where one of them fails the entry stays pending."""
    (entry,) = msg.raw_message["message_ids"]
    # The second may come upon what it has claimed while the first, or an earlier turn of its own, was still at it.
    check(consumer == "second" or entry not in acknowledged["first"], "again, but acknowledged:", n)
    entries[entry] = n
    await broker.publish(n, stream="replies")
    await msg.ack()
    acknowledged[consumer].add(entry)


@broker.subscriber(stream=StreamSub("orders", group="clerks", consumer="first", max_records=10), ack_policy=AckPolicy.MANUAL)
async def order(n: int, msg: RedisStreamMessage):
    if n % 7 != 3:  # the others are left to the one below
        await handle(n, msg, "first")


@broker.subscriber(stream=StreamSub("orders", group="clerks", consumer="second", min_idle_time=1000, polling_interval=100),
                   ack_policy=AckPolicy.MANUAL)
async def left_over(n: int, msg: RedisStreamMessage):
    await handle(n, msg, "second")


@broker.subscriber(stream=StreamSub("replies", last_id="0"))
async def reply(n: int):
    replied.append(n)


@broker.subscriber(stream=StreamSub("readings", group="sums", consumer="one", batch=True, max_records=10))
async def batch(numbers: list[int]):
    batched.extend(numbers)


@broker.subscriber("news")
async def on_news(n: int):
    news.append(n)


@broker.subscriber(PubSub("alarm.*", pattern=True))
async def on_alarm(n: int):
    alarms.append(n)


@broker.subscriber("double")
async def double(n: int):
    return 2 * n


@broker.subscriber(stream=StreamSub("double-by-stream", group="clerks", consumer="one"))
async def double_by_stream(n: int):
    return 2 * n


async def heard(n):
    """Message n arrives by each way of pub/sub. It is sent until it does, since a subscription may not be back yet."""
    while n not in news or n not in alarms:
        try:
            await broker.publish(n, channel="news")
            await broker.publish(n, channel="alarm.fire")
        except Exception:
            pass
        await asyncio.sleep(0.05)
    for where in {"channel": "double"}, {"stream": "double-by-stream"}:
        while True:
            try:
                answer = await broker.request(n, timeout=2, **where)
                break
            except Exception:  # the subscriber, or a connection in the pool, is still the one that the crash has closed
                await asyncio.sleep(0.05)
        check(await answer.decode() == 2 * n, where)


async def main():
    versions("faststream", "redis")
    async with broker:
        await broker.start()
        await heard(1)
        orders = Publisher(lambda n: broker.publish(n, stream="orders"))
        readings = Publisher(lambda n: broker.publish(n, stream="readings"))
        await until("60 orders and readings are seen", lambda: len(entries) >= 60 and len(batched) >= 60)
        await asyncio.to_thread(crash)
        redis = Redis.from_url(URL, retry=patience())
        answered = set().union(*acknowledged.values())
        pending = {entry["message_id"] for entry in await redis.xpending_range("orders", "clerks", "-", "+", 100_000)}
        check(answered and not answered & pending, "acknowledged, and pending again:", answered & pending)
        await orders.end(50)
        await readings.end(50)
        await heard(2)
        while not set(orders.answered) <= set(entries.values()) or (await redis.xpending("orders", "clerks"))["pending"]:
            await asyncio.sleep(0.05)
        say("tried: streams in groups, with reclaim: nothing acknowledged is lost or comes again")
        await until("all are replied to", lambda: set(replied) >= set(orders.answered))
        say("tried: handlers that reply to another stream")
        # What a batch was acknowledged for comes once; the crash may have come before that.
        lost = set(readings.answered) - set(batched)
        if lost:
            left = await redis.xpending_range("readings", "sums", "-", "+", 1000)
            check(len(left) >= len(lost), "lost:", lost)
        say("tried: batches")
        say("tried: channels, patterns, `request()` over channels and streams: they come back by themselves")
        await attempt_async("lists", lambda: broker.publish(1, list="list"))
    done()


asyncio.run(main())
