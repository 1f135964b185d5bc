// Dapr's components for Redis: pubsub.redis, which keeps messages in streams; configuration.redis; and state.redis and
// lock.redis, which send scripts. Usage: dapr PORT; started by ../run.
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

	"github.com/dapr/components-contrib/configuration"
	configredis "github.com/dapr/components-contrib/configuration/redis"
	"github.com/dapr/components-contrib/lock"
	lockredis "github.com/dapr/components-contrib/lock/redis"
	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/pubsub"
	pubsubredis "github.com/dapr/components-contrib/pubsub/redis"
	"github.com/dapr/components-contrib/state"
	stateredis "github.com/dapr/components-contrib/state/redis"
	"github.com/dapr/kit/logger"
	"github.com/redis/go-redis/v9"
)

var (
	ctx  = context.Background()
	in   = bufio.NewReader(os.Stdin)
	logs = logger.NewLogger("components")
)

// must and check end the program, saying where.
func must(err error) { check(err == nil, err) }
func check(good bool, shown ...any) {
	if !good {
		fmt.Fprintln(os.Stderr, shown...)
		os.Stderr.Write(debug.Stack())
		os.Exit(1)
	}
}

// until waits for what becomes true sooner or later; how long that takes is no matter, but what does not come is named.
func until(what string, holds func() bool) {
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		check(time.Now().Before(end), what+": in vain for a minute")
	}
}

// mayLack says whether the server has what these words name.
func mayLack(words string, err error) {
	if err == nil {
		fmt.Println("tried:", words)
	} else {
		why, _, _ := strings.Cut(err.Error(), ": it is an event store")
		fmt.Printf("missing: %s (`%s`)\n", words, why)
	}
}

func versions() {
	var said []string
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		switch module.Path {
		case "github.com/dapr/components-contrib", "github.com/redis/go-redis/v9":
			said = append(said, strings.Split(module.Path, "/")[2]+" "+module.Version[1:])
		}
	}
	fmt.Println("version", strings.Join(said, ", "))
}

func properties(more ...string) metadata.Base {
	base := metadata.Base{Properties: map[string]string{"redisHost": "127.0.0.1:" + os.Args[1]}}
	for i := 0; i < len(more); i += 2 {
		base.Properties[more[i]] = more[i+1]
	}
	return base
}

// queue is pubsub.redis for an application. What is not acknowledged after a second is given again.
func queue(application string, more ...string) pubsub.PubSub {
	component := pubsubredis.NewRedisStreams(logs)
	must(component.Init(ctx, pubsub.Metadata{Base: properties(append(more, "consumerID", application,
		"processingTimeout", "1000", "redeliverInterval", "300")...)}))
	return component
}

// inbox counts what an application has been given, by what the message says.
type inbox struct {
	sync.Mutex
	count map[string]int
}

func (b *inbox) handle(_ context.Context, m *pubsub.NewMessage) error {
	b.Lock()
	defer b.Unlock()
	b.count[string(m.Data)]++
	return nil
}
func (b *inbox) has(all ...string) bool {
	b.Lock()
	defer b.Unlock()
	for _, one := range all {
		if b.count[one] == 0 {
			return false
		}
	}
	return true
}

// subscribe: each application has an inbox of a topic.
func subscribe(component pubsub.PubSub, topic string) *inbox {
	b := &inbox{count: map[string]int{}}
	must(component.Subscribe(ctx, pubsub.SubscribeRequest{Topic: topic}, b.handle))
	return b
}

func publish(component pubsub.PubSub, topic, data string) error {
	return component.Publish(ctx, &pubsub.PublishRequest{Topic: topic, Data: []byte(data),
		Metadata: map[string]string{"of": topic}})
}

