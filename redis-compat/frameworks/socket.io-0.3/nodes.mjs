// socket.io on two nodes, with @socket.io/redis-streams-adapter: what one node emits reaches the clients of both, and who was
// away gets what he missed. Usage: node nodes.mjs PORT redis|ioredis; started by ../run.
//
// Messages are entries of a stream, and the session of who is away a string with a deadline. 0.2 also asks and answers in the
// stream; 0.3 does so on channels (SUBSCRIBE, PUBLISH, PUBSUB NUMSUB).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { again, done, server, tried, until, versions } from './day.mjs';

const [port, library] = process.argv.slice(2);
const [version] = versions('@socket.io/redis-streams-adapter', 'socket.io', library);
if (!version.startsWith('0.2.')) {
  const ends = {
    redis: 'handle `unhandledRejection`: else what is published on a channel while the connection breaks ends the process',
    ioredis: 'connect with `maxRetriesPerRequest: null`: else a server that is away for twenty attempts ends the process',
  };
  console.log(`care: ${ends[library]}, with Redis, too`);
}

async function connect() {
  if (library === 'ioredis') {
    const { Redis } = await import('ioredis');
    const client = new Redis(Number(port));
    client.on('error', () => {}); // the server goes away once; the library comes back by itself
    return client;
  }
  const { createClient } = await import('redis');
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {});
  await client.connect();
  return client;
}

// A node has its own connections and port. Each socket that comes is in a room of its node.
async function startNode(number, options) {
  const http = createServer();
  const node = new Server(http, {
    adapter: createAdapter(await connect(), options),
    connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
  });
  node.on('connection', (socket) => socket.recovered || socket.join(`node-${number}`));
  await new Promise((listening) => http.listen(0, '127.0.0.1', listening));
  return Object.assign(node, { url: `http://127.0.0.1:${http.address().port}` });
}

// A client keeps what it was told, and answers what it is asked with its name. It comes back only when it is told to.
async function startClient(name, node) {
  const client = io(node.url, { transports: ['websocket'], reconnection: false, forceNew: true });
  Object.assign(client, { name, heard: [] });
  client.on('news', (what) => client.heard.push(what));
  // 0.2 repeats an old question to who was away, with an entry id where there was a function.
  client.on('who', (answer) => typeof answer === 'function' && answer(name));
  await new Promise((connected) => client.once('connect', connected));
  return client;
}

const names = (sockets) => sockets.map((socket) => socket.id).sort();

// What a node emits comes in order. So whoever has heard the fences of all nodes has heard all that was emitted before them.
let fences = 0;
async function heard(nodes, clients) {
  const all = nodes.map((node) => {
    const fence = `fence ${fences++}`;
    node.emit('news', fence);
    return fence;
  });
  await until(all.join(), () => clients.every((client) => all.every((fence) => client.heard.includes(fence))));
  return clients.map((client) => client.heard.splice(0).filter((what) => !String(what).startsWith('fence')));
}

async function ready(nodes, clients) {
  const all = names(clients);
  const sees = async (node) => names(await again('fetchSockets', () => node.fetchSockets())).join() === all.join();
  for (const node of nodes) await until('the node sees all sockets', () => sees(node));
  await heard(nodes, clients);
}

