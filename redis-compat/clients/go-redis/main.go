// What a worker does with go-redis: the steps of ../README.md. Usage: tour PORT; started by ../run.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

// must ends the tour, naming the line, when a call failed; otherwise it is the call's value.
func must[T any](value T, err error) T {
	if err != nil {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "line %d: %v\n", line, err)
		os.Exit(1)
	}
	return value
}

func equal(got, want any) {
	if !reflect.DeepEqual(got, want) {
		_, _, line, _ := runtime.Caller(1)
		fmt.Fprintf(os.Stderr, "line %d: %#v instead of %#v\n", line, got, want)
		os.Exit(1)
	}
}

// plain is an entry's id and fields.
func plain(entries []redis.XMessage) []redis.XMessage {
	out := []redis.XMessage{}
	for _, e := range entries {
		out = append(out, redis.XMessage{ID: e.ID, Values: e.Values})
	}
	return out
}

func main() {
	fmt.Println("version", redis.Version())
	options := &redis.Options{Addr: "127.0.0.1:" + os.Args[1]}
	if resp := os.Getenv("RESP"); resp != "" { // 9.0.5 has no such option
		reflect.ValueOf(options).Elem().FieldByName("Protocol").SetInt(int64(resp[0] - '0'))
	}
	r := redis.NewClient(options)
	equal(must(r.Ping(ctx).Result()), "PONG")

	// Produce.
	var ids []string
	var all []redis.XMessage
	for i := 0; i < 3; i++ {
		fields := map[string]any{"n": fmt.Sprint(i), "text": fmt.Sprintf("é ☕ %d", i)}
		id := must(r.XAdd(ctx, &redis.XAddArgs{Stream: "orders", Values: fields}).Result())
		ids = append(ids, id)
		all = append(all, redis.XMessage{ID: id, Values: fields})
	}
	equal(must(r.XLen(ctx, "orders").Result()), int64(3))
	equal(plain(must(r.XRange(ctx, "orders", "-", "+").Result())), all)
	equal(plain(must(r.XRevRangeN(ctx, "orders", "+", "-", 1).Result())), all[2:])

	// Consume in a group.
	equal(must(r.XGroupCreate(ctx, "orders", "billing", "0").Result()), "OK")
	err := r.XGroupCreate(ctx, "orders", "billing", "0").Err()
	equal(err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP"), true)
	// A block below zero is none at all.
	read := func(consumer, id string, count int64, block time.Duration) ([]redis.XMessage, error) {
		reply, err := r.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "billing", Consumer: consumer,
			Streams: []string{"orders", id}, Count: count, Block: block}).Result()
		if err != nil {
			return nil, err
		}
		return plain(reply[0].Messages), nil
	}
	equal(must(read("alice", ">", 2, -1)), all[:2])
	equal(must(r.XAck(ctx, "orders", "billing", ids[0]).Result()), int64(1))
	pending := must(r.XPending(ctx, "orders", "billing").Result())
	equal(*pending, redis.XPending{Count: 1, Lower: ids[1], Higher: ids[1], Consumers: map[string]int64{"alice": 1}})

	// Claim what another one left.
	equal(plain(must(r.XClaim(ctx, &redis.XClaimArgs{Stream: "orders", Group: "billing", Consumer: "bob",
		Messages: ids[1:2]}).Result())), all[1:2])
	claimed, next, err := r.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: "orders", Group: "billing",
		Consumer: "carol", Start: "0"}).Result()
	equal(err, nil)
	equal(next, "0-0")
	equal(plain(claimed), all[1:2])
	kept := func() {
		rows := must(r.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: "orders", Group: "billing",
			Start: "-", End: "+", Count: 10}).Result())
		equal(len(rows), 1)
		equal([]any{rows[0].ID, rows[0].Consumer, rows[0].RetryCount}, []any{ids[1], "carol", int64(3)})
	}
	kept()

	// Block, and be woken.
	equal(must(read("alice", ">", 0, -1)), all[2:])
	_, err = read("alice", ">", 0, 10*time.Millisecond)
	equal(errors.Is(err, redis.Nil), true)
	woken := make(chan []redis.XMessage)
	go func() { woken <- must(read("alice", ">", 0, 30*time.Second)) }()
	for !strings.Contains(must(r.Info(ctx, "clients").Result()), "blocked_clients:1\r") {
		time.Sleep(10 * time.Millisecond)
	}
	fourth := must(r.XAdd(ctx, &redis.XAddArgs{Stream: "orders", Values: []string{"n", "3"}}).Result())
	equal(<-woken, []redis.XMessage{{ID: fourth, Values: map[string]any{"n": "3"}}})
	equal(must(r.XAck(ctx, "orders", "billing", ids[2], fourth).Result()), int64(2))

	// A transaction, and one that another client gets ahead of.
	var first, second *redis.StringCmd
	var length *redis.IntCmd
	must(r.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		first = tx.XAdd(ctx, &redis.XAddArgs{Stream: "paid", ID: "1-1", Values: []string{"order", "1"}})
		second = tx.XAdd(ctx, &redis.XAddArgs{Stream: "paid", ID: "1-2", Values: []string{"order", "2"}})
		length = tx.XLen(ctx, "paid")
		return nil
	}))
	equal([]any{first.Val(), second.Val(), length.Val()}, []any{"1-1", "1-2", int64(2)})
	err = r.Watch(ctx, func(tx *redis.Tx) error {
		must(r.XAdd(ctx, &redis.XAddArgs{Stream: "paid", ID: "1-3", Values: []string{"order", "3"}}).Result())
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.XAdd(ctx, &redis.XAddArgs{Stream: "paid", ID: "1-4", Values: []string{"order", "4"}})
			return nil
		})
		return err
	}, "paid")
	equal(errors.Is(err, redis.TxFailedErr), true)
	equal(must(r.XLen(ctx, "paid").Result()), int64(3))

	// Remove, and look.
	equal(must(r.XDel(ctx, "paid", "1-2").Result()), int64(1))
	equal(must(r.XTrimMaxLen(ctx, "paid", 1).Result()), int64(1))
	equal(plain(must(r.XRange(ctx, "paid", "-", "+").Result())),
		[]redis.XMessage{{ID: "1-3", Values: map[string]any{"order": "3"}}})
	about := must(r.XInfoStream(ctx, "orders").Result())
	equal([]any{about.Length, about.LastGeneratedID, about.Groups}, []any{int64(4), fourth, int64(1)})
	full := must(r.XInfoStreamFull(ctx, "orders", 10).Result())
	equal([]any{full.Length, len(full.Entries), full.Groups[0].Name, full.Groups[0].PelCount},
		[]any{int64(4), 4, "billing", int64(1)})
	group := must(r.XInfoGroups(ctx, "orders").Result())[0]
	equal([]any{group.Name, group.Pending, group.Lag}, []any{"billing", int64(1), int64(0)})
	var consumers []string
	for _, c := range must(r.XInfoConsumers(ctx, "orders", "billing").Result()) {
		consumers = append(consumers, fmt.Sprint(c.Name, " ", c.Pending))
	}
	sort.Strings(consumers)
	equal(consumers, []string{"alice 0", "bob 0", "carol 1"})

	// A group on a virtual stream, over what EAPPEND and XADD put into several streams. Redis has neither.
	const virtual = "@category:order"
	saga := func(consumer, id string, count int64) []redis.XMessage {
		got := must(r.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "saga", Consumer: consumer,
			Streams: []string{virtual, id}, Count: count, Block: 10 * time.Millisecond}).Result())
		equal(got[0].Stream, virtual)
		return got[0].Messages
	}
	var events []redis.XMessage
	appended := r.Do(ctx, "EAPPEND", "order-0", "order.created", "PAYLOAD", "0").Err() == nil
	if appended {
		must(r.Do(ctx, "EAPPEND", "order-1", "order.created", "PAYLOAD", "1").Result())
		must(r.XAdd(ctx, &redis.XAddArgs{Stream: "order-2", ID: "7-7", Values: []string{"n", "2"}}).Result())
		equal(must(r.XGroupCreateMkStream(ctx, virtual, "saga", "0").Result()), "OK")
		events = saga("w1", ">", 2)
		for i, e := range events {
			equal([]any{e.Values["@stream"], e.Values["payload"]}, []any{fmt.Sprint("order-", i), fmt.Sprint(i)})
		}
		last := saga("w2", ">", 5)
		equal(last[0].Values, map[string]any{"@stream": "order-2", "@id": "7-7", "n": "2"})
		equal(must(r.XAck(ctx, virtual, "saga", last[0].ID).Result()), int64(1))
		claimed := must(r.XClaim(ctx, &redis.XClaimArgs{Stream: virtual, Group: "saga", Consumer: "w3",
			Messages: []string{events[0].ID}}).Result())
		equal(plain(claimed), plain(events[:1]))
		taken, _, err := r.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: virtual, Group: "saga", Consumer: "w4",
			Start: "0"}).Result()
		equal(plain(must(taken, err)), plain(events))
		equal(len(must(r.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: virtual, Group: "saga", Start: "-", End: "+",
			Count: 10}).Result())), 2)
		about := must(r.XInfoStream(ctx, virtual).Result())
		equal([]any{about.Length, about.LastGeneratedID, about.Groups}, []any{int64(3), last[0].ID, int64(1)})
		full := must(r.XInfoStreamFull(ctx, virtual, 10).Result())
		equal([]any{full.Length, len(full.Entries), full.Groups[0].Name}, []any{int64(3), 3, "saga"})
		equal(must(r.XInfoGroups(ctx, virtual).Result())[0].Pending, int64(2))
		equal(len(must(r.XInfoConsumers(ctx, virtual, "saga").Result())), 4)
	}

	stringsDay(r)
	ears := listen(r, appended)
	ears.all()

	// The server is restarted.
	fmt.Println("restart")
	equal(must(bufio.NewReader(os.Stdin).ReadString('\n')), "restarted\n")
	for r.Ping(ctx).Err() != nil {
		time.Sleep(50 * time.Millisecond)
	}
	var found []string
	for _, e := range must(r.XRange(ctx, "orders", "-", "+").Result()) {
		found = append(found, e.ID)
	}
	equal(found, append(ids[:3:3], fourth))
	kept()
	equal(must(read("carol", "0", 0, -1)), all[1:2])
	equal(must(r.XAck(ctx, "orders", "billing", ids[1]).Result()), int64(1))
	fifth := must(r.XAdd(ctx, &redis.XAddArgs{Stream: "orders", Values: []string{"n", "4"}}).Result())
	equal(must(read("alice", ">", 0, -1)), []redis.XMessage{{ID: fifth, Values: map[string]any{"n": "4"}}})
	if appended {
		equal(plain(saga("w4", "0", 10)), plain(events))
	}
	ears.wait()
	ears.all()
	ears.end()
	fmt.Println("done")
}
