// A saga's day with go-redis (../../../README.md): orders are published, consumed in a group on @category:order and projected
// with EREAD and ECHECKPOINT; in the middle of it the server is killed. Usage: saga PORT; started by ../../run.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	virtual = "@category:order"
	streams = 5
)

var (
	ctx    = context.Background()
	orders atomic.Int64 // how many there are, once that is known
	back   atomic.Bool  // the server was killed, and is back
	done   atomic.Bool
)

func fail(format string, words ...any) {
	_, _, line, _ := runtime.Caller(2)
	fmt.Fprintf(os.Stderr, "line %d: %s\n", line, fmt.Sprintf(format, words...))
	os.Exit(1)
}
func must[T any](value T, err error) T {
	if err != nil {
		fail("%v", err)
	}
	return value
}
func equal(got, want any) {
	if !reflect.DeepEqual(got, want) {
		fail("%#v instead of %#v", got, want)
	}
}

// lost says whether the call failed because the connection was lost, or the server starts. Any other error is one.
func lost(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		time.Sleep(20 * time.Millisecond)
		return true
	}
	fail("%v", err)
	return false
}

func connect() *redis.Client {
	options := &redis.Options{Addr: "127.0.0.1:" + os.Args[1]}
	if resp := os.Getenv("RESP"); resp != "" { // 9.0.5 has no such option
		reflect.ValueOf(options).Elem().FieldByName("Protocol").SetInt(int64(resp[0] - '0'))
	}
	return redis.NewClient(options)
}

// named reads the reply of an E command: a map in RESP3; name, value, name, value in RESP2.
func named(reply any) map[string]any {
	out := map[string]any{}
	switch r := reply.(type) {
	case map[any]any:
		for name, value := range r {
			out[name.(string)] = value
		}
	case []any:
		for i := 0; i < len(r); i += 2 {
			out[r[i].(string)] = r[i+1]
		}
	default:
		fail("%#v", reply)
	}
	return out
}

// publish goes on until the server was killed and is back, and fifty more: each until it is answered, under the same IDMP.
func publish() {
	r := connect()
	n := 0
	for left := 50; left > 0; n++ {
		if back.Load() {
			left--
		}
		for lost(r.Do(ctx, "XADD", fmt.Sprint("order-", n%streams), "IDMP", "shop", n, "*", "n", n).Err()) {
		}
	}
	orders.Store(int64(n))
}

// consumer is given each order at least once, for the first time in the order of its stream, and never again once its XACK
// was answered with 1. (0: go-redis had sent it twice, or the delivery was lost in the crash, and comes again.)
type consumer struct {
	r                    *redis.Client
	seen, acked, unclear map[int]bool
	last                 map[string]int
}

func (c *consumer) take(e redis.XMessage) int {
	stream := e.Values["@stream"].(string)
	n := must(strconv.Atoi(e.Values["n"].(string)))
	equal(stream, fmt.Sprint("order-", n%streams))
	if c.acked[n] {
		fail("order %d comes again, but was acknowledged", n)
	}
	if !c.seen[n] {
		last, known := c.last[stream]
		if !known {
			last = n%streams - streams
		}
		equal(n, last+streams)
		c.last[stream] = n
	}
	c.seen[n] = true
	return n
}
func (c *consumer) acknowledge(n int, id string) {
	answer, err := c.r.XAck(ctx, virtual, "saga", id).Result()
	if !lost(err) && answer == 1 {
		c.acked[n] = true
	} else {
		c.unclear[n] = true
	}
}

