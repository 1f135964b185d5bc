"""broadcaster, over streams (redis-stream://) and over channels (redis://). The server is killed while messages are published."""
import asyncio

from broadcaster import Broadcast
from day import URL, Publisher, check, crash_between, say, until, versions
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, TimeoutError


def patient(client):
    """As broadcaster makes its connections they try nothing a second time, and a lost one ends its listener without a word."""
    errors = (ConnectionError, TimeoutError, OSError)  # the last is what a server that is not there yet is
    client.set_retry(Retry(ConstantBackoff(0.1), -1, supported_errors=errors))


async def listen(broadcast, channel, seen):
    async with broadcast.subscribe(channel) as subscriber:
        async for event in subscriber:
            seen.append(int(event.message))


async def streams():
    broadcast = Broadcast(URL.replace("redis:", "redis-stream:"))
    patient(broadcast._backend._consumer)
    async with broadcast:
        seen = []
        listener = asyncio.create_task(listen(broadcast, "chat", seen))
        await until("it listens", lambda: broadcast._subscribers)
        publisher = Publisher(lambda n: broadcast.publish("chat", str(n)))
        await crash_between(publisher, seen)
        await until("all are seen", lambda: set(publisher.answered) <= set(seen))
        check(seen == sorted(seen), "out of order", seen)
        check(publisher.again >= {n for n in seen if seen.count(n) > 1}, "twice", seen, publisher.again)
        listener.cancel()
    say("tried: `redis-stream://`: every message comes, in order")


async def channels():
    broadcast = Broadcast(URL)
    patient(broadcast._backend._conn)
    async with broadcast:
        seen = []
        listener = asyncio.create_task(listen(broadcast, "chat-now", seen))
        await until("it listens", lambda: broadcast._subscribers)
        publisher = Publisher(lambda n: broadcast.publish("chat-now", str(n)))
        await crash_between(publisher, seen, after=0)
        n = publisher.answered[-1]
        while seen[-1] <= publisher.answered[-1]:  # until the subscription is back
            n += 1
            await broadcast.publish("chat-now", str(n))
            await asyncio.sleep(0.05)
        check(seen == sorted(set(seen)), "out of order, or twice", seen)
        listener.cancel()
    say("tried: `redis://`: its subscription comes back by itself")


async def main():
    versions("broadcaster", "redis")
    await streams()
    await channels()
    say("care: give its clients (`_backend._consumer`, `_backend._conn`) a redis-py `Retry` for `OSError`, too: "
        "else a lost connection ends its listening without a word")
    say("care: with redis-py 8, `redis://` never hears anything, from Redis neither: pin an older one")
    say("care: with `redis://`, what is published while nobody listens is gone")
    say("done")


asyncio.run(main())
