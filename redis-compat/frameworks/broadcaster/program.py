"""broadcaster, over streams (redis-stream://) and over channels (redis://). The server is killed while
messages are published."""
import asyncio

from broadcaster import Broadcast
from day import URL, Publisher, check, crash_between, done, patience, say, until, versions


async def listen(broadcast, channel, seen):
    async with broadcast.subscribe(channel) as subscriber:
        async for event in subscriber:
            seen.append(int(event.message))


async def end(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def streams():
    broadcast = Broadcast(URL.replace("redis:", "redis-stream:"))
    # As broadcaster makes it, it tries nothing a second time, and the first lost connection ends the listening without a word.
    broadcast._backend._consumer.set_retry(patience())
    async with broadcast:
        seen = []
        listener = asyncio.create_task(listen(broadcast, "chat", seen))
        await until("it listens", lambda: broadcast._subscribers)
        publisher = Publisher(lambda n: broadcast.publish("chat", str(n)))
        await crash_between(publisher, seen)
        await until("all are seen", lambda: set(publisher.answered) <= set(seen))
        check(seen == sorted(seen), "out of order", seen)
        kept = [int(fields[b"message"]) for _, fields in await broadcast._backend._producer.xrange("chat")]
        check(kept == seen, "the stream has", kept, "and seen was", seen)
        check(publisher.again >= {n for n in seen if seen.count(n) > 1}, "twice", seen, publisher.again)
        await end(listener)
    say("tried: `redis-stream://`: every message comes, in order")


async def channels():
    seen = []
    async with Broadcast(URL) as broadcast:
        listener = asyncio.create_task(listen(broadcast, "chat-now", seen))
        await until("it listens", lambda: broadcast._subscribers)
        publisher = Publisher(lambda n: broadcast.publish("chat-now", str(n)))
        await crash_between(publisher, seen, after=0)
        await end(listener)
    async with Broadcast(URL) as broadcast:
        listener = asyncio.create_task(listen(broadcast, "chat-now", seen))
        await until("it listens again", lambda: broadcast._subscribers)
        n = publisher.answered[-1]
        while seen[-1] <= publisher.answered[-1]:  # it has said SUBSCRIBE; until the server has heard that
            n += 1
            await broadcast.publish("chat-now", str(n))
            await asyncio.sleep(0.05)
        check(seen == sorted(set(seen)), "out of order, or twice", seen)
        await end(listener)
    say("tried: `redis://`, after a lost connection with a new `Broadcast`")


async def main():
    versions("broadcaster", "redis")
    await streams()
    await channels()
    say("care: a lost connection ends its listening without a word: with `redis-stream://`, give its `_backend._consumer` "
        "a redis-py `Retry`, for `OSError`, too; with `redis://`, make a new `Broadcast`")
    say("care: with redis-py 8, `redis://` never hears anything, from Redis neither: pin an older one")
    done()


asyncio.run(main())