// consume leaves every seventh order unacknowledged, and asks for the crash after sixty.
func consume() {
	c := consumer{connect(), map[int]bool{}, map[int]bool{}, map[int]bool{}, map[string]int{}}
	asked := false
	// A reply that was lost has been given all the same: go-redis sends the command again by itself, and the answer is the
	// next entries. So when nothing is new, look at the history, from 0 on.
	from := ">"
	for orders.Load() == 0 || int64(len(c.seen)) < orders.Load() {
		reply, err := c.r.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "saga", Consumer: "w1",
			Streams: []string{virtual, from}, Count: 10, Block: 200 * time.Millisecond}).Result()
		if lost(err) || errors.Is(err, redis.Nil) {
			from = "0"
			continue
		}
		entries := reply[0].Messages
		if len(entries) == 0 {
			from = ">"
		} else if from != ">" {
			from = entries[len(entries)-1].ID
		}
		for _, e := range entries {
			if n := c.take(e); n%7 != 3 {
				c.acknowledge(n, e.ID)
			}
		}
		if len(c.seen) >= 60 && !asked {
			fmt.Println("crash")
			asked = true
		}
	}
	// Another one takes over what is left, and then there is nothing left.
	for from = "0-0"; ; {
		entries, next, err := c.r.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: virtual, Group: "saga", Consumer: "w2",
			Start: from}).Result()
		for _, e := range must(entries, err) {
			c.acknowledge(c.take(e), e.ID)
		}
		if from = next; from == "0-0" {
			break
		}
	}
	for n := range c.seen {
		if !c.acked[n] && !c.unclear[n] {
			fail("%d is neither acknowledged nor pending", n)
		}
	}
	equal(must(c.r.XPending(ctx, virtual, "saga").Result()).Count, int64(0))
	equal(must(c.r.XLen(ctx, virtual).Result()), orders.Load())
}

var digits = regexp.MustCompile(`\d+`)

// project counts the orders: pages with EREAD, the count and the checkpoint in one transaction. So the count is exact,
// whatever is killed when. BLOCK is shorter than go-redis' ReadTimeout (3 s), behind which it gives up.
func project() {
	r := connect()
	for !done.Load() {
		stands, err := r.Do(ctx, "ECHECKPOINT", "GET", "projection").Result()
		if lost(err) {
			continue
		}
		expected := any("NONE")
		if stands != nil {
			expected = named(stands)["position"]
		}
		count, err := r.Get(ctx, "projected").Int()
		if lost(err) {
			continue
		}
		reply, err := r.Do(ctx, "EREAD", "FROM", "CHECKPOINT", "projection", "ELSE", "START", "COUNT", 20, "BLOCK", 500,
			"CATEGORY", "order", "FIELDS", "stream_id,payload").Result()
		if lost(err) {
			continue
		}
		page := named(reply)
		events := page["events"].([]any)
		for _, e := range events {
			stream, payload := e.([]any)[0].(string), e.([]any)[1].(string)
			if payload != "" {
				equal(stream, fmt.Sprint("order-", must(strconv.Atoi(digits.FindString(payload)))%streams))
			}
		}
		_, err = r.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			tx.Set(ctx, "projected", count+len(events), 0)
			tx.Do(ctx, "ECHECKPOINT", "SET", "projection", page["next"], "IF", expected)
			return nil
		})
		// Sent again by go-redis, the second time is too late: what stands there says so.
		if err == nil || !strings.Contains(err.Error(), "STALE") {
			lost(err)
		}
	}
}

func main() {
	fmt.Println("version", redis.Version())
	r := connect()
	equal(must(r.XGroupCreateMkStream(ctx, virtual, "saga", "0").Result()), "OK")
	end := make(chan bool)
	all := func(tasks ...func()) {
		for _, task := range tasks {
			go func() { task(); end <- true }()
		}
	}
	all(publish, consume)
	go project()
	go func() {
		equal(must(bufio.NewReader(os.Stdin).ReadString('\n')), "restarted\n")
		back.Store(true)
	}()
	<-end
	<-end

	for lost(r.Ping(ctx).Err()) {
	}
	// To read one's own write: wait for its sequence.
	written := named(must(r.Do(ctx, "EAPPEND", "order-0", "order.closed").Result()))
	for must(r.Do(ctx, "ECHECKPOINT", "WAIT", "projection", written["partition_sequence"], 1000).Int()) != 1 {
	}
	equal(must(r.Get(ctx, "projected").Int64()), orders.Load()+1)
	// Who comes too late is told where the checkpoint stands.
	late := r.Do(ctx, "ECHECKPOINT", "SET", "projection", 1, "IF", 1).Err()
	equal(late != nil && strings.HasPrefix(late.Error(), "STALE "), true)
	fmt.Println("done")
}
