// More of a worker's day: strings, channels, events and changes of keys as messages.
package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// stringsDay goes through the family of strings.
func stringsDay(r *redis.Client) {
	equal(must(r.Set(ctx, "s", "one", 100*time.Second).Result()), "OK")
	equal(must(r.SetNX(ctx, "s", "two", 0).Result()), false)
	equal(must(r.SetArgs(ctx, "s", "two", redis.SetArgs{Mode: "XX", Get: true}).Result()), "one")
	equal(must(r.TTL(ctx, "s").Result()), time.Duration(-1))
	equal(must(r.SetEx(ctx, "s", "ex", 100*time.Second).Result()), "OK")
	equal(must(r.Do(ctx, "PSETEX", "s", 100000, "px").Result()), "OK")
	equal(must(r.PTTL(ctx, "s").Result()) > 0, true)
	equal(must(r.GetEx(ctx, "s", 1000*time.Second).Result()), "px")
	equal(must(r.GetSet(ctx, "s", "set").Result()), "px")
	equal(must(r.GetDel(ctx, "s").Result()), "set")
	equal(r.Get(ctx, "s").Err(), redis.Nil)
	equal(must(r.MSet(ctx, "a", 1, "b", "é ☕").Result()), "OK")
	equal(must(r.MGet(ctx, "a", "none", "b").Result()), []any{"1", nil, "é ☕"})
	equal(must(r.MSetNX(ctx, "c", 1, "a", 2).Result()), false)
	equal([]int64{must(r.Incr(ctx, "a").Result()), must(r.IncrBy(ctx, "a", 5).Result()), must(r.Decr(ctx, "a").Result()),
		must(r.DecrBy(ctx, "a", 10).Result())}, []int64{2, 7, 6, -4})
	equal(must(r.IncrByFloat(ctx, "f", 12.5).Result()), 12.5)
	equal(strings.Contains(r.Incr(ctx, "b").Err().Error(), "not an integer"), true)
	equal([]int64{must(r.Append(ctx, "t", "hello").Result()), must(r.SetRange(ctx, "t", 6, "world").Result()),
		must(r.StrLen(ctx, "t").Result())}, []int64{5, 11, 11})
	equal(must(r.GetRange(ctx, "t", 5, 7).Result()), "\x00wo")
	equal(must(r.GetRange(ctx, "t", -3, -1).Result()), "rld")
	must(r.MSet(ctx, "one", "ohmytext", "two", "mynewtext").Result())
	equal(must(r.LCS(ctx, &redis.LCSQuery{Key1: "one", Key2: "two"}).Result()).MatchString, "mytext")
	equal(must(r.LCS(ctx, &redis.LCSQuery{Key1: "one", Key2: "two", Len: true}).Result()).Len, int64(6))
	found := must(r.LCS(ctx, &redis.LCSQuery{Key1: "one", Key2: "two", Idx: true, MinMatchLen: 4, WithMatchLen: true}).Result())
	equal(*found, redis.LCSMatch{Matches: []redis.LCSMatchedPosition{{Key1: redis.LCSPosition{Start: 4, End: 7},
		Key2: redis.LCSPosition{Start: 5, End: 8}, MatchLen: 4}}, Len: 6})
	err := r.Append(ctx, "orders", "x").Err() // a stream
	equal(err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE"), true)
}

// listener has two connections that listen: shard channels have one of their own.
type listener struct {
	r             *redis.Client
	events        bool // the server has channels of events
	sub, shard    *redis.PubSub
	heard, shards <-chan *redis.Message
}

func listen(r *redis.Client, events bool) *listener {
	l := &listener{r: r, events: events, sub: r.Subscribe(ctx, "news", "__keyspace@0__:lock"), shard: r.SSubscribe(ctx, "shard")}
	must(0, l.sub.PSubscribe(ctx, "alarm-*", "__keyevent@0__:e*"))
	if events {
		must(0, l.sub.PSubscribe(ctx, "__event__:box-*"))
	}
	l.heard, l.shards = l.sub.Channel(), l.shard.Channel()
	l.wait()
	return l
}

// wait until the server knows of all that is listened to; the library subscribes again by itself after a restart.
func (l *listener) wait() {
	patterns := int64(2)
	if l.events {
		patterns = 3
	}
	for {
		channels, err := l.r.PubSubNumSub(ctx, "news", "__keyspace@0__:lock").Result()
		shards, shardsErr := l.r.PubSubShardNumSub(ctx, "shard").Result()
		if err == nil && shardsErr == nil && channels["news"] == 1 && channels["__keyspace@0__:lock"] == 1 &&
			shards["shard"] == 1 && must(l.r.PubSubNumPat(ctx).Result()) == patterns {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *listener) hears(wanted ...string) {
	for i := 0; i < len(wanted); i += 2 {
		message := <-l.heard
		equal([]string{message.Channel, message.Payload}, wanted[i:i+2])
	}
}

func (l *listener) all() {
	r := l.r
	equal(must(r.Publish(ctx, "news", "é ☕").Result()), int64(1))
	equal(must(r.Publish(ctx, "alarm-1", "2").Result()), int64(1))
	equal(must(r.SPublish(ctx, "shard", "3").Result()), int64(1))
	l.hears("news", "é ☕", "alarm-1", "2")
	equal((<-l.shards).Payload, "3")
	equal(must(r.Publish(ctx, "silence", "").Result()), int64(0))
	equal(must(r.PubSubChannels(ctx, "n*").Result()), []string{"news"})

	// With a transaction, and behind what it appends.
	must(r.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.XAdd(ctx, &redis.XAddArgs{Stream: "paper", Values: []string{"n", "1"}})
		return tx.Publish(ctx, "news", "paper").Err()
	}))
	l.hears("news", "paper")

	// Changes of keys.
	must(r.ConfigSet(ctx, "notify-keyspace-events", "KEA").Result())
	must(r.Set(ctx, "lock", "mine", time.Millisecond).Result())
	l.hears("__keyspace@0__:lock", "set", "__keyspace@0__:lock", "expire", "__keyevent@0__:expire", "lock",
		"__keyspace@0__:lock", "expired", "__keyevent@0__:expired", "lock")
	must(r.ConfigSet(ctx, "notify-keyspace-events", "").Result())

	// Events, on a channel of their stream.
	if !l.events {
		return
	}
	must(r.Do(ctx, "EAPPEND", "box-1", "box.filled", "PAYLOAD", `{"n":1}`).Result())
	message := <-l.heard
	var event struct {
		Stream, Type, SpecVersion string
		Data                      map[string]int
	}
	must(0, json.Unmarshal([]byte(message.Payload), &event))
	equal([]any{message.Channel, event.Stream, event.Type, event.SpecVersion, event.Data},
		[]any{"__event__:box-1", "box-1", "box.filled", "1.0", map[string]int{"n": 1}})
	equal(r.Publish(ctx, "__event__:box-1", "mine").Err() != nil, true)
}

func (l *listener) end() {
	must(0, l.sub.Unsubscribe(ctx, "news"))
	for must(l.r.Publish(ctx, "news", "gone").Result()) != 0 {
	}
	must(0, l.sub.Close())
	must(0, l.shard.Close())
}
