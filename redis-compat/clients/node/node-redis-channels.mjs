// More of a worker's day with node-redis: strings, channels, events and changes of keys as messages. Called by node-redis.mjs.
import assert from 'node:assert/strict';

// The family of strings.
export async function strings(r) {
  assert.deepEqual(
    [await r.set('s', 'one', { EX: 100 }), await r.set('s', 'two', { NX: true })],
    ['OK', null],
  );
  assert.equal(await r.set('s', 'two', { XX: true, GET: true }), 'one');
  assert.equal(await r.ttl('s'), -1);
  assert.equal(Boolean(await r.setNX('s', 'x')), false);
  assert.deepEqual([await r.setEx('s', 100, 'ex'), await r.pSetEx('s', 100_000, 'px')], ['OK', 'OK']);
  assert.ok((await r.pTTL('s')) > 0);
  assert.deepEqual(
    [await r.getEx('s', { EX: 1000 }), await r.getSet('s', 'set'), await r.getDel('s'), await r.get('s')],
    ['px', 'px', 'set', null],
  );
  assert.equal(await r.mSet({ a: '1', b: 'é ☕' }), 'OK');
  assert.deepEqual(await r.mGet(['a', 'none', 'b']), ['1', null, 'é ☕']);
  assert.equal(Boolean(await r.mSetNX({ c: '1', a: '2' })), false);
  assert.deepEqual([await r.incr('a'), await r.incrBy('a', 5), await r.decr('a'), await r.decrBy('a', 10)], [2, 7, 6, -4]);
  assert.equal(String(await r.incrByFloat('f', 12.5)), '12.5');
  await assert.rejects(r.incr('b'), /not an integer/);
  assert.deepEqual([await r.append('t', 'hello'), await r.setRange('t', 6, 'world'), await r.strLen('t')], [5, 11, 11]);
  assert.deepEqual([await r.getRange('t', 5, 7), await r.getRange('t', -3, -1)], ['\0wo', 'rld']);
  await r.mSet({ one: 'ohmytext', two: 'mynewtext' });
  assert.deepEqual([await r.lcs('one', 'two'), await r.lcsLen('one', 'two')], ['mytext', 6]);
  const found = await r.lcsIdx('one', 'two');
  assert.deepEqual([found.length ?? found.len, found.matches.length], [6, 2]);
  await assert.rejects(r.append('orders', 'x'), /WRONGTYPE/); // a stream
}

// A connection that listens. What it hears is kept until it is looked at.
export async function listen(r, appended) {
  const heard = [];
  const keep = (message, channel) => heard.push([channel, message]);
  const sub = r.duplicate();
  sub.on('error', () => {});
  await sub.connect();
  await sub.subscribe(['news', '__keyspace@0__:lock'], keep);
  await sub.pSubscribe(['alarm-*', '__keyevent@0__:e*'], keep);
  await sub.sSubscribe('shard', keep);
  if (appended) await sub.pSubscribe('__event__:box-*', keep);
  const patterns = appended ? 3 : 2;
  const sleep = () => new Promise((done) => setTimeout(done, 10));
  const hears = async (...wanted) => {
    while (heard.length < wanted.length) await sleep();
    assert.deepEqual(heard.splice(0), wanted);
  };

  return {
    async all() {
      assert.deepEqual([await r.publish('news', 'é ☕'), await r.publish('alarm-1', '2')], [1, 1]);
      assert.equal(await r.sPublish('shard', '3'), 1);
      await hears(['news', 'é ☕'], ['alarm-1', '2'], ['shard', '3']);
      assert.equal(await r.publish('silence', ''), 0);
      assert.deepEqual({ ...(await r.pubSubNumSub(['news', 'silence'])) }, { news: 1, silence: 0 });
      assert.deepEqual(await r.pubSubChannels('n*'), ['news']);
      assert.deepEqual({ ...(await r.pubSubShardNumSub(['shard'])) }, { shard: 1 });
      assert.equal(await r.pubSubNumPat(), patterns);

      // With a transaction, and behind what it appends.
      await r.multi().xAdd('paper', '*', { n: '1' }).publish('news', 'paper').exec();
      await hears(['news', 'paper']);

      // Changes of keys.
      await r.configSet('notify-keyspace-events', 'KEA');
      await r.set('lock', 'mine', { PX: 1 });
      await hears(['__keyspace@0__:lock', 'set'], ['__keyspace@0__:lock', 'expire'], ['__keyevent@0__:expire', 'lock'],
        ['__keyspace@0__:lock', 'expired'], ['__keyevent@0__:expired', 'lock']);
      await r.configSet('notify-keyspace-events', '');

      // Events, on a channel of their stream.
      if (!appended) return;
      await r.sendCommand(['EAPPEND', 'box-1', 'box.filled', 'PAYLOAD', '{"n":1}']);
      while (!heard.length) await sleep();
      const [[channel, message]] = heard.splice(0);
      const event = JSON.parse(message);
      assert.deepEqual([channel, event.stream, event.type, event.data, event.specversion],
        ['__event__:box-1', 'box-1', 'box.filled', { n: 1 }, '1.0']);
      await assert.rejects(r.publish('__event__:box-1', 'mine'), /ERR/);
    },
    // After a restart of the server: the library subscribes again by itself, sooner or later.
    async again() {
      for (const [publish, ...to] of [['publish', 'news'], ['publish', 'alarm-1'], ['sPublish', 'shard']]) {
        while ((await r[publish](...to, 'again')) !== 1) await sleep();
      }
      const key = '__keyspace@0__:lock';
      while ((await r.pubSubNumPat()) !== patterns || !(await r.pubSubNumSub([key]))[key]) await sleep();
      await hears(['news', 'again'], ['alarm-1', 'again'], ['shard', 'again']);
      await this.all();
      await sub.unsubscribe('news');
      assert.equal(await r.publish('news', 'gone'), 0);
      await sub.quit();
    },
  };
}
