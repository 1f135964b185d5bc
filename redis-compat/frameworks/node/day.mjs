// What the programs in Node share, and find beside themselves once they are installed. ../../lib.sh says what a program prints,
// and what it reads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// versions NAMES...: says, and returns, which versions of these packages are installed.
export function versions(...names) {
  const manifest = (name) => readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url));
  const found = names.map((name) => JSON.parse(manifest(name)).version);
  console.log('version', names.map((name, i) => `${name === 'redis' ? 'node-redis' : name} ${found[i]}`).join(', '));
  return found;
}

// tried: work() is what the words say; it throws when that is not so.
export async function tried(words, work) {
  try {
    await work();
  } catch (error) {
    error.message = `${words}: ${error.message}`;
    throw error;
  }
  console.log(`tried: ${words}`);
}

// until: waits for what becomes true sooner or later; the value of holds() that is. How long that takes is no matter, but
// what does not come is named.
export async function until(what, holds) {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(20)) {
    const value = await holds();
    if (value) return value;
  }
  assert.fail(`${what}: in vain for a minute`);
}

// again: does work() until it succeeds, as one does while the server is away.
export const again = (what, work) => until(what, () => work().then((value) => [value], () => false)).then(([value]) => value);

// server 'restart' or 'crash': it is stopped or killed; returns when it has been started again.
export async function server(end) {
  console.log(end);
  assert.equal((await lines.next()).value, 'restarted');
}

export function done() {
  console.log('done');
  process.exit(0);
}
