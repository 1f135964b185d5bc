import io.lettuce.core.ClientOptions;
import io.lettuce.core.Consumer;
import io.lettuce.core.Limit;
import io.lettuce.core.Range;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SetArgs;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.XAddArgs;
import io.lettuce.core.XAutoClaimArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.XReadArgs.StreamOffset;
import io.lettuce.core.api.push.PushListener;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.output.IntegerOutput;
import io.lettuce.core.output.ObjectOutput;
import io.lettuce.core.output.StatusOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.ProtocolKeyword;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What a worker does with Lettuce: the steps of ../README.md. Usage: Tour PORT; started by ../run. */
class Tour {
    static RedisCommands<String, String> r, other;

    static void equal(Object got, Object want) {
        if (!Objects.equals(got, want)) throw new AssertionError(got + " instead of " + want);
    }

    record Plain(String id, Map<String, String> fields) {}

    static List<Plain> plain(List<StreamMessage<String, String>> entries) {
        return entries.stream().map(e -> new Plain(e.getId(), e.getBody())).toList();
    }

    static List<Plain> read(RedisCommands<String, String> c, String consumer, String from, XReadArgs args) {
        return plain(c.xreadgroup(Consumer.from("billing", consumer), args, StreamOffset.from("orders", from)));
    }

    static void kept(String id) {
        var rows = r.xpending("orders", "billing", Range.unbounded(), Limit.from(10));
        equal(rows.size(), 1);
        equal(List.of(rows.get(0).getId(), rows.get(0).getConsumer(), rows.get(0).getRedeliveryCount()), List.of(id, "carol", 3L));
    }

    /** XINFO's pairs; in RESP3 the library gives them as a list, too. */
    static Object field(Object reply, String name) {
        var pairs = (List<?>) reply;
        return pairs.get(pairs.indexOf(name) + 1);
    }

    static XAddArgs id(String id) {
        return new XAddArgs().id(id);
    }

    /** The reply of an E command, by name: a map in RESP3; name, value, name, value in RESP2. */
    static Map<String, Object> named(Object reply) {
        Map<String, Object> out = new TreeMap<>();
        if (reply instanceof Map<?, ?> map) map.forEach((name, value) -> out.put((String) name, value));
        else for (var i = ((List<?>) reply).iterator(); i.hasNext();) out.put((String) i.next(), i.next());
        return out;
    }

    static ProtocolKeyword keyword(String name) {
        return new ProtocolKeyword() {
            @Override public byte[] getBytes() { return name.getBytes(); }
            @Override public String name() { return name; }
        };
    }

    static CommandArgs<String, String> words(Object... words) {
        var args = new CommandArgs<>(StringCodec.UTF8);
        for (Object word : words) args.add(word.toString());
        return args;
    }

    static Map<String, Object> call(RedisCommands<String, String> c, String command, Object... words) {
        return named(c.dispatch(keyword(command), new ObjectOutput<>(StringCodec.UTF8), words(words)));
    }

    static Map<String, Object> eread(RedisCommands<String, String> c, Object... words) {
        List<Object> all = new ArrayList<>(List.of(words));
        all.addAll(List.of("CATEGORY", "cart", "FIELDS", "stream_id,payload"));
        return call(c, "EREAD", all.toArray());
    }

    static Map<String, Object> fill(int n) {
        return call(r, "EAPPEND", "cart-" + n, "cart.filled", "PAYLOAD", n);
    }

    /** Pushes, in RESP3: the listener gets them while commands go on. Gets so many events, and acknowledges them. */
    static List<Object> pushed(RedisClient client, int count) throws Exception {
        try (var own = client.connect()) {
            var messages = new LinkedBlockingQueue<List<Object>>();
            own.addListener((PushListener) message -> messages.add(message.getContent(StringCodec.UTF8::decodeValue)));
            Object id = call(own.sync(), "ESUBSCRIBE", "cart-*", "FROM", "CHECKPOINT", "pushed", "ELSE", "START", "CHECKPOINT", "pushed",
                "WINDOW", 2, "FIELDS", "stream_id,payload").get("id");
            List<Object> events = new ArrayList<>();
            while (events.size() < count) {
                var message = messages.take();
                if (!message.get(0).equals("event")) continue;
                equal(message.get(1), id);
                events.add(message.get(3));
                equal(own.sync().dispatch(keyword("EACK"), new StatusOutput<>(StringCodec.UTF8), words(id, message.get(2))), "OK");
            }
            return events;
        }
    }

