// NestJS' Transport.REDIS, which is pub/sub: requests and their answers, events for all who listen, patterns; and what happens
// in the store as events of a service. Usage: node services.mjs PORT; started by ../run.
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, RpcException, Transport } from '@nestjs/microservices';
import { Redis } from 'ioredis';
import { firstValueFrom, from, lastValueFrom, timeout, toArray } from 'rxjs';
import { again, done, server, tried, until, versions } from './day.mjs';

const [version] = versions('@nestjs/microservices', '@nestjs/core', 'ioredis');
const port = Number(process.argv[2]);
// Before 12 the answer goes to where nobody listens, on Redis, too.
const patternsAnswer = Number(version.split('.')[0]) >= 12;
Logger.overrideLogger(false);

console.log('care: give `retryAttempts`: without it the first connection that is lost is the last');
const options = { host: '127.0.0.1', port, retryAttempts: 1000, retryDelay: 50 };

// startService HANDLERS: a microservice. handlers: name -> [decorator, function]; this is what decorators are in JavaScript.
async function startService(handlers, more = {}) {
  class Handlers {}
  for (const [name, [decorator, handle]] of Object.entries(handlers)) {
    Handlers.prototype[name] = handle;
    decorator(Handlers.prototype, name, Object.getOwnPropertyDescriptor(Handlers.prototype, name));
    Payload()(Handlers.prototype, name, 0);
    Ctx()(Handlers.prototype, name, 1);
  }
  Controller()(Handlers);
  class Service {}
  Module({ controllers: [Handlers] })(Service);
  const service = await NestFactory.createMicroservice(Service, {
    transport: Transport.REDIS,
    options: { ...options, ...more },
    logger: false,
  });
  await service.listen();
}

const heard = { orders: [], billing: [], all: [], store: [] };
await startService({
  sum: [MessagePattern('sum'), (numbers) => numbers.reduce((a, b) => a + b, 0)],
  count: [MessagePattern({ cmd: 'count' }), (to) => from(Array.from({ length: to }, (_, i) => i))],
  fail: [MessagePattern('fail'), (what) => { throw new RpcException(`no ${what}`); }],
  created: [EventPattern('order.created'), (order) => { heard.orders.push(order); }],
});
await startService({ created: [EventPattern('order.created'), (order) => { heard.billing.push(order); }] });
await startService(
  {
    any: [EventPattern('order.*'), (order, context) => { heard.all.push([context.getChannel(), order]); }],
    ask: [MessagePattern('ask.*'), (what, context) => `${context.getChannel()}: ${what}`],
  },
  { wildcards: true },
);
// What is appended to the streams of category "cart". A message has `id` and `data`, by which Nest would take it for a request
// of its own: so it is told what it is.
await startService(
  { appended: [EventPattern('__event__:cart-*'), (event) => { heard.store.push([event.stream, event.type, event.data]); }] },
  { wildcards: true, deserializer: { deserialize: (event, { channel }) => ({ pattern: channel, data: event }) } },
);

const client = ClientProxyFactory.create({ transport: Transport.REDIS, options });
const ask = (pattern, data) => firstValueFrom(client.send(pattern, data).pipe(timeout(20_000)));
const tell = (pattern, data) => lastValueFrom(client.emit(pattern, data), { defaultValue: null });

// ready: all services listen, as seen by what reaches them.
async function ready() {
  const answers = (pattern, data) => again(pattern, () => firstValueFrom(client.send(pattern, data).pipe(timeout(1000))));
  await answers('sum', []);
  if (patternsAnswer) await answers('ask.ready', '');
  const deaf = () => Object.entries(heard).some(([name, messages]) => name !== 'store' && messages.length === 0);
  clear();
  await until('all hear', async () => {
    await again('emit', () => tell('order.created', 'ready'));
    return !deaf();
  });
  await sameNow('fence');
  clear();
}
const clear = () => Object.values(heard).forEach((messages) => messages.splice(0));
// sameNow: emits it; when all have heard it, they have heard what was emitted before.
async function sameNow(fence) {
  await tell('order.created', fence);
  await until(`all hear ${fence}`, () => ['orders', 'billing'].every((name) => heard[name].includes(fence)) &&
    heard.all.some(([, order]) => order === fence));
}

async function requests() {
  const sums = Array.from({ length: 50 }, (_, i) => ask('sum', [i, 1]));
  assert.deepEqual(await Promise.all(sums), Array.from({ length: 50 }, (_, i) => i + 1));
  assert.deepEqual(await lastValueFrom(client.send({ cmd: 'count' }, 3).pipe(toArray())), [0, 1, 2]);
  await assert.rejects(ask('fail', 'such order'), (error) => (error.message ?? error) === 'no such order');
  if (patternsAnswer) assert.equal(await ask('ask.stock', 'how many'), 'ask.stock: how many');
}
async function events() {
  const orders = Array.from({ length: 20 }, (_, n) => ({ n, text: `é ☕ ${n}` }));
  for (const order of orders) await tell('order.created', order);
  await tell('order.paid', { n: 0 });
  await sameNow('all told');
  const ended = [...orders, 'all told'];
  assert.deepEqual(heard.orders, ended);
  assert.deepEqual(heard.billing, ended);
  const all = ended.map((order) => ['order.created', order]);
  all.splice(-1, 0, ['order.paid', { n: 0 }]);
  assert.deepEqual(heard.all, all);
  clear();
}

await ready();
await tried('requests: one answer, several, errors', requests);
if (patternsAnswer) console.log('tried: requests to patterns with wildcards');
else console.log('care: a request to a pattern with wildcards gets no answer, with Redis neither');
await tried('events: each service gets each, in order, by name or pattern', events);
await tried('all of this after the crash', async () => {
  await server('crash');
  await ready();
  await requests();
  await events();
});

// Redis has no such channels.
const store = new Redis(port);
if (/cairn_version/.test(await store.info('server'))) {
  await tried('what is appended (`__event__:cart-*`) as events of a service, with a `deserializer` of one line', async () => {
    await until('the service listens', async () => {
      await store.call('EAPPEND', 'cart-0', 'cart.opened');
      return heard.store.length;
    });
    await store.call('EAPPEND', 'cart-1', 'cart.filled', 'PAYLOAD', '{"n":1}');
    await store.xadd('cart-2', '*', 'n', '2');
    await until('all three', () => heard.store.some(([stream]) => stream === 'cart-2'));
    assert.deepEqual(heard.store.filter(([stream]) => stream !== 'cart-0'), [
      ['cart-1', 'cart.filled', { n: 1 }],
      ['cart-2', 'cairn.entry', { n: '2' }],
    ]);
  });
}
done();
