// Watermill's Redis Streams: a router with a group, a chain of topics, retries and a place for what always fails; a fan-out
// subscriber, which has no group; and a dead consumer. (What is at least once, and in which order, on virtual streams, too, is
// looked at in ../../clients/watermill.) Usage: watermill PORT; started by ../run.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/redis/go-redis/v9"
)

var (
	ctx    = context.Background()
	logger = watermill.NopLogger{}
)

// check ends the program, saying where; must does when there is an error.
func check(good bool, shown ...any) {
	if !good {
		fmt.Fprintln(os.Stderr, shown...)
		os.Stderr.Write(debug.Stack())
		os.Exit(1)
	}
}
func must[T any](value T, err error) T {
	check(err == nil, err)
	return value
}

// until waits for what becomes true sooner or later; how long that takes is no matter, but what does not come is named.
func until(what string, holds func() bool) {
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		check(time.Now().Before(end), what+": in vain for a minute")
	}
}

func versions() {
	var said []string
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		switch name := module.Path[strings.Index(module.Path, "/")+1:]; name {
		case "ThreeDotsLabs/watermill", "ThreeDotsLabs/watermill-redisstream", "redis/go-redis/v9":
			said = append(said, strings.Split(name, "/")[1]+" "+module.Version[1:])
		}
	}
	fmt.Println("version", strings.Join(said, ", "))
}

func connect() *redis.Client { return redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]}) }

// worker is a subscriber of a group. It takes over what was left for 500 ms.
func worker(group, name string) message.Subscriber {
	return must(redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: connect(), ConsumerGroup: group, Consumer: name,
		OldestId: "0", MaxIdleTime: 500 * time.Millisecond, ClaimInterval: 100 * time.Millisecond}, logger))
}

// seen counts how often a handler was given what a message says.
type seen struct {
	sync.Mutex
	count map[string]int
}

func (s *seen) add(m *message.Message) int {
	s.Lock()
	defer s.Unlock()
	s.count[string(m.Payload)]++
	return s.count[string(m.Payload)]
}
func (s *seen) has(all ...string) bool {
	s.Lock()
	defer s.Unlock()
	for _, one := range all {
		if s.count[one] == 0 {
			return false
		}
	}
	return true
}

func main() {
	versions()
	store := connect()
	publisher := must(redisstream.NewPublisher(redisstream.PublisherConfig{Client: connect(),
		Maxlens: map[string]int64{"orders": 100000}}, logger))
	publish := func(what string) error {
		return publisher.Publish("orders", message.NewMessage(watermill.NewUUID(), []byte(what)))
	}
	many := func(name string, count int) (all []string) {
		for i := 0; i < count; i++ {
			all = append(all, fmt.Sprint(name, " ", i))
			until("published", func() bool { return publish(all[i]) == nil })
		}
		return
	}

	// A consumer takes the first order and dies with it.
	must(store.XGroupCreateMkStream(ctx, "orders", "billing", "0").Result())
	must("", publish("first"))
	must(store.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "billing", Consumer: "dead",
		Streams: []string{"orders", ">"}}).Result())

	// Two workers make bills of orders; one of mail reads the bills; an audit without a group reads the orders.
	orders, bills := &seen{count: map[string]int{}}, &seen{count: map[string]int{}}
	audit, poison := &seen{count: map[string]int{}}, &seen{count: map[string]int{}}
	router := must(message.NewRouter(message.RouterConfig{}, logger))
	aside := must(middleware.PoisonQueueWithFilter(publisher, "poison", func(err error) bool { return err.Error() == "never" }))
	router.AddMiddleware(middleware.Recoverer)
	bill := func(m *message.Message) ([]*message.Message, error) {
		times := orders.add(m)
		switch {
		case strings.HasPrefix(string(m.Payload), "never"):
			return nil, errors.New("never")
		case strings.HasPrefix(string(m.Payload), "later") && times < 3:
			return nil, errors.New("later")
		case strings.HasPrefix(string(m.Payload), "panic") && times < 2:
			panic("a fault")
		}
		return message.Messages{message.NewMessage(watermill.NewUUID(), m.Payload)}, nil
	}
	for _, name := range []string{"w1", "w2"} {
		router.AddHandler(name, "orders", worker("billing", name), "bills", publisher, bill).AddMiddleware(aside)
	}
	reads := func(name, topic string, from message.Subscriber, into *seen) {
		router.AddNoPublisherHandler(name, topic, from, func(m *message.Message) error {
			into.add(m)
			return nil
		})
	}
	reads("mail", "bills", worker("mail", "m1"), bills)
	reads("poison", "poison", worker("poison", "p1"), poison)
	reads("audit", "orders", must(redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: connect(),
		FanOutOldestId: "0"}, logger)), audit)
	go func() { must("", router.Run(ctx)) }()
	<-router.Running()

	nothingPending := func() {
		for topic, group := range map[string]string{"orders": "billing", "bills": "mail", "poison": "poison"} {
			until("nothing is pending in "+group, func() bool {
				pending, err := store.XPending(ctx, topic, group).Result()
				return err == nil && pending.Count == 0
			})
		}
	}
	all := append(many("order", 50), "first")
	until("all are billed", func() bool { return bills.has(all...) })
	until("the audit has all", func() bool { return audit.has(all...) })
	fmt.Println("tried: a router with groups of several consumers and a chain of topics; fan-out; `Maxlens`; " +
		"what a dead consumer took is handled by another")

	// In a group of its own, where nothing is read: a consumer that is removed while it is given something loses that.
	must(store.XGroupCreate(ctx, "orders", "quiet", "$").Result())
	must(store.XGroupCreateConsumer(ctx, "orders", "quiet", "dead").Result())
	tidy := must(redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: connect(), ConsumerGroup: "quiet",
		Consumer: "tidy", CheckConsumersInterval: 50 * time.Millisecond, ConsumerTimeout: time.Second}, logger))
	must(tidy.Subscribe(ctx, "orders"))
	until("the dead consumer is removed", func() bool {
		for _, c := range must(store.XInfoConsumers(ctx, "orders", "quiet").Result()) {
			if c.Name == "dead" {
				return false
			}
		}
		return true
	})
	must("", tidy.Close())
	fmt.Println("tried: a dead consumer is removed")
	fmt.Println("care: `ConsumerTimeout` has to be longer than the server is ever away: " +
		"a consumer that is removed while it is given a message loses it, with Redis, too")

	for _, what := range []string{"later", "panic", "never"} {
		must("", publish(what))
	}
	until("handled again", func() bool { return bills.has("later", "panic") })
	until("put aside", func() bool { return poison.has("never") })
	nothingPending()
	fmt.Println("tried: handlers that fail or panic; `PoisonQueue`")

	half, sentAll := make(chan bool), make(chan []string)
	go func() {
		sent := many("amid", 100)
		half <- true
		sentAll <- append(sent, many("and", 300)...)
	}()
	<-half
	fmt.Println("crash")
	line := must(bufio.NewReader(os.Stdin).ReadString('\n'))
	check(line == "restarted\n", line)
	all = <-sentAll
	until("all are billed", func() bool { return bills.has(all...) })
	until("the audit has all", func() bool { return audit.has(all...) })
	nothingPending()
	fmt.Println("tried: the crash amid publishing: nothing is lost that was answered, nothing stays pending")
	must("", router.Close())
	fmt.Println("done")
}
