// What a worker does with node-redis: the steps of ../README.md. Usage: node node-redis.mjs PORT PACKAGE; started by ../run.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { listen, strings } from './node-redis-channels.mjs';

const [port, name] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { createClient } = require(name);
console.log('version', require(`${name}/package.json`).version);

const url = `redis://127.0.0.1:${port}`;
const chosen = process.env.RESP ? { RESP: Number(process.env.RESP) } : {};
const r = createClient({ url, ...chosen });
r.on('error', () => {}); // the server goes away once; the library comes back by itself
await r.connect();
const other = createClient({ url, ...chosen });
other.on('error', () => {});
await other.connect();
assert.equal(await r.ping(), 'PONG');
const plain = (entries) => entries.map((e) => [e.id, { ...e.message }]);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Produce.
const fields = [0, 1, 2].map((i) => ({ n: String(i), text: `é ☕ ${i}` }));
const ids = [];
for (const f of fields) ids.push(await r.xAdd('orders', '*', f));
const all = ids.map((id, i) => [id, fields[i]]);
assert.equal(await r.xLen('orders'), 3);
assert.deepEqual(plain(await r.xRange('orders', '-', '+')), all);
assert.deepEqual(plain(await r.xRevRange('orders', '+', '-', { COUNT: 1 })), [all[2]]);

// Consume in a group.
assert.equal(await r.xGroupCreate('orders', 'billing', '0'), 'OK');
await assert.rejects(r.xGroupCreate('orders', 'billing', '0'), /^\w*Error: BUSYGROUP/);
const read = (client, consumer, id, options) =>
  client.xReadGroup('billing', consumer, { key: 'orders', id }, options).then((reply) => reply && plain(reply[0].messages));
assert.deepEqual(await read(r, 'alice', '>', { COUNT: 2 }), all.slice(0, 2));
assert.equal(await r.xAck('orders', 'billing', ids[0]), 1);
const pending = await r.xPending('orders', 'billing');
assert.deepEqual([pending.pending, pending.firstId, pending.lastId], [1, ids[1], ids[1]]);
assert.deepEqual({ ...pending.consumers[0] }, { name: 'alice', deliveriesCounter: 1 });

// Claim what another one left.
assert.deepEqual(plain(await r.xClaim('orders', 'billing', 'bob', 0, ids[1])), [all[1]]);
const claimed = await r.xAutoClaim('orders', 'billing', 'carol', 0, '0');
assert.deepEqual([claimed.nextId, plain(claimed.messages)], ['0-0', [all[1]]]);
const kept = async () => {
  const rows = await r.xPendingRange('orders', 'billing', '-', '+', 10);
  return rows.map((row) => [row.id, row.consumer ?? row.owner, row.deliveriesCounter]);
};
assert.deepEqual(await kept(), [[ids[1], 'carol', 3]]);

// Block, and be woken.
assert.deepEqual(await read(r, 'alice', '>'), [all[2]]);
assert.equal(await read(r, 'alice', '>', { BLOCK: 10 }), null);
const waiting = read(other, 'alice', '>', { BLOCK: 30000 });
while (!/blocked_clients:1\r/.test(await r.info('clients'))) await sleep(10);
const fourth = await r.xAdd('orders', '*', { n: '3' });
assert.deepEqual(await waiting, [[fourth, { n: '3' }]]);
assert.equal(await r.xAck('orders', 'billing', [ids[2], fourth]), 2);

// A transaction, and one that another client gets ahead of.
assert.deepEqual(
  await r.multi().xAdd('paid', '1-1', { order: '1' }).xAdd('paid', '1-2', { order: '2' }).xLen('paid').exec(),
  ['1-1', '1-2', 2],
);
await r.watch('paid');
await other.xAdd('paid', '1-3', { order: '3' });
await assert.rejects(r.multi().xAdd('paid', '1-4', { order: '4' }).exec(), /watched/i);
assert.equal(await r.xLen('paid'), 3);

// Remove, and look.
assert.equal(await r.xDel('paid', '1-2'), 1);
assert.equal(await r.xTrim('paid', 'MAXLEN', 1), 1);
assert.deepEqual(plain(await r.xRange('paid', '-', '+')), [['1-3', { order: '3' }]]);
const about = await r.xInfoStream('orders');
assert.deepEqual([about.length, about.lastGeneratedId ?? about['last-generated-id'], about.groups], [4, fourth, 1]);
const [group] = await r.xInfoGroups('orders');
assert.deepEqual(
  [group.name, group.pending, group.lastDeliveredId ?? group['last-delivered-id']],
  ['billing', 1, fourth],
);
const consumers = await r.xInfoConsumers('orders', 'billing');
assert.deepEqual(consumers.map((c) => [c.name, c.pending]).sort(), [['alice', 0], ['bob', 0], ['carol', 1]]);

// A group on a virtual stream, over what EAPPEND and XADD put into several streams. Redis has neither.
const virtual = '@category:order';
const saga = (consumer, id, options) =>
  r.xReadGroup('saga', consumer, { key: virtual, id }, options).then((reply) => reply && plain(reply[0].messages));
