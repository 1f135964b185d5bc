// More of a worker's day with ioredis: strings, channels, events and changes of keys as messages. Called by ioredis.mjs.
import assert from 'node:assert/strict';

// RESP2 has lists where RESP3 has maps; the library gives either as it came.
const map = (reply) =>
  Array.isArray(reply) ? Object.fromEntries(reply.flatMap((v, i) => (i % 2 ? [] : [[v, reply[i + 1]]]))) : { ...reply };

// The family of strings.
export async function strings(r) {
  assert.deepEqual(
    [await r.set('s', 'one', 'EX', 100), await r.set('s', 'two', 'NX'), await r.set('s', 'two', 'XX', 'GET')],
    ['OK', null, 'one'],
  );
  assert.equal(await r.ttl('s'), -1);
  assert.equal(await r.setnx('s', 'x'), 0);
  assert.deepEqual([await r.setex('s', 100, 'ex'), await r.psetex('s', 100_000, 'px')], ['OK', 'OK']);
  assert.ok((await r.pttl('s')) > 0);
  assert.deepEqual(
    [await r.getex('s', 'EX', 1000), await r.getset('s', 'set'), await r.getdel('s'), await r.get('s')],
    ['px', 'px', 'set', null],
  );
  assert.equal(await r.mset({ a: '1', b: 'é ☕' }), 'OK');
  assert.deepEqual(await r.mget('a', 'none', 'b'), ['1', null, 'é ☕']);
  assert.equal(await r.msetnx('c', '1', 'a', '2'), 0);
  assert.deepEqual([await r.incr('a'), await r.incrby('a', 5), await r.decr('a'), await r.decrby('a', 10)], [2, 7, 6, -4]);
  assert.equal(await r.incrbyfloat('f', 12.5), '12.5');
  await assert.rejects(r.incr('b'), /not an integer/);
  assert.deepEqual([await r.append('t', 'hello'), await r.setrange('t', 6, 'world'), await r.strlen('t')], [5, 11, 11]);
  assert.deepEqual([await r.getrange('t', 5, 7), await r.substr('t', -3, -1)], ['\0wo', 'rld']);
  await r.mset({ one: 'ohmytext', two: 'mynewtext' });
  assert.deepEqual([await r.lcs('one', 'two'), await r.lcs('one', 'two', 'LEN')], ['mytext', 6]);
  const found = map(await r.lcs('one', 'two', 'IDX', 'MINMATCHLEN', 4));
  assert.deepEqual(found, { matches: [[[4, 7], [5, 8]]], len: 6 });
  await assert.rejects(r.append('orders', 'x'), /WRONGTYPE/); // a stream
}

// A connection that listens. What it hears is kept until it is looked at.
export async function listen(r, appended) {
  const heard = [];
  const sub = r.duplicate();
  sub.on('error', () => {});
  sub.on('message', (channel, message) => heard.push([channel, message]));
  sub.on('smessage', (channel, message) => heard.push([channel, message]));
  sub.on('pmessage', (pattern, channel, message) => heard.push([channel, message]));
  assert.equal(await sub.subscribe('news', '__keyspace@0__:lock'), 2);
  assert.equal(await sub.psubscribe('alarm-*', '__keyevent@0__:e*'), 4);
  await sub.ssubscribe('shard');
  if (appended) await sub.psubscribe('__event__:box-*');
  const patterns = appended ? 3 : 2;
  const sleep = () => new Promise((done) => setTimeout(done, 10));
  const hears = async (...wanted) => {
    while (heard.length < wanted.length) await sleep();
    assert.deepEqual(heard.splice(0), wanted);
  };

  return {
    async all() {
      assert.deepEqual([await r.publish('news', 'é ☕'), await r.publish('alarm-1', '2')], [1, 1]);
      assert.equal(await r.spublish('shard', '3'), 1);
      await hears(['news', 'é ☕'], ['alarm-1', '2'], ['shard', '3']);
      assert.equal(await r.publish('silence', ''), 0);
      assert.deepEqual(map(await r.pubsub('NUMSUB', 'news', 'silence')), { news: 1, silence: 0 });
      assert.deepEqual(await r.pubsub('CHANNELS', 'n*'), ['news']);
      assert.deepEqual(map(await r.pubsub('SHARDNUMSUB', 'shard')), { shard: 1 });
      assert.equal(await r.pubsub('NUMPAT'), patterns);

      // With a transaction, and behind what it appends.
      await r.multi().xadd('paper', '*', 'n', '1').publish('news', 'paper').exec();
      await hears(['news', 'paper']);

      // Changes of keys.
      await r.config('SET', 'notify-keyspace-events', 'KEA');
      await r.set('lock', 'mine', 'PX', 1);
      await hears(['__keyspace@0__:lock', 'set'], ['__keyspace@0__:lock', 'expire'], ['__keyevent@0__:expire', 'lock'],
        ['__keyspace@0__:lock', 'expired'], ['__keyevent@0__:expired', 'lock']);
      await r.config('SET', 'notify-keyspace-events', '');

      // Events, on a channel of their stream.
      if (!appended) return;
      await r.call('EAPPEND', 'box-1', 'box.filled', 'PAYLOAD', '{"n":1}');
      while (!heard.length) await sleep();
      const [[channel, message]] = heard.splice(0);
      const event = JSON.parse(message);
      assert.deepEqual([channel, event.stream, event.type, event.data, event.specversion],
        ['__event__:box-1', 'box-1', 'box.filled', { n: 1 }, '1.0']);
      await assert.rejects(r.publish('__event__:box-1', 'mine'), /ERR/);
    },
    // After a restart of the server: the library subscribes again by itself, sooner or later.
    async again() {
      for (const [publish, ...to] of [['publish', 'news'], ['publish', 'alarm-1'], ['spublish', 'shard']]) {
        while ((await r[publish](...to, 'again')) !== 1) await sleep();
      }
      const key = '__keyspace@0__:lock';
      while ((await r.pubsub('NUMPAT')) !== patterns || !map(await r.pubsub('NUMSUB', key))[key]) await sleep();
      await hears(['news', 'again'], ['alarm-1', 'again'], ['shard', 'again']);
      await this.all();
      await sub.unsubscribe('news');
      assert.equal(await r.publish('news', 'gone'), 0);
      await sub.quit();
    },
  };
}