func main() {
	logs.SetOutputLevel(logger.FatalLevel) // it complains a lot while the server is away
	versions()
	store := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Args[1]})
	nothingPending := func(topic, group string) {
		until("nothing is pending in "+topic, func() bool {
			pending, err := store.XPending(ctx, topic, group).Result()
			return err == nil && pending.Count == 0
		})
	}

	// A consumer takes the first message and dies with it.
	sender := queue("sender", "maxLenApprox", "100000")
	must(store.XGroupCreateMkStream(ctx, "orders", "billing", "0").Err())
	must(publish(sender, "orders", "first"))
	must(store.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "billing", Consumer: "dead",
		Streams: []string{"orders", ">"}}).Err())

	billing, mail := queue("billing"), queue("mail", "streamTTL", "1h")
	bills, mails := subscribe(billing, "orders"), subscribe(mail, "orders")
	var sent []string
	for i := 0; i < 50; i++ {
		sent = append(sent, fmt.Sprintf("é ☕ %d", i))
		must(publish(sender, "orders", sent[i]))
	}
	until("both applications have all", func() bool { return bills.has(sent...) && mails.has(sent...) })
	fmt.Println("tried: pubsub.redis: every application gets each message; `maxLenApprox`, `streamTTL`")
	until("the first one is handled", func() bool { return bills.has("first") })
	nothingPending("orders", "billing")
	fmt.Println("tried: what a dead consumer took is handled by another")

	// A handler that takes too long, the first time. (A handler's error is acknowledged by the component.)
	var once sync.Once
	patient := &inbox{count: map[string]int{}}
	slow := func(c context.Context, m *pubsub.NewMessage) (err error) {
		once.Do(func() {
			<-c.Done()
			err = errors.New("too slow")
		})
		if err != nil {
			return err
		}
		check(m.Metadata["of"] == "slow", m.Metadata)
		return patient.handle(c, m)
	}
	must(billing.Subscribe(ctx, pubsub.SubscribeRequest{Topic: "slow"}, slow))
	must(publish(mail, "slow", "job"))
	until("the job is done the second time", func() bool { return patient.has("job") })
	nothingPending("slow", "billing")
	fmt.Println("tried: what ran into `processingTimeout` is handled again")
	fmt.Println("care: pubsub.redis acknowledges what a handler refused with an error, with Redis, too: " +
		"retry in Dapr's resiliency")

	// Redis has no virtual streams: there it is a stream to which nobody adds.
	info, _ := store.Info(ctx, "server").Result()
	cairn := strings.Contains(info, "cairn_version")
	carts := subscribe(billing, "@category:cart")
	if cairn {
		for _, topic := range []string{"cart-1", "cart-2"} {
			must(publish(sender, topic, topic))
		}
		until("both carts", func() bool { return carts.has("cart-1", "cart-2") })
		fmt.Println("tried: the topic `@category:cart` has what is published to `cart-1`, `cart-2` …")
	}

	// Settings are strings, and whoever watches one hears of its changes by keyspace notifications.
	must(store.ConfigSet(ctx, "notify-keyspace-events", "KA").Err())
	must(store.Set(ctx, "limit", "10||v1", 0).Err())
	settings := configredis.NewRedisConfigurationStore(logs)
	must(settings.Init(ctx, configuration.Metadata{Base: properties()}))
	found, err := settings.Get(ctx, &configuration.GetRequest{Keys: []string{"limit", "none"}})
	must(err)
	check(len(found.Items) == 1 && found.Items["limit"].Value == "10" && found.Items["limit"].Version == "v1", found.Items)
	changes := &inbox{count: map[string]int{}}
	watching, err := settings.Subscribe(ctx, &configuration.SubscribeRequest{Keys: []string{"limit"}},
		func(_ context.Context, change *configuration.UpdateEvent) error {
			return changes.handle(ctx, &pubsub.NewMessage{Data: []byte(change.Items["limit"].Value)})
		})
	must(err)
	// It says nothing about when it has begun to listen.
	until("a change is heard", func() bool { return store.Set(ctx, "limit", "20||v2", 0).Err() == nil && changes.has("20") })

	fmt.Println("tried: configuration.redis: Get, Subscribe")
	fmt.Println("care: configuration.redis hears changes only with `notify-keyspace-events KA`, as with Redis")

	locks := lockredis.NewStandaloneRedisLock(logs)
	must(locks.InitLockStore(ctx, lock.Metadata{Base: properties()}))
	taken, err := locks.TryLock(ctx, &lock.TryLockRequest{ResourceID: "lock", LockOwner: "me", ExpiryInSeconds: 60})
	must(err)
	check(taken.Success)
	freed, err := locks.Unlock(ctx, &lock.UnlockRequest{ResourceID: "lock", LockOwner: "me"})
	if err == nil {
		check(freed.Status == lock.Success, freed)
	}
	mayLack("lock.redis: Unlock", err)
	states := stateredis.NewRedisStateStore(logs)
	must(states.Init(ctx, state.Metadata{Base: properties()}))
	mayLack("state.redis", states.Set(ctx, &state.SetRequest{Key: "a", Value: "b"}))

	// The server is killed while messages are published; each is published until that is answered.
	half, sentAll := make(chan bool), make(chan []string)
	go func() {
		var sent []string
		for i := 0; i < 400; i++ {
			data := fmt.Sprint("amid ", i)
			until("published", func() bool { return publish(sender, "orders", data) == nil })
			sent = append(sent, data)
			if i == 100 {
				half <- true
			}
		}
		sentAll <- sent
	}()
	<-half
	fmt.Println("crash")
	line, err := in.ReadString('\n')
	must(err)
	check(line == "restarted\n", line)
	sent = <-sentAll
	until("both applications have all", func() bool { return bills.has(sent...) && mails.has(sent...) })
	nothingPending("orders", "billing")
	nothingPending("orders", "mail")
	if cairn {
		until("another cart is published", func() bool { return publish(sender, "cart-3", "cart-3") == nil })
		until("another cart", func() bool { return carts.has("cart-3") })
	}
	notify := func() bool { return store.ConfigSet(ctx, "notify-keyspace-events", "KA").Err() == nil }
	until("notifications are on again", notify)
	until("a change is heard", func() bool { return store.Set(ctx, "limit", "30||v3", 0).Err() == nil && changes.has("30") })
	must(settings.Unsubscribe(ctx, &configuration.UnsubscribeRequest{ID: watching}))
	fmt.Println("tried: the crash amid publishing: nothing is lost that was answered, nothing stays pending, watching goes on")
	must(settings.Close())
	for _, component := range []pubsub.PubSub{sender, billing, mail} {
		must(component.Close())
	}
	fmt.Println("done")
}
