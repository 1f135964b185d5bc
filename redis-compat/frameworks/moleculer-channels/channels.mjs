// @moleculer/channels with its Redis adapter: channels are streams, and groups share their messages. What fails is given again,
// and then put aside; what a dead consumer left is taken over. Usage: node channels.mjs PORT; started by ../run.
import assert from 'node:assert/strict';
import Channels from '@moleculer/channels';
import { Redis } from 'ioredis';
import moleculer from 'moleculer';
import { again, done, server, tried, until, versions } from './day.mjs';

versions('@moleculer/channels', 'moleculer', 'ioredis');
const port = Number(process.argv[2]);
const store = new Redis(port);
store.on('error', () => {}); // the server goes away once; the library comes back by itself

async function startNode(nodeID, channels) {
  const adapter = { type: 'Redis', options: { redis: { host: '127.0.0.1', port } } };
  const broker = new moleculer.ServiceBroker({ nodeID, logger: false, middlewares: [Channels.Middleware({ adapter })] });
  broker.createService({ name: 'work', channels });
  await broker.start();
  return broker;
}

// handled: of each group, which nodes have begun with an order, and how often.
const handled = { billing: new Map(), mail: new Map(), shipping: new Map() };
const group = (name, node, more) => ({
  group: name,
  redis: { startID: '0' },
  handler({ n, fails = 0 }) {
    const by = handled[name].get(n) ?? [];
    handled[name].set(n, [...by, node]);
    if (fails > by.length) throw new Error(`order ${n} fails`);
  },
  ...more,
});
// In "shipping" what is not acknowledged after 300 ms counts as failed; elsewhere after an hour.
const impatient = {
  redis: { startID: '0', minIdleTime: 300, claimInterval: 50, processingAttemptsInterval: 50 },
  maxRetries: 5,
  deadLettering: { enabled: true, queueName: 'aside' },
};
const worker = (id) =>
  startNode(id, { 'order.created': group('billing', id), 'order.paid': group('shipping', id, impatient) });

const sender = await startNode('sender', {});
let orders = 0;
async function send(channel, more = {}) {
  const n = orders++;
  await sender.sendToChannel(channel, { n, text: 'é ☕', ...more });
  return n;
}
const nothingPending = (channel, name) =>
  until(`nothing is pending in ${name}`, async () => (await store.xpending(channel, name))[0] === 0);

// A consumer takes the first order and dies with it.
await store.xgroup('CREATE', 'order.paid', 'shipping', '0', 'MKSTREAM');
const first = await send('order.paid');
await store.xreadgroup('GROUP', 'shipping', 'dead', 'STREAMS', 'order.paid', '>');
const workers = [await worker('worker-1'), await worker('worker-2')];
await startNode('mailer', { 'order.created': group('mail', 'mailer') });

await tried('groups, of one node and of several', async () => {
  const sent = [];
  for (let i = 0; i < 100; i++) sent.push(await send('order.created'));
  for (const name of ['billing', 'mail']) {
    await until(`${name} has all`, () => handled[name].size === sent.length);
    await nothingPending('order.created', name);
    assert.deepEqual([...handled[name].keys()].sort((a, b) => a - b), sent);
    assert.ok([...handled[name].values()].every((by) => by.length === 1), name);
  }
});

await tried('what a dead consumer took is handled by another', async () => {
  await until('it is handled', () => handled.shipping.has(first));
  await nothingPending('order.paid', 'shipping');
});

await tried('retries', async () => {
  const n = await send('order.paid', { fails: 1 });
  await until('it is handled again', () => handled.shipping.get(n)?.length >= 2);
});

await tried('dead letters', async () => {
  const n = await send('order.paid', { fails: 1e9, text: 'dead' });
  const aside = async () => (await store.xrange('aside', '-', '+')).map(([, fields]) => [fields[1], fields[3]].map(JSON.parse));
  const letter = await until('it is put aside', async () => (await aside()).find(([order]) => order.n === n));
  assert.equal(letter[0].text, 'dead');
  assert.equal(letter[1]['x-original-channel'], 'order.paid');
  assert.equal(letter[1]['x-original-group'], 'shipping');
  await nothingPending('order.paid', 'shipping');
});
console.log('care: two nodes may make a dead letter of the same message, with Redis, too');

await tried('the crash amid sending: nothing is lost that was answered, nothing stays pending', async () => {
  const sent = [];
  async function sendMany(from) {
    for (let i = 0; i < 300; i++) {
      const n = `${from.nodeID} ${i}`;
      await again('send', () => from.sendToChannel('order.paid', { n }));
      sent.push(n);
    }
  }
  const all = Promise.all(workers.map(sendMany));
  await until('some are sent', () => sent.length > 100);
  await server('crash');
  await all;
  await until('all are handled', () => sent.every((n) => handled.shipping.has(n)));
  await nothingPending('order.paid', 'shipping');
});

await tried('a node that stops removes its consumer', async () => {
  const consumers = async () => (await store.xinfo('CONSUMERS', 'order.paid', 'shipping')).length;
  const before = await consumers();
  await workers[1].stop();
  assert.equal(await consumers(), before - 1);
});
done();
