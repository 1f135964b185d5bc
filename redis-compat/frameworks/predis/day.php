<?php
// Predis: its loop over channels and events, streams by their names, strings, transactions. The server is killed in the middle.
// argv: PORT; started by ../run.
require 'day.php';
require getenv('PHP_SHARE') . '/Predis/autoload.php';

$connect = fn() => new Predis\Client(['port' => $port, 'read_write_timeout' => 30]);

function channels(callable $connect, Predis\Client $r): void
{
    $loop = $connect()->pubSubLoop();
    $loop->subscribe('news');
    $loop->psubscribe('ne?s', '__event__:order-*');
    $heard = [];
    foreach ($loop as $message) {
        if ($message->kind === 'psubscribe' && $message->payload === 3) {
            equal($r->publish('news', 'hello'), 2);
            $r->executeRaw(['XADD', 'order-1', '*', 'total', '42']);
        }
        if (!in_array($message->kind, ['message', 'pmessage'], true)) continue;
        $heard[] = [$message->kind, $message->channel, json_decode($message->payload, true)['data'] ?? $message->payload];
        if (count($heard) === 3) break;
    }
    equal($heard, [['message', 'news', 'hello'], ['pmessage', 'news', 'hello'], ['pmessage', '__event__:order-1', ['total' => '42']]]);
    unset($loop);
}

$r = $connect();
say('version Predis ' . Predis\Client::VERSION . ', PHP ' . PHP_VERSION);
channels($connect, $r);
$id = $r->executeRaw(['XADD', 'orders', '*', 'n', '1']);
$r->executeRaw(['XGROUP', 'CREATE', 'orders', 'billing', '0']);
equal($r->executeRaw(['XREADGROUP', 'GROUP', 'billing', 'alice', 'STREAMS', 'orders', '>']), [['orders', [[$id, ['n', '1']]]]]);

equal((string) $r->set('text', 'three', 'EX', 3600, 'NX'), 'OK');
equal($r->set('text', 'other', 'NX'), null);
equal([$r->append('text', ' blind'), $r->setrange('text', 6, 'mice '), $r->getrange('text', 0, 4)], [11, 11, 'three']);
equal([$r->strlen('text'), $r->getset('text', 'four'), $r->setnx('text', 'five')], [11, 'three mice ', 0]);
equal([(string) $r->setex('text', 10, 'five'), (string) $r->psetex('text', 10000, 'six')], ['OK', 'OK']);
equal([$r->incrby('n', 42), $r->decr('n'), $r->incrbyfloat('n', 0.5)], [42, 41, '41.5']);
equal($r->msetnx(['n' => '1', 'm' => '2']), 0);
equal($r->mget('n', 'm'), ['41.5', null]);
$done = $r->transaction(['cas' => true, 'watch' => 'n', 'retry' => 3], function ($t) {
    $n = $t->get('n');
    $t->multi();
    $t->set('n', $n . '0');
    $t->strlen('n');
});
equal($done[1], 5);
equal($r->pipeline(fn($p) => $p->get('n')->incrbyfloat('n', 1)), ['41.50', '42.5']);
lacks('eval', fn() => $r->eval('return 1', 0));
lacks('hset', fn() => $r->hset('h', 'a', 'b'));

crash();
equal(until_back(fn() => $r->get('n')), '42.5');
equal($r->executeRaw(['XREADGROUP', 'GROUP', 'billing', 'alice', 'STREAMS', 'orders', '0']), [['orders', [[$id, ['n', '1']]]]]);
equal($r->executeRaw(['XACK', 'orders', 'billing', $id]), 1);
channels($connect, $r);
say('tried: `pubSubLoop` on channels, patterns, `__event__:order-*`; strings, transactions, pipelines; streams with `executeRaw`');
say('missing: `EVAL`: scripts; `HSET` and other types');
say('care: a loop does not come back by itself');
say('done');
