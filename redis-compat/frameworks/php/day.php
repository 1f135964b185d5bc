<?php
// What the PHP programs share.

error_reporting(E_ALL & ~E_DEPRECATED);  // older libraries on a newer PHP

$port = (int) $argv[1];

function say(string $line): void
{
    echo $line, "\n";
    flush();
}

function equal($got, $want): void
{
    if ($got !== $want) throw new Exception(json_encode($got) . ' instead of ' . json_encode($want));
}

/** It fails for want of this command, and of no other; what works one day has to be moved to the others. */
function lacks(string $command, callable $call): void
{
    try {
        $call();
    } catch (Exception $e) {
        if (!str_contains($e->getMessage(), "ERR '$command'")) throw $e;
        return;
    }
    throw new Exception("what wants $command works by now");
}

/** The server is killed, and started again. */
function crash(): void
{
    say('crash');
    equal(fgets(STDIN), "restarted\n");
}

/** Calls it until the connection is there again. */
function until_back(callable $call)
{
    for ($tries = 0;; $tries++) {
        try {
            return $call();
        } catch (Exception $e) {
            if ($tries > 200) throw $e;
            usleep(50000);
        }
    }
}
