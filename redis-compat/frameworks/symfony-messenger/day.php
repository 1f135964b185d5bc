<?php
// Symfony Messenger's transport redis://: what of it works. The server is killed in the middle. argv: PORT; started by ../run.
require 'day.php';

$share = getenv('PHP_SHARE');
require "$share/Symfony/Contracts/Deprecation/function.php";
spl_autoload_register(function ($class) use ($share) {
    $file = "$share/" . str_replace('\\', '/', $class) . '.php';
    if (is_file($file)) require $file;
});

use Symfony\Component\Messenger\Bridge\Redis\Transport\Connection;
use Symfony\Component\Messenger\Bridge\Redis\Transport\RedisTransport;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Transport\Serialization\PhpSerializer;

class Order
{
    public function __construct(public int $n)
    {
    }
}

/** It asks the sorted set of delayed messages before anything else. Here nothing is delayed. */
class WithoutDelays extends Redis
{
    public function rawCommand($command, ...$arguments)
    {
        return $command === 'ZCOUNT' ? 0 : parent::rawCommand($command, ...$arguments);
    }
}

function transport(string $consumer, Redis $redis): RedisTransport
{
    global $port;
    $options = ['delete_after_ack' => true, 'redeliver_timeout' => 1, 'claim_interval' => 50];
    return new RedisTransport(Connection::fromDsn("redis://127.0.0.1:$port/messages/symfony/$consumer", $options, $redis), new PhpSerializer());
}

/** Takes so many messages, or till there are none; acknowledges them if asked. */
function take(RedisTransport $transport, int $count, bool $acknowledge = true): array
{
    $taken = [];
    for ($tries = 0; count($taken) < $count && $tries < 600; $tries++) {
        foreach ($transport->get() as $envelope) {
            $taken[] = $envelope->getMessage()->n;
            if ($acknowledge) $transport->ack($envelope);
        }
        if ($tries > 10) usleep(50000); // what another one has is claimed when it has been silent for a second
    }
    return $taken;
}

preg_match('/\((.*?)\+/', gzfile("$share/../doc/php-symfony-messenger/changelog.Debian.gz")[0], $version);
say("version Symfony Messenger $version[1], phpredis " . phpversion('redis'));
$stock = transport('alice', new Redis());
$stock->setup();
for ($n = 1; $n <= 4; $n++) $stock->send(new Envelope(new Order($n)));
lacks('zcount', fn() => $stock->get());
lacks('zadd', fn() => $stock->send(new Envelope(new Order(5), [new DelayStamp(1000)])));

equal(take(transport('alice', new WithoutDelays()), 2), [1, 2]);
foreach (transport('alice', new WithoutDelays())->get() as $envelope) {
    equal($envelope->getMessage()->n, 3);
    $stock->reject($envelope);
}
equal(take(transport('bob', new WithoutDelays()), 1, false), [4]);
crash();
$alice = until_back(function () {
    $alice = transport('alice', new WithoutDelays());
    $alice->send(new Envelope(new Order(6)));
    return $alice;
});
$taken = take($alice, 2); // 4 is bob's, who does not come back
sort($taken);
equal($taken, [4, 6]);
$r = new Redis();
$r->connect('127.0.0.1', $port);
equal($r->xLen('messages'), 0);
say('tried: `setup`, `send`; with a `Redis` of one\'s own `get`, `ack`, `reject`, and taking over what a dead worker had');
say('missing: `ZCOUNT`: **receiving**, since it asks for delayed messages first; `ZADD`: delayed messages');
say('care: it receives when its connection is given a `Redis` whose `rawCommand` answers `ZCOUNT` with 0, as in `symfony-messenger/day.php`; retries then with `delay: 0`');
say('done');
