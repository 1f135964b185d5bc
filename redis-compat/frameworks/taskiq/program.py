"""taskiq with taskiq-redis: tasks over streams with results, tasks over pub/sub, schedules. The server is killed while
tasks are sent and done.

The listen() of RedisStreamBroker takes redis-py's Lock around its XAUTOCLAIM, and that Lock is a script. Here is one
without it: XAUTOCLAIM gives an entry to one consumer only, whoever else asks at the same time."""
import asyncio
import datetime
import logging

from day import URL, Publisher, attempt_async, check, crash_between, done, patience, say, until, versions
from redis.asyncio import Redis
from taskiq import AckableMessage
from taskiq.receiver import Receiver
from taskiq_redis import (ListQueueBroker, ListRedisScheduleSource, PubSubBroker, RedisAsyncResultBackend, RedisScheduleSource,
                          RedisStreamBroker)

acknowledged = set()
finished, told = [], []


class StreamBroker(RedisStreamBroker):
    async def listen(self):
        async with Redis(connection_pool=self.connection_pool) as redis:
            who = self.consumer_group_name, self.consumer_name
            while True:
                before = set(acknowledged)
                taken = await redis.xreadgroup(*who, {self.queue_name: ">"}, count=self.count, block=self.block)
                left = await redis.xautoclaim(self.queue_name, *who, self.idle_timeout, count=self.unacknowledged_batch_size)
                messages = [*(taken[0][1] if taken else []), *left[1]]
                again = before & {entry for entry, _ in messages}
                check(not again, "again, but acknowledged:", again)
                for entry, fields in messages:
                    yield AckableMessage(data=fields[b"data"], ack=self._ack_generator(entry, self.queue_name))

    def _ack_generator(self, entry, queue):
        ack = super()._ack_generator(entry, queue)

        async def noted():
            await ack()
            acknowledged.add(entry)

        return noted


results = RedisAsyncResultBackend(URL, result_ex_time=600, retry=patience())
broker = StreamBroker(URL, idle_timeout=1000, xread_block=200, retry=patience()).with_result_backend(results)
everybody = PubSubBroker(URL, queue_name="everybody", retry=patience())


@broker.task
async def double(n: int):
    finished.append(n)
    if n % 10 == 9:
        raise ValueError("not this one")
    return 2 * n


@everybody.task
async def tell(n: int):
    told.append(n)


async def streams():
    workers = asyncio.create_task(Receiver(broker, max_async_tasks=5).listen(asyncio.Event()))
    listeners = asyncio.create_task(Receiver(everybody, max_async_tasks=5).listen(asyncio.Event()))
    await broker.startup()
    tasks = {}
    redis = Redis.from_url(URL, retry=patience())

    async def send(n):
        tasks[n] = await double.kiq(n)

    sent = Publisher(send)
    await until("some are done", lambda: len(finished) >= 20)
    # A worker that takes tasks and dies.
    while not await redis.xreadgroup("taskiq", "dead", {"taskiq": ">"}, count=3, block=1000):
        pass
    await crash_between(sent, finished)
    for n, task in tasks.items():
        result = await task.wait_result(check_interval=0.05)
        check(result.is_err and "not this one" in str(result.error) if n % 10 == 9 else result.return_value == 2 * n, n, result)
    check(set(finished) == set(sent.answered), "missing", set(sent.answered) - set(finished))
    while (await redis.xpending("taskiq", "taskiq"))["pending"]:
        await asyncio.sleep(0.05)
    say("tried: `RedisStreamBroker` with a `listen()` of one's own, the tasks of dead workers too")
    say("tried: `RedisAsyncResultBackend`")
    last = 0
    while last not in told:  # until its subscription is back
        last += 1
        await tell.kiq(last)
        await asyncio.sleep(0.05)
    say("tried: `PubSubBroker`: its subscription comes back by itself")
    workers.cancel(), listeners.cancel()


async def schedule(kind):
    source = kind(URL)
    await source.startup()
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=1)
    one = await double.schedule_by_time(source, past, 1)
    check(len(await source.get_schedules()) == 1)
    await source.delete_schedule(one.schedule_id)


async def as_it_is():
    """Delivers a task; then claims it at once, since nobody has acknowledged it."""
    plain = RedisStreamBroker(URL, queue_name="plain", idle_timeout=0)
    await plain.startup()
    await plain.kick(broker.formatter.dumps(double.kicker()._prepare_message(1)))
    messages = plain.listen()
    await anext(messages)
    await anext(messages)


async def main():
    logging.disable()  # of the tasks that fail, and of the lost connections
    versions("taskiq", "taskiq-redis", "redis")
    broker.is_worker_process = everybody.is_worker_process = True
    await streams()
    await attempt_async("the `listen()` of `RedisStreamBroker`: redis-py's `Lock`, a script", as_it_is)
    await attempt_async("`ListQueueBroker`: lists", lambda: ListQueueBroker(URL, queue_name="list").kick(
        broker.formatter.dumps(double.kicker()._prepare_message(1))))
    await attempt_async("`RedisScheduleSource`", lambda: schedule(RedisScheduleSource))
    await attempt_async("`ListRedisScheduleSource`: lists", lambda: schedule(ListRedisScheduleSource))
    say("care: give the brokers and the result backend `retry=` a `Retry` for `OSError`, too: "
        "else a worker ends with its connection")
    done()


asyncio.run(main())