    /** A connection for messages alone; it subscribes again by itself. */
    static StatefulRedisPubSubConnection<String, String> listening;
    static final BlockingQueue<String> heard = new LinkedBlockingQueue<>();

    static String next(String channel) throws InterruptedException {
        for (;;) {
            String message = heard.poll(20, TimeUnit.SECONDS);
            if (message == null || message.startsWith(channel + " ")) return message;
        }
    }

    static void channels(RedisClient client, boolean appended) throws Exception {
        if (listening == null) {
            listening = client.connectPubSub();
            listening.addListener(new RedisPubSubAdapter<>() {
                @Override public void message(String channel, String message) { heard.add(channel + " " + message); }
                @Override public void message(String pattern, String channel, String message) { heard.add(pattern + " " + message); }
            });
            listening.sync().subscribe("news");
            listening.sync().psubscribe("ne?s", "__event__:sale-*");
        }
        while (r.publish("news", "hello") < 2) Thread.sleep(10);
        equal(next("news"), "news hello");
        equal(next("ne?s"), "ne?s hello");
        r.xadd("sale-1", Map.of("total", "42"));
        if (appended) equal(next("__event__:sale-*").contains("\"data\":{\"total\":\"42\"}"), true);
    }

    static void strings() {
        equal(r.set("text", "three", SetArgs.Builder.nx().ex(3600)), "OK");
        equal(r.set("text", "other", SetArgs.Builder.nx()), null);
        equal(List.of(r.append("text", " blind"), r.setrange("text", 6, "mice "), r.strlen("text")), List.of(11L, 11L, 11L));
        equal(List.of(r.getrange("text", 0, 4), r.getset("text", "four"), r.getdel("text")), List.of("three", "three mice ", "four"));
        equal(List.of(r.incrby("n", 42), r.decr("n"), r.incrbyfloat("n", 0.5)), List.of(42L, 41L, 41.5));
        equal(List.of(r.mset(Map.of("a", "1", "b", "2")), r.msetnx(Map.of("b", "3", "c", "4"))), List.of("OK", false));
        equal(r.mget("a", "b", "c").stream().map(pair -> pair.getValueOrElse("none")).toList(), List.of("1", "2", "none"));
        equal(r.del("a", "b", "n"), 3L);
    }

    public static void main(String[] args) throws Exception {
        System.out.println("version " + RedisClient.class.getProtectionDomain().getCodeSource().getLocation().getPath()
            .replaceAll(".*/lettuce-core-(.*)\\.jar", "$1"));
        var client = RedisClient.create(RedisURI.create("127.0.0.1", Integer.parseInt(args[0])));
        String resp = System.getenv("RESP");
        if (resp != null)
            client.setOptions(ClientOptions.builder().protocolVersion(ProtocolVersion.valueOf("RESP" + resp)).build());
        r = client.connect().sync();
        other = client.connect().sync();
        equal(r.ping(), "PONG");

        // Produce.
        List<String> ids = new ArrayList<>();
        List<Plain> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            Map<String, String> fields = Map.of("n", "" + i, "text", "é ☕ " + i);
            ids.add(r.xadd("orders", fields));
            all.add(new Plain(ids.get(i), fields));
        }
        equal(r.xlen("orders"), 3L);
        equal(plain(r.xrange("orders", Range.unbounded())), all);
        equal(plain(r.xrevrange("orders", Range.unbounded(), Limit.from(1))), all.subList(2, 3));
        equal(plain(r.xread(StreamOffset.from("orders", ids.get(0)))), all.subList(1, 3));

