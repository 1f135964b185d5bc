"""Litestar's channels, over streams and over Redis' pub/sub, and its store. The server is killed while messages are published.

Both backends publish with a Lua script. What else is in them works; publish() is made of commands here."""
import asyncio

from day import PORT, Publisher, attempt_async, check, crash_between, done, patience, say, until, versions
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.redis import RedisChannelsPubSubBackend, RedisChannelsStreamBackend
from litestar.stores.redis import RedisStore
from redis.asyncio import Redis


class StreamBackend(RedisChannelsStreamBackend):
    async def publish(self, data, channels):
        async with self._redis.pipeline(transaction=True) as all_or_none:
            for channel in set(channels):
                key = self._make_key(channel)
                all_or_none.xadd(key, {"data": data, "channel": channel},
                                 maxlen=self._history_limit, approximate=self._cap_streams_approximate)
                all_or_none.pexpire(key, self._stream_ttl)
            await all_or_none.execute()


class PubSubBackend(RedisChannelsPubSubBackend):
    async def publish(self, data, channels):
        for channel in set(channels):
            await self._redis.publish(channel, data)


async def listen(subscriber, seen):
    async for message in subscriber.iter_events():
        seen.append(int(message))


async def day(backend, more):
    """Everything up to the crash, and then more. Returns what was published, and what was seen, which may still grow."""
    plugin = ChannelsPlugin(backend, channels=["orders"])
    await plugin._on_startup()  # as an application does when it starts
    seen = []
    listener = asyncio.create_task(listen(await plugin.subscribe("orders"), seen))
    publisher = Publisher(lambda n: plugin.wait_published(n, "orders"))
    await crash_between(publisher, seen, after=more)
    return plugin, listener, publisher, seen


async def streams(redis):
    plugin, listener, publisher, seen = await day(StreamBackend(history=10_000, redis=redis), 50)
    await until("all are seen", lambda: set(publisher.answered) <= set(seen))
    check(seen == sorted(seen), "out of order", seen)
    history = await plugin._backend.get_history("orders")
    check([int(n) for n in history] == seen, "the stream has", history, "and seen was", seen)
    check([int(n) for n in await plugin._backend.get_history("orders", 5)] == publisher.answered[-5:])
    check(0 < await redis.pttl("LITESTAR_CHANNELS_ORDERS") <= 60_000)
    late = []
    last = asyncio.create_task(listen(await plugin.subscribe("orders", history=3), late))
    await until("history is seen", lambda: late == publisher.answered[-3:])
    listener.cancel(), last.cancel()
    say("tried: `RedisChannelsStreamBackend` with a `publish()` of one's own: every message comes, in order; history")


async def channels(redis):
    plugin, listener, publisher, seen = await day(PubSubBackend(redis=redis), 0)
    n = publisher.answered[-1]
    while seen[-1] <= publisher.answered[-1]:  # until the subscription is back
        n += 1
        await plugin.wait_published(n, "orders")
        await asyncio.sleep(0.05)
    check(seen == sorted(seen), "out of order", seen)
    listener.cancel()
    say("tried: `RedisChannelsPubSubBackend` with a `publish()` of one's own: its subscription comes back by itself")


async def store(redis):
    values = RedisStore(redis, namespace="sessions")
    await values.set("ann", b"1", expires_in=60)
    check(await values.get("ann") == b"1" and await values.exists("ann") and 0 < await values.expires_in("ann") <= 60)
    await values.delete("ann")
    check(await values.get("ann") is None)
    say("tried: `RedisStore`: `set`, `get`, `exists`, `expires_in`, `delete`")
    await attempt_async("`RedisStore.get(renew_for=…)`", lambda: values.get("ann", renew_for=60))
    await attempt_async("`RedisStore.delete_all()`", values.delete_all)


async def main():
    versions("litestar", "redis")
    redis = Redis(port=PORT, retry=patience())
    await streams(redis)
    await channels(redis)
    await store(redis)
    plain = RedisChannelsStreamBackend(history=10, redis=redis)
    await attempt_async("`publish()` as it is, over streams: a script of `XADD`, `PEXPIRE`", lambda: plain.publish(b"1", ["a"]))
    await attempt_async("`flush_all()`: a script", plain.flush_all)
    await attempt_async("`publish()` as it is, over pub/sub: a script of `PUBLISH`",
                        lambda: RedisChannelsPubSubBackend(redis=redis).publish(b"1", ["a"]))
    say("care: give `Redis` a `Retry` for `OSError`, too: else a lost connection ends the plugin's workers without a word")
    done()


asyncio.run(main())
