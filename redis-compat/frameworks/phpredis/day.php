<?php
// phpredis: channels, events, streams, strings, and PHP's sessions. The server is killed in the middle. argv: PORT; started by
// ../run. While it listens a process does nothing else, so others speak.
require 'day.php';

function connect(int $port): Redis
{
    $r = new Redis();
    $r->connect('127.0.0.1', $port);
    $r->setOption(Redis::OPT_READ_TIMEOUT, 30);
    return $r;
}

/** Does it in a process of its own, whose exit status is what it returns. */
function fork(callable $work): int
{
    $pid = pcntl_fork();
    if ($pid === 0) exit($work());
    return $pid;
}
function wait_for(int $pid): int
{
    pcntl_waitpid($pid, $status);
    return pcntl_wexitstatus($status);
}

/** The first message on each of so many channels; then it hangs up, which is the way out of subscribe(). */
function hear(int $port, string $how, array $names, int $count): array
{
    $heard = [];
    try {
        connect($port)->$how($names, function ($r, ...$words) use (&$heard, $count) {
            $message = array_pop($words);
            $heard[array_pop($words)] = $message;
            if (count($heard) === $count) $r->close();
        });
    } catch (RedisException $closed) {
    }
    return $heard;
}

function channels(int $port): void
{
    $plain = fork(fn() => hear($port, 'subscribe', ['news'], 1) === ['news' => 'hello'] ? 7 : 1);
    $speaker = fork(function () use ($port) {
        $r = connect($port);
        while ($r->pubsub('numsub', ['news'])['news'] < 1 || $r->pubsub('numpat') < 2) usleep(10000);
        if ($r->publish('news', 'hello') !== 2) return 1;
        $r->xAdd('order-1', '*', ['total' => 42]);
        return 8;
    });
    $heard = hear($port, 'psubscribe', ['ne?s', '__event__:order-*'], 2);
    equal($heard['news'] ?? null, 'hello');
    equal(json_decode($heard['__event__:order-1'], true)['data'], ['total' => '42']);
    equal([wait_for($plain), wait_for($speaker)], [7, 8]);
}

function streams(Redis $r): array
{
    $ids = [];
    for ($n = 0; $n < 3; $n++) $ids[] = $r->xAdd('orders', '*', ['n' => $n], 1000, true);
    equal($r->xGroup('CREATE', 'orders', 'billing', '0'), true);
    equal($r->xReadGroup('billing', 'alice', ['orders' => '>'], 2), ['orders' => [$ids[0] => ['n' => '0'], $ids[1] => ['n' => '1']]]);
    equal($r->xAck('orders', 'billing', [$ids[0]]), 1);
    equal($r->xPending('orders', 'billing'), [1, $ids[1], $ids[1], [['alice', '1']]]);
    equal($r->xClaim('orders', 'billing', 'bob', 0, [$ids[1]], ['JUSTID']), [$ids[1]]);
    equal($r->xRevRange('orders', '+', '-', 1), [$ids[2] => ['n' => '2']]);
    equal($r->xRead(['orders' => $ids[1]]), ['orders' => [$ids[2] => ['n' => '2']]]);
    equal($r->xInfo('STREAM', 'orders')['length'], 3);
    equal(count($r->xInfo('CONSUMERS', 'orders', 'billing')), 2);
    return $ids;
}

function strings(Redis $r): void
{
    equal($r->set('text', 'three', ['nx', 'ex' => 3600]), true);
    equal($r->set('text', 'other', ['nx']), false);
    equal($r->append('text', ' blind'), 11);
    equal($r->setRange('text', 6, 'mice '), 11);
    equal([$r->getRange('text', 0, 4), $r->strlen('text'), $r->getSet('text', 'four')], ['three', 11, 'three mice ']);
    equal([$r->setex('text', 10, 'five'), $r->psetex('text', 10000, 'six'), $r->setnx('text', 'seven')], [true, true, false]);
    equal([$r->incrBy('n', 42), $r->decr('n'), $r->incrByFloat('n', 0.5)], [42, 41, 41.5]);
    equal([$r->mset(['a' => '1', 'b' => '2']), $r->msetnx(['b' => '3', 'c' => '4']), $r->mget(['a', 'c'])], [true, false, ['1', false]]);
    $done = $r->multi()->incr('a')->xAdd('audit', '1-1', ['a' => 2])->exec();
    equal($done, [2, '1-1']);
    $r->del(['a', 'b', 'n', 'text', 'audit']);
}

/** PHP's own sessions, kept here: one request writes, the next reads. */
function session(int $port, ?string $write): ?string
{
    session_id('customer');
    session_start(['save_handler' => 'redis', 'save_path' => "tcp://127.0.0.1:$port", 'use_cookies' => 0, 'cache_limiter' => '']);
    if ($write !== null) $_SESSION['name'] = $write;
    $read = $_SESSION['name'] ?? null;
    session_write_close();
    return $read;
}

ob_start(); // sessions cannot begin behind output
session($port, 'Ada');
ob_end_clean();
$r = connect($port);
say('version phpredis ' . phpversion('redis') . ', PHP ' . PHP_VERSION);
$ids = streams($r);
strings($r);
channels($port);
equal($r->eval('return 1'), false);
equal(str_contains($r->getLastError(), "'eval'"), true);
$kept = $r->get('PHPREDIS_SESSION:customer');
equal(str_contains($kept, 'Ada'), true);

crash();
equal(until_back(fn() => $r->get('PHPREDIS_SESSION:customer')), $kept);
equal($r->xPending('orders', 'billing')[3], [['bob', '1']]);
equal($r->xReadGroup('billing', 'bob', ['orders' => '0']), ['orders' => [$ids[1] => ['n' => '1']]]);
equal($r->xAck('orders', 'billing', [$ids[1]]), 1);
equal($r->xReadGroup('billing', 'alice', ['orders' => '>']), ['orders' => [$ids[2] => ['n' => '2']]]);
channels($port);
say('tried: channels, patterns, `__event__:order-*`; streams and groups; strings; transactions');
say('tried: PHP sessions (`session.save_handler = redis`) without locking');
say('missing: `EVAL`: scripts, and `redis.session.locking_enabled`');
say('care: a subscriber does not come back by itself');
say('done');
