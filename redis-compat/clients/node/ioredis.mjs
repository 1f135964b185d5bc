// What a worker does with ioredis: the steps of ../README.md. Usage: node ioredis.mjs PORT PACKAGE; started by ../run.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { listen, strings } from './ioredis-channels.mjs';

const [port, name] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Redis } = require(name);
console.log('version', require(`${name}/package.json`).version);

const r = new Redis(Number(port));
r.on('error', () => {}); // the server goes away once; the library comes back by itself
const other = new Redis(Number(port));
other.on('error', () => {});
assert.equal(await r.ping(), 'PONG');
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
// RESP2 has lists where RESP3 has maps; the library gives either as it came.
const pairs = (reply) => (Array.isArray(reply) ? reply : Object.entries(reply).flat());
const field = (reply, key) => pairs(reply)[pairs(reply).indexOf(key) + 1];

// Produce.
const fields = [0, 1, 2].map((i) => ['n', String(i), 'text', `é ☕ ${i}`]);
const ids = [];
for (const f of fields) ids.push(await r.xadd('orders', '*', ...f));
const all = ids.map((id, i) => [id, fields[i]]);
assert.equal(await r.xlen('orders'), 3);
assert.deepEqual(await r.xrange('orders', '-', '+'), all);
assert.deepEqual(await r.xrevrange('orders', '+', '-', 'COUNT', 1), [all[2]]);

// Consume in a group.
assert.equal(await r.xgroup('CREATE', 'orders', 'billing', '0'), 'OK');
await assert.rejects(r.xgroup('CREATE', 'orders', 'billing', '0'), /^\w*Error: BUSYGROUP/);
const read = async (client, consumer, id, ...options) => {
  const reply = await client.xreadgroup('GROUP', 'billing', consumer, ...options, 'STREAMS', 'orders', id);
  return reply && (Array.isArray(reply) ? reply[0][1] : reply.orders);
};
assert.deepEqual(await read(r, 'alice', '>', 'COUNT', 2), all.slice(0, 2));
assert.equal(await r.xack('orders', 'billing', ids[0]), 1);
assert.deepEqual(await r.xpending('orders', 'billing'), [1, ids[1], ids[1], [['alice', '1']]]);

// Claim what another one left.
assert.deepEqual(await r.xclaim('orders', 'billing', 'bob', 0, ids[1]), [all[1]]);
assert.deepEqual(await r.xautoclaim('orders', 'billing', 'carol', 0, '0'), ['0-0', [all[1]], []]);
const kept = async () =>
  (await r.xpending('orders', 'billing', '-', '+', 10)).map(([id, consumer, , count]) => [id, consumer, count]);
assert.deepEqual(await kept(), [[ids[1], 'carol', 3]]);

// Block, and be woken.
assert.deepEqual(await read(r, 'alice', '>'), [all[2]]);
assert.equal(await read(r, 'alice', '>', 'BLOCK', 10), null);
const waiting = read(other, 'alice', '>', 'BLOCK', 30000);
while (!/blocked_clients:1\r/.test(await r.info('clients'))) await sleep(10);
const fourth = await r.xadd('orders', '*', 'n', '3');
assert.deepEqual(await waiting, [[fourth, ['n', '3']]]);
assert.equal(await r.xack('orders', 'billing', ids[2], fourth), 2);

// A transaction, and one that another client gets ahead of.
assert.deepEqual(
  await r.multi().xadd('paid', '1-1', 'order', '1').xadd('paid', '1-2', 'order', '2').xlen('paid').exec(),
  [[null, '1-1'], [null, '1-2'], [null, 2]],
);
await r.watch('paid');
await other.xadd('paid', '1-3', 'order', '3');
assert.equal(await r.multi().xadd('paid', '1-4', 'order', '4').exec(), null);
assert.equal(await r.xlen('paid'), 3);

