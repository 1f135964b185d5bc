// A saga's day with Watermill (../../README.md): orders are published to order-0, order-1 … and consumed in a group on
// @category:order, some of them refused at first; in the middle of it the server is killed. Usage: saga PORT; started by ../run.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
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
func connect() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
}

// seen watches what the framework is answered: an entry whose XACK was answered is not delivered again.
type seen struct {
	sync.Mutex
	acknowledged map[string]bool
}

func (s *seen) DialHook(next redis.DialHook) redis.DialHook { return next }
func (s *seen) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (s *seen) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		s.Lock()
		defer s.Unlock()
		var given []redis.XMessage
		switch c := cmd.(type) {
		case *redis.IntCmd:
			if c.Name() == "xack" && err == nil && c.Val() == 1 {
				s.acknowledged[c.Args()[3].(string)] = true
			}
		case *redis.XStreamSliceCmd:
			for _, stream := range c.Val() {
				given = append(given, stream.Messages...)
			}
		case *redis.XMessageSliceCmd:
			given = c.Val()
		}
		for _, e := range given {
			if s.acknowledged[e.ID] {
				fail("%s comes again by %s, but was acknowledged", e.ID, cmd.Name())
			}
		}
		return err
	}
}

// withStream tells the handler where an entry is from, and takes what others have appended, too: with the framework's own
// unmarshaller the first of those ends the subscription.
type withStream struct {
	redisstream.DefaultMarshallerUnmarshaller
}

func (u withStream) Unmarshal(values map[string]any) (*message.Message, error) {
	var m *message.Message
	if id, ok := values["event_id"].(string); ok { // EAPPEND's
		payload, _ := values["payload"].(string)
		m = message.NewMessage(id, []byte(payload))
		m.Metadata.Set("type", values["type"].(string))
	} else {
		var err error
		if m, err = u.DefaultMarshallerUnmarshaller.Unmarshal(values); err != nil {
			return nil, err
		}
	}
	m.Metadata.Set("stream", values["@stream"].(string))
	return m, nil
}

// publish goes on until the server was killed and is back, and fifty more; each until the framework says that it is there.
func publish(p message.Publisher) {
	n := 0
	for left := 50; left > 0; n++ {
		if back.Load() {
			left--
		}
		body := must(json.Marshal(n))
		for p.Publish(fmt.Sprint("order-", n%streams), message.NewMessage(strconv.Itoa(n), body)) != nil {
			time.Sleep(20 * time.Millisecond)
		}
	}
	orders.Store(int64(n))
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/ThreeDotsLabs/watermill-redisstream" {
			fmt.Println("version", dep.Version[1:])
		}
	}
	logger := watermill.NopLogger{}
	publisher := must(redisstream.NewPublisher(redisstream.PublisherConfig{Client: connect()}, logger))
	client := connect()
	watch := &seen{acknowledged: map[string]bool{}}
	client.AddHook(watch)
	// It begins at the first event (OldestId "0") and takes over what was left for a second and a half: a reply that was lost,
	// or that go-redis has asked for twice.
	subscriber := must(redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: client, Unmarshaller: withStream{},
		ConsumerGroup: "saga", Consumer: "w1", MaxIdleTime: 1500 * time.Millisecond, ClaimInterval: 300 * time.Millisecond}, logger))
	messages := must(subscriber.Subscribe(ctx, virtual))

	go publish(publisher)
	go func() {
		equal(must(bufio.NewReader(os.Stdin).ReadString('\n')), "restarted\n")
		back.Store(true)
	}()

	r := connect()
	handled, refused, last := map[int]bool{}, map[int]bool{}, map[string]int{}
	asked, appended, closed := false, false, false
	for !closed || int64(len(handled)) < orders.Load() {
		m := <-messages
		stream := m.Metadata.Get("stream")
		if kind := m.Metadata.Get("type"); kind != "" {
			equal([]string{stream, kind, string(m.Payload)}, []string{"order-9", "order.closed", "paid"})
			closed = true
			m.Ack()
			continue
		}
		n := must(strconv.Atoi(string(m.Payload)))
		equal(stream, fmt.Sprint("order-", n%streams))
		if n%7 == 3 && !refused[n] { // it comes again
			refused[n] = true
			m.Nack()
			continue
		}
		if !handled[n] {
			before, known := last[stream]
			if known && n < before {
				fail("order %d comes behind %d", n, before)
			}
			last[stream] = n
		}
		handled[n] = true
		m.Ack()
		if len(handled) >= 60 && !asked {
			fmt.Println("crash")
			asked = true
		}
		if orders.Load() > 0 && !appended {
			must(r.Do(ctx, "EAPPEND", "order-9", "order.closed", "PAYLOAD", "paid").Result())
			appended = true
		}
	}
	for i := 0; int64(i) < orders.Load(); i++ {
		equal(handled[i], true)
	}
	for must(r.XPending(ctx, virtual, "saga").Result()).Count > 0 {
		select {
		case m := <-messages:
			m.Ack()
		case <-time.After(50 * time.Millisecond):
		}
	}
	equal(subscriber.Close(), nil)
	fmt.Println("done")
}
