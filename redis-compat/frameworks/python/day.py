"""What the programs in Python share: how they speak with ../run, and how they wait. A program is started as: program.py PORT"""
import asyncio
import os
import sys
import traceback
from importlib.metadata import version

PORT = int(sys.argv[1])
URL = f"redis://127.0.0.1:{PORT}"


def say(*words):
    print(*words, flush=True)


def versions(*packages):
    say("version", ", ".join(f"{'redis-py' if name == 'redis' else name} {version(name)}" for name in packages))


def check(good, *shown):
    """Ends the program, from whatever task or thread, when it is not so."""
    if not good:
        traceback.print_stack()
        print(*shown, file=sys.stderr, flush=True)
        os._exit(1)


def done():
    """The last word. What is still waiting somewhere is not waited for."""
    say("done")
    os._exit(0)


def attempt(what, call):
    """What Cairn may lack: works, or is refused by the server as one of Redis' commands that are not there."""
    try:
        call()
    except Exception as error:
        refused(what, error)
    else:
        say("tried:", what)


async def attempt_async(what, call):
    try:
        await call()
    except Exception as error:
        refused(what, error)
    else:
        say("tried:", what)


def refused(what, error):
    check("is a command of Redis that Cairn does not have" in str(error), what, repr(error))
    say("missing:", what)


def crash():
    """Has the server killed, and returns when it is back."""
    say("crash")
    heard = sys.stdin.readline()
    check(heard == "restarted\n", "heard", repr(heard))


async def until(what, condition):
    """Waits until the condition holds, for as long as ../run lets the program live."""
    told = asyncio.create_task(_tell(what))
    while not condition():
        await asyncio.sleep(0.02)
    told.cancel()


async def _tell(what):
    await asyncio.sleep(20)
    print("waits until", what, file=sys.stderr, flush=True)


class Publisher:
    """Publishes 0, 1, 2 … with `publish(n)`, each until the framework says that it is there; one may be there twice then."""

    def __init__(self, publish):
        self.publish = publish
        self.answered = []
        self.again = set()  # had an error first
        self.left = None    # how many there are still to be, once that is known
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        n = 0
        while self.left is None or self.left > 0:
            try:
                await self.publish(n)
            except Exception:
                self.again.add(n)
                await asyncio.sleep(0.05)
                continue
            self.answered.append(n)
            n += 1
            if self.left is not None:
                self.left -= 1
            await asyncio.sleep(0.002)

    async def end(self, more):
        """Some more, and no others."""
        self.left = more
        await self.task


def patience():
    """For redis-py: try again, for as long as the server is away. What has none of it ends with the first lost connection."""
    from redis.asyncio.retry import Retry
    from redis.backoff import ConstantBackoff
    from redis.exceptions import ConnectionError, TimeoutError

    # OSError: what a server is that is not there yet.
    return Retry(ConstantBackoff(0.1), -1, supported_errors=(ConnectionError, TimeoutError, OSError))


async def crash_between(publisher, seen, before=60, after=50):
    """Has the server killed while messages are published, after some were seen; then some more are."""
    await until(f"{before} are seen", lambda: len(seen) >= before)
    await asyncio.to_thread(crash)
    await publisher.end(after)