// Remove, and look.
assert.equal(await r.xdel('paid', '1-2'), 1);
assert.equal(await r.xtrim('paid', 'MAXLEN', 1), 1);
assert.deepEqual(await r.xrange('paid', '-', '+'), [['1-3', ['order', '3']]]);
const about = await r.xinfo('STREAM', 'orders');
assert.deepEqual(['length', 'last-generated-id', 'groups'].map((k) => field(about, k)), [4, fourth, 1]);
const [group] = await r.xinfo('GROUPS', 'orders');
assert.deepEqual(['name', 'pending', 'lag'].map((k) => field(group, k)), ['billing', 1, 0]);
const consumers = await r.xinfo('CONSUMERS', 'orders', 'billing');
assert.deepEqual(
  consumers.map((c) => [field(c, 'name'), field(c, 'pending')]).sort(),
  [['alice', 0], ['bob', 0], ['carol', 1]],
);

// A group on a virtual stream; read from history to live, and keep the place in one transaction with what comes of it.
let appended = true;
const fill = (n) => r.call('EAPPEND', `cart-${n}`, 'cart.filled', 'PAYLOAD', n);
await fill(0).catch(() => (appended = false)); // Redis has neither
const eread = async (client, ...words) => {
  const reply = await client.call('EREAD', ...words, 'CATEGORY', 'cart', 'FIELDS', 'stream_id,payload');
  return Object.fromEntries(['events', 'next', 'head', 'has_more', 'timeline'].map((k) => [k, field(reply, k)]));
};
if (appended) {
  await fill(1);
  await fill(2);
  const virtual = '@category:cart';
  assert.equal(await r.xgroup('CREATE', virtual, 'saga', '0'), 'OK');
  const reply = await r.xreadgroup('GROUP', 'saga', 'w1', 'COUNT', 2, 'STREAMS', virtual, '>');
  const entries = Array.isArray(reply) ? reply[0][1] : reply[virtual];
  assert.deepEqual(entries.map(([, f]) => [field(f, '@stream'), field(f, 'payload')]), [['cart-0', '0'], ['cart-1', '1']]);
  assert.equal(await r.xack(virtual, 'saga', entries[0][0]), 1);
  assert.deepEqual(await r.xautoclaim(virtual, 'saga', 'w2', 0, '0'), ['0-0', [entries[1]], []]);

  let page = await eread(r, 'FROM', 'START', 'COUNT', 2);
  assert.deepEqual([page.events, Boolean(page.has_more)], [[['cart-0', '0'], ['cart-1', '1']], true]);
  page = await eread(r, 'FROM', `${page.next}@${page.timeline}`);
  assert.deepEqual([page.events, page.next], [[['cart-2', '2']], page.head]);
  // It waits on a connection of its own: what stands behind it on the same one would wait, too.
  const woken = eread(other, 'FROM', page.next, 'BLOCK', 30000);
  while (!/blocked_clients:1\r/.test(await r.info('clients'))) await sleep(10);
  const written = await fill(3);
  page = await woken;
  assert.deepEqual(page.events, [['cart-3', '3']]);

  const move = (value) => r.multi().set('carts', value).call('ECHECKPOINT', 'SET', 'carts', page.next, 'IF', 'NONE').exec();
  await move('made');
  await assert.rejects(move('too late'), /STALE/);
  assert.equal(await r.get('carts'), 'made');
  assert.equal(await r.call('ECHECKPOINT', 'WAIT', 'carts', field(written, 'partition_sequence'), 1000), 1);
  assert.equal(field(await r.call('ECHECKPOINT', 'GET', 'carts'), 'position'), page.next);
}

await strings(r);
const listener = await listen(r, appended);
await listener.all();

// The server is restarted.
const input = readline.createInterface({ input: process.stdin });
console.log('restart');
assert.equal(await new Promise((done) => input.once('line', done)), 'restarted');
input.close();
for (;;) {
  try {
    await r.ping();
    break;
  } catch {
    await sleep(50);
  }
}
assert.deepEqual((await r.xrange('orders', '-', '+')).map(([id]) => id), [...ids, fourth]);
assert.deepEqual(await kept(), [[ids[1], 'carol', 3]]);
assert.deepEqual(await read(r, 'carol', '0'), [all[1]]);
assert.equal(await r.xack('orders', 'billing', ids[1]), 1);
const fifth = await r.xadd('orders', '*', 'n', '4');
assert.deepEqual(await read(r, 'alice', '>'), [[fifth, ['n', '4']]]);
if (appended) {
  await fill(4);
  assert.deepEqual((await eread(r, 'FROM', 'CHECKPOINT', 'carts')).events, [['cart-4', '4']]);
}
await listener.again();
console.log('done');
process.exit(0);