// day: step(words, work) is called for each part of it.
async function day(options, step) {
  const nodes = [await startNode(0, options), await startNode(1, options)];
  const [one, two] = nodes;
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await startClient(`client ${i}`, nodes[i % 2]));
  // A node reads the stream from where it stands when its connection is there.
  await until('the nodes read', async () => {
    nodes.forEach((node) => node.emit('news', 'begin'));
    return clients.every((client) => client.heard.length > 1);
  });
  await ready(nodes, clients);

  await step('broadcast, rooms, except, binary', async () => {
    one.emit('news', 'all');
    one.to('node-1').emit('news', 'room of the other node');
    one.except('node-1').emit('news', 'own');
    one.emit('news', Buffer.from([0, 255, 10]));
    const bytes = Buffer.from([0, 255, 10]);
    const wanted = (client, i) => ['all', i % 2 ? 'room of the other node' : 'own', bytes];
    assert.deepEqual(await heard(nodes, clients), clients.map(wanted));
  });

  await step('fetchSockets, socketsJoin and socketsLeave of other nodes', async () => {
    const some = await one.in('node-1').fetchSockets();
    assert.deepEqual(names(some), names([clients[1], clients[3]]));
    one.in('node-1').socketsJoin('guests');
    await until('joined', async () => (await two.in('guests').fetchSockets()).length === 2);
    two.to('guests').emit('news', 'guests');
    assert.deepEqual(await heard(nodes, clients), [[], ['guests'], [], ['guests']]);
    one.socketsLeave('guests');
    await until('left', async () => (await two.in('guests').fetchSockets()).length === 0);
  });

  await step('emitWithAck, serverSideEmit, serverSideEmitWithAck', async () => {
    const answers = await one.timeout(30_000).emitWithAck('who');
    assert.deepEqual(answers.sort(), clients.map((client) => client.name));
    const told = [];
    two.on('told', (what) => told.push(what));
    two.on('asked', (what, answer) => answer(`${what}, says two`));
    one.serverSideEmit('told', 'once');
    assert.deepEqual(await one.serverSideEmitWithAck('asked', 'well'), ['well, says two']);
    await until('told', () => told.length);
    assert.deepEqual(told, ['once']);
  });

  // The connection breaks; meanwhile both nodes emit; it comes back, on the same node or on another one.
  const away = async (client, to, meanwhile) => {
    const { id } = client;
    client.io.engine.close();
    await until('the node has seen it go', () => nodes.every((node) => !node.sockets.sockets.has(id)));
    await meanwhile();
    client.io.uri = to.url;
    client.connect();
    await until('connected again', () => client.connected);
  };
  await step('connection state recovery, also on another node', async () => {
    for (const to of [one, two]) {
      const client = clients[0];
      await away(client, to, () => {
        one.emit('news', 'missed 1');
        two.to('node-0').emit('news', 'missed 2');
        two.to('node-1').emit('news', 'of others');
        return heard(nodes, clients.slice(1));
      });
      assert.equal(client.recovered, true);
      const [mine] = await heard(nodes, clients);
      assert.deepEqual(mine.sort(), ['missed 1', 'missed 2']);
    }
    await ready(nodes, clients);
  });

  await step('recovery over the crash: who was away gets what he missed, and all goes on', async () => {
    await away(clients[1], one, async () => {
      two.emit('news', 'before');
      await heard(nodes, [clients[0], clients[2], clients[3]]);
      await server('crash');
      // What is emitted while the server is away may be lost; from when a node reads again nothing is.
      await until('both nodes emit and read again', async () => {
        nodes.forEach((node, i) => node.emit('news', `again ${i}`));
        return [0, 2, 3].every((i) => ['again 0', 'again 1'].every((what) => clients[i].heard.includes(what)));
      });
    });
    assert.equal(clients[1].recovered, true);
    const [, mine] = await heard(nodes, clients);
    assert.equal(mine[0], 'before');
    await ready(nodes, clients);
    const answers = await again('who', () => two.timeout(5000).emitWithAck('who'));
    assert.deepEqual(answers.sort(), clients.map((client) => client.name));
    one.emit('news', 'after');
    assert.deepEqual(await heard(nodes, clients), Array(4).fill(['after']));
  });

  one.disconnectSockets();
  await until('all disconnected', () => clients.every((client) => !client.connected));
}

await day({}, tried);
if (process.argv[4] === 'sharded') {
  const options = { streamCount: 2, useShardedPubSub: true, streamName: 'sharded' };
  await tried('all of it with `streamCount` and `useShardedPubSub`', () => day(options, (words, work) => work()));
}
done();