        // Consume in a group.
        equal(r.xgroupCreate(StreamOffset.from("orders", "0"), "billing"), "OK");
        try {
            r.xgroupCreate(StreamOffset.from("orders", "0"), "billing");
            throw new AssertionError("the group was created twice");
        } catch (RedisBusyException e) {
            equal(e.getMessage().startsWith("BUSYGROUP"), true);
        }
        equal(read(r, "alice", ">", XReadArgs.Builder.count(2)), all.subList(0, 2));
        equal(r.xack("orders", "billing", ids.get(0)), 1L);
        var pending = r.xpending("orders", "billing");
        equal(List.of(pending.getCount(), pending.getMessageIds()), List.of(1L, Range.create(ids.get(1), ids.get(1))));
        equal(pending.getConsumerMessageCount(), Map.of("alice", 1L));

        // Claim what another one left.
        equal(plain(r.xclaim("orders", Consumer.from("billing", "bob"), 0, ids.get(1))), all.subList(1, 2));
        var claimed = r.xautoclaim("orders", XAutoClaimArgs.Builder.xautoclaim(Consumer.from("billing", "carol"), Duration.ZERO, "0-0"));
        equal(claimed.getId(), "0-0");
        equal(plain(claimed.getMessages()), all.subList(1, 2));
        kept(ids.get(1));

        // Block, and be woken.
        equal(read(r, "alice", ">", new XReadArgs()), all.subList(2, 3));
        equal(read(r, "alice", ">", XReadArgs.Builder.block(10)), List.of());
        var woken = CompletableFuture.supplyAsync(() -> read(other, "alice", ">", XReadArgs.Builder.block(30000)));
        while (!r.info("clients").contains("blocked_clients:1\r")) Thread.sleep(10);
        String fourth = r.xadd("orders", Map.of("n", "3"));
        equal(woken.get(20, TimeUnit.SECONDS), List.of(new Plain(fourth, Map.of("n", "3"))));
        equal(r.xack("orders", "billing", ids.get(2), fourth), 2L);

        // A transaction, and one that another client gets ahead of.
        r.multi();
        r.xadd("paid", id("1-1"), Map.of("order", "1"));
        r.xadd("paid", id("1-2"), Map.of("order", "2"));
        r.xlen("paid");
        equal(r.exec().stream().toList(), List.of("1-1", "1-2", 2L));
        r.watch("paid");
        other.xadd("paid", id("1-3"), Map.of("order", "3"));
        r.multi();
        r.xadd("paid", id("1-4"), Map.of("order", "4"));
        TransactionResult lost = r.exec();
        equal(lost.wasDiscarded(), true);
        equal(r.xlen("paid"), 3L);

        // Remove, and look.
        equal(r.xdel("paid", "1-2"), 1L);
        equal(r.xtrim("paid", 1), 1L);
        equal(plain(r.xrange("paid", Range.unbounded())), List.of(new Plain("1-3", Map.of("order", "3"))));
        var about = r.xinfoStream("orders");
        equal(List.of(field(about, "length"), field(about, "last-generated-id"), field(about, "groups")), List.of(4L, fourth, 1L));
        var group = r.xinfoGroups("orders").get(0);
        equal(List.of(field(group, "name"), field(group, "pending"), field(group, "lag")), List.of("billing", 1L, 0L));
        Map<Object, Object> consumers = new TreeMap<>();
        for (var c : r.xinfoConsumers("orders", "billing")) consumers.put(field(c, "name"), field(c, "pending"));
        equal(consumers, Map.of("alice", 0L, "bob", 0L, "carol", 1L));