let appended = true;
try {
  for (const i of [0, 1, 2]) await r.sendCommand(['EAPPEND', `order-${i}`, 'order.created', 'PAYLOAD', `{"n":${i}}`]);
} catch {
  appended = false;
}
let events;
if (appended) {
  await r.xAdd('order-3', '7-7', { n: '3' });
  assert.equal(await r.xGroupCreate(virtual, 'saga', '0', { MKSTREAM: true }), 'OK');
  events = await saga('w1', '>', { COUNT: 3 });
  assert.deepEqual(events.map(([, f]) => [f['@stream'], f.payload]), [0, 1, 2].map((i) => [`order-${i}`, `{"n":${i}}`]));
  const [last] = await saga('w2', '>', { BLOCK: 10 });
  assert.deepEqual(last[1], { '@stream': 'order-3', '@id': '7-7', n: '3' });
  assert.equal(await r.xAck(virtual, 'saga', [events[0][0], last[0]]), 2);
  assert.deepEqual(plain(await r.xClaim(virtual, 'saga', 'w3', 0, events[1][0])), [events[1]]);
  assert.deepEqual(plain((await r.xAutoClaim(virtual, 'saga', 'w4', 0, '0')).messages), events.slice(1));
  assert.deepEqual(plain(await r.xRange('@type:order.*', '-', '+', { COUNT: 2 })), events.slice(0, 2));
  const all = await r.xInfoStream(virtual);
  assert.deepEqual([all.length, all.lastGeneratedId ?? all['last-generated-id'], all.groups], [4, last[0], 1]);
  assert.deepEqual((await r.xInfoGroups(virtual)).map((g) => [g.name, g.pending]), [['saga', 2]]);
}

// Read from history to live, and keep the place in one transaction with what comes of it.
const named = (reply) =>
  Array.isArray(reply) ? Object.fromEntries(reply.flatMap((v, i) => (i % 2 ? [] : [[v, reply[i + 1]]]))) : { ...reply };
const eread = async (client, ...words) =>
  named(await client.sendCommand(['EREAD', ...words.map(String), 'CATEGORY', 'cart', 'FIELDS', 'stream_id,payload']));
if (appended) {
  const fill = async (n) => named(await r.sendCommand(['EAPPEND', `cart-${n}`, 'cart.filled', 'PAYLOAD', String(n)]));
  for (const n of [0, 1, 2]) await fill(n);
  let page = await eread(r, 'FROM', 'START', 'COUNT', 2);
  assert.deepEqual([page.events, Boolean(page.has_more)], [[['cart-0', '0'], ['cart-1', '1']], true]);
  page = await eread(r, 'FROM', `${page.next}@${page.timeline}`);
  assert.deepEqual([page.events, page.next, Boolean(page.has_more)], [[['cart-2', '2']], page.head, false]);
  // It waits on a connection of its own: what stands behind it on the same one would wait, too.
  const woken = eread(other, 'FROM', page.next, 'BLOCK', 30000);
  while (!/blocked_clients:1\r/.test(await r.info('clients'))) await sleep(10);
  const written = await fill(3);
  page = await woken;
  assert.deepEqual(page.events, [['cart-3', '3']]);

  const move = (value) =>
    r.multi().set('carts', value).addCommand(['ECHECKPOINT', 'SET', 'carts', String(page.next), 'IF', 'NONE']).exec();
  await move('made');
  await assert.rejects(move('too late'), /STALE/);
  assert.equal(await r.get('carts'), 'made');
  assert.equal(await r.sendCommand(['ECHECKPOINT', 'WAIT', 'carts', String(written.partition_sequence), '1000']), 1);
  assert.equal(named(await r.sendCommand(['ECHECKPOINT', 'GET', 'carts'])).position, page.next);

  // Pushes: in RESP3 the library drops them. (In RESP2 it takes them for replies that nobody has asked for.)
  if (/^[6-9]/.test(require(`${name}/package.json`).version) && process.env.RESP !== '2') {
    const deaf = createClient({ url, ...chosen });
    deaf.on('error', () => {});
    await deaf.connect();
    await deaf.sendCommand(['ESUBSCRIBE', 'cart-*', 'FROM', 'START']);
    assert.deepEqual([await deaf.ping(), await deaf.get('carts')], ['PONG', 'made']);
    await deaf.sendCommand(['EUNSUBSCRIBE', '*']);
    await deaf.quit();
  }
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
assert.deepEqual(plain(await r.xRange('orders', '-', '+')).map(([id]) => id), [...ids, fourth]);
assert.deepEqual(await kept(), [[ids[1], 'carol', 3]]);
assert.deepEqual(await read(r, 'carol', '0'), [all[1]]);
assert.equal(await r.xAck('orders', 'billing', ids[1]), 1);
const fifth = await r.xAdd('orders', '*', { n: '4' });
assert.deepEqual(await read(r, 'alice', '>'), [[fifth, { n: '4' }]]);
if (appended) assert.deepEqual((await saga('w4', '0')).map(([id]) => id), events.slice(1).map(([id]) => id));
if (appended) {
  await r.sendCommand(['EAPPEND', 'cart-4', 'cart.filled', 'PAYLOAD', '4']);
  assert.deepEqual((await eread(r, 'FROM', 'CHECKPOINT', 'carts')).events, [['cart-4', '4']]);
}
await listener.again();
console.log('done');
process.exit(0);