        // A group on a virtual stream; read from history to live, and keep the place in one transaction with what comes of it.
        boolean appended = true, pushes = !"2".equals(resp);
        Map<String, Object> page = null;
        try {
            fill(0);
        } catch (RedisCommandExecutionException e) { // Redis has neither
            appended = false;
        }
        if (appended) {
            fill(1);
            fill(2);
            String virtual = "@category:cart";
            equal(r.xgroupCreate(StreamOffset.from(virtual, "0"), "saga"), "OK");
            var entries = r.xreadgroup(Consumer.from("saga", "w1"), XReadArgs.Builder.count(2), StreamOffset.from(virtual, ">"));
            for (int i = 0; i < 2; i++) equal(entries.get(i).getBody().get("@stream") + " " + entries.get(i).getBody().get("payload"), "cart-" + i + " " + i);
            equal(r.xack(virtual, "saga", entries.get(0).getId()), 1L);
            equal(plain(r.xautoclaim(virtual, XAutoClaimArgs.Builder.xautoclaim(Consumer.from("saga", "w2"), Duration.ZERO, "0-0")).getMessages()),
                plain(entries.subList(1, 2)));

            page = eread(r, "FROM", "START", "COUNT", 2);
            equal(page.get("events"), List.of(List.of("cart-0", "0"), List.of("cart-1", "1")));
            page = eread(r, "FROM", page.get("next") + "@" + page.get("timeline"));
            equal(List.of(page.get("events"), page.get("next")), List.of(List.of(List.of("cart-2", "2")), page.get("head")));
            // It waits on a connection of its own: what stands behind it on the same one would wait, too.
            Object from = page.get("next");
            var later = CompletableFuture.supplyAsync(() -> eread(other, "FROM", from, "BLOCK", 30000));
            while (!r.info("clients").contains("blocked_clients:1\r")) Thread.sleep(10);
            var written = fill(3);
            page = later.get(20, TimeUnit.SECONDS);
            equal(page.get("events"), List.of(List.of("cart-3", "3")));

            for (String attempt : List.of("made", "too late")) {
                r.multi();
                r.set("carts", attempt);
                r.dispatch(keyword("ECHECKPOINT"), new StatusOutput<>(StringCodec.UTF8), words("SET", "carts", page.get("next"), "IF", "NONE"));
                try {
                    r.exec();
                    equal(attempt, "made");
                } catch (RedisCommandExecutionException e) {
                    equal(attempt + e.getMessage().contains("STALE"), "too latetrue");
                }
            }
            equal(r.get("carts"), "made");
            equal(r.dispatch(keyword("ECHECKPOINT"), new IntegerOutput<>(StringCodec.UTF8), words("WAIT", "carts", written.get("partition_sequence"), 1000)), 1L);
            equal(call(r, "ECHECKPOINT", "GET", "carts").get("position"), page.get("next"));
            List<Object> four = new ArrayList<>();
            for (int i = 0; i < 4; i++) four.add(List.of("cart-" + i, "" + i));
            if (pushes) equal(pushed(client, 4), four);
        }

        // Channels and strings.
        channels(client, appended);
        strings();

        // The server is restarted.
        System.out.println("restart");
        equal(new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
        for (;;) {
            try {
                r.ping();
                break;
            } catch (RedisException e) {
                Thread.sleep(50);
            }
        }
        List<String> found = new ArrayList<>(ids);
        found.add(fourth);
        equal(plain(r.xrange("orders", Range.unbounded())).stream().map(Plain::id).toList(), found);
        kept(ids.get(1));
        equal(read(r, "carol", "0", new XReadArgs()), all.subList(1, 2));
        equal(r.xack("orders", "billing", ids.get(1)), 1L);
        String fifth = r.xadd("orders", Map.of("n", "4"));
        equal(read(r, "alice", ">", new XReadArgs()), List.of(new Plain(fifth, Map.of("n", "4"))));
        if (appended) {
            fill(4);
            equal(eread(r, "FROM", "CHECKPOINT", "carts").get("events"), List.of(List.of("cart-4", "4")));
            if (pushes) equal(pushed(client, 1), List.of(List.of("cart-4", "4")));
        }
        channels(client, appended);
        System.out.println("done");
        System.exit(0);
    }
}
